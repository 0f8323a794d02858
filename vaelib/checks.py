"""Argument checks with uniform messages, and a test for out-of-memory errors."""

import math
from numbers import Integral, Real

import torch


def integer(where, name, value, least=1):
    """The value as an int, from a Python, NumPy or 0-d integer.

    ValueError: not an integer, or below `least`.
    """
    bare = plain(value)
    if isinstance(bare, bool) or not isinstance(bare, Integral) or bare < least:
        kind = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"{where}: {name} must be {kind}, got {value!r}.")
    return int(bare)


def number(where, name, value, *, least=None, above=None):
    """The value as a Python number. ValueError: not a finite number, or outside the bounds."""
    bare = plain(value)
    fits = isinstance(bare, Real) and not isinstance(bare, bool) and math.isfinite(bare)
    if not fits or (least is not None and bare < least) or (above is not None and bare <= above):
        kind = {(None, None): "a finite number", (None, 0): "a positive finite number"}.get(
            (least, above),
            f"a finite number {f'of at least {least}' if above is None else f'above {above}'}",
        )
        raise ValueError(f"{where}: {name} must be {kind}, got {value!r}.")
    return bare


def scalar(where, name, value, **bounds):
    """As `number`, but a tensor is returned unchecked.

    Objectives run under vmap and in CUDA graphs, where its value cannot be read.
    """
    return value if torch.is_tensor(value) else number(where, name, value, **bounds)


def one_of(where, name, value, allowed):
    """The value. ValueError: not one of the allowed values."""
    if value not in allowed:
        choices = ", ".join(map(repr, allowed[:-1])) + f" or {allowed[-1]!r}"
        raise ValueError(f"{where}: {name} must be {choices}, got {value!r}.")
    return value


def out_of_memory(error):
    """True if the error means out of memory (on a CPU a RuntimeError known only by its message)."""
    return isinstance(error, torch.OutOfMemoryError) or "alloc" in str(error).lower()


def plain(value):
    """A NumPy scalar, a 0-d array or a 0-d tensor as a Python number; anything else as it is."""
    return value.item() if getattr(value, "ndim", None) == 0 and hasattr(value, "item") else value
