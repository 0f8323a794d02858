"""Fingerprints of data, functions and models, compared before a checkpoint is resumed."""

import hashlib
import types

import numpy as np
import torch
from torch import nn

from .probes import held


def of_data(streams):
    """{stream: [a digest of each tensor]}, of the values, shapes and types."""
    return {name: [describe(part) for part in parts] for name, parts in streams.items()}


def of_model(model):
    """One line per module: its name, its class, and plain attributes such as a scale."""
    lines = []
    for name, module in model.named_modules():
        plain = {
            key: describe(value)
            for key, value in vars(module).items()
            if key != "training"
            and not key.startswith("_")
            and (_is_plain(value) or callable(value))
        }
        settings = ", ".join(
            [module.extra_repr(), *(f"{key}={value}" for key, value in sorted(plain.items()))]
        )
        lines.append(
            f"{name or 'model'}: {type(module).__name__}({settings.removeprefix(', ').removesuffix(', ')})"
        )
    return lines


def describe(value, depth=6):
    """A fingerprint of a value; of a function its name and a digest of its code and constants.

    The digest includes what the function refers to (`probes.held`, plain globals).
    """
    if torch.is_tensor(value) or isinstance(value, np.ndarray):
        array = (
            value.detach().cpu().contiguous()
            if torch.is_tensor(value)
            else torch.from_numpy(np.array(value))
        )
        return f"{array.dtype} {tuple(array.shape)} {_digest(array.view(-1).view(torch.uint8).numpy().tobytes())}"
    if isinstance(value, nn.Module):
        return "; ".join(of_model(value))
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else value
        return f"{type(value).__name__}({', '.join(describe(v, depth - 1) for v in parts)})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {describe(v, depth - 1)}" for k, v in value.items()) + "}"
    if _is_plain(value):
        return repr(value)
    if depth == 0 or not callable(value) or isinstance(value, type):
        return getattr(value, "__qualname__", type(value).__qualname__)
    code = getattr(getattr(value, "__func__", value), "__code__", None)
    inside = [describe(v, depth - 1) for v in held(value)]
    if code is not None:
        inside += [code.co_code.hex(), *_constants(code), *_globals(value, code)]
    name = getattr(value, "__qualname__", type(value).__qualname__)
    return f"{name} {_digest(' '.join(inside).encode())}"


def _is_plain(value):
    kinds = (str, bytes, bool, int, float, complex, type(None), torch.dtype, torch.Size, np.generic)
    return isinstance(value, kinds) or (
        isinstance(value, (tuple, list)) and all(map(_is_plain, value))
    )


def _constants(code):
    """The constants of a function and of the functions written inside it."""
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield constant.co_code.hex()
            yield from _constants(constant)
        else:  # the order of a set differs between processes
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)
    yield repr(code.co_names)


def _globals(function, code):
    """The plain global values that a function reads, such as a weight set in a notebook."""
    known = getattr(getattr(function, "__func__", function), "__globals__", {})
    return [
        f"{name}={known[name]!r}"
        for name in code.co_names
        if name in known and _is_plain(known[name])
    ]


def _digest(data):
    return hashlib.sha256(data).hexdigest()[:12]
