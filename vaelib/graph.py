"""The CUDA graph under `fit`: a step that is recorded once and replayed without Python, and how it is fed."""

import torch
from torch.utils._pytree import tree_flatten, tree_map

from .data import binarize

RECORDED = (None, binarize)  # the transforms that may run inside a graph; any other may branch in Python


def used_on(device):
    """Whether `fit` records its step on this device."""
    return device.type == "cuda"


def record(body, undo, device):
    """The CUDA graph of `body()`, and what `body` returned: tensors that every replay fills anew.

    The body runs three times beforehand, because allocations and compilation must not be recorded; `undo()` puts back
    what that has changed, and does so too where it is cut off.
    """
    with torch.cuda.device(device):
        graph, side = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        try:
            with torch.cuda.stream(side):
                for _ in range(3):
                    body()
            torch.cuda.current_stream().wait_stream(side)
            with torch.cuda.graph(graph):
                out = body()
        finally:
            torch.cuda.synchronize()
            undo()
    return graph, out


def refill(held, batch):
    """Write a batch (tensors, in tuples or dicts) into `held`, the tensors that a graph reads, and return those.

    held: None at first; then a copy of the batch is returned. ValueError: what is not a tensor, or not like the first.
    """
    fresh, form = tree_flatten(batch)
    for part in fresh:
        if not torch.is_tensor(part):
            raise ValueError(f"fit: transform returned {part!r}; on a GPU allowed are tensors, in tuples or dicts.")
    if held is None:
        return tree_map(torch.clone, batch)
    kept, first = tree_flatten(held)
    if form != first or _kinds(fresh) != _kinds(kept):
        raise ValueError(f"fit: transform returned {_say(fresh)}, at first {_say(kept)}; on a GPU they must agree.")
    for old, new in zip(kept, fresh, strict=True):
        old.copy_(new)
    return held


def _kinds(tensors):
    return [(t.dtype, t.shape) for t in tensors]


def _say(tensors):
    return " and ".join(f"{t.dtype} of shape {tuple(t.shape)}" for t in tensors)
