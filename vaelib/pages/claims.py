"""Claims of a chapter: checked where they stand, shown as a seal with what was compared."""

import builtins
import html
import sys
from dataclasses import asdict, dataclass

from vaelib import training

from .compared import compared
from .notebook import profile, strict, with_minus

KINDS = {
    "identity": "identity",
    "theorem": "theorem, illustrated",
    "measured": "measured",  # by the cells of the page
    "recorded": "recorded",  # read from a receipt
}
VERDICTS = ("holds", "holds in part", "does not hold", "undecided")


@dataclass(frozen=True)
class Claim:
    """A claim and its outcome; `holds` is None if the smoke profile does not check it."""

    text: str
    holds: bool | None
    kind: str | None = None
    seeds: int | None = None
    values: str = ""
    training: str = ""
    source: str | None = None
    verdict: str | None = None

    def __str__(self):
        shown = f"{self.text} ({self.values})" if self.values else self.text
        if self.holds is None:
            return f"Not checked in the smoke profile: {self.text}"
        return f"{'Checked' if self.holds else 'Does not hold here'}{self.training}: {shown}"

    @property
    def note(self):
        """Its kind and seeds, the training it is about, and what it compared."""
        seeds = {None: "", 1: ", one run"}.get(self.seeds, f", {self.seeds} seeds")
        parts = [KINDS[self.kind] + seeds, self.training.strip(), self.values]
        return " · ".join(part for part in parts if part)

    def _repr_mimebundle_(self, include=None, exclude=None):
        mark, state = {True: ("✓", "holds"), False: ("✗", "fails"), None: ("–", "unchecked")}[
            self.holds
        ]
        text = self.text[:1].upper() + self.text[1:]
        text, note = (html.escape(with_minus(words)) for words in (text, self.note))
        said = {True: "", False: "Does not hold here: ", None: "Not checked in the smoke profile: "}
        judged = ""
        if self.source:
            judged = f" ({html.escape(self.source)}: {self.verdict}.)"
        seal = (
            f'<p class="seal {state}"><b aria-hidden="true">{mark}</b> '
            f"<span>{said[self.holds]}{text}{judged} <small>{note}</small></span></p>"
        )
        return {"text/plain": str(self), "text/html": seal}, {"claim": asdict(self)}


def claim(text, holds, kind=None, *, seeds=None, trained=False, source=None, verdict=None):
    """Check a claim of the chapter, and show it with the values that it compared.

    kind: "identity"; "theorem", of which this is an illustration; "measured" here, or "recorded"
        in a receipt, both in `seeds` runs.
    trained=True marks a claim about a trained model: the smoke profile trains too briefly to check
    it, and says so; a reader sees after which training it was checked.
    source, verdict: where the claim judges what a source says, who says it and whether it "holds",
        "holds in part", "does not hold" or is "undecided".
    A claim that does not hold is shown as such, because a reader may have changed something; in
    the book's build and in tests it raises AssertionError. ValueError: another kind or verdict.
    """
    _check(kind, seeds, source, verdict)
    if trained and profile() == "smoke":
        made = Claim(text, None, kind, seeds, source=source, verdict=verdict)
    else:
        values = compared(sys._getframe(1))
        made = Claim(text, bool(holds), kind, seeds, values, _after(trained), source, verdict)
        if not made.holds and strict():
            shown = f"{text} ({values})" if values else text
            raise AssertionError(f"This claim does not hold here: {shown}")
    if kind and get_ipython:
        from IPython.display import display

        display(made)
    else:
        print(f"\x1b[31m{made}\x1b[0m" if made.holds is False else made)


def _check(kind, seeds, source, verdict):
    if kind not in (None, *KINDS):
        raise ValueError(f"claim: kind must be one of {', '.join(KINDS)}, got {kind!r}.")
    if (kind in ("measured", "recorded")) != (isinstance(seeds, int) and seeds > 0):
        raise ValueError(
            f"claim: seeds must be the number of runs of a measured or recorded claim, and of no "
            f"other, got {seeds!r} for {kind!r}."
        )
    if (source is None) != (verdict is None) or verdict not in (None, *VERDICTS):
        raise ValueError(
            f"claim: a source needs a verdict, one of {', '.join(VERDICTS)}, got {verdict!r}."
        )


def _after(trained):
    """Name the training that a reader's claim is about, so that an earlier one is recognized."""
    if not trained or strict() or training.latest is None:
        return ""
    cell = f" in [{_trained_in[1]}]" if _trained_in[0] is training.latest else ""
    done, planned = training.latest.steps, training.latest.planned
    length = f"{done:,} steps" if done == planned else f"{done:,} of {planned:,} steps"
    return f" after training{cell}, {length}"


_trained_in = (None, 0)  # the latest training and the number of its cell


def note_cell(result):
    """After each cell of a notebook, note whether it has trained."""
    global _trained_in
    if training.latest is not _trained_in[0]:
        _trained_in = (training.latest, result.execution_count)


if get_ipython := vars(builtins).get("get_ipython"):
    get_ipython().events.register("post_run_cell", note_cell)
