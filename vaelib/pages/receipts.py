"""Receipts: results of long experiments, recorded with everything that is needed to judge them.

`book/receipts/NAME/plan.json` says which rows an experiment has and what the paper reports;
`NAME/ROW.json` is what was measured. `python -m book.experiments` writes both. A receipt whose
config or version is not the plan's is stale: it is shown as such and never used.
"""

import json
import math
import os
import statistics
from pathlib import Path

import numpy as np

from .forms import PLAN, RECEIPT, fault

STATES = ("run", "stale", "not run")


def folder():
    """The folder of the book's receipts, in the repository or else in the installed package."""
    here = Path(__file__).parent
    places = [here.parents[1] / "book" / "receipts", here / "recorded"]
    return next((place for place in places if place.is_dir()), places[0])


def experiments(where=None):
    """The names of the experiments that have a plan, in alphabetical order."""
    return sorted(path.parent.name for path in Path(where or folder()).glob("*/plan.json"))


def plan(experiment, where=None):
    """An experiment's plan. ValueError: there is none of that name, or it is not valid."""
    path = Path(where or folder()) / experiment / "plan.json"
    if not path.exists():
        known = ", ".join(experiments(where)) or "none yet"
        raise ValueError(
            f"receipts: there is no experiment {experiment!r}; those recorded are {known}."
        )
    return _load(path, PLAN)


def read(experiment, row, where=None):
    """A row's receipt, or None. ValueError: it is not a valid one."""
    path = Path(where or folder()) / experiment / f"{row}.json"
    return _load(path, RECEIPT) if path.exists() else None


def rows(experiment, where=None):
    """An experiment's rows in the plan's order, as dicts.

    The keys are id, title, config, paper, needs_gpu, state and receipt.
    state: "run", "stale" (the receipt's config or version is not the plan's) or "not run" (receipt
        is then None).
    """
    planned, found = plan(experiment, where), []
    for row in planned["rows"]:
        receipt = read(experiment, row["id"], where)
        found.append(
            row | {"receipt": receipt, "state": state(receipt, row["config"], planned["version"])}
        )
    return found


def state(receipt, config, version):
    """One of STATES, for a receipt (or None) compared with the current config and version.

    A receipt of some of the config's seeds counts as run.
    """
    if receipt is None:
        return "not run"
    planned, made = (dict(c) for c in (json.loads(json.dumps(config)), receipt["config"]))
    seeds, made_seeds = (c.pop("seeds", None) for c in (planned, made))
    some = made_seeds == seeds or bool(made_seeds and seeds and set(made_seeds) < set(seeds))
    return "run" if some and made == planned and receipt["version"] == version else "stale"


def result(experiment, row, quantity, where=None):
    """The recorded {"mean", "sd", "values", "unit"} of one quantity.

    LookupError: not run, stale, or not measured.
    """
    planned = plan(experiment, where)
    configs = {r["id"]: r["config"] for r in planned["rows"]}
    if row not in configs:
        raise LookupError(
            f"receipts: {experiment} has no row {row!r}; its rows are {', '.join(configs)}."
        )
    receipt = read(experiment, row, where)
    if (now := state(receipt, configs[row], planned["version"])) != "run":
        raise LookupError(
            f"receipts: {experiment}, row {row!r} is {now}; "
            "only rows with a valid receipt are used."
        )
    results = receipt["results"]
    if quantity not in results:
        raise LookupError(
            f"receipts: {experiment}, row {row!r} has no {quantity!r}; it has {', '.join(results)}."
        )
    return results[quantity]


def summary(values, unit=""):
    """{"unit", "mean", "sd", "values"} of one value per seed; sd has ddof=1, None for one value.

    ValueError: a value that is not finite.
    """
    values = [float(v) for v in values]
    if not values or not all(map(math.isfinite, values)):
        raise ValueError(f"receipts: values must be one or more finite numbers, got {values}.")
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"unit": unit, "mean": statistics.fmean(values), "sd": sd, "values": values}


def write(receipt, where=None, stem=None):
    """Write a receipt atomically as `stem`.json (default: its row's name), and return its path.

    ValueError: it is not a valid one.
    """
    _check(receipt, RECEIPT, f"{receipt.get('experiment')}, row {receipt.get('id')}")
    return write_json(
        receipt, Path(where or folder()) / receipt["experiment"] / f"{stem or receipt['id']}.json"
    )


def write_json(value, path):
    """Write JSON atomically (temporary file, then rename)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        fresh.write_text(
            json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n",
            encoding="utf-8",
        )
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return path


def show(value, digits=2):
    """A result as text: "86.72 ± 0.03", "31,173 ± 574", or a single value without a spread."""
    if abs(value["mean"]) >= 1000:
        digits = 0
    spread = "" if value["sd"] is None else f" ± {value['sd']:,.{digits}f}"
    return f"{value['mean']:,.{digits}f}{spread}"


def kept(name, where=None):
    """Stored data of a page that this machine may lack: {name: array or number}, and their origin.

    `python book/tools/keep.py` writes it. ValueError: there is nothing of that name.
    """
    path = Path(where or folder()) / "pages" / f"{name}.npz"
    if not path.exists():
        raise ValueError(
            f"receipts: no stored page data named {name!r}; book/tools/keep.py writes it."
        )
    with np.load(path, allow_pickle=False) as file:
        values = {key: file[key] for key in file}
    origin = json.loads(str(values.pop("origin")))
    return {key: value if value.ndim else value.item() for key, value in values.items()}, origin


def duration(seconds):
    """Format a duration for readers: "40 s", "12 min", "3.5 h"."""
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


def _check(value, form, name):
    if found := fault(value, form):
        raise ValueError(f"receipts: {name} is not valid: {found}.")
    for quantity, result in value.get("results", {}).items():
        again = summary(result["values"], result["unit"])
        off = max(abs((again[key] or 0) - (result[key] or 0)) for key in ("mean", "sd"))
        if off > 1e-6 * max(1, abs(again["mean"])) or (again["sd"] is None) != (
            result["sd"] is None
        ):
            raise ValueError(
                f"receipts: {name} is not valid: mean and sd of {quantity} "
                "are not those of its values."
            )
