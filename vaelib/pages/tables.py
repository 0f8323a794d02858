"""Tables of recorded results: an experiment's rows, and a paper's table next to ours."""

import re

from . import receipts
from .notebook import table, with_minus


def receipt_table(experiment, quantities=None, where=None, states=receipts.STATES):
    """An experiment's rows as a Markdown table: paper, ours, state, where and when.

    Ours is mean ± sd of n values.
    quantities: those to show, each on a line of its own; default all.
    states: those whose rows are shown. Stale results are named and not shown.
    """
    found = [row for row in receipts.rows(experiment, where) if row["state"] in states]
    sources = {}
    quoted = any(row["paper"] for row in found)  # without a paper there is no column for it
    several = len(states) > 1  # rows of one state need no column for it
    head = ["row", "quantity", *(["paper"] if quoted else []), "ours", "n"]
    head += [*(["state"] if several else []), "where and when"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in found:
        receipt = row["receipt"] if row["state"] == "run" else None
        results = receipt["results"] if receipt else {}
        quotes_length = row["paper"] and "paper_length" in row
        theirs = f" (paper: {row['paper_length']})" if quotes_length else ""
        names = [q for q in (results or row["paper"] or [""])
                 if quantities is None or q in quantities or not q]  # fmt: skip
        for i, quantity in enumerate(names or [""]):
            paper, ours = row["paper"].get(quantity), results.get(quantity)
            made = ""
            if receipt and i == 0:
                spent, at = receipts.duration(receipt["seconds"]), receipt["commit"][:7]
                made = f"{receipt['device']}; {spent}; {receipt['date']}; {at}"
            elif row["needs_gpu"] and i == 0:
                made = "needs a GPU"
            unit = ours["unit"] if ours and ours["unit"] not in quantity else ""
            cells = [
                (row["title"] + theirs) if i == 0 else "",
                quantity.replace("_", " ") + (f", {unit}" if unit else ""),
                *([_quoted(paper, sources)] if quoted else []),
                receipts.show(ours).replace(" ", "\u00a0") if ours else "",  # stays on one line
                str(len(ours["values"])) if ours else "",
                *([row["state"] if i == 0 else ""] if several else []),
                made,
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return with_minus("\n".join(lines)) + "\n\n" + _notes(sources)


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
    said = [_spread(counts, quoted), _missing(chosen, experiment, where), _cannot(cannot)]
    below = [" ".join(filter(None, said)), _notes(sources)]
    return table(head, lines, "\n\n".join(filter(None, below)))


def _chosen(experiment, wanted, where):
    """The requested rows, in that order, with titles that do not repeat the training length."""
    found = {row["id"]: row for row in receipts.rows(experiment, where)}
    if not isinstance(wanted, dict):
        wanted = dict.fromkeys(found if wanted is None else wanted)
    for name in wanted:
        if name not in found:
            raise LookupError(
                f"receipts: {experiment} has no row {name!r}; its rows are {', '.join(found)}."
            )
    for name, title in wanted.items():
        own, length = found[name]["title"], _length(found[name]["config"])
        for written in filter(None, (length, length.replace(",", ""))):
            own = own.replace(f", {written}", "")
        found[name]["title"] = title or own
    return [found[name] for name in wanted]


def _unbroken(text):
    """With no-break spaces in units such as "k = 5" and "600 epochs"."""
    return re.sub(r" (?=epochs|steps)|(?<==) | (?==)", "\u00a0", text)


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
    text = receipts.show(ours, digits[quantity] if isinstance(digits, dict) else digits)
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
            why = [_length(row["config"]), "stale" if row["state"] == "stale" else ""]
            part = gpu if row["needs_gpu"] else here
            part.setdefault(_unbroken(row["title"]), []).extend(filter(None, why))
    if not here and not gpu:
        return ""

    def named(part):
        return "; ".join(f"{title} ({_unbroken(', '.join(why))})".removesuffix(" ()")
                         for title, why in part.items())  # fmt: skip

    parts = [named(part) for part in (here, gpu) if part]
    command = receipts.plan(experiment, where)["command"]
    how = f"`{command}` runs them" + ("" if here else " on a GPU")
    return f"Not run yet ({how}): " + "; on a GPU: ".join(parts) + "."


def _cannot(cannot):
    said = "; ".join(f"{title} ({why})" for title, why in (cannot or {}).items())
    return f"Cannot be run here: {said}." if said else ""
