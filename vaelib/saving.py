"""Models on disk: the weights as safetensors, with the settings that rebuild the model."""

import json
import warnings
from itertools import zip_longest
from pathlib import Path

import torch

from . import identity
from .checkpoints import read, write
from .checks import plain


def save(model, path, **settings):
    """Write a module's parameters and buffers, and settings (any JSON value), atomically to a file.

    The module may be a whole model, or its encoder or decoder alone. RuntimeError: the file cannot
    be written. ValueError: settings that are no JSON.
    """
    settings = {name: plain(value) for name, value in settings.items()}
    try:
        json.dumps(settings)
    except TypeError as error:
        raise ValueError(f"save: settings must be JSON values ({error}).") from None
    write(
        Path(path).expanduser(),
        _tensors(model),
        {"settings": settings, "model": identity.of_model(model, code=False)},
    )


def load(path, build, strict=True):
    """The module that `save` has written, in eval mode: build(**settings) with the saved weights.

    strict: also compare the attributes of the modules, such as a scale; with False a difference is
        a warning, for modules that note something while they run.
    RuntimeError: the file cannot be read. ValueError: build makes another module, and how it
        differs.
    """
    tensors, state = read(Path(path).expanduser(), "cpu")
    model = build(**state["settings"])
    made, own = identity.of_model(model, code=False), _tensors(model)
    for saved, now in zip_longest(state["model"], made):
        if saved != now and not strict:
            warnings.warn(f"load: {saved!r} was saved, {now!r} is built.", stacklevel=2)
        elif saved != now:
            raise ValueError(
                f"load: build must make the module that was saved, {saved!r}, got {now!r}; "
                "strict=False loads the weights all the same, if they fit."
            )
    had, has = (
        {name: (tuple(t.shape), str(t.dtype)) for name, t in of.items()} for of in (tensors, own)
    )
    if odd := [name for name in sorted(had.keys() | has.keys()) if had.get(name) != has.get(name)]:
        texts = (f"{name} is {has.get(name)} instead of {had.get(name)}" for name in odd)
        raise ValueError(
            f"load: build must make the module that was saved, but {', '.join(texts)}."
        )
    with torch.no_grad():
        for name, t in own.items():
            t.copy_(tensors[name])
    return model.eval()


def _tensors(model):
    """Parameters and buffers by name; tied tensors occur once."""
    return dict(model.named_parameters()) | dict(model.named_buffers())
