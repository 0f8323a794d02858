"""What the assignments need: seeds of a student's own, programs with a mistake, ready-made parts.

Everything depends on the student's number only, so that a notebook gives the same result on every
machine, and two students get different data and different mistakes.
"""

import hashlib
import linecache
import re
from pathlib import Path
from types import SimpleNamespace

__all__ = ["program", "ready_made", "seed"]

HERE = Path(__file__).parent
# A line `right  #! wrong`: with the mistake chosen here, the line is `wrong`.
CHOICE = re.compile(r"^(?P<space> *)(?P<right>\S.*?)  #! (?P<wrong>.+)$", re.MULTILINE)
# Below it, lines `#! or -1: line`: the mistake is mended as well if, in its place, the line so many
# lines away becomes this `line`. Every other line keeps its sense: none is ignored or taken back.
OTHER = re.compile(r"^ *#! or (?P<away>[+-]\d+): (?P<line>.+)\n", re.MULTILINE)


class Program(SimpleNamespace):
    """The names that a program defines, as attributes; printed, it shows its numbered lines."""

    def __str__(self):
        lines = self.source.splitlines()
        return "\n".join(f"{number:3d}  {line}".rstrip() for number, line in enumerate(lines, 1))


def seed(student, what=""):
    """Return the seed of one student for one purpose, an int from 0 to 2**31 - 1.

    student: the student's number, an int from 0 (0: none was written). what: a short text that
    names the purpose, such as "data". ValueError: student is not such a number.
    """
    if isinstance(student, bool) or not isinstance(student, int) or student < 0:
        raise ValueError(f"STUDENT must be a whole number, 0 or above, got {student!r}.")
    return int(hashlib.sha256(f"{student} {what}".encode()).hexdigest()[:8], 16) >> 1


def program(assignment, student):
    """Return the program of an assignment with the one mistake that belongs to a student's number.

    assignment: its name, such as "02_iwae". student: as in `seed`. The functions of the program are
    attributes of the result, its text is `source`, and print shows the text with line numbers.
    ValueError: there is no such program.
    """
    text, place = _chosen(assignment, student)
    return _made(text, f"{assignment} {student}", place)


def ready_made(assignment, name):
    """Return a working version of one of an assignment's functions, for half of its points.

    assignment: its name, such as "02_iwae". name: the function's. ValueError: there is none.
    """
    path = HERE / "ready" / f"{assignment}.py"
    names = vars(_made(path.read_text("utf-8"), path.name)) if path.exists() else {}
    functions = sorted(key for key, value in names.items() if hasattr(value, "__code__"))
    if name not in functions:
        known = ", ".join(functions) or "none"
        raise ValueError(f"{assignment} has these ready-made functions: {known}; got {name!r}.")
    return names[name]


def _choices(assignment):
    """Return the marked text of a program and the matches of its marks."""
    path = HERE / "programs" / f"{assignment}.py"
    if not path.exists():
        known = ", ".join(sorted(path.stem for path in path.parent.glob("*.py"))) or "none"
        raise ValueError(f"assignment must be one of {known}, got {assignment!r}.")
    text = path.read_text("utf-8")
    return text, list(CHOICE.finditer(text))


def _chosen(assignment, student):
    """Return the marked text of a program and the match of the mark chosen for a student."""
    text, places = _choices(assignment)
    return text, places[seed(student, assignment) % len(places)]


def _repairs(assignment, student):
    """Return {number: line}: the lines of a student's program that mend its mistake, each alone.

    The first one is that of the mistake. For the hidden tests; arguments as in `program`.
    """
    text, place = _chosen(assignment, student)
    at, end = OTHER.sub("", text[: place.start()]).count("\n") + 1, place.end() + 1
    found = {at: place["right"]}
    while other := OTHER.match(text, end):
        found[at + int(other["away"])], end = other["line"], other.end()
    return found


def _made(text, name, place=None):
    """Execute a marked text with the mistake at `place`, or without one, and return its names."""

    def line(match):
        wrong = place is not None and match.start() == place.start()
        return match["space"] + match["wrong" if wrong else "right"]

    source = OTHER.sub("", CHOICE.sub(line, text))
    file = f"<{name}>"
    linecache.cache[file] = len(source), None, source.splitlines(True), file
    made = {"__name__": name}
    exec(compile(source, file, "exec"), made)
    names = {key: value for key, value in made.items() if not key.startswith("__")}
    return Program(**names, source=source)
