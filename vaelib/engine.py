"""The engine under `fit`: one step of training, for one model or for stacked copies, eagerly or as a CUDA graph.

The appendix chapter A_engine takes it apart and measures what each idea in it is worth.
"""

import json
import os
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from . import checkpoints, graph

VMAP_FLOPS = 30e6  # on a CPU, copies run as one program where one forward pass takes fewer operations than this
SAVE_SECONDS = 60  # a checkpoint is written after this time, or after a twentieth of the steps if that is sooner


@dataclass(frozen=True)
class Plan:
    """What all copies share. players: a list of `Player`s; streams: name -> tensors that stay together;
    named: whether the batch is handed on as a dict of streams."""

    players: list
    streams: dict
    named: bool
    steps: int
    batch_size: int
    transform: object
    compile: bool
    autocast: object

    def batch(self, index, stacked):
        """The batch at the given indices, {stream: (R, B)}; with a leading dimension of copies if stacked."""
        x = {}
        for name, parts in self.streams.items():
            at = index[name] if stacked else index[name][0]
            x[name] = tuple(t[at] for t in parts) if len(parts) > 1 else parts[0][at]
        x = x if self.named else x["x"]
        if self.transform:
            x = vmap(self.transform, randomness="different")(x) if stacked else self.transform(x)
        return x

    def stack(self, model, hyper):
        """True where copies of the model gain from running as one program: on a GPU, and on a CPU if they are small."""
        device = next(iter(self.streams.values()))[0].device
        if device.type == "cuda":
            return True
        first = {name: torch.arange(self.batch_size)[None] for name in self.streams}
        values = {name: v[0] if isinstance(v, tuple) else v(0) if callable(v) else v for name, v in hyper.items()}
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]  # BatchNorm's change with every look
        with torch.random.fork_rng(devices=[]), torch.no_grad(), FlopCounterMode(display=False) as counter:
            self.players[0].objective(model, self.batch(first, False), **values)
        for buffer, before in buffers:
            buffer.copy_(before)
        return counter.get_total_flops() < VMAP_FLOPS


class Objective(nn.Module):
    """A player's objective as a module around the model, so that `functional_call` can swap the model's tensors."""

    def __init__(self, model, objective):
        super().__init__()
        self.model, self.objective = model, objective

    def forward(self, x, hyper):
        return {name: term.mean() for name, term in self.objective(self.model, x, **hyper).items()}


class Job:
    """The training of one group of copies: what a checkpoint has to hold, and the step that changes it."""

    def __init__(self, plan, models, seeds, hyper, random_state, file):
        self.plan, self.models, self.seeds, self.hyper = plan, models, seeds, hyper
        self.random_state, self.file = random_state, file
        self.device, self.copies = next(iter(plan.streams.values()))[0].device, len(models)
        self.recorded, self.stacked = graph.used_on(self.device), len(models) > 1
        if self.stacked:
            params, self.buffers = stack_module_state(models)
            self.params = {name: p.detach().clone().requires_grad_() for name, p in params.items()}
        else:
            self.params, self.buffers = dict(models[0].named_parameters()), dict(models[0].named_buffers())
        names = {id(p): name for name, p in models[0].named_parameters()}
        self.owns = [[names[id(p)] for p in player.parameters(models[0])] for player in plan.players]
        rates = [torch.tensor(0.0, device=self.device) if self.recorded else 0.0 for _ in plan.players]
        self.optimizers = [torch.optim.Adam([self.params[name] for name in own], lr=rate, fused=True,
                                            capturable=self.recorded, **player.adam)
                           for own, rate, player in zip(self.owns, rates, plan.players, strict=True)]  # fmt: skip
        self.calls = [self._call(Objective(models[0], player.objective)) for player in plan.players]
        self.generators = [torch.Generator(self.device).manual_seed(seed) for seed in seeds]
        self.order = {name: torch.zeros(self.copies, len(parts[0]), dtype=torch.long, device=self.device)
                      for name, parts in plan.streams.items()}  # fmt: skip
        self.position = {name: len(parts[0]) for name, parts in plan.streams.items()}
        self.step, self.terms, self.history, self.broken = 0, [], None, [None] * self.copies
        self.interrupted = False
        # What must agree before a checkpoint is continued; of a function of the step, its values at three steps.
        self.config = {"seeds": list(seeds), "steps": plan.steps, "batch_size": plan.batch_size,
                       "hyper": {name: _three(value, plan.steps) for name, value in hyper.items()},
                       "lr": [_three(player.lr, plan.steps) for player in plan.players],
                       "adam": [json.loads(json.dumps(player.adam)) for player in plan.players],
                       "samples": {name: len(parts[0]) for name, parts in plan.streams.items()},
                       "shapes": {name: list(t.shape) for name, t in (self.params | self.buffers).items()}}  # fmt: skip

    def train(self, resume):
        """Run the steps that remain; afterwards the models, `history` and `broken` hold what came of it."""
        steps = self.plan.steps
        if self.file and resume and self.file.exists():
            self._load()
        else:
            set_random_state(self.device, self.random_state)
        look, save, saved = max(20, steps // 50), max(1, steps // 20), time.monotonic()
        label = f"{self.copies} copies" if self.stacked else f"seed {self.seeds[0]}"
        quiet = os.environ.get("TQDM_DISABLE", "") not in ("", "0")  # tqdm itself reads it in terminals only
        bar = tqdm(total=steps, initial=self.step, desc=label, leave=False, disable=quiet)
        try:
            advance = self._captured() if self.recorded else self._eager
            while self.step < steps and not all(self.broken):
                self._shuffle()
                rows = advance()
                if self.history is None:
                    self.history = torch.full((steps, *rows.shape), torch.nan, device=self.device)
                self.history[self.step] = rows
                self.step += 1
                bar.update()
                if self.step % look == 0 or self.step == steps:  # the only place that waits for the device
                    self._look_for_breaks(max(0, self.step - look), bar)
                due = self.step % save == 0 or self.step == steps or time.monotonic() - saved > SAVE_SECONDS
                if self.file and due:
                    self._save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            self.interrupted = True
            warnings.warn(f"fit: interrupted at step {self.step}; what was trained is returned.", stacklevel=3)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise self._too_much(error) from error
        finally:
            bar.close()
        if self.stacked:
            with torch.no_grad():
                for r, model in enumerate(self.models):
                    for name, t in [*model.named_parameters(), *model.named_buffers()]:
                        t.copy_((self.params | self.buffers)[name][r])

    def _call(self, objective):
        """A function (params, buffers, x, varying, fixed) -> terms, for one model or for all copies at once."""
        if not self.stacked:
            one = torch.compile(objective) if self.plan.compile else objective
            return lambda params, buffers, x, varying, fixed: one(x, {**varying, **fixed})

        def of_one_copy(params, buffers, x, varying, fixed):
            state = {f"model.{name}": t for name, t in (params | buffers).items()}
            return functional_call(objective, state, (x, {**varying, **fixed}))

        of_all = vmap(of_one_copy, in_dims=(0, 0, 0, 0, None), randomness="different")
        return torch.compile(of_all, dynamic=False) if self.plan.compile else of_all

    def _values(self):
        """The hyper-parameters of this step: those that vary, as tensors where the step is one program; the others."""
        varying, fixed = {}, {}
        for name, value in self.hyper.items():
            if not isinstance(value, tuple) and not callable(value):
                fixed[name] = value
                continue
            now = [value(self.step)] * self.copies if callable(value) else list(value)
            if self.stacked or self.recorded:  # floats, also where a schedule returns 1 at one step and 0.5 at another
                now = torch.tensor(now, dtype=torch.get_default_dtype(), device=self.device)
            varying[name] = now if self.stacked else now[0]
        return varying, fixed

    def _shuffle(self):
        """Begin a new epoch in every stream that has no full batch left."""
        for name, order in self.order.items():
            if self.position[name] + self.plan.batch_size > order.shape[1]:
                for row, generator in zip(order, self.generators, strict=True):
                    row.copy_(torch.randperm(len(row), generator=generator, device=self.device))
                self.position[name] = 0

    def _advance(self, x, varying, fixed):
        """One turn of every player on one batch; returns the terms, (number of terms, R)."""
        rows, names = [], []
        for i, (call, own, optimizer) in enumerate(zip(self.calls, self.owns, self.optimizers, strict=True)):
            with torch.autocast(self.device.type, self.plan.autocast) if self.plan.autocast else nullcontext():
                terms = call(self.params, self.buffers, x, varying, fixed)
            mine = [self.params[name] for name in own]
            # Gradients are asked for by name, so that no player's loss reaches another player's parameters; a parameter
            # that the objective does not use gets zeros and stays.
            gradients = torch.autograd.grad(-terms["objective"].sum(), mine, materialize_grads=True)
            for p, gradient in zip(mine, gradients, strict=True):
                p.grad = gradient.contiguous()  # fused Adam reads it in the parameter's own layout
            optimizer.step()
            rows += [t.detach().float().expand(self.copies) for t in terms.values()]
            names += [name if i == 0 else f"{name}/{i}" for name in terms]
        self.terms = self.terms or names
        return torch.stack(rows)

    def _eager(self):
        index, size = {}, self.plan.batch_size
        for name, order in self.order.items():
            index[name] = order[:, self.position[name] : self.position[name] + size]
            self.position[name] += size
        for optimizer, player in zip(self.optimizers, self.plan.players, strict=True):
            optimizer.param_groups[0]["lr"] = player.lr(self.step)
        return self._advance(self.plan.batch(index, self.stacked), *self._values())

    def _captured(self):
        """The step as one CUDA graph: between replays only the learning rates, the varying values and the place in
        the epoch are written to tensors that the graph reads, and the batch where the user's own transform makes it."""
        at = {name: torch.zeros((), dtype=torch.long, device=self.device) for name in self.order}
        offsets = torch.arange(self.plan.batch_size, device=self.device)
        varying, fixed = self._values()
        inside, held, recorded = self.plan.transform in graph.RECORDED, None, None

        def batch():
            index = {name: order.index_select(1, offsets + at[name]) for name, order in self.order.items()}
            return self.plan.batch(index, self.stacked)

        def body():
            return self._advance(batch() if inside else held, varying, fixed)

        def record():
            kept = {name: t.detach().clone() for name, t in self._tensors().items()}
            random_state = random_states(self.device)

            def undo():  # the warm-up has trained and drawn random numbers
                self._restore(kept)
                set_random_state(self.device, random_state)

            return graph.record(body, undo, self.device)

        def advance():
            nonlocal held, recorded
            for optimizer, player in zip(self.optimizers, self.plan.players, strict=True):
                optimizer.param_groups[0]["lr"].fill_(player.lr(self.step))
            for name, value in self._values()[0].items():
                varying[name].copy_(value)
            for name, place in at.items():
                place.fill_(self.position[name])
                self.position[name] += self.plan.batch_size
            held = held if inside else graph.refill(held, batch())
            recorded = recorded or record()
            replayed, out = recorded
            replayed.replay()
            return out

        return advance

    def _look_for_breaks(self, since, bar):
        rows = self.history[since : self.step]
        for r in range(self.copies):
            bad = (~torch.isfinite(rows[:, :, r])).nonzero()
            if len(bad) and self.broken[r] is None:
                self.broken[r] = at, term = since + int(bad[0, 0]), self.terms[int(bad[0, 1])]
                warnings.warn(f"fit: seed {self.seeds[r]} stopped: {term!r} is not finite at step {at}.", stacklevel=4)
        means = dict(zip(self.terms, rows[-1].mean(1).tolist(), strict=True))
        bar.set_postfix({name: f"{value:.2f}" for name, value in means.items()}, refresh=False)

    def _too_much(self, error):
        size, samples = self.plan.batch_size, self.hyper.get("k", 1)
        return RuntimeError(
            f"fit: out of memory with batch_size={size}, {self.copies} copies and k={samples} samples: "
            f"{size * self.copies * (samples if isinstance(samples, int) else 1)} decoded images a step. "
            f"Make one of them smaller. ({str(error).splitlines()[0]})"
        )

    def _tensors(self):
        """What training changes, by name: the parameters, the buffers and Adam's memory."""
        tensors = {f"model/{name}": t for name, t in (self.params | self.buffers).items()}
        for i, (optimizer, own) in enumerate(zip(self.optimizers, self.owns, strict=True)):
            for name in own:
                for key, value in optimizer.state[self.params[name]].items():
                    tensors[f"adam/{i}/{key}/{name}"] = value
        return tensors

    def _restore(self, tensors):
        """Put tensors as `_tensors` names them back; where Adam has none yet, it gets them."""
        with torch.no_grad():
            for i, (optimizer, own) in enumerate(zip(self.optimizers, self.owns, strict=True)):
                for name in own:
                    state = optimizer.state[self.params[name]]
                    for key in ("step", "exp_avg", "exp_avg_sq"):
                        value = tensors.get(f"adam/{i}/{key}/{name}")
                        if key in state:  # written in place: a captured graph holds on to this tensor
                            state[key].copy_(value) if value is not None else state[key].zero_()
                        elif value is not None:
                            state[key] = value.clone()
            for name, t in (self.params | self.buffers).items():
                t.copy_(tensors[f"model/{name}"])

    def _save(self):
        tensors = self._tensors() | {f"order/{name}": t for name, t in self.order.items()}
        tensors |= {f"generator/{r}": g.get_state() for r, g in enumerate(self.generators)}
        on_cpu, on_cuda = random_states(self.device)
        tensors |= {"history": self.history[: self.step], "rng": on_cpu}
        if on_cuda is not None:
            tensors["rng/cuda"] = on_cuda
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
        set_random_state(self.device, [tensors[name].cpu() for name in ("rng", "rng/cuda") if name in tensors])
        past = tensors["history"]
        self.history = torch.full((self.plan.steps, *past.shape[1:]), torch.nan, device=self.device)
        self.history[: len(past)] = past
        self.step, self.terms, self.position = state["step"], state["terms"], state["position"]
        self.broken = [tuple(b) if b else None for b in state["broken"]]


def out_of_memory(error):
    """True where a RuntimeError says that memory ran out: on a GPU it has a class of its own, on a CPU only a text."""
    return isinstance(error, torch.OutOfMemoryError) or "alloc" in str(error).lower()


def random_states(device):
    """The state of torch's own generators, on the CPU and on the device."""
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def set_random_state(device, state):
    torch.set_rng_state(state[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(state[1], device)


def _three(value, steps):
    """A hyper-parameter as JSON: a number, one a copy, or a function of the step at its start, middle and end."""
    if callable(value):
        return [float(value(step)) for step in (0, steps // 2, steps - 1)]
    return list(value) if isinstance(value, tuple) else value
