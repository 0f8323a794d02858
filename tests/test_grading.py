"""The assignments' form, their versions, and grading.

What needs nbgrader and root runs under `make grade-demo`, in .venv-grading; here it is skipped with a reason.
"""

import copy
import importlib.util
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from conftest import need

sys.path.insert(0, str(Path(__file__).parent / "grading"))
import demo  # noqa: E402
import sandbox  # noqa: E402
from assignments import SOURCES, faults, leaks, make, marked, open_part  # noqa: E402
from record import load, text  # noqa: E402
from stand_in import notebook  # noqa: E402

REAL = {path.stem: path for path in sorted(SOURCES.glob("*.ipynb"))}


def source(name):
    return load(REAL[name]) if name in REAL else notebook()


@pytest.fixture
def nbgrader():
    need(importlib.util.find_spec("nbgrader"), "needs nbgrader: run by make grade-demo", ci=False)


@pytest.fixture
def room(nbgrader, tmp_path):
    """Skips where no closed room can be made, outside CI; a room that can be made and leaks is a failure."""
    problem = sandbox.check([tmp_path, SOURCES])
    need(not str(problem).startswith("Grading needs"), problem)
    assert problem is None


# ---- The form of the sources


@pytest.mark.parametrize("name", ["stand-in", *REAL])
def test_a_source_notebook_has_the_form(name):
    assert not list(faults(source(name)))


@pytest.mark.parametrize("name", ["stand-in", *REAL])
def test_the_stated_share_counts_all_points_and_none(name):
    nb = source(name)
    tests = [cell.metadata.nbgrader for cell in nb.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    assert demo.total(nb) == sum(told.points for told in tests if told.cell_type == "code")
    assert demo.share(nb, []) < demo.share(nb, demo.half(nb)[0]) < demo.total(nb)


@pytest.mark.parametrize("right, points", [("", 0), ("kl", 3), ("bound", 3), ("kl gap", 3), ("kl bound gap", 8)])
def test_the_stated_share_follows_the_functions(right, points):
    assert demo.share(notebook(), right.split()) == points


PLANTED = [  # a pattern in the JSON, what replaces it, what the sentence says
    ('"grade_id": "gap"', '"grade_id": "kl"', "more than once"),
    ('"grade_id": "gap"', '"grade_id": "other"', "nbgrader.grade_id"),
    ('"schema_version": 3', '"schema_version": 2', "schema_version"),
    ('"locked": true', '"locked": false', "nbgrader.locked"),
    ('"task": false', '"task": true', "nbgrader.task"),
    ('"points": 2', '"points": 0', "more than 0"),
    ('"points": 2', '"points": 3', "The first cell must say"),
    ('"points": 3,\n', "", "have points"),
    ("8 by tests", "7 by tests", "The first cell must say"),
    ("### END SOLUTION", "", "the marks are"),
    ("### BEGIN SOLUTION", "## BEGIN SOLUTION", "the marks are"),
    ("### END HIDDEN TESTS", "### END SOLUTION", "the marks are"),
    ("# Assignment 0", "# ### BEGIN SOLUTION 0", "the marks are"),
    (r"### (BEGIN|END) SOLUTION", "", "without a solution"),
    ("## Part 1", "{eq}`eq-one` ## Part 1", "role"),
    ("## Part 1", ":::{note} ## Part 1", "directive"),
    ('"grade": true', '"grade": false', "no test"),
]


@pytest.mark.parametrize("pattern, new, said", PLANTED)
def test_a_planted_fault_is_named(pattern, new, said):
    changed, count = re.subn(pattern, new, text(notebook()))
    found = list(faults(nbformat.reader.reads(changed)))
    assert count and any(said in sentence for sentence in found), found


def test_a_left_over_of_the_key_is_seen():
    nb = notebook()
    plain = copy.deepcopy(nb)
    for cell in plain.cells:
        for kind in ("SOLUTION", "HIDDEN TESTS"):
            cell.source = re.sub(rf"(?s)### BEGIN {kind}.*?### END {kind}", "", cell.source)
    assert leaks(nb, plain) == []
    assert "logsumexp" in leaks(nb, nb) and "Jensen" in leaks(nb, nb) and "extreme" in leaks(nb, nb)
    plain.cells[3].source += " difference"
    assert leaks(nb, plain) == ["difference"]


# ---- What a machine must have


def test_without_root_or_its_tools_grading_says_what_is_missing(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert sandbox.check([]) == sandbox.missing()
    assert "needs Linux and root" in sandbox.missing()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sandbox.shutil, "which", lambda tool: None if tool == "setpriv" else tool)
    assert sandbox.missing() == "Grading needs the programs setpriv (package util-linux)."


# ---- With nbgrader


def lines(texts):
    return {line.strip() for text in texts for line in text.splitlines()}


@pytest.mark.parametrize("name", ["stand-in", *REAL])
def test_no_word_of_the_key_is_left_for_students(name, nbgrader, tmp_path):
    path = tmp_path / f"{name}.ipynb"
    nb = source(name)
    path.write_text(text(nb), encoding="utf-8")
    make([path], tmp_path / "built")
    made = {version: load(tmp_path / "built" / version / path.name) for version in ("student", "release", "solution")}
    key, public = lines(marked(nb, "SOLUTION") + marked(nb, "HIDDEN TESTS")), lines([open_part(nb)])
    secret = {line for line in key - public if len(line) > 25}
    assert secret
    assert [cell.id for cell in made["student"].cells] == [cell.id for cell in nb.cells]
    for version in ("student", "release"):
        assert leaks(nb, made[version]) == []
        content = text(made[version])
        assert "BEGIN " not in content and "END " not in content
        assert not secret & lines(cell.source for cell in made[version].cells)
    gaps = [cell for cell in made["student"].cells if cell.metadata.get("nbgrader", {}).get("solution")]
    assert all("YOUR CODE HERE\n" in c.source or "YOUR ANSWER HERE" in c.source for c in gaps)
    assert "checksum" in text(made["release"]) and "deletable" in text(made["release"])
    assert "checksum" not in text(made["student"]) and "deletable" not in text(made["student"])
    assert [cell.source for cell in made["solution"].cells] == [cell.source for cell in nb.cells]
    assert not any(cell.get("outputs") for version in made.values() for cell in version.cells)


def test_a_fault_in_a_source_stops_the_making(nbgrader, tmp_path):
    path = tmp_path / "01_bad.ipynb"
    path.write_text(text(notebook()).replace('"schema_version": 3', '"schema_version": 2'))
    with pytest.raises(ValueError, match="schema_version"):
        make([path], tmp_path / "built")
    assert not (tmp_path / "built").exists()


def handed_in(change):
    """The sources of what is executed when the changed student version is handed in, and their notebook."""
    import grading

    submitted = demo.filled(notebook(), ["kl", "bound"])
    change(submitted)
    return grading.answered(demo.filled(notebook()), submitted)


def test_answers_are_found_by_name_id_or_what_colab_made_of_it(nbgrader):
    def colab(nb):
        for cell in nb.cells:
            cell.metadata = {"id": cell.pop("id"), "colab": {"x": 1}}
        nb.metadata, nb.nbformat_minor = {"colab": {}}, 0

    def by_name(nb):
        for i, cell in enumerate(nb.cells):
            cell.id = f"other-{i}"
        nb.cells.reverse()

    for change in (lambda nb: None, colab, by_name):
        made = handed_in(change)
        assert [cell.id for cell in made.cells] == [cell.id for cell in notebook().cells]
        got = {cell.id: cell.source for cell in made.cells}
        assert "logsumexp" in got["bound"] and "variance = " in got["kl"] and "YOUR CODE" in got["gap"]


def test_own_cells_stay_and_the_tests_and_metadata_of_a_submission_do_not(nbgrader):
    def change(nb):
        cells = {cell.id: cell for cell in nb.cells}
        cells["kl-test"].source = "pass"
        cells["kl-test"].metadata.nbgrader.points = 100
        cells["setup"].source += "\nimport math"
        cells["why"].source = "Because <script>of</script> $a<b$ [x](javascript:y)"
        nb.metadata.kernelspec.name = "bash"
        nb.cells.insert(nb.cells.index(cells["bound"]), nbformat.v4.new_code_cell("helper = 1"))
        again = copy.deepcopy(cells["bound"])
        again.source = "second = 2"
        nb.cells += [again, nbformat.v4.new_code_cell("last = 3"), copy.deepcopy(cells["kl-test"])]
        del nb.cells[nb.cells.index(cells["gap-test"])]

    made, released = handed_in(change), demo.filled(notebook())
    ids = [cell.id for cell in made.cells]
    own = [cell.source for cell in made.cells if cell.id.startswith("own-")]
    assert own == [released.cells[2].source + "\nimport math", "helper = 1", "second = 2", "last = 3"]
    assert ids.index("bound") == [cell.source for cell in made.cells].index("helper = 1") + 1
    assert [ident for ident in ids if not ident.startswith("own-")] == [cell.id for cell in released.cells]
    assert made.metadata == released.metadata
    for cell in released.cells:
        same = next(other for other in made.cells if other.id == cell.id)
        assert same.metadata == cell.metadata
        assert cell.metadata.get("nbgrader", {}).get("solution") or same.source == cell.source
    words = next(cell.source for cell in made.cells if cell.id == "why")
    assert words == "Because < script>of< /script> $a< b$ [x](javascript :y)"


def test_a_submission_that_is_no_ordinary_file_is_not_taken(nbgrader, tmp_path):
    import grading

    for student in ("good", "link", "large", "no name!"):
        (tmp_path / "in" / student).mkdir(parents=True)
    (tmp_path / "in" / "good" / "01_a.ipynb").write_text("{}")
    (tmp_path / "in" / "no name!" / "01_a.ipynb").write_text("{}")
    (tmp_path / "in" / "link" / "01_a.ipynb").symlink_to(tmp_path / "in" / "good" / "01_a.ipynb")
    (tmp_path / "in" / "large" / "01_a.ipynb").write_bytes(bytes(grading.LONGEST_FILE + 1))
    taken = grading.collect(tmp_path / "in", tmp_path / "course", ["01_a"])
    assert [student for student, _, problem in taken if problem is None] == ["good"]
    assert len(taken) == 4


def test_the_look_into_the_room_is_not_blind(room):
    """What is mounted into the room is reported when it is asked to be hidden."""
    assert "hidden" in sandbox.check([sys.prefix])


def test_made_up_submissions_get_what_is_stated(room, capsys):
    with capsys.disabled():
        assert demo.main(os.environ.get("ONLY", "")) == 0
