"""What a student sees of a failed test: one line, without code of a hidden test."""

import re
from pathlib import Path

from assignments import REGION, load

LONGEST = 500  # characters of a message
GRADER = "NotGraded"  # an error of the grader's own
SLOW = "It took too long and was stopped. Is there an endless loop?"
WITHHELD = "The message was left out: it contains code of a test."


def squeezed(text):
    return re.sub(r"\s+", "", text)


def secrets(course, name):
    """Return {cell: code of its hidden tests} without text in quotes, and the public code."""
    path = Path(course, "source", name, f"{name}.ipynb")
    hidden, public = {}, ""
    for cell in load(path).cells if path.exists() else []:
        code = "\n".join(re.findall(REGION.format("HIDDEN TESTS"), cell.source + "\n"))
        if code:
            # The texts of assertions are meant to be seen.
            parts = re.split(r"""[fr]?(?:"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", code)
            hidden[cell.id] = [squeezed(part) for part in parts]
        public += squeezed(re.sub(REGION.format("HIDDEN TESTS"), "", cell.source + "\n"))
    return hidden, public


def quotes(message, hidden, public, length=20):
    """Say whether a message contains 20 characters of a hidden test that are not public."""
    message = squeezed(message)
    pieces = {part[i : i + length] for part in hidden for i in range(len(part) - length + 1)}
    return any(piece in message and piece not in public for piece in pieces)


def line(message, hidden=(), public=""):
    """Return the one line that a student sees of a failure, never a traceback."""
    text = " ".join((message or "").split())
    if quotes(text, hidden, public):
        return WITHHELD
    text = re.sub(r"^(AssertionError|NotGraded)(:\s*|$)", "", text)
    text = re.sub(r"^NotImplementedError:?$", "The function is not written.", text.strip())
    text = re.sub(r"^CellTimeoutError\b.*", SLOW, text)
    text = text or "A test failed without a message."
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def cleaned(course, record, hidden_messages=True):
    """Return a copy of a record in which messages are those that students see.

    Code that uses what no answer needs may raise an error that carries a hidden test in some other
    form; of such a notebook no message of a hidden test is shown.
    """
    hidden, public = secrets(course, record["assignment"])
    suspect = bool(record["flags"] or record["to_read"])
    cells = []
    for cell in record["cells"]:
        message = None
        if cell["kind"] == "tests" and not passed(cell):
            secret = hidden.get(cell["id"], [])
            message = line(cell["message"], secret, public)
            if any(flag in message for flag in record["flags"]):
                message = "Read by an instructor."  # never why a submission was flagged
            elif suspect and cell["hidden"] and not (cell["message"] or "").startswith(GRADER):
                message = "A hidden test failed."
            elif cell["hidden"] and not hidden_messages:
                message = "Failed."
        cells.append(cell | {"message": message})
    return record | {"cells": cells}


def passed(cell):
    full = cell["of"] / 2 if cell["ready_made"] else cell["of"]
    return cell["points"] is not None and cell["points"] >= full
