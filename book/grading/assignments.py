"""Generate the versions of the assignments from their sources in chapters/assignments, by nbgrader.

    make assignments        # or: .venv-grading/bin/python book/grading/assignments.py
    make assignments ARGS="--pages https://you.github.io/course/"

writes _build/assignments/student (plain notebooks with gaps), release (the same with nbgrader's
checksums and locks) and solution (the answer key). In the first two, links to chapters lead to the
published pages. `course` creates nbgrader's course folder.
"""

import argparse
import copy
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "book" / "tools"))
from record import load, strip, text  # noqa: E402
from repository import PLACEHOLDER, read_url, site_address  # noqa: E402

SOURCES = ROOT / "chapters" / "assignments"
BUILT = ROOT / "_build" / "assignments"
NUMBER = "number"  # the answer with the student's number, which no test follows
CHAPTER = re.compile(r"\]\(\.\./(\w+)\.ipynb(#[^()\s]*)?\)")  # a link to a chapter
# The bootstrap cell's advice; a clone of the book contains the key, so students get another one.
IN_A_CLONE = "run `make lab` in a clone of the book"
IN_A_TERMINAL = "run `pip install {ADDRESS}` in a terminal"
STUBS = "YOUR CODE HERE raise NotImplementedError YOUR ANSWER HERE"
REGION = r"(?ms)^[^\n]*### BEGIN {0}\n(.*?)^[^\n]*### END {0}"  # the text between two marks
os.environ["PATH"] = f"{sys.prefix}/bin{os.pathsep}{os.environ['PATH']}"  # nbgrader calls `alembic`
MARK = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS)")
CONFIG = """\
import sys

sys.path.insert(0, {tools!r})
import grading

grading.configure(get_config())
"""


def marked(nb, kind):
    """Return the texts between `### BEGIN kind` and `### END kind`.

    kind: SOLUTION or HIDDEN TESTS.
    """
    return [
        part for cell in nb.cells for part in re.findall(REGION.format(kind), cell.source + "\n")
    ]


def open_part(nb):
    """Return the text of nb outside of the marked regions."""
    sources = [cell.source + "\n" for cell in nb.cells]
    for kind in ("SOLUTION", "HIDDEN TESTS"):
        sources = [re.sub(REGION.format(kind), "", source) for source in sources]
    return "\n".join(sources)


def leaks(source, version):
    """Return the words of the key in `version` that are not public in `source`."""
    secret = "\n".join(marked(source, "SOLUTION") + marked(source, "HIDDEN TESTS"))
    public = open_part(source) + STUBS
    content = "\n".join(cell.source for cell in version.cells)
    secret, public, content = (set(re.findall(r"\w+", part)) for part in (secret, public, content))
    return sorted((secret - public) & content)


def faults(nb):
    """Yield a sentence for each error in a source notebook's metadata, marks or points."""
    taken, points, kinds = set(), {"code": 0, "markdown": 0}, ""
    for cell in nb.cells:
        meta, where = cell.metadata.get("nbgrader"), f"cell {cell.get('id')}"
        solution, grade = (bool(meta and meta.get(kind)) for kind in ("solution", "grade"))
        allowed = "SOLUTION" if solution else "HIDDEN TESTS" if grade else None
        order = [line for line in map(str.strip, cell.source.splitlines()) if MARK.search(line)]
        if order != [f"### {word} {allowed}" for _ in order[::2] for word in ("BEGIN", "END")]:
            yield (
                f"{where}: the marks must be pairs of ### BEGIN and ### END {allowed}, got {order}."
            )
        if solution and not order:
            yield f"{where} is an answer without a solution between marks."
        if cell.cell_type == "markdown" and re.search(
            r"\{[\w:]+\}`|^[:`]{3,}\{", cell.source, re.M
        ):
            yield f"{where} contains a role or a directive, which a student's notebook shows raw."
        if meta is None:
            continue
        expected = {"schema_version": 3, "cell_type": cell.cell_type, "task": False,
                    "grade_id": cell.get("id"), "locked": not solution}  # fmt: skip
        for key, value in expected.items():
            got = meta.get(key)
            if got != value or isinstance(value, bool) is not isinstance(got, bool):
                yield f"{where}: nbgrader.{key} must be {value!r}, got {got!r}."
        if meta.get("grade_id") in taken:
            yield f"{where}: the grade_id is used more than once."
        taken.add(meta.get("grade_id"))
        if grade != ("points" in meta) or (grade and not meta["points"] > 0):
            yield (
                f"{where}: graded cells must have points greater than 0, "
                "other cells must have none."
            )
        elif grade:
            points[cell.cell_type] += meta["points"]
        if cell.get("id") != NUMBER:
            kinds += "a" * (solution and not grade) + "t" * (grade and not solution)
    if re.search("aa|a$", kinds) or "t" not in kinds:
        yield "An answer is not followed by a test."
    title = "".join(cell.source for cell in nb.cells[:1])
    stated = re.search(r"\*\*Points\*\*\D*(\d+)\D*(\d+)?\D*(\d+)?", title)
    tests, reading = points["code"], points["markdown"]
    if not stated or [int(number) for number in stated.groups("-1")] != [
        tests + reading,
        tests,
        reading,
    ]:
        yield (f"The first cell must say **Points** {tests + reading}: {tests} by tests, "
               f"{reading} by reading.")  # fmt: skip


def answers(nb):
    """Return the code cells of a source notebook that a student fills in."""
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    return [cell for cell in code if cell.metadata.get("nbgrader", {}).get("solution")]


def preprocessed(nb, *preprocessors):
    """Return a copy of nb after nbgrader's preprocessors."""
    nb, resources = copy.deepcopy(nb), {}
    for preprocessor in preprocessors:
        nb, resources = preprocessor().preprocess(nb, resources)
    return nb


def student(nb):
    """Return the plain version, without solutions and hidden tests; cells keep their ids."""
    from nbgrader import preprocessors as p

    return strip(
        preprocessed(nb, p.ClearSolutions, p.ClearOutput, p.ClearHiddenTests, p.ClearMarkScheme)
    )


def solution(nb):
    """Return the answer key: all is visible, and tests are locked against accidental edits."""
    from nbgrader import preprocessors as p

    return strip(preprocessed(nb, p.LockCells, p.ClearOutput))


def published(config=ROOT / "_config.yml"):
    """Return the address of the book's pages, or None if it is not set yet."""
    url = read_url(config)
    return None if PLACEHOLDER in url else site_address(url)


def without_address(pages, config=ROOT / "_config.yml"):
    """Return a sentence if the book's address is not set yet, or None."""
    if PLACEHOLDER not in read_url(config):
        return None
    said = ("The book's address is not set: students' notebooks would install vaelib from an "
            "address that does not exist")  # fmt: skip
    if pages:
        return f"{said}: run make repository URL=https://github.com/you/vae-family."
    return (f"{said}, and links to chapters lead nowhere outside a clone: run make repository "
            "URL=https://github.com/you/vae-family, or give --pages for the links.")  # fmt: skip


def handed_out(nb, pages):
    """Return a copy of nb for students: links lead to the pages, and none into a clone.

    pages: the address of the pages; None: links stay relative, as in a clone.
    """
    nb = copy.deepcopy(nb)
    for cell in nb.cells:
        if cell.cell_type == "markdown" and pages:
            cell.source = CHAPTER.sub(rf"]({pages.rstrip('/')}/chapters/\1.html\2)", cell.source)
        if cell.get("id") == "bootstrap":
            cell.source = cell.source.replace(IN_A_CLONE, IN_A_TERMINAL)
    return nb


def course(folder, sources):
    """Create or update nbgrader's course folder, readable by root only, with release versions."""
    from nbgrader.apps import NbGraderAPI
    from traitlets.config import Config

    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    (folder / "nbgrader_config.py").write_text(
        CONFIG.format(tools=str(Path(__file__).resolve().parent))
    )
    for path in sources:
        copied = folder / "source" / path.stem / path.name
        if copied.exists() and copied.read_bytes() == path.read_bytes():
            continue
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copied)
        settings = Config()
        settings.CourseDirectory.root = str(folder)
        settings.CourseDirectory.course_id = "vae-family"
        settings.CourseDirectory.ignore = ["*"]
        done = NbGraderAPI(config=settings).generate_assignment(path.stem, force=True)
        if not done["success"]:
            copied.unlink()  # or the next call would skip it
            raise ValueError(f"{path}: nbgrader failed to make a release version.\n{done['log']}")
    return folder


def make(sources, built=BUILT, pages=None):
    """Write all versions. ValueError: a student's version contains a word of the key.

    pages: the address of the book's pages, default that of _config.yml.
    """
    if problems := [f"{path}: {problem}" for path in sources for problem in faults(load(path))]:
        raise ValueError("\n".join(problems))
    pages = pages or published()
    given = {path: handed_out(load(path), pages) for path in sources}
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder, path.name) for path in sources]
        for path, made in zip(copies, given.values(), strict=True):
            path.write_text(text(made), encoding="utf-8")
        course(Path(folder, "course"), copies)
        released = {
            path: load(Path(folder, "course", "release", path.stem, path.name)) for path in sources
        }
    for path in sources:
        nb = given[path]
        versions = {
            "student": student(nb), "release": released[path], "solution": solution(load(path))
        }  # fmt: skip
        for version in ("student", "release"):
            if leaked := leaks(nb, versions[version]):
                words = ", ".join(leaked)
                raise ValueError(
                    f"{path}: the {version} version contains words of the key: {words}."
                )
        for version, notebook in versions.items():
            (built / version).mkdir(parents=True, exist_ok=True)
            (built / version / path.name).write_text(text(notebook), encoding="utf-8")
        print(f"{path.stem}: student, release, solution")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", type=Path, default=SOURCES)
    parser.add_argument("--built", type=Path, default=BUILT)
    parser.add_argument("--pages", help="the address of your book's pages, for links to chapters")
    options = parser.parse_args(argv)
    if options.pages and not re.match(r"https?://[^\s()]+$", options.pages):
        print(f"--pages must be an address such as https://you.github.io/course/, "
              f"got '{options.pages}'.", file=sys.stderr)  # fmt: skip
        return 2
    sources = sorted(options.sources.glob("*.ipynb"))
    if not sources:
        print(f"{options.sources} contains no notebooks.", file=sys.stderr)
        return 2
    shutil.rmtree(options.built, ignore_errors=True)
    try:
        make(sources, options.built, options.pages)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"written to {options.built}")
    if said := without_address(options.pages):
        print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main())
