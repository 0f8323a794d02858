"""The assignments' versions, made from the instructor's sources in chapters/assignments by nbgrader's own tools.

    make assignments        # or: .venv-grading/bin/python book/tools/assignments.py

writes _build/assignments/student (plain notebooks with gaps), release (the same with nbgrader's checksums and locks)
and solution (the answer key). `course` makes the folder that nbgrader grades in.
"""

import argparse
import copy
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

from record import load, strip, text

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ROOT / "chapters" / "assignments"
BUILT = ROOT / "_build" / "assignments"
STUBS = "YOUR CODE HERE raise NotImplementedError YOUR ANSWER HERE"
REGION = r"(?ms)^[^\n]*### BEGIN {0}\n(.*?)^[^\n]*### END {0}"  # what stands between two marks
os.environ["PATH"] = f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"  # nbgrader starts alembic by its name
MARK = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")
CONFIG = """\
import sys

sys.path.insert(0, {tools!r})
import grading

grading.configure(get_config())
"""


def marked(nb, kind):
    """The texts of nb between `### BEGIN kind` and `### END kind`; kind: SOLUTION or HIDDEN TESTS."""
    return [found for cell in nb.cells for found in re.findall(REGION.format(kind), cell.source + "\n")]


def open_part(nb):
    """The text of nb without what stands between marks."""
    sources = [cell.source + "\n" for cell in nb.cells]
    for kind in ("SOLUTION", "HIDDEN TESTS"):
        sources = [re.sub(REGION.format(kind), "", source) for source in sources]
    return "\n".join(sources)


def leaks(source, made):
    """The words of solutions and hidden tests that stand in `made` and nowhere in the open part of `source`."""
    secret = "\n".join(marked(source, "SOLUTION") + marked(source, "HIDDEN TESTS"))
    left = "\n".join(cell.source for cell in made.cells)
    words, said, left = (set(re.findall(r"\w+", part)) for part in (secret, open_part(source) + STUBS, left))
    return sorted((words - said) & left)


def faults(nb):
    """What nbgrader, a student or a grader would stumble over in a source notebook, as sentences."""
    taken, points, kinds = set(), {"code": 0, "markdown": 0}, ""
    for cell in nb.cells:
        told, where = cell.metadata.get("nbgrader"), f"cell {cell.get('id')}"
        solution, grade = (bool(told and told.get(kind)) for kind in ("solution", "grade"))
        allowed = "SOLUTION" if solution else "HIDDEN TESTS" if grade else None
        order = [line for line in map(str.strip, cell.source.splitlines()) if MARK.search(line)]
        if order != [f"### {word} {allowed}" for _ in order[::2] for word in ("BEGIN", "END")]:
            yield f"{where}: the marks are {order}; allowed here are pairs of ### BEGIN and ### END {allowed}."
        if solution and not order:
            yield f"{where} is an answer without a solution between marks."
        if cell.cell_type == "markdown" and re.search(r"\{[\w:]+\}`|^[:`]{3,}\{", cell.source, re.MULTILINE):
            yield f"{where} holds a role or a directive; a student sees the notebook raw."
        if told is None:
            continue
        wanted = {"schema_version": 3, "cell_type": cell.cell_type, "task": False, "grade_id": cell.get("id"),
                  "locked": not solution}  # fmt: skip
        for key, value in wanted.items():
            if told.get(key) != value or isinstance(value, bool) is not isinstance(told.get(key), bool):
                yield f"{where}: nbgrader.{key} is {told.get(key)!r}; it must be {value!r}."
        if told.get("grade_id") in taken:
            yield f"{where}: the grade_id stands more than once."
        taken.add(told.get("grade_id"))
        if grade != ("points" in told) or (grade and not told["points"] > 0):
            yield f"{where}: cells that are graded, and no others, have points, more than 0."
        elif grade:
            points[cell.cell_type] += told["points"]
        kinds += "a" * (solution and not grade) + "t" * (grade and not solution)
    if re.search("aa|a$", kinds) or "t" not in kinds:
        yield "An answer has no test behind it."
    stated = re.search(r"\*\*Points\*\*\D*(\d+)\D*(\d+)?\D*(\d+)?", "".join(cell.source for cell in nb.cells[:1]))
    tests, reading = points["code"], points["markdown"]
    if not stated or [int(number) for number in stated.groups("-1")] != [tests + reading, tests, reading]:
        yield f"The first cell must say **Points** {tests + reading}: {tests} by tests, {reading} by reading."


def answers(nb):
    """The cells of a source notebook that a student fills in with code."""
    return [cell for cell in nb.cells if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution")]


def through(nb, *preprocessors):
    """A copy of nb after nbgrader's preprocessors."""
    nb, resources = copy.deepcopy(nb), {}
    for preprocessor in preprocessors:
        nb, resources = preprocessor().preprocess(nb, resources)
    return nb


def student(nb):
    """The plain version: gaps instead of solutions, no hidden tests; the cells keep their names for grading."""
    from nbgrader import preprocessors as p

    return strip(through(nb, p.ClearSolutions, p.ClearOutput, p.ClearHiddenTests, p.ClearMarkScheme))


def solution(nb):
    """The answer key: everything can be read, and the tests cannot be edited by accident."""
    from nbgrader import preprocessors as p

    return strip(through(nb, p.LockCells, p.ClearOutput))


def course(folder, sources):
    """nbgrader's course folder, for root only, with the release version of each source notebook in it."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / "nbgrader_config.py").write_text(CONFIG.format(tools=str(Path(__file__).resolve().parent)))
    for path in sources:
        kept = folder / "source" / path.stem / path.name
        if kept.exists() and kept.read_bytes() == path.read_bytes():
            continue
        kept.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, kept)
        settings = Config()
        settings.CourseDirectory.root = str(folder)
        settings.CourseDirectory.course_id = "vae-family"
        settings.CourseDirectory.ignore = ["*"]
        done = NbGraderAPI(config=settings).generate_assignment(path.stem, force=True)
        if not done["success"]:
            kept.unlink()  # or the next call would think it done
            raise ValueError(f"{path}: nbgrader makes no release version of it.\n{done['log']}")
    return folder


def make(sources, built=BUILT):
    """Write all versions; ValueError where a word of a solution or of a hidden test is left in one for students."""
    if problems := [f"{path}: {problem}" for path in sources for problem in faults(load(path))]:
        raise ValueError("\n".join(problems))
    with tempfile.TemporaryDirectory() as folder:
        course(folder, sources)
        released = {path: load(Path(folder, "release", path.stem, path.name)) for path in sources}
    for path in sources:
        nb = load(path)
        made = {"student": student(nb), "release": released[path], "solution": solution(nb)}
        for version in ("student", "release"):
            if found := leaks(nb, made[version]):
                raise ValueError(f"{path}: the {version} version holds words of the key: {', '.join(found)}.")
        for version, notebook in made.items():
            (built / version).mkdir(parents=True, exist_ok=True)
            (built / version / path.name).write_text(text(notebook), encoding="utf-8")
        print(f"{path.stem}: student, release, solution")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=Path, default=SOURCES)
    parser.add_argument("--built", type=Path, default=BUILT)
    options = parser.parse_args(argv)
    sources = sorted(options.sources.glob("*.ipynb"))
    if not sources:
        print(f"{options.sources} holds no notebooks.", file=sys.stderr)
        return 2
    shutil.rmtree(options.built, ignore_errors=True)
    try:
        make(sources, options.built)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"written to {options.built}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
