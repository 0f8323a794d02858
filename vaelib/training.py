"""`fit`: one function that trains any of the book's models."""

import math
import time
import warnings
from dataclasses import dataclass, field

import numpy as np
import torch
from tqdm.auto import trange

from .data import binarize


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


def fit(build, objective, data, *, steps, batch_size=128, lr=1e-3, seeds=(0,), hyper=None, transform=None,
        device=None, compile=False, autocast=None):  # fmt: skip
    """Train `build(seed)` on `data` by climbing `objective` with Adam, and return a Run.

    build: seed -> model; it is called with the random numbers seeded, and the caller's random state is left as it was.
    objective: (model, x, **hyper) -> dict of terms, each (B,) or 0-d, to be maximised; "objective" is climbed.
    data: a floating-point tensor (N, ...). Its order is shuffled every epoch; a last short batch is left out.
    hyper, lr: numbers, or functions of the step. transform: done to each batch, for example `vl.binarize`.
    device: default the GPU where there is one; the models come back to the device of `data`.
    compile: use torch.compile. autocast: a dtype, such as torch.bfloat16.
    Ctrl-C returns what was trained so far; a term that is no longer finite stops that seed and is named in `broken`.
    ValueError: a bad argument or bad data (NaN, empty, grey values under a Bernoulli likelihood, ...).
    """
    lr, hyper = _schedule("lr", lr), {name: _schedule(name, value) for name, value in (hyper or {}).items()}
    for name, value in (("steps", steps), ("batch_size", batch_size)):
        if not isinstance(value, int) or value < 1:
            raise ValueError(f"fit: {name} is {value!r}; allowed is a whole number of at least 1.")
    if not 0 < lr(0) < math.inf:
        raise ValueError(f"fit: lr is {lr(0)!r}; allowed is a positive finite number.")
    if len(seeds) == 0:
        raise ValueError("fit: seeds is empty; at least one seed is needed.")
    device = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    objective = torch.compile(objective) if compile else objective
    runs = []
    start = time.perf_counter()
    for seed in seeds:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            model = build(seed).to(device)
            x = _check(model, data, transform, batch_size).to(device)
            runs.append(_train(model, objective, x, steps, batch_size, lr, hyper, transform, autocast, seed))
    history = {term: np.full((len(runs), steps), np.nan, np.float32) for term in runs[0][1]}
    for i, (_, terms, _) in enumerate(runs):
        for term, values in terms.items():
            history[term][i, : len(values)] = values
    seconds = time.perf_counter() - start
    return Run([model.to(data.device) for model, _, _ in runs], history, seconds, [broken for _, _, broken in runs])


def _train(model, objective, data, steps, batch_size, lr, hyper, transform, autocast, seed):
    """The loop itself, for one model."""
    optimizer = torch.optim.Adam(model.parameters(), lr=lr(0), fused=True)
    rows, names, broken, position, order = [], None, None, len(data), None
    report = max(1, steps // 50)
    bar = trange(steps, desc=f"seed {seed}", leave=False)
    try:
        for step in bar:
            if position + batch_size > len(data):
                order, position = torch.randperm(len(data), device=data.device), 0
            x = data[order[position : position + batch_size]]
            position += batch_size
            x = transform(x) if transform else x
            with torch.autocast(data.device.type, autocast, enabled=autocast is not None):
                terms = objective(model, x, **{name: value(step) for name, value in hyper.items()})
            for group in optimizer.param_groups:
                group["lr"] = lr(step)
            optimizer.zero_grad()
            (-terms["objective"].mean()).backward()
            optimizer.step()
            names = names or list(terms)
            rows.append(torch.stack([terms[name].detach().mean() for name in names]))
            if (step + 1) % report == 0 or step + 1 == steps:  # the only place that waits for the device
                broken = _first_broken(rows[-report:], names, max(0, step + 1 - report))
                bar.set_postfix({name: f"{value:.2f}" for name, value in zip(names, rows[-1].tolist(), strict=True)})
                if broken:
                    at, term = broken
                    warnings.warn(f"fit: seed {seed} stopped: {term!r} is not finite at step {at}.", stacklevel=3)
                    break
    except KeyboardInterrupt:
        warnings.warn(f"fit: interrupted at step {len(rows)}; what was trained is returned.", stacklevel=3)
    values = torch.stack(rows).float().cpu().numpy() if rows else np.empty((0, 0))
    bar.close()
    return model, {name: values[:, i] for i, name in enumerate(names or [])}, broken


def _first_broken(rows, names, first_step):
    bad = (~torch.isfinite(torch.stack(rows))).nonzero()
    return (first_step + int(bad[0, 0]), names[int(bad[0, 1])]) if len(bad) else None


def _schedule(name, value):
    """A number becomes a constant function of the step."""
    if callable(value):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"fit: {name} is {value!r}; allowed is a number or a function of the step.")
    return lambda step: value


def _check(model, data, transform, batch_size):
    """ValueError unless `data`, after `transform`, is something that the model can be trained on."""
    if not torch.is_tensor(data):
        raise ValueError(f"fit: data is {type(data).__name__}; allowed is a tensor, for example digits.train.")
    if batch_size > len(data):
        raise ValueError(f"fit: batch_size is {batch_size}; data allows 1 to {len(data)}, the samples that it holds.")
    if not torch.isfinite(data).all():
        raise ValueError("fit: data holds NaN or infinite values; every value must be finite.")
    check = getattr(model, "check_targets", None)
    if check:
        if transform is None:
            check(data)
        else:
            with torch.random.fork_rng(devices=[]):
                low, high = data.min().item(), data.max().item()
                if transform is binarize and (low < 0 or high > 1):
                    raise ValueError(f"fit: data runs from {low:g} to {high:g}; transform=binarize needs [0, 1].")
                check(transform(data[:batch_size]))
    return data
