"""Receipts: results of experiments too long for a page, recorded with everything that is needed to judge them.

`book/receipts/NAME/plan.json` says which rows an experiment has and what the paper reports; `NAME/ROW.json` is what was
measured. `python -m book.experiments` writes both. A receipt whose config or version is not the plan's is stale: it is
shown as such and never used.
"""

import json
import math
import os
import re
import statistics
from dataclasses import dataclass
from pathlib import Path

STATES = ("run", "stale", "not run")


def folder():
    """Where the book's receipts lie: in the repository, or, where vaelib was installed from it, inside the package."""
    here = Path(__file__).parent
    places = [here.parent / "book" / "receipts", here / "recorded"]
    return next((place for place in places if place.is_dir()), places[0])


def experiments(where=None):
    """The names of the experiments that have a plan, in alphabetical order."""
    return sorted(path.parent.name for path in Path(where or folder()).glob("*/plan.json"))


def plan(experiment, where=None):
    """An experiment's plan. ValueError: there is none of that name, or it is not valid."""
    path = Path(where or folder()) / experiment / "plan.json"
    if not path.exists():
        known = ", ".join(experiments(where)) or "none yet"
        raise ValueError(f"receipts: there is no experiment {experiment!r}; those recorded are {known}.")
    return _load(path, PLAN)


def read(experiment, row, where=None):
    """A row's receipt, None where there is none. ValueError: it is not a valid one."""
    path = Path(where or folder()) / experiment / f"{row}.json"
    return _load(path, RECEIPT) if path.exists() else None


def rows(experiment, where=None):
    """An experiment's rows in the plan's order: dicts with id, title, config, paper, needs_gpu, state and receipt.

    state: "run", "stale" (the receipt's config or version is not the plan's) or "not run" (receipt is then None).
    """
    planned, found = plan(experiment, where), []
    for row in planned["rows"]:
        receipt = read(experiment, row["id"], where)
        found.append(row | {"receipt": receipt, "state": state(receipt, row["config"], planned["version"])})
    return found


def state(receipt, config, version):
    """One of STATES, for a receipt (or None) held against the config and version that are asked for now."""
    if receipt is None:
        return "not run"
    same = receipt["config"] == json.loads(json.dumps(config)) and receipt["version"] == version
    return "run" if same else "stale"


def result(experiment, row, quantity, where=None):
    """The recorded {"mean", "sd", "values", "unit"} of one quantity. LookupError: not run, stale, or not measured."""
    planned = plan(experiment, where)
    configs = {r["id"]: r["config"] for r in planned["rows"]}
    if row not in configs:
        raise LookupError(f"receipts: {experiment} has no row {row!r}; its rows are {', '.join(configs)}.")
    receipt = read(experiment, row, where)
    if (now := state(receipt, configs[row], planned["version"])) != "run":
        raise LookupError(f"receipts: {experiment}, row {row!r} is {now}; only run ones are used.")
    results = receipt["results"]
    if quantity not in results:
        raise LookupError(f"receipts: {experiment}, row {row!r} has no {quantity!r}; it has {', '.join(results)}.")
    return results[quantity]


def summary(values, unit=""):
    """{"unit", "mean", "sd", "values"} of one value a seed; sd has n - 1 below the line and is None for one value.

    ValueError: a value that is not finite.
    """
    values = [float(v) for v in values]
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"receipts: values is {values}; allowed are one or more finite numbers.")
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"unit": unit, "mean": statistics.fmean(values), "sd": sd, "values": values}


def write(receipt, where=None, stem=None):
    """Write a receipt, all or nothing, as `stem`.json (default: its row's name), and return its path.

    ValueError: it is not a valid one.
    """
    _check(receipt, RECEIPT, f"{receipt.get('experiment')}, row {receipt.get('id')}")
    return write_json(receipt, Path(where or folder()) / receipt["experiment"] / f"{stem or receipt['id']}.json")


def write_json(value, path):
    """Write JSON beside the old file, then put it in its place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        fresh.write_text(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def show(value, digits=2):
    """A result as text: "86.72 ± 0.03", "31,173 ± 574", or without a spread where there is one value only."""
    if abs(value["mean"]) >= 1000:
        digits = 0
    spread = "" if value["sd"] is None else f" ± {value['sd']:,.{digits}f}"
    return f"{value['mean']:,.{digits}f}{spread}"


def table(experiment, quantities=None, where=None, states=STATES):
    """An experiment's rows as a Markdown table: paper, ours as mean ± sd of n values, state, where and when made.

    quantities: those to show, each on a line of its own; default all. states: those whose rows are shown. Stale results
    are named and not shown.
    """
    found, sources = [row for row in rows(experiment, where) if row["state"] in states], {}
    quoted = any(row["paper"] for row in found)  # without a paper there is no column for it
    head = ["row", "quantity", *(["paper"] if quoted else []), "ours", "n", "state", "where and when"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in found:
        receipt = row["receipt"] if row["state"] == "run" else None
        results = receipt["results"] if receipt else {}
        names = [q for q in (results or row["paper"] or [""]) if quantities is None or q in quantities or not q]
        for i, quantity in enumerate(names or [""]):
            paper, ours = row["paper"].get(quantity), results.get(quantity)
            mark = sources.setdefault(paper["source"], "abcdefgh"[len(sources)]) if paper else ""
            made = ""
            if receipt and i == 0:
                spent, at = duration(receipt["seconds"]), receipt["commit"][:7]
                made = f"{receipt['device']}; {spent}; {receipt['date']}; {at}"
            elif row["needs_gpu"] and i == 0:
                made = "needs a GPU"
            unit = ours["unit"] if ours and ours["unit"] not in quantity else ""
            cells = [
                row["title"] if i == 0 else "",
                quantity.replace("_", " ") + (f", {unit}" if unit else ""),
                *([f"{paper['value']:g} <sup>{mark}</sup>" if paper else ""] if quoted else []),
                show(ours).replace(" ", "\u00a0") if ours else "",  # not to be broken into lines
                str(len(ours["values"])) if ours else "",
                row["state"] if i == 0 else "",
                made,
            ]
            lines.append("| " + " | ".join(cells) + " |")
    notes = [f"<sup>{mark}</sup> {source}." for source, mark in sources.items()]
    return "\n".join(lines) + "\n\n" + " ".join(notes)


def duration(seconds):
    """Seconds as a reader says them: "40 s", "12 min", "3.5 h"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _load(path, form):
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"receipts: {path} is not JSON ({error}).") from error
    _check(value, form, str(path))
    return value


# What a plan and a receipt must look like. A form is a dict (an object with exactly these properties), a list (one or
# more of its only entry), `_Each` (an object whose properties are all of one form), or (words, function) for the rest.


@dataclass(frozen=True)
class _Each:
    form: object
    least: int = 0


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _matches(pattern):
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII)


_TEXT = "a text", lambda value: isinstance(value, str) and value
_NUMBER = "a finite number", lambda value: _is_number(value) and math.isfinite(value)
_NUMBERS = "one or more finite numbers", lambda value: isinstance(value, list) and value and all(map(_NUMBER[1], value))
_VERSION = "a whole number of at least 1", lambda value: _is_number(value) and isinstance(value, int) and value >= 1
_CONFIG = "an object", lambda value: isinstance(value, dict)
_ID = "small letters, digits, dots, underscores and hyphens", _matches("[a-z0-9][a-z0-9_.-]*")
PLAN = {
    "experiment": _TEXT, "version": _VERSION, "claim": _TEXT, "command": _TEXT,
    "rows": [{"id": _ID, "title": _TEXT, "config": _CONFIG, "paper": _Each({"value": _NUMBER, "source": _TEXT}),
              "needs_gpu": ("true or false", lambda value: isinstance(value, bool))}],
}  # fmt: skip
RECEIPT = {
    "experiment": _TEXT, "id": _TEXT, "version": _VERSION, "config": _CONFIG,
    "results": _Each({"unit": ("a text or nothing", lambda value: isinstance(value, str)), "mean": _NUMBER,
                      "sd": ("a finite number or null", lambda value: value is None or _NUMBER[1](value)),
                      "values": _NUMBERS}, least=1),
    "data": _Each(_TEXT), "device": _TEXT,
    "seconds": ("a number of at least 0", lambda value: _NUMBER[1](value) and value >= 0),
    "versions": _Each(_TEXT, least=1), "commit": _TEXT, "command": _TEXT,
    "date": ("a date such as 2026-01-31", _matches(r"\d{4}-\d\d-\d\d")),
}  # fmt: skip


def _fault(value, form, at="$"):
    """What is wrong with a value that should have this form, in words; None where nothing is."""
    if isinstance(form, tuple):
        words, fits = form
        return None if fits(value) else f"{at} is {value!r}; allowed is {words}"
    if isinstance(form, list):
        if not isinstance(value, list) or not value:
            return f"{at} is {value!r}; allowed is a list that is not empty"
        parts = [(part, form[0], f"{at}[{i}]") for i, part in enumerate(value)]
    elif not isinstance(value, dict):
        return f"{at} is {value!r}; allowed is an object"
    elif isinstance(form, _Each):
        if len(value) < form.least:
            return f"{at} is {value!r}; allowed is an object that is not empty"
        parts = [(part, form.form, f"{at}.{name}") for name, part in value.items()]
    else:
        for name in [*form, *value]:
            if name not in value:
                return f"{at}: {name!r} is a required property"
            if name not in form:
                return f"{at}: {name!r} is not a property; allowed are {', '.join(form)}"
        parts = [(value[name], part, f"{at}.{name}") for name, part in form.items()]
    return next((fault for part in parts if (fault := _fault(*part))), None)


def _check(value, form, name):
    if fault := _fault(value, form):
        raise ValueError(f"receipts: {name} is not valid: {fault}.")
    for quantity, result in value.get("results", {}).items():
        again = summary(result["values"], result["unit"])
        off = max(abs((again[key] or 0) - (result[key] or 0)) for key in ("mean", "sd"))
        if off > 1e-6 * max(1, abs(again["mean"])) or (again["sd"] is None) != (result["sd"] is None):
            raise ValueError(f"receipts: {name} is not valid: mean and sd of {quantity} are not those of its values.")
