"""CUDA graphs played on the CPU: what `torch.cuda.graph` records are the operations, as a GPU does,
and not the Python that asked for them. So a branch in Python is frozen, and a question of the
host's to the device is refused."""

from contextlib import contextmanager, nullcontext
from types import SimpleNamespace

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from vaelib import adversarial, graph

ASKS = {
    torch.ops.aten._local_scalar_dense.default,
    torch.ops.aten.nonzero.default,
    torch.ops.aten.equal.default,
}


class Recorder(TorchDispatchMode):
    """Notes each operation, its arguments and what it gave."""

    def __init__(self):
        super().__init__()
        self.tape = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in ASKS:
            raise RuntimeError(f"operation not permitted when stream is capturing: {func}")
        out = func(*args, **(kwargs or {}))
        self.tape.append((func, args, kwargs or {}, out))
        return out


class Graph:
    """In place of `torch.cuda.CUDAGraph`: a replay runs the operations again, on the same tensors
    and into the same."""

    def replay(self):
        with torch.no_grad():
            for func, args, kwargs, out in self.tape:
                again = func(*args, **kwargs)
                fresh = [given.alias_info is None for given in func._schema.returns]
                if all(fresh):  # otherwise it is a view, or was written in place
                    for old, new in zip(tree_leaves(out), tree_leaves(again), strict=True):
                        if torch.is_tensor(old):
                            old.copy_(new)


@contextmanager
def capture(graph):
    with Recorder() as recorder:
        yield
    graph.tape = recorder.tape


def put_in_place(monkeypatch):
    """`fit` on the CPU takes the road of the GPU, with graphs that are played."""
    monkeypatch.setattr(graph, "used_on", lambda device: True)
    # On a CPU, and only there, torch's one_hot asks for the largest label.
    monkeypatch.setattr(
        adversarial, "one_hot", lambda labels, n: (labels[..., None] == torch.arange(n)).long()
    )
    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, played in (("CUDAGraph", Graph), ("graph", capture), ("Stream", lambda: stream), ("stream", nullcontext),
                         ("current_stream", lambda: stream), ("synchronize", lambda: None),
                         ("device", nullcontext)):  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, played)
