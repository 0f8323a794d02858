"""Data as named streams: checked once, shuffled for each copy, cut into batches."""

import torch
from torch.func import vmap

from .data import binarize
from .probes import without_a_trace


class Batches:
    """Batches of the data for one model, or for copies trained together, each in its own order.

    streams: {name: [tensors that stay together]}.
    named: whether a batch is a dict of streams or the only stream.
    """

    def __init__(self, streams, named, batch_size, transform, seeds):
        self.streams, self.named = streams, named
        self.batch_size, self.transform = batch_size, transform
        self.copies, first = len(seeds), next(iter(streams.values()))[0]
        self.generators = [torch.Generator(first.device).manual_seed(seed) for seed in seeds]
        self.order = {
            name: torch.zeros(self.copies, len(parts[0]), dtype=torch.long, device=first.device)
            for name, parts in streams.items()
        }
        self.position = {name: len(parts[0]) for name, parts in streams.items()}

    def shuffle(self):
        """Begin a new epoch in every stream that has no full batch left."""
        for name, order in self.order.items():
            if self.position[name] + self.batch_size > order.shape[1]:
                for row, generator in zip(order, self.generators, strict=True):
                    row.copy_(torch.randperm(len(row), generator=generator, device=order.device))
                self.position[name] = 0

    def next(self):
        """The next batch of every stream; with a first dimension of copies if there are several."""
        index = {}
        for name, order in self.order.items():
            index[name] = order[:, self.position[name] : self.position[name] + self.batch_size]
            self.position[name] += self.batch_size
        return self.at(index)

    def at(self, index):
        """The batch at the given indices, {stream: (R, B)}."""
        return batch(self.streams, self.named, index, self.transform, self.copies > 1)


def batch(streams, named, index, transform, stacked):
    """The samples of the streams at the given indices, after the transform."""
    x = {}
    for name, parts in streams.items():
        at = index[name] if stacked else index[name][0]
        x[name] = tuple(t[at] for t in parts) if len(parts) > 1 else parts[0][at]
    x = x if named else x["x"]
    if transform:
        x = vmap(transform, randomness="different")(x) if stacked else transform(x)
    return x


def as_streams(data, batch_size):
    """Data as {name: [tensors that stay together]}, each with at least one full batch."""
    named = data if isinstance(data, dict) else {"x": data}
    if not named:
        raise ValueError("fit: data is an empty dict; it must contain at least one stream.")
    streams = {
        name: list(part) if isinstance(part, tuple) else [part] for name, part in named.items()
    }
    for name, parts in streams.items():
        where = label(data, name)
        for part in parts:
            if not torch.is_tensor(part):
                raise ValueError(
                    f"fit: {where} must be a tensor, such as digits.train, "
                    f"got {type(part).__name__}."
                )
            if len(part) != len(parts[0]):
                n = f"{len(parts[0])} and {len(part)}"
                raise ValueError(f"fit: {where} must contain tensors of equal length, got {n}.")
            if (
                part.is_floating_point()
                and part.numel()
                and any(map(torch.isinf, torch.aminmax(part)))
            ):
                raise ValueError(f"fit: {where} must be finite, but contains infinite values.")
        if batch_size > len(parts[0]):
            n = len(parts[0])
            raise ValueError(
                f"fit: batch_size must be at most the {n} samples of {where}, got {batch_size}."
            )
    return streams


def check(model, data, streams, transform, batch_size):
    """ValueError unless the model can be trained on the data: images, and labels next to them.

    Images are the first tensor of the stream "x" (or the only one), and of every stream with
    samples of that shape. A transform is tried on the first batch.
    """
    may_be_missing = (
        streams["x"][0] if getattr(model, "missing", False) and "x" in streams else None
    )
    for name, parts in streams.items():
        if any(t is not may_be_missing and has_nan(t) for t in parts):
            raise ValueError(f"fit: {label(data, name)} must be finite, but contains NaN values.")
    if not hasattr(model, "check_targets") or "x" not in streams:
        return
    for name, (images, *beside) in streams.items():
        where = f"fit: {label(data, name)}"
        if images.shape[1:] != streams["x"][0].shape[1:]:
            continue
        if transform is None:
            model.check_targets(images, where)
            model.likelihood_net.check_spread(images, where)
        elif transform is binarize and not isinstance(data, dict):
            low, high = images.min().item(), images.max().item()
            if low < 0 or high > 1:
                raise ValueError(
                    f"{where} must lie in [0, 1] for transform=binarize, got {low:g} to {high:g}."
                )
        for part in beside:
            if not part.is_floating_point():
                model.check_labels(part, where)
    if transform is not None:
        with without_a_trace(model, transform):
            first = {
                name: torch.arange(batch_size, device=parts[0].device)[None]
                for name, parts in streams.items()
            }
            x = batch(streams, isinstance(data, dict), first, transform, stacked=False)
        x = x.get("x") if isinstance(x, dict) else x
        x = x[0] if isinstance(x, tuple) else x
        if torch.is_tensor(x):
            model.check_targets(x, "fit: data after transform")


def has_nan(t):
    """Whether a tensor contains NaN; without a copy, as t may be longer than memory."""
    return bool(t.is_floating_point() and t.numel() and torch.aminmax(t).min.isnan())


def label(data, name):
    return f"data[{name!r}]" if isinstance(data, dict) else "data"
