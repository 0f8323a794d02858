"""`fit`: one function that trains any of the book's models, one or many copies, one player or several."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from .data import binarize
from .engine import Job, Plan, random_states


@dataclass
class Run:
    """What `fit` returns: the models (one a seed), and the mean of each term over each batch, term -> (seeds, steps).

    seconds: the time that training took. broken: for each seed None, or (step, term) where a term stopped being finite.
    """

    models: list
    history: dict
    seconds: float
    broken: list = field(default_factory=list)

    @property
    def model(self):
        """The model of the first seed."""
        return self.models[0]


@dataclass(frozen=True)
class Player:
    """One side of a game: the parameters it moves (a function of the model), what it climbs, and how fast.

    adam: what Adam shall not have by default, such as {"betas": (0.5, 0.9), "eps": 1e-4}.
    """

    parameters: Callable
    objective: Callable
    lr: object = 1e-3
    adam: dict = field(default_factory=dict)


def fit(build, objective, data, *, steps, batch_size=128, lr=1e-3, seeds=(0,), hyper=None, transform=None,
        device=None, compile=False, autocast=None, checkpoint=None, resume=True):  # fmt: skip
    """Train `build(seed)` on `data` by climbing `objective` with Adam, and return a Run.

    build: seed -> model; it is called with the random numbers seeded, and the caller's random state is left as it was.
    objective: (model, x, **hyper) -> dict of terms, each (B,) or 0-d, to be maximised; "objective" is climbed.
        A list of `Player`s takes turns on the same batch; a term t of player i > 0 is recorded as "t/i".
    data: a floating-point tensor (N, ...), or a dict of named streams (a tensor, or a tuple of tensors that stay
        together); x is then a dict of batches. Each is shuffled every epoch; a last short batch is left out.
    seeds: R of them train R copies. On a GPU, and for small models on a CPU, they run as one program.
    hyper, lr: numbers, or functions of the step; in hyper also R numbers, one a copy. transform: done to each batch.
    device: default the GPU where there is one; the models come back to the device of `data`. A GPU replays the step
        that was recorded first: what `objective` decides in Python, such as a random branch, is then decided once and
        for all. A transform other than `binarize` runs anew at each step, once for all copies; its shapes must agree.
    compile: use torch.compile. autocast: a dtype, such as torch.bfloat16.
    checkpoint: a folder; training that was cut off continues from there (resume=False: starts anew).
    Ctrl-C returns the copies that were begun; a term that is no longer finite stops that copy and is named in `broken`.
    ValueError: a bad argument or bad data. RuntimeError: out of memory, or a checkpoint that cannot be written or read.
    """
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"fit: {name} is {value!r}; allowed is a whole number of at least 1.")
    if len(seeds) == 0:
        raise ValueError("fit: seeds is empty; at least one seed is needed.")
    players = [Player(nn.Module.parameters, objective, lr)] if callable(objective) else list(objective)
    players = [replace(player, lr=_schedule("lr", player.lr)) for player in players]
    for player in players:
        if not 0 < player.lr(0) < math.inf:
            raise ValueError(f"fit: lr is {player.lr(0)!r}; allowed is a positive finite number.")
    hyper = {name: _hyper(name, value, len(seeds)) for name, value in (hyper or {}).items()}
    streams = _streams(data, batch_size)
    home = next(iter(streams.values()))[0].device
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    began, jobs = time.perf_counter(), []
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        models, states = [], []
        for seed in seeds:
            torch.manual_seed(seed)
            models.append(build(seed).to(device))
            states.append(random_states(device))  # training goes on from here, whatever else is built in between
        _check(models[0], data, transform, batch_size)
        streams = {name: [t.to(device) for t in tensors] for name, tensors in streams.items()}
        plan = Plan(players, streams, isinstance(data, dict), steps, batch_size, transform, compile, autocast)
        size = len(seeds) if len(seeds) > 1 and plan.stack(models[0], hyper) else 1
        for first in range(0, len(seeds), size):
            copies = slice(first, first + size)
            values = {name: value[copies] if isinstance(value, tuple) else value for name, value in hyper.items()}
            label = f"copies-{first}-{first + size - 1}" if size > 1 else f"copy-{first}"
            file = Path(checkpoint) / f"{label}.safetensors" if checkpoint is not None else None
            jobs.append(Job(plan, models[copies], tuple(seeds)[copies], values, states[first], file))
            jobs[-1].train(resume)
            if jobs[-1].interrupted:
                break
    jobs = [job for job in jobs if job.history is not None] or jobs[:1]
    values = [job.history.cpu().numpy() for job in jobs if job.history is not None]  # (steps, terms, copies) each
    terms = jobs[0].terms if values else []
    history = {term: np.concatenate([v[:, i] for v in values], 1).T for i, term in enumerate(terms)}
    models = [model.to(home) for job in jobs for model in job.models]
    return Run(models, history, time.perf_counter() - began, [b for job in jobs for b in job.broken])


def _schedule(name, value):
    """A number becomes a constant function of the step."""
    if callable(value):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"fit: {name} is {value!r}; allowed is a number or a function of the step.")
    return lambda step: value


def _hyper(name, value, copies):
    """A number, a function of the step, or a tuple with one number a copy."""
    if isinstance(value, (list, tuple, np.ndarray, torch.Tensor)):
        value = tuple(float(v) for v in value)
        if len(value) != copies:
            raise ValueError(f"fit: {name} has {len(value)} values; with {copies} seeds it must have {copies}, or one.")
        return value
    _schedule(name, value)
    return value


def _streams(data, batch_size):
    """Data as {name: [tensors that stay together]}, every one a tensor with at least one full batch."""
    named = data if isinstance(data, dict) else {"x": data}
    streams = {name: list(part) if isinstance(part, tuple) else [part] for name, part in named.items()}
    for name, parts in streams.items():
        where = f"data[{name!r}]" if isinstance(data, dict) else "data"
        for part in parts:
            if not torch.is_tensor(part):
                raise ValueError(f"fit: {where} is {type(part).__name__}; allowed is a tensor, such as digits.train.")
            if len(part) != len(parts[0]):
                n = f"{len(parts[0])} and {len(part)}"
                raise ValueError(f"fit: {where} holds tensors of {n} samples; they must agree.")
            if part.is_floating_point() and not torch.isfinite(part).all():
                raise ValueError(f"fit: {where} holds NaN or infinite values; every value must be finite.")
        if batch_size > len(parts[0]):
            n = len(parts[0])
            raise ValueError(f"fit: batch_size is {batch_size}; {where} allows 1 to {n}, the samples that it holds.")
    return streams


def _check(model, data, transform, batch_size):
    """ValueError unless `data`, after `transform`, is something that the model can be trained on."""
    check = getattr(model, "check_targets", None)
    if not check or not torch.is_tensor(data):
        return
    if transform is None:
        check(data)
        return
    with torch.random.fork_rng(devices=[]):
        low, high = data.min().item(), data.max().item()
        if transform is binarize and (low < 0 or high > 1):
            raise ValueError(f"fit: data runs from {low:g} to {high:g}; transform=binarize needs [0, 1].")
        check(transform(data[:batch_size]))
