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

from . import notebook
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


def table(experiment, quantities=None, where=None, states=STATES):
    """An experiment's rows as a Markdown table: paper, ours, state, where and when.

    Ours is mean ± sd of n values.
    quantities: those to show, each on a line of its own; default all.
    states: those whose rows are shown. Stale results are named and not shown.
    """
    found, sources = [row for row in rows(experiment, where) if row["state"] in states], {}
    quoted = any(row["paper"] for row in found)  # without a paper there is no column for it
    head = [
        "row",
        "quantity",
        *(["paper"] if quoted else []),
        "ours",
        "n",
        "state",
        "where and when",
    ]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in found:
        receipt = row["receipt"] if row["state"] == "run" else None
        results = receipt["results"] if receipt else {}
        theirs = (
            f" (paper: {row['paper_length']})" if row["paper"] and "paper_length" in row else ""
        )
        names = [
            q
            for q in (results or row["paper"] or [""])
            if quantities is None or q in quantities or not q
        ]
        for i, quantity in enumerate(names or [""]):
            paper, ours = row["paper"].get(quantity), results.get(quantity)
            made = ""
            if receipt and i == 0:
                spent, at = duration(receipt["seconds"]), receipt["commit"][:7]
                made = f"{receipt['device']}; {spent}; {receipt['date']}; {at}"
            elif row["needs_gpu"] and i == 0:
                made = "needs a GPU"
            unit = ours["unit"] if ours and ours["unit"] not in quantity else ""
            cells = [
                (row["title"] + theirs) if i == 0 else "",
                quantity.replace("_", " ") + (f", {unit}" if unit else ""),
                *([_quoted(paper, sources)] if quoted else []),
                show(ours).replace(" ", "\u00a0") if ours else "",  # not to be broken into lines
                str(len(ours["values"])) if ours else "",
                row["state"] if i == 0 else "",
                made,
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n" + _notes(sources)


def paper_table(
    experiment, quantities, rows=None, *, digits=2, paper=True, cannot=None, where=None
):
    """A paper's table: its results next to those measured here, a line for each row that was run.

    quantities: {name: heading}.
    rows: {id: title}, or ids for the plan's titles; default all. A title is shown with the training
        length of both sides: the plan's `paper_length`, and the config's epochs or steps.
    digits: of ours, one number or {quantity: number}. paper=False leaves the paper's side out.
    cannot: {title: reason}, rows that cannot be run here. They are named below the table, as are
        the rows without a valid receipt.
    If no row has been run the paper's side is shown alone. LookupError: an unknown row or quantity.
    """
    chosen = _chosen(experiment, rows, where)
    ran = [row for row in chosen if row["state"] == "run"]
    quoting = {}  # the first row of each title, for a table without ours
    for row in chosen:
        if paper and row["paper"]:
            quoting.setdefault(row["title"], row)
    shown = ran or list(quoting.values())
    measured = {name for row in ran for name in row["receipt"]["results"]}
    known = sorted(measured.union(*(row["paper"] for row in chosen)))
    for quantity in quantities:
        if ran and quantity not in known:
            raise LookupError(
                f"receipts: these rows of {experiment} have no {quantity!r}, "
                f"but {', '.join(known)}."
            )
    quoted = {q for q in quantities if paper and any(q in row["paper"] for row in shown)}
    counts = {len(row["receipt"]["results"][q]["values"]) for row in ran for q in quantities
              if q in row["receipt"]["results"]}  # fmt: skip
    lengths = [_lengths(row, quoted) for row in shown]
    common = lengths[0] if len(set(lengths)) == 1 else ""  # said once, over the titles
    head, lines, sources = [f"<small>{common}</small>" if common else ""], [], {}
    for quantity, heading in quantities.items():
        head += [f"{heading}: paper"] if quantity in quoted else []
        head += ["ours" if quantity in quoted else heading] if ran else []
    for row, length in zip(shown, lengths, strict=True):
        title = _unbroken(row["title"])
        line = [title if common or not length else f"{title}<br><small>{length}</small>"]
        for quantity in quantities:
            line += [_quoted(row["paper"].get(quantity), sources)] if quantity in quoted else []
            line += [_measured(row, quantity, digits, len(counts) > 1)] if ran else []
        lines.append(line)
    below = " ".join(
        filter(
            None, [_spread(counts, quoted), _missing(chosen, experiment, where), _cannot(cannot)]
        )
    )
    return notebook.table(head, lines, "\n\n".join(filter(None, [below, _notes(sources)])))


def _chosen(experiment, wanted, where):
    """The requested rows, in that order, with titles that do not repeat the training length."""
    found = {row["id"]: row for row in rows(experiment, where)}
    wanted = (
        wanted if isinstance(wanted, dict) else dict.fromkeys(found if wanted is None else wanted)
    )
    for name in wanted:
        if name not in found:
            raise LookupError(
                f"receipts: {experiment} has no row {name!r}; its rows are {', '.join(found)}."
            )
    for name, title in wanted.items():
        own, length = found[name]["title"], _length(found[name]["config"])
        short = (
            own.replace(f", {length}", "").replace(f", {length.replace(',', '')}", "")
            if length
            else own
        )
        found[name]["title"] = title or short
    return [found[name] for name in wanted]


def _unbroken(text):
    """With no-break spaces in units such as "k = 5" and "600 epochs"."""
    return (
        text.replace(" = ", "\u00a0=\u00a0")
        .replace(" epochs", "\u00a0epochs")
        .replace(" steps", "\u00a0steps")
    )


def _length(config):
    """How long a row trains: "600 epochs", "20 + 13 epochs", "10,000 steps"; empty if unknown."""
    unit = "epochs" if "epochs" in config else "steps"
    parts = [f"{config[key]:,}" for key in (unit, f"{unit}_then") if key in config]
    return f"{' + '.join(parts)} {unit}" if parts else ""


def _lengths(row, quoted):
    """The length of both sides, "paper 3,280 epochs; ours 600 epochs", as far as they are known."""
    own, theirs = _length(row["config"]), row.get("paper_length")
    if not quoted:
        return own.replace(" ", "\u00a0")
    sides = {"paper": theirs, "ours": own if row["state"] == "run" else ""}
    return "; ".join(
        f"{side} {length}".replace(" ", "\u00a0") for side, length in sides.items() if length
    )


def _measured(row, quantity, digits, number):
    """Our value as text that does not break into lines, with the number of runs if `number`."""
    ours = row["receipt"]["results"].get(quantity)
    if not ours:
        return ""
    text = show(ours, digits[quantity] if isinstance(digits, dict) else digits)
    return (text + (f" ({len(ours['values'])})" if number else "")).replace(" ", "\u00a0")


def _quoted(paper, sources):
    """A paper's value with its spread and the mark of its source, which `sources` collects."""
    if not paper:
        return ""
    mark = sources.setdefault(paper["source"], chr(ord("a") + len(sources)))
    value = f"{paper['value']:g}"
    if "sd" in paper:  # both with as many decimals as the finer of them
        places = max(len(f"{paper[key]:g}".partition(".")[2]) for key in ("value", "sd"))
        value = f"{paper['value']:.{places}f}\u00a0±\u00a0{paper['sd']:.{places}f}"
    return f"{value}\u00a0<sup>{mark}</sup>"


def _notes(sources):
    return " ".join(f"<sup>{mark}</sup> {source}." for source, mark in sources.items())


def _spread(counts, quoted):
    """What our figures are: means over how many runs."""
    if not counts:
        return ""
    what = "mean ± standard deviation "
    what += "(number of runs)" if len(counts) > 1 else f"over {min(counts)} runs"
    what = "one run each" if counts == {1} else what
    return f"Ours: {what}." if quoted else f"{what[0].upper()}{what[1:]}."


def _missing(chosen, experiment, where):
    """One sentence with the rows without a valid receipt and the command that makes them.

    The rows for a GPU come last.
    """
    here, gpu = {}, {}
    for row in chosen:
        if row["state"] != "run":
            why = [_length(row["config"]), *(["stale"] if row["state"] == "stale" else [])]
            (gpu if row["needs_gpu"] else here).setdefault(_unbroken(row["title"]), []).extend(
                filter(None, why)
            )
    if not here and not gpu:
        return ""
    parts = [
        "; ".join(
            f"{title} ({_unbroken(', '.join(why))})".removesuffix(" ()")
            for title, why in part.items()
        )
        for part in (here, gpu)
        if part
    ]
    how = f"`{plan(experiment, where)['command']}` runs them" + ("" if here else " on a GPU")
    return f"Not run yet ({how}): " + "; on a GPU: ".join(parts) + "."


def _cannot(cannot):
    said = "; ".join(f"{title} ({why})" for title, why in (cannot or {}).items())
    return f"Cannot be run here: {said}." if said else ""


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
