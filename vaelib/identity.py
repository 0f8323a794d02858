"""Fingerprints of data, functions and models, compared before a checkpoint is resumed."""

import contextlib
import functools
import hashlib
import inspect
import sys
import types

import numpy as np
import torch
from torch import nn
from torch.distributions import Distribution

from .probes import held


def of_data(streams):
    """{stream: [a digest of each tensor]}, of the values, shapes and types."""
    return {name: [describe(part) for part in parts] for name, parts in streams.items()}


def of_model(model, code=True):
    """One line per module: its name, its class, and its attributes such as a scale."""
    lines = []
    for name, module in model.named_modules():
        attributes = {
            key: describe(value, code=code)
            for key, value in vars(module).items()
            if key != "training" and not key.startswith("_") and not _noted(value)
        }
        settings = ", ".join(
            [module.extra_repr(), *(f"{key}={text}" for key, text in sorted(attributes.items()))]
        )
        lines.append(
            f"{name or 'model'}: {type(module).__name__}"
            f"({settings.removeprefix(', ').removesuffix(', ')})"
        )
    return lines


def of_code(model):
    """{"code of a class": a digest of its methods}, of the model's classes that are the user's."""
    classes = {c for module in model.modules() for c in type(module).__mro__ if _is_own(c)}
    methods = {
        c: [getattr(value, "fget", getattr(value, "__func__", value)) for value in vars(c).values()]
        for c in classes
    }
    return {
        f"code of {c.__qualname__}": _digest(
            " ".join(map(describe, filter(inspect.isfunction, of))).encode()
        )
        for c, of in sorted(methods.items(), key=lambda item: item[0].__qualname__)
    }


def _is_own(kind):
    """Whether a class is the user's, and not one of an installed package."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    package = kind.__module__.partition(".")[0]
    return package not in ("builtins", "torch", "vaelib") and "-packages" not in file


def _noted(value):
    """Whether an attribute is a tensor that the module has computed, such as an activation."""
    return torch.is_tensor(value) and not value.is_leaf


def describe(value, depth=6, code=True):
    """A fingerprint of a value: of an array its digest, of an object its class and attributes.

    Of a function its name and a digest of its code, of what it refers to (`probes.held`) and of the
    globals that it reads; with code=False, which does not depend on Python's version, only of what
    it refers to.
    """

    def inner(part, by=1):
        return describe(part, depth - by, code)

    if torch.is_tensor(value):
        array = value.detach().cpu().contiguous()
        data = array.view(-1).view(torch.uint8).numpy()  # no copy: it may be longer than memory
        return f"{array.dtype} {tuple(array.shape)} {_digest(data)}"
    if isinstance(value, np.ndarray):
        data = repr(value.tolist()).encode() if value.dtype == object else value.tobytes()
        return f"{value.dtype} {value.shape} {_digest(data)}"
    if isinstance(value, nn.Module):
        return "; ".join(of_model(value, code))
    name = getattr(value, "__qualname__", type(value).__qualname__)
    if depth <= 0 or isinstance(value, (type, types.ModuleType)):
        return name
    if isinstance(value, (list, tuple, set, frozenset)):
        parts = sorted(map(repr, value)) if isinstance(value, (set, frozenset)) else value
        return f"{type(value).__name__}({', '.join(map(inner, parts))})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {inner(part)}" for key, part in value.items()) + "}"
    if _is_plain(value):
        return repr(value)
    if isinstance(value, Distribution):
        return f"{name}({inner(_settings(value))})"
    inside = [inner(part) for part in held(value)]
    body = getattr(getattr(value, "__func__", value), "__code__", None)
    if body is None and not isinstance(value, functools.partial):
        inside.append(inner(getattr(value, "__dict__", {}), 3))
        body = getattr(type(value).__call__ if callable(value) else None, "__code__", None)
    if body is not None and code:
        inside += [body.co_code.hex(), *_constants(body, value.__doc__)]
        inside += _globals(value, body, inner)
    return f"{name} {_digest(' '.join(inside).encode())}"


def _settings(distribution):
    """The parameters, public attributes and parts of a distribution (some are computed lazily)."""
    names = {name for name in vars(distribution) if not name.startswith("_")}
    with contextlib.suppress(NotImplementedError):
        names |= set(distribution.arg_constraints)
    inner = {name: v for name, v in vars(distribution).items() if isinstance(v, Distribution)}
    return {name: getattr(distribution, name) for name in sorted(names)} | inner


def _is_plain(value):
    kinds = (str, bytes, bool, int, float, complex, type(None), torch.dtype, torch.Size, np.generic)
    return isinstance(value, kinds) or (
        isinstance(value, (tuple, list)) and all(map(_is_plain, value))
    )


def _constants(code, doc=None):
    """The constants of a function, except its docstring, and of the functions written inside it."""
    for constant in code.co_consts:
        if constant == doc and isinstance(doc, str):
            continue
        if isinstance(constant, types.CodeType):
            yield constant.co_code.hex()
            yield from _constants(constant)
        else:  # the order of a set differs between processes
            yield repr(sorted(map(repr, constant)) if isinstance(constant, frozenset) else constant)
    yield repr(code.co_names)


def _globals(function, code, describe):
    """The globals that a function reads: values, such as a weight set in a notebook, and functions.

    Also those that the functions written inside it read. Functions of other packages are named
    only.
    """
    own = getattr(function, "__func__", function)
    known = getattr(own, "__globals__", None) or getattr(type(own).__call__, "__globals__", {})
    package = known.get("__name__", "").partition(".")[0]
    texts = []
    for name in _names(code):
        value = known.get(name)
        home = getattr(value, "__module__", None) or package
        if callable(value) and home.partition(".")[0] != package:
            texts.append(f"{name} of {home}")
        elif name in known and not isinstance(value, (types.ModuleType, type)):
            texts.append(f"{name}={describe(value)}")
    return texts


def _names(code):
    """The names that code reads, and those that the functions written inside it read, once each."""
    inner = (c for c in code.co_consts if isinstance(c, types.CodeType))
    return list(dict.fromkeys([*code.co_names, *(name for c in inner for name in _names(c))]))


def _digest(data):
    return hashlib.sha256(data).hexdigest()[:12]
