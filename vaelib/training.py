"""`fit`: one function that trains any of the book's models, one or many copies, one player or several."""

import itertools
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from . import checkpoints
from .data import binarize

VMAP_FLOPS = 30e6  # on a CPU, copies run as one program where one forward pass takes fewer operations than this


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
    """One side of a game: the parameters it moves (a function of the model), what it climbs, and how fast."""

    parameters: Callable
    objective: Callable
    lr: object = 1e-3


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
    device: default the GPU where there is one; the models come back to the device of `data`.
    compile: use torch.compile. autocast: a dtype, such as torch.bfloat16.
    checkpoint: a folder; training that was cut off continues from there (resume=False: starts anew).
    Ctrl-C returns what was trained so far; a term that is no longer finite stops that copy and is named in `broken`.
    ValueError: a bad argument or bad data. RuntimeError: out of memory, or a checkpoint that cannot be written or read.
    """
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"fit: {name} is {value!r}; allowed is a whole number of at least 1.")
    if len(seeds) == 0:
        raise ValueError("fit: seeds is empty; at least one seed is needed.")
    players = [Player(nn.Module.parameters, objective, lr)] if callable(objective) else list(objective)
    rates = [_schedule("lr", player.lr) for player in players]
    for rate in rates:
        if not 0 < rate(0) < math.inf:
            raise ValueError(f"fit: lr is {rate(0)!r}; allowed is a positive finite number.")
    hyper = {name: _hyper(name, value, len(seeds)) for name, value in (hyper or {}).items()}
    streams = _streams(data, batch_size)
    first = next(iter(streams.values()))[0]
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    start, groups = time.perf_counter(), [tuple(seeds)]
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        models, starts = [], []
        for seed in seeds:
            torch.manual_seed(seed)
            models.append(build(seed).to(device))
            starts.append(_random_state(device))  # training goes on from here, whatever is built or trained in between
        _check(models[0], data, transform, batch_size)
        streams = {name: [t.to(device) for t in parts] for name, parts in streams.items()}
        if len(seeds) > 1 and device.type == "cpu" and not _small(models[0], players[0], streams, batch_size, hyper,
                                                                  transform, isinstance(data, dict)):  # fmt: skip
            groups = [(seed,) for seed in seeds]
        parts, done = [], 0
        for group in groups:
            copies = slice(done, done + len(group))
            values = {name: value[copies] if isinstance(value, tuple) else value for name, value in hyper.items()}
            job = _Job(models[copies], done, starts[done], players, rates, streams, isinstance(data, dict), values,
                       group, steps, batch_size, transform, compile, autocast, checkpoint)  # fmt: skip
            parts.append(job.train(resume))
            done += len(group)
    history = {term: np.concatenate([part[0][term] for part in parts]) for term in parts[0][0]}
    broken = [b for part in parts for b in part[1]]
    return Run([model.to(first.device) for model in models], history, time.perf_counter() - start, broken)


class _Objective(nn.Module):
    """A player's objective as a module around the model, so that `functional_call` can swap the model's tensors."""

    def __init__(self, model, objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, x, hyper):
        terms = self.objective(self.model, x, **hyper)
        return {name: term.mean() for name, term in terms.items()}


class _Job:
    """The training of one group of copies: everything that a checkpoint has to hold, and the step that changes it."""

    def __init__(self, models, first, start, players, rates, streams, named, hyper, seeds, steps, batch_size,
                 transform, compile, autocast, checkpoint):  # fmt: skip
        self.models, self.start, self.rates, self.streams, self.named = models, start, rates, streams, named
        self.hyper, self.seeds, self.steps, self.batch_size = hyper, seeds, steps, batch_size
        self.transform, self.autocast = transform, autocast
        self.device, self.copies = next(iter(streams.values()))[0].device, len(models)
        self.cuda, self.stacked = self.device.type == "cuda", len(models) > 1
        if self.stacked:
            params, self.buffers = stack_module_state(models)
            self.params = {name: p.detach().clone().requires_grad_() for name, p in params.items()}
        else:
            self.params, self.buffers = dict(models[0].named_parameters()), {}
        names = {id(p): name for name, p in models[0].named_parameters()}
        self.owns, self.optimizers, self.calls = [], [], []
        for player in players:
            own = [names[id(p)] for p in player.parameters(models[0])]
            rate = torch.tensor(0.0, device=self.device) if self.cuda else 0.0
            self.owns.append(own)
            self.optimizers.append(torch.optim.Adam([self.params[n] for n in own], lr=rate, fused=True,
                                                    capturable=self.cuda))  # fmt: skip
            self.calls.append(self._call(_Objective(models[0], player.objective), compile))
        self.generators = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        self.order = {name: torch.zeros(self.copies, len(parts[0]), dtype=torch.long, device=self.device)
                      for name, parts in streams.items()}  # fmt: skip
        self.position = {name: len(parts[0]) for name, parts in streams.items()}
        self.step, self.rows, self.terms = 0, [], None
        self.broken = [None] * self.copies
        self.file = None
        if checkpoint is not None:
            label = f"copies-{first}-{first + self.copies - 1}" if self.stacked else f"copy-{first}"
            self.file = Path(checkpoint) / f"{label}.safetensors"
        # What must agree before a checkpoint is continued; of a function of the step, its values at three steps.
        said = {name: _three(value, steps) for name, value in hyper.items()}
        self.config = {"seeds": list(seeds), "steps": steps, "batch_size": batch_size, "hyper": said,
                       "lr": [_three(rate, steps) for rate in rates],
                       "samples": {name: len(parts[0]) for name, parts in streams.items()},
                       "shapes": {name: list(p.shape) for name, p in self.params.items()}}  # fmt: skip
        # What differs between copies or follows the step is a tensor where the step is one program; see _values.
        self.varying = [n for n, v in hyper.items() if isinstance(v, tuple) or callable(v)]

    def _call(self, objective, compile):
        """A function (params, buffers, x, hyper) -> terms, for one model or for all copies at once."""
        if not self.stacked:
            one = torch.compile(objective) if compile else objective
            return lambda params, buffers, x, varying, fixed: one(x, {**varying, **fixed})

        def of_one_copy(params, buffers, x, varying, fixed):
            state = {f"model.{name}": t for name, t in (params | buffers).items()}
            return functional_call(objective, state, (x, {**varying, **fixed}))

        def of_all(params, buffers, x, varying, fixed):
            return vmap(of_one_copy, in_dims=(0, 0, 0, 0, None), randomness="different")(
                params, buffers, x, varying, fixed
            )

        return torch.compile(of_all, dynamic=False) if compile else of_all

    def _values(self, step):
        """The hyper-parameters of a step: (those that vary, as tensors where copies are stacked; the fixed numbers)."""
        varying, fixed = {}, {}
        for name, value in self.hyper.items():
            if name not in self.varying:
                fixed[name] = value
                continue
            now = [value(step)] * self.copies if callable(value) else list(value)
            varying[name] = torch.tensor(now, device=self.device) if self.stacked or self.cuda else now[0]
            if self.cuda and not self.stacked:
                varying[name] = varying[name][0]
        return varying, fixed

    def _shuffle(self):
        """Begin a new epoch in every stream that has no full batch left."""
        for name, order in self.order.items():
            if self.position[name] + self.batch_size > order.shape[1]:
                for row, generator in zip(order, self.generators, strict=True):
                    row.copy_(torch.randperm(len(row), generator=generator, device=self.device))
                self.position[name] = 0

    def _batch(self, index):
        """The batch of each stream at the given indices, {name: (R, B)}, with a leading copy dimension if stacked."""
        x = {}
        for name, parts in self.streams.items():
            at = index[name] if self.stacked else index[name][0]
            x[name] = tuple(t[at] for t in parts) if len(parts) > 1 else parts[0][at]
        x = x if self.named else x["x"]
        if self.transform:
            x = vmap(self.transform, randomness="different")(x) if self.stacked else self.transform(x)
        return x

    def _advance(self, index, varying, fixed):
        """One turn of every player on one batch; returns the terms, (number of terms, R)."""
        x, rows, names = self._batch(index), [], []
        for i, (call, own, optimizer) in enumerate(zip(self.calls, self.owns, self.optimizers, strict=True)):
            with torch.autocast(self.device.type, self.autocast, enabled=self.autocast is not None):
                terms = call(self.params, self.buffers, x, varying, fixed)
            mine = [self.params[name] for name in own]
            # Gradients are asked for by name, so that no player's loss reaches another player's parameters.
            for p, gradient in zip(mine, torch.autograd.grad(-terms["objective"].sum(), mine), strict=True):
                p.grad = gradient.contiguous()  # fused Adam reads it in the parameter's own layout
            optimizer.step()
            rows += [t.detach().float().expand(self.copies) for t in terms.values()]
            names += [name if i == 0 else f"{name}/{i}" for name in terms]
        self.terms = self.terms or names
        return torch.stack(rows)

    def train(self, resume):
        """Run the remaining steps; returns the history, {term: (R, steps)}, and what broke."""
        if self.file and resume and self.file.exists():
            self._load()
        else:
            _set_random_state(self.device, self.start)
        report, save = max(1, self.steps // 50), max(1, self.steps // 20)
        label = f"seed {self.seeds[0]}" if not self.stacked else f"{self.copies} copies"
        bar = tqdm(total=self.steps, initial=self.step, desc=label, leave=False)
        advance = self._captured() if self.cuda else self._eager
        try:
            while self.step < self.steps and not all(self.broken):
                self._shuffle()
                self.rows.append(advance())
                self.step += 1
                bar.update()
                if self.step % report == 0 or self.step == self.steps:  # the only place that waits for the device
                    self._look_for_breaks(bar)
                if self.file and (self.step % save == 0 or self.step == self.steps):
                    self._save()
        except KeyboardInterrupt:
            warnings.warn(f"fit: interrupted at step {self.step}; what was trained is returned.", stacklevel=3)
        except torch.OutOfMemoryError as error:
            raise self._too_much(error) from error
        except RuntimeError as error:
            if "alloc" not in str(error).lower():
                raise
            raise self._too_much(error) from error
        finally:
            bar.close()
        if self.stacked:
            for r, model in enumerate(self.models):
                with torch.no_grad():
                    for name, p in model.named_parameters():
                        p.copy_(self.params[name][r])
        values = torch.stack(self.rows).cpu().numpy() if self.rows else np.empty((0, 0, self.copies))
        history = {name: np.full((self.copies, self.steps), np.nan, np.float32) for name in self.terms or []}
        for i, name in enumerate(history):
            history[name][:, : len(values)] = values[:, i].T
        return history, self.broken

    def _eager(self):
        index = {}
        for name, order in self.order.items():
            index[name] = order[:, self.position[name] : self.position[name] + self.batch_size]
            self.position[name] += self.batch_size
        for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate(self.step)
        return self._advance(index, *self._values(self.step))

    def _captured(self):
        """The step as one CUDA graph: between replays only the learning rates, the varying values and the place in
        the epoch are written to tensors that the graph reads."""
        at = {name: torch.zeros((), dtype=torch.long, device=self.device) for name in self.order}
        offsets = torch.arange(self.batch_size, device=self.device)
        varying, fixed = self._values(self.step)

        def write(step):
            for optimizer, rate in zip(self.optimizers, self.rates, strict=True):
                optimizer.param_groups[0]["lr"].fill_(rate(step))
            for name, value in self._values(step)[0].items():
                varying[name].copy_(value)
            for name, place in at.items():
                place.fill_(self.position[name])

        def body():
            index = {name: order.index_select(1, offsets + at[name]) for name, order in self.order.items()}
            return self._advance(index, varying, fixed)

        kept = {name: t.detach().clone() for name, t in self._tensors().items()}
        self._shuffle()
        write(self.step)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):  # warm up: allocations and compilation must not be captured
                body()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            out = body()
        self._restore(kept)  # the warm-up has trained; that is undone

        def advance():
            write(self.step)
            for name in self.position:
                self.position[name] += self.batch_size
            graph.replay()
            return out.clone()

        return advance

    def _look_for_breaks(self, bar):
        since = max(0, self.step - max(1, self.steps // 50))
        rows = torch.stack(self.rows[since:])
        for r in range(self.copies):
            bad = (~torch.isfinite(rows[:, :, r])).nonzero()
            if len(bad) and self.broken[r] is None:
                self.broken[r] = (since + int(bad[0, 0]), self.terms[int(bad[0, 1])])
                at, term = self.broken[r]
                warnings.warn(f"fit: seed {self.seeds[r]} stopped: {term!r} is not finite at step {at}.", stacklevel=4)
        means = dict(zip(self.terms, rows[-1].mean(1).tolist(), strict=True))
        bar.set_postfix({name: f"{value:.2f}" for name, value in means.items()})

    def _too_much(self, error):
        samples = self.hyper.get("k", 1)
        return RuntimeError(
            f"fit: out of memory with batch_size={self.batch_size}, {self.copies} copies and k={samples} samples: "
            f"{self.batch_size * self.copies * (samples if isinstance(samples, int) else 1)} decoded images a step. "
            f"Make one of them smaller. ({str(error).splitlines()[0]})"
        )

    def _tensors(self):
        """What training changes, by name: the parameters and Adam's memory."""
        tensors = {f"model/{name}": p for name, p in self.params.items()}
        for i, (optimizer, own) in enumerate(zip(self.optimizers, self.owns, strict=True)):
            for name in own:
                for key, value in optimizer.state[self.params[name]].items():
                    tensors[f"adam/{i}/{key}/{name}"] = value
        return tensors

    def _restore(self, tensors):
        """Put tensors as `_tensors` names them back; where Adam has none yet, it gets them."""
        with torch.no_grad():
            for i, (optimizer, own) in enumerate(zip(self.optimizers, self.owns, strict=True)):
                for name, key in itertools.product(own, ("step", "exp_avg", "exp_avg_sq")):
                    state, value = optimizer.state[self.params[name]], tensors.get(f"adam/{i}/{key}/{name}")
                    if key in state:  # written in place: a captured graph holds on to this tensor
                        state[key].copy_(value) if value is not None else state[key].zero_()
                    elif value is not None:
                        state[key] = value.clone()
            for name, p in self.params.items():
                p.copy_(tensors[f"model/{name}"])

    def _save(self):
        tensors = self._tensors() | {f"order/{name}": t for name, t in self.order.items()}
        tensors |= {f"generator/{r}": g.get_state() for r, g in enumerate(self.generators)}
        on_cpu, on_cuda = _random_state(self.device)
        tensors |= {"history": torch.stack(self.rows), "rng": on_cpu} | ({"rng/cuda": on_cuda} if self.cuda else {})
        state = {"config": self.config, "step": self.step, "position": self.position, "terms": self.terms,
                 "broken": self.broken}  # fmt: skip
        checkpoints.save(self.file, tensors, state)

    def _load(self):
        tensors, state = checkpoints.load(self.file, self.config, self.device)
        self._restore(tensors)
        for name in self.order:
            self.order[name].copy_(tensors[f"order/{name}"])
        for r, generator in enumerate(self.generators):
            generator.set_state(tensors[f"generator/{r}"].cpu())
        _set_random_state(self.device, (tensors["rng"].cpu(), tensors["rng/cuda"].cpu() if self.cuda else None))
        self.rows, self.step, self.terms = list(tensors["history"]), state["step"], state["terms"]
        self.position, self.broken = state["position"], [tuple(b) if b else None for b in state["broken"]]


def _small(model, player, streams, batch_size, hyper, transform, named):
    """True where one forward pass is so small that copies gain from running as one program on a CPU."""
    x = {name: tuple(t[:batch_size] for t in parts) if len(parts) > 1 else parts[0][:batch_size]
         for name, parts in streams.items()}  # fmt: skip
    x = x if named else x["x"]
    values = {name: v[0] if isinstance(v, tuple) else v(0) if callable(v) else v for name, v in hyper.items()}
    with torch.random.fork_rng(devices=[]), torch.no_grad(), FlopCounterMode(display=False) as counter:
        player.objective(model, transform(x) if transform else x, **values)
    return counter.get_total_flops() < VMAP_FLOPS


def _random_state(device):
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _set_random_state(device, state):
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)


def _three(value, steps):
    """A hyper-parameter as JSON: a number, one a copy, or a function of the step at its start, middle and end."""
    if callable(value):
        return [float(value(step)) for step in (0, steps // 2, steps - 1)]
    return list(value) if isinstance(value, tuple) else value


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
