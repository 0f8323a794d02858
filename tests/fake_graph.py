"""CUDA graphs emulated on the CPU.

Like on a GPU, `torch.cuda.graph` records operations, not the Python code that issues them: a
Python branch is frozen, and reading a value of the device on the host is refused.
"""

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
    """Records each operation, its arguments and its result."""

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
    """Replaces `torch.cuda.CUDAGraph`: a replay runs the operations again on the same tensors.

    The results are written to the tensors of the recording.
    """

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
    """Make `fit` on the CPU follow the GPU code path, with emulated graphs."""
    monkeypatch.setattr(graph, "used_on", lambda device: True)
    # On a CPU, and only there, torch's one_hot reads the largest label.
    monkeypatch.setattr(
        adversarial, "one_hot", lambda labels, n: (labels[..., None] == torch.arange(n)).long()
    )
    stream = SimpleNamespace(wait_stream=lambda other: None)
    for name, played in (
        ("CUDAGraph", Graph),
        ("graph", capture),
        ("Stream", lambda: stream),
        ("stream", nullcontext),
        ("current_stream", lambda: stream),
        ("synchronize", lambda: None),
        ("device", nullcontext),
    ):
        monkeypatch.setattr(torch.cuda, name, played)
