"""The loop under `fit`: one training step for one model or stacked copies, and its state."""

import os
import time
import warnings
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch
from torch.utils.flop_counter import FlopCounterMode
from tqdm.auto import tqdm

from . import batches, graph
from .checks import out_of_memory
from .copies import Copies
from .probes import without_a_trace

VMAP_FLOPS = 30e6  # on a CPU, copies are trained together below this many FLOPs per forward pass
SAVE_SECONDS = 60  # a checkpoint is written after this time or 1/20 of the steps, whichever first


@dataclass(frozen=True)
class Plan:
    """What all copies share.

    takes: for each player the names of the hyper-parameters that its objective takes.
    """

    build: object
    players: list
    takes: list
    streams: dict
    named: bool
    steps: int
    batch_size: int
    transform: object
    compile: bool
    autocast: object

    def together(self, models, seeds, hyper):
        """Whether copies are trained together: if that is faster and vmap can run the step."""
        plan = replace(self, compile=False)
        first, pair = (
            {name: v[:n] if isinstance(v, tuple) else v for name, v in hyper.items()}
            for n in (1, 2)
        )
        if next(iter(self.streams.values()))[0].device.type != "cuda":
            with self._look(models[0]), torch.no_grad(), FlopCounterMode(display=False) as counter:
                job = Job(plan, models[:1], seeds[:1], first)
                job.batches.shuffle()
                job.terms(0, job.batches.next(), *job.values())
            if counter.get_total_flops() >= VMAP_FLOPS:
                return False
        try:
            with self._look(models[0]), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                # The stacked tensors are copies: the models are unchanged.
                job = Job(plan, models[:2], seeds[:2], pair)
                job.batches.shuffle()
                job.turns(job.batches.next(), *job.values())
        except torch.OutOfMemoryError:
            return True  # the run itself says what does not fit
        # A user's error is raised again by the sequential run.
        except Exception as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            message = (
                "fit: the copies are trained one after another, which is slower: "
                "torch.vmap cannot run this step"
            )
            warnings.warn(f"{message} ({reason}).", stacklevel=3)
            return False
        return True

    def _look(self, model):
        return without_a_trace(
            model, self.transform, *(player.objective for player in self.players)
        )


class Job:
    """The training of one group of copies: the step, and everything that it changes."""

    def __init__(self, plan, models, seeds, hyper):
        self.plan, self.models, self.seeds, self.hyper = plan, models, seeds, hyper
        self.copies = Copies(models)
        self.batches = batches.Batches(
            plan.streams, plan.named, plan.batch_size, plan.transform, seeds
        )
        self.device = next(iter(plan.streams.values()))[0].device
        self.recorded = graph.used_on(self.device)
        self.owns = [self.copies.names(player.parameters(models[0])) for player in plan.players]
        rates = [
            torch.tensor(0.0, device=self.device) if self.recorded else 0.0 for _ in plan.players
        ]
        self.optimizers = [
            torch.optim.Adam([self.copies.params[name] for name in own], lr=rate, fused=True,
                             capturable=self.recorded, **player.adam)
            for own, rate, player in zip(self.owns, rates, plan.players, strict=True)
        ]  # fmt: skip
        self.calls = [self.copies.call(player.objective, plan.compile) for player in plan.players]
        self.step, self.names, self.history, self.broken = 0, [], None, [None] * len(models)
        self.looked, self.interrupted, self.read_only, self.keeper = 0, False, False, None

    def train(self, resume):
        """Run the steps that remain; updates the models, `history` and `broken` in place."""
        steps = self.plan.steps
        if resume and self.keeper.load():
            self.read_only, self.looked = self.step == steps, self.step
        every, save, saved = max(20, steps // 50), max(1, steps // 20), time.monotonic()
        label = f"{len(self.models)} copies" if self.copies.stacked else f"seed {self.seeds[0]}"
        # tqdm itself reads TQDM_DISABLE in terminals only.
        quiet = os.environ.get("TQDM_DISABLE", "") not in ("", "0")
        bar = tqdm(total=steps, initial=self.step, desc=label, leave=False, disable=quiet)
        try:
            advance = graph.recorded(self) if self.recorded else self.advance
            while self.step < steps and not all(self.broken):
                self.batches.shuffle()
                rows = advance()
                if self.history is None:
                    self.history = torch.full((steps, *rows.shape), torch.nan, device=self.device)
                self.history[self.step] = rows
                self.step += 1
                bar.update()
                due = (
                    self.step % save == 0
                    or self.step == steps
                    or time.monotonic() - saved > SAVE_SECONDS
                )
                due = due and self.keeper.file is not None
                # The only device synchronization.
                if due or self.step % every == 0 or self.step == steps:
                    self.look_for_breaks(bar)
                if due:
                    self.keeper.save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            self.interrupted = True
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            raise self._too_large(error) from error
        finally:
            bar.close()
        self.copies.write_back()

    def advance(self):
        """The next step, eagerly."""
        for optimizer, player in zip(self.optimizers, self.plan.players, strict=True):
            optimizer.param_groups[0]["lr"] = player.lr(self.step)
        return self.turns(self.batches.next(), *self.values())

    def turns(self, x, varying, fixed):
        """One update of every player on one batch; returns the terms, (number of terms, R)."""
        rows, reached = {}, set()
        for i, (own, optimizer) in enumerate(zip(self.owns, self.optimizers, strict=True)):
            terms = self.terms(i, x, varying, fixed)
            # Gradients of the player's own parameters only: its loss does not reach those of the
            # other players.
            mine = [self.copies.params[name] for name in own]
            gradients = torch.autograd.grad(-terms["objective"].sum(), mine, allow_unused=True)
            for name, p, gradient in zip(own, mine, gradients, strict=True):
                reached |= set() if gradient is None else {name}
                # Fused Adam needs contiguous gradients.
                p.grad = torch.zeros_like(p) if gradient is None else gradient.contiguous()
            optimizer.step()
            rows |= {name if i == 0 else f"{name}/{i}": t for name, t in terms.items()}
        if not self.names:
            self.names = list(rows)
            if idle := sorted({name for own in self.owns for name in own} - reached):
                warnings.warn(
                    "fit: no objective depends on these parameters, so they are not trained: "
                    f"{', '.join(idle)}.",
                    stacklevel=5,
                )
        return torch.stack([t.detach().float().expand(len(self.models)) for t in rows.values()])

    def terms(self, i, x, varying, fixed):
        """The terms of player i on a batch, {name: (R,)}.

        Every hyper-parameter goes to the players that take it.
        """
        mine = [
            {name: v for name, v in values.items() if name in self.plan.takes[i]}
            for values in (varying, fixed)
        ]
        with (
            torch.autocast(self.device.type, self.plan.autocast)
            if self.plan.autocast
            else nullcontext()
        ):
            terms = self.calls[i](x, *mine)
        if torch.is_grad_enabled() and not terms["objective"].requires_grad:
            raise ValueError(
                "fit: the objective must depend on the trained parameters, but does not."
            )
        return terms

    def values(self):
        """The hyper-parameters of this step: those that vary, and the others.

        Those that vary are tensors if the step is one program, of copies or as a CUDA graph.
        """
        varying, fixed = {}, {}
        for name, value in self.hyper.items():
            if not isinstance(value, tuple) and not callable(value):
                fixed[name] = value
                continue
            now = [value(self.step)] * len(self.models) if callable(value) else list(value)
            # As floats, even if a schedule returns 1 and later 0.5.
            if self.copies.stacked or self.recorded:
                now = torch.tensor(now, dtype=torch.get_default_dtype(), device=self.device)
            varying[name] = now if self.copies.stacked else now[0]
        return varying, fixed

    def look_for_breaks(self, bar):
        """Stop and name the copies with a term, or a parameter, that is no longer finite."""
        rows = self.history[self.looked : self.step]
        params = [p.detach().reshape(len(self.models), -1) for p in self.copies.params.values()]
        whole = torch.stack([torch.isfinite(p).all(1) for p in params]).all(0).tolist()
        for r, seed in enumerate(self.seeds):
            bad = (~torch.isfinite(rows[:, :, r])).nonzero()
            if self.broken[r] is None and (len(bad) or not whole[r]):
                term_at = (
                    (self.looked + int(bad[0, 0]), self.names[int(bad[0, 1])]) if len(bad) else None
                )
                self.broken[r] = at, term = term_at or (self.step - 1, "parameters")
                what = f"{term!r} is" if term_at else "parameters are"
                message = (
                    f"fit: seed {seed} stopped: {what} not finite at step {at}."
                    f"{self.keeper.advice()}"
                )
                warnings.warn(message, stacklevel=4)
        self.looked = self.step
        means = dict(zip(self.names, rows[-1].mean(1).tolist(), strict=True))
        bar.set_postfix({name: f"{value:.2f}" for name, value in means.items()}, refresh=False)

    def tensors(self):
        """What training changes, by name: the parameters, the buffers and Adam's state."""
        tensors = self.copies.tensors()
        for i, (optimizer, own) in enumerate(zip(self.optimizers, self.owns, strict=True)):
            for name in own:
                for key, value in optimizer.state[self.copies.params[name]].items():
                    tensors[f"adam/{i}/{key}/{name}"] = value
        return tensors

    @torch.no_grad()
    def restore(self, tensors):
        """Write tensors, named as by `tensors`, in place, creating Adam's state if missing."""
        for i, (optimizer, own) in enumerate(zip(self.optimizers, self.owns, strict=True)):
            for name in own:
                state = optimizer.state[self.copies.params[name]]
                for key in ("step", "exp_avg", "exp_avg_sq"):
                    value = tensors.get(f"adam/{i}/{key}/{name}")
                    if key in state:  # written in place: a captured graph reads this tensor
                        state[key].copy_(value) if value is not None else state[key].zero_()
                    elif value is not None:
                        state[key] = value.clone()
        self.copies.copy_in(tensors)

    def _too_large(self, error):
        size, samples, n = self.plan.batch_size, self.hyper.get("k", 1), len(self.models)
        return RuntimeError(
            f"fit: out of memory with batch_size={size}, {n} copies and k={samples} samples: "
            f"{size * n * (samples if isinstance(samples, int) else 1)} decoded images per step. "
            f"Make one of them smaller. ({str(error).splitlines()[0]})"
        )
