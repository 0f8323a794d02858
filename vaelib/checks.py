"""Checks of arguments: each returns the value, or raises "where: name must be ..., got ..."."""

import math
import numbers

import torch


def integer(where, name, value, least=1):
    """The value as an int: Python, NumPy and 0-d integers. ValueError: others, or below `least`."""
    kind = {0: "a non-negative integer", 1: "a positive integer"}
    plain = value.item() if getattr(value, "ndim", None) == 0 else value
    if isinstance(plain, bool) or not isinstance(plain, numbers.Integral) or plain < least:
        what = kind.get(least, f"an integer of at least {least}")
        raise ValueError(f"{where}: {name} must be {what}, got {value!r}.")
    return int(plain)


def number(where, name, value, *, least=None, above=None):
    """The value, a finite real number. ValueError: below `least`, or not above `above`.

    Tensors pass unchecked, because objectives run under vmap and graph capture.
    """
    if torch.is_tensor(value):
        return value
    plain = value.item() if getattr(value, "ndim", None) == 0 else value
    real = isinstance(plain, numbers.Real) and not isinstance(plain, bool) and math.isfinite(plain)
    if not real or (least is not None and plain < least) or (above is not None and plain <= above):
        what = {(0, None): "a non-negative number", (None, 0): "a positive number"}.get(
            (least, above)
        )
        bounds = [f"of at least {least:g}"] if least is not None else []
        bounds += [f"above {above:g}"] if above is not None else []
        what = what or " ".join(["a finite number", " and ".join(bounds)]).strip()
        raise ValueError(f"{where}: {name} must be {what}, got {value!r}.")
    return value


def one_of(where, name, value, allowed):
    """The value, one of `allowed`. ValueError: another one."""
    if not isinstance(value, str) or value not in allowed:
        names = ", ".join(map(repr, allowed))
        raise ValueError(f"{where}: {name} must be one of {names}, got {value!r}.")
    return value
