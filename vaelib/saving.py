"""Models on disk: the weights as safetensors, with the settings that rebuild the model."""

from itertools import zip_longest
from pathlib import Path

import torch

from . import identity
from .checkpoints import read, write


def save(model, path, **settings):
    """Write a module's parameters and buffers, and settings (any JSON value), atomically to a file.

    The module may be a whole model, or its encoder or decoder alone. RuntimeError: the file cannot
    be written.
    """
    write(
        Path(path).expanduser(),
        _tensors(model),
        {"settings": settings, "model": identity.of_model(model, code=False)},
    )


def load(path, build):
    """The module that `save` has written, in eval mode: build(**settings) with the saved weights.

    RuntimeError: the file cannot be read. ValueError: build makes another module, and how it
        differs.
    """
    tensors, state = read(Path(path).expanduser(), "cpu")
    model = build(**state["settings"])
    made, own = identity.of_model(model, code=False), _tensors(model)
    for saved, now in zip_longest(state["model"], made):
        if saved != now:
            raise ValueError(
                f"load: build must make the module that was saved, {saved!r}, got {now!r}."
            )
    if {name: t.shape for name, t in own.items()} != {name: t.shape for name, t in tensors.items()}:
        odd = sorted(own.keys() ^ tensors.keys()) or [
            n for n in own if own[n].shape != tensors[n].shape
        ]
        raise ValueError(
            f"load: build must make the module that was saved, but {', '.join(odd)} differ."
        )
    with torch.no_grad():
        for name, t in own.items():
            t.copy_(tensors[name])
    return model.eval()


def _tensors(model):
    """Parameters and buffers by name; tied tensors occur once."""
    return dict(model.named_parameters()) | dict(model.named_buffers())
