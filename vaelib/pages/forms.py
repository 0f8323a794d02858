"""The forms of a plan and a receipt, and what is wrong with a value that has another form.

A form is a dict (an object with exactly these properties), a list (one or more of its only entry),
`Each` (an object whose properties all have one form), or (words, function) for anything else.
"""

import math
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Each:
    form: object
    least: int = 0


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _matches(pattern):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII)


_TEXT = "a non-empty string", lambda value: isinstance(value, str) and value
_NUMBER = "a finite number", lambda value: _is_number(value) and math.isfinite(value)
_AMOUNT = "a number of at least 0", lambda value: _NUMBER[1](value) and value >= 0
_NUMBERS = (
    "one or more finite numbers",
    lambda value: isinstance(value, list) and value and all(map(_NUMBER[1], value)),
)
_VERSION = (
    "a whole number of at least 1",
    lambda value: _is_number(value) and isinstance(value, int) and value >= 1,
)
_CONFIG = "an object", lambda value: isinstance(value, dict)
_ID = "small letters, digits, dots, underscores and hyphens", _matches("[a-z0-9][a-z0-9_.-]*")
PLAN = {
    "experiment": _TEXT, "version": _VERSION, "claim": _TEXT, "command": _TEXT,
    "rows": [{"id": _ID, "title": _TEXT, "config": _CONFIG,
              "paper": Each({"value": _NUMBER, "source": _TEXT, "sd?": _AMOUNT}),
              "needs_gpu": ("true or false", lambda value: isinstance(value, bool)),
              "paper_length?": _TEXT}],  # how long the paper trains, such as "3,280 epochs"
}  # fmt: skip
RECEIPT = {
    "experiment": _TEXT, "id": _TEXT, "version": _VERSION, "config": _CONFIG,
    "results": Each({
        "unit": ("a string", lambda value: isinstance(value, str)), "mean": _NUMBER,
        "sd": ("a finite number or null", lambda value: value is None or _NUMBER[1](value)),
        "values": _NUMBERS}, least=1),
    "data": Each(_TEXT), "device": _TEXT,
    "seconds": _AMOUNT,
    "versions": Each(_TEXT, least=1), "commit": _TEXT, "command": _TEXT,
    "date": ("a date such as 2026-01-31", _matches(r"\d{4}-\d\d-\d\d")),
}  # fmt: skip


def fault(value, form, at="$"):
    """What is wrong with a value that should have this form, in words, or None."""
    if isinstance(form, tuple):
        words, fits = form
        return None if fits(value) else f"{at} must be {words}, got {value!r}"
    if isinstance(form, list):
        if not isinstance(value, list) or not value:
            return f"{at} must be a list that is not empty, got {value!r}"
        parts = [(part, form[0], f"{at}[{i}]") for i, part in enumerate(value)]
    elif not isinstance(value, dict):
        return f"{at} must be an object, got {value!r}"
    elif isinstance(form, Each):
        if len(value) < form.least:
            return f"{at} must be an object that is not empty, got {value!r}"
        parts = [(part, form.form, f"{at}.{name}") for name, part in value.items()]
    else:
        # A key that ends in "?" is optional.
        forms = {name.removesuffix("?"): part for name, part in form.items()}
        for name in [*forms, *value]:
            if name not in value and name in form:
                return f"{at}: {name!r} is a required property"
            if name not in forms:
                return f"{at}: properties must be among {', '.join(forms)}, got {name!r}"
        parts = [
            (value[name], part, f"{at}.{name}") for name, part in forms.items() if name in value
        ]
    return next((found for part in parts if (found := fault(*part))), None)
