"""The CUDA graph under `fit`: a step captured once and replayed without Python, and its inputs."""

import torch
from torch.utils._pytree import tree_flatten, tree_map

from . import checkpoints
from .data import binarize

# The transforms that are captured in the graph; any other may branch in Python.
RECORDED = (None, binarize)


def used_on(device):
    """Whether `fit` records its step on this device."""
    return device.type == "cuda"


def recorded(job):
    """The step of a training job as one CUDA graph; returns a function that replays it.

    The function returns the terms. Between replays only the learning rates, the varying
    hyper-parameters, the place in the epoch and, for a transform of the user's own, the batch are
    written to tensors that the graph reads.
    """
    batches, plan = job.batches, job.plan
    at = {name: torch.zeros((), dtype=torch.long, device=job.device) for name in batches.order}
    offsets = torch.arange(batches.batch_size, device=job.device)
    varying, fixed = job.values()
    inside, held, replayed = plan.transform in RECORDED, None, None

    def batch():
        return batches.at(
            {
                name: order.index_select(1, offsets + at[name])
                for name, order in batches.order.items()
            }
        )

    def body():
        return job.turns(batch() if inside else held, varying, fixed)

    def first():
        kept = {name: t.detach().clone() for name, t in job.tensors().items()}
        random_states = checkpoints.random_states(job.device)

        def undo():  # the warm-up has trained and drawn random numbers
            job.restore(kept)
            checkpoints.set_random_state(job.device, random_states)

        return record(body, undo, job.device)

    def advance():
        nonlocal held, replayed
        for optimizer, player in zip(job.optimizers, plan.players, strict=True):
            optimizer.param_groups[0]["lr"].fill_(player.lr(job.step))
        for name, value in job.values()[0].items():
            varying[name].copy_(value)
        for name, place in at.items():
            place.fill_(batches.position[name])
            batches.position[name] += batches.batch_size
        held = held if inside else refill(held, batch())
        replayed = replayed or first()
        graph, out = replayed
        graph.replay()
        return out

    return advance


def record(body, undo, device):
    """The CUDA graph of `body()`, and what `body` returned: tensors that every replay fills again.

    The body runs three times beforehand, because allocations and compilation must not be recorded;
    `undo()` reverts its effects, also after an error.
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
    """Write a batch (tensors, in tuples or dicts) into `held`, the tensors that a graph reads.

    Returns `held`, or a copy of the batch if `held` is None. ValueError: not tensors, or not of the
    shapes and types of the first batch.
    """
    fresh, form = tree_flatten(batch)
    for part in fresh:
        if not torch.is_tensor(part):
            raise ValueError(
                f"fit: on a GPU transform must return tensors, in tuples or dicts, got {part!r}."
            )
    if held is None:
        return tree_map(torch.clone, batch)
    kept, first = tree_flatten(held)
    if form != first or _kinds(fresh) != _kinds(kept):
        raise ValueError(
            "fit: on a GPU transform must return the same shapes every time, "
            f"at first {_say(kept)}, got {_say(fresh)}."
        )
    for old, new in zip(kept, fresh, strict=True):
        old.copy_(new)
    return held


def _kinds(tensors):
    return [(t.dtype, t.shape) for t in tensors]


def _say(tensors):
    return " and ".join(f"{t.dtype} of shape {tuple(t.shape)}" for t in tensors)
