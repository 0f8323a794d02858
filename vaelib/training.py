"""`fit` trains any of the book's models, one or many copies, one player or several."""

import inspect
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn

from . import batches, checkpoints, identity
from .checks import integer, number, one_of, plain
from .copies import refuse_shared
from .loop import Job, Plan
from .probes import same_attributes


@dataclass
class Run:
    """What `fit` returns.

    models: one per seed, in eval mode. history: term -> (seeds, steps), its mean over each batch.
    seconds: the time that training took. broken: for each seed None, or (step, term) if a term
        stopped being finite.
    """

    models: list
    history: dict
    seconds: float
    broken: list = field(default_factory=list)

    @property
    def model(self):
        """The model of the first seed."""
        return self.models[0]


class Interrupted(KeyboardInterrupt):
    """`fit` was interrupted, by Ctrl-C or a notebook's stop button; `run` is what it has trained.

    It stops the cells behind it, which would go on with models that are not trained.
    """

    def __init__(self, run, step, steps):
        super().__init__(
            f"fit: interrupted at step {step:,} of {steps:,}; "
            "vl.interrupted_run() returns the models trained so far."
        )
        self.run = run


latest = None  # the last call of `fit`: its steps, in an object that is another one for each call
_interrupted = None  # the run that the last call left, if it was interrupted


def interrupted_run():
    """Return the Run of the last call of `fit` if it was interrupted. ValueError: it was not."""
    if _interrupted is None:
        raise ValueError("interrupted_run: the last call of fit was not interrupted.")
    return _interrupted


@dataclass(frozen=True)
class Player:
    """One player of an alternating optimisation: its parameters, objective and learning rate.

    parameters: a function of the model.
    adam: further arguments of `torch.optim.Adam`, such as {"betas": (0.5, 0.9), "eps": 1e-4}.
    """

    parameters: Callable
    objective: Callable
    lr: object = 1e-3
    adam: dict = field(default_factory=dict)


def fit(
    build,
    objective,
    data,
    *,
    steps,
    batch_size=128,
    lr=None,
    seeds=(0,),
    hyper=None,
    transform=None,
    device=None,
    compile=False,
    autocast=None,
    checkpoint=None,
    resume=True,
):
    """Train `build(seed)` on `data` by maximising `objective` with Adam, and return a Run.

    build: seed -> model; it is called with the random numbers seeded, and the caller's random state
        is not changed. Parameters with requires_grad=False are not trained.
    objective: (model, x, **hyper) -> dict of terms, each (B,) or 0-d; "objective" is maximised. A
        list of `Player`s takes turns on the same batch; a term t of player i > 0 is recorded as
        "t/i". What changes with the step belongs in hyper: fit also calls the objective to look.
    data: a tensor (N, ...), of floats unless `transform` makes them, or a dict of named streams (a
        tensor, or a tuple of tensors that stay together, images first); x is then a dict of
        batches. Each is shuffled every epoch; a last short batch is left out.
    seeds: R of them train R copies, together (on a GPU, and small models on a CPU) or one after
        another. Copies that are trained together draw their noise together: a seed's numbers then
        depend on the others.
    lr: of a single objective (default 1e-3); each `Player` has its own. hyper: {name: value}; a
        hyper-parameter goes to every player whose objective takes it. Values are numbers, or
        functions of the step; in hyper also R numbers, one per copy. transform: applied to each
        batch.
    device: default the GPU if there is one; the models are returned on the device of `data`. On a
        GPU the first step is captured as a CUDA graph and replayed, so Python branches in
        `objective` are evaluated once. A transform other than `binarize` runs again at each step,
        once for all copies; its shapes must agree.
    compile: use torch.compile. autocast: a dtype, such as torch.bfloat16.
    checkpoint: a folder; an interrupted run resumes from it, if the data, the arguments and the
        code of build, objective and nets are the same (initial weights are not compared).
        resume=False starts again; resume="models" trains the models in the folder with other
        settings, such as another lr; called again with the same ones, it continues that training.
    Models are trained in train mode (parts that build has put in eval mode stay there) and come
    back in eval mode. A copy with a term that is no longer finite is named in `broken`; if
    none is left, training stops.
    ValueError: a bad argument or bad data. RuntimeError: out of memory, or a checkpoint that cannot
        be written or read. Interrupted: Ctrl-C; `interrupted_run` returns what was trained so far.
    """
    global latest, _interrupted
    steps, batch_size = integer("fit", "steps", steps), integer("fit", "batch_size", batch_size)
    seeds = _seeds(seeds)
    if isinstance(build, nn.Module) or not callable(build):
        raise ValueError(
            f"fit: build must be a function of a seed that returns the model, got a "
            f"{type(build).__name__}; use lambda seed: model."
        )
    if not torch.is_grad_enabled():
        raise ValueError("fit: gradients are off; call it outside of torch.no_grad().")
    if isinstance(objective, Player):
        objective = [objective]
    if not callable(objective) and not (
        isinstance(objective, (list, tuple))
        and objective
        and all(isinstance(p, Player) for p in objective)
    ):
        raise ValueError(
            f"fit: objective must be a function (model, x) or a list of Players, got {objective!r}."
        )
    if hyper is not None and not isinstance(hyper, dict):
        raise ValueError(f"fit: hyper must be a dict {{name: value}}, got {hyper!r}.")
    if callable(objective):
        players = [Player(nn.Module.parameters, objective, 1e-3 if lr is None else lr)]
    elif lr is None:
        players = list(objective)
    else:
        raise ValueError(f"fit: lr must be given to each Player, not to fit, got {lr!r}.")
    for player in players:
        if callable(player.lr):
            number("fit", "lr", player.lr(0), least=0)  # a warm-up starts at 0
        else:
            number("fit", "lr", player.lr, above=0)
    players = [replace(player, lr=_schedule("lr", player.lr)) for player in players]
    hyper = {name: _hyper(name, value, len(seeds)) for name, value in (hyper or {}).items()}
    takes = [_accepted(player.objective, hyper) for player in players]
    for name in hyper:
        if not any(name in taken for taken in takes):
            raise ValueError(f"fit: hyper must name arguments of the objective, got {name!r}.")
    streams = batches.as_streams(data, batch_size)
    home = next(iter(streams.values()))[0].device
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    one_of("fit", "resume", resume, (True, False, "models"))
    folder = None if checkpoint is None else Path(checkpoint).expanduser()
    digest = identity.of_data(streams) if folder else None
    began, jobs = time.perf_counter(), []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        models, states = [], []
        for seed in seeds:
            torch.manual_seed(seed)
            model = build(seed)
            if not isinstance(model, nn.Module):
                raise ValueError(
                    f"fit: build must return a model, a torch module, got {type(model).__name__}."
                )
            models.append(model.to(device))
            if not models[-1].training:
                models[-1].train()  # such as a model that an earlier run has returned
            # Training continues from this state, whatever is built next.
            states.append(checkpoints.random_states(device))
        refuse_shared(models, seeds)
        streams = {name: [t.to(device) for t in tensors] for name, tensors in streams.items()}
        batches.check(models[0], data, streams, transform, batch_size)
        plan = Plan(
            build,
            players,
            takes,
            streams,
            isinstance(data, dict),
            steps,
            batch_size,
            transform,
            compile,
            autocast,
        )
        size = len(seeds) if len(seeds) > 1 and plan.together(models, seeds, hyper) else 1
        groups = [slice(first, first + size) for first in range(0, len(seeds), size)]
        files = checkpoints.files_of(folder, groups, resume) if folder else [None] * len(groups)
        for group, file in zip(groups, files, strict=True):
            values = {
                name: value[group] if isinstance(value, tuple) else value
                for name, value in hyper.items()
            }
            job = Job(plan, models[group], seeds[group], values)
            job.keeper = checkpoints.Keeper(job, file, digest, models_only=resume == "models")
            checkpoints.set_random_state(device, states[group.start])
            # Of stacked copies, what the first model notes while it runs are tensors of vmap.
            with same_attributes(job.models[0]) if job.copies.stacked else nullcontext():
                job.train(resume)
            jobs.append(job)
            if job.interrupted:
                break
    checkpoints.announce(jobs)
    last = jobs[-1]
    jobs = [job for job in jobs if job.history is not None] or jobs[:1]
    # An interrupted run keeps the groups that have begun. Each history: (steps, terms, copies).
    values = [job.history.cpu().numpy() for job in jobs if job.history is not None]
    terms = jobs[0].names if values else []
    history = {term: np.concatenate([v[:, i] for v in values], 1).T for i, term in enumerate(terms)}
    models = [model.to(home).eval() for job in jobs for model in job.models]
    run = Run(models, history, time.perf_counter() - began, [b for job in jobs for b in job.broken])
    latest, _interrupted = SimpleNamespace(steps=last.step, planned=steps), None
    if last.interrupted:
        _interrupted = run
        raise Interrupted(run, last.step, steps)
    return run


def _seeds(seeds):
    """Seeds as a tuple of ints."""
    try:
        values = tuple(integer("fit", "seeds", seed, least=-(2**63)) for seed in seeds)
    except (TypeError, ValueError):
        values = ()
    if not values:
        raise ValueError(f"fit: seeds must be integers such as (0, 1, 2), got {seeds!r}.")
    return values


def _schedule(name, value):
    """A number becomes a constant function of the step."""
    if callable(value):
        return value
    value = number("fit", name, value)
    return lambda step: value


def _hyper(name, value, n):
    """A number, a function of the step, or a tuple with one number per copy."""
    if getattr(value, "ndim", None) == 0 or not isinstance(
        value, (list, tuple, np.ndarray, torch.Tensor)
    ):
        return value if callable(value) else plain(value)
    value = tuple(plain(v) for v in value)
    if bad := [v for v in value if isinstance(v, bool) or not isinstance(v, (int, float))]:
        raise ValueError(f"fit: {name} must be a number for each seed, got {bad[0]!r}.")
    if len(value) != n:
        raise ValueError(
            f"fit: {name} must have one value, or {n} for {n} seeds, got {len(value)}."
        )
    return value


def _accepted(objective, hyper):
    """The names of the hyper-parameters that an objective takes."""
    parameters = inspect.signature(objective).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return set(hyper)
    return {p.name for p in parameters} & set(hyper)
