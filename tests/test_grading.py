"""The form of the assignments, their versions, and grading.

Tests that need nbgrader and root run under `make grade-demo`, in .venv-grading; elsewhere they are
skipped.
"""

import copy
import importlib.util
import os
import re
import sys
from pathlib import Path

import demo
import nbformat
import pytest
import sandbox
from assignments import SOURCES, faults, leaks, make, marked, open_part
from conftest import need
from record import load, text
from sample_assignment import notebook
from submissions import LONGEST_FILE, collect

REAL = {path.stem: path for path in sorted(SOURCES.glob("*.ipynb"))}


def source(name):
    return load(REAL[name]) if name in REAL else notebook()


@pytest.fixture
def nbgrader():
    need(importlib.util.find_spec("nbgrader"), "needs nbgrader: run by make grade-demo", ci=False)


@pytest.fixture
def room(nbgrader, tmp_path):
    """Skip if no sandbox can be created, except in CI; fail if one can be created and leaks."""
    problem = sandbox.check([tmp_path, SOURCES])
    need(not str(problem).startswith("Grading needs"), problem)
    assert problem is None


# ---- The form of the sources


@pytest.mark.parametrize("name", ["sample", *REAL])
def test_source_notebooks_have_no_faults(name):
    assert not list(faults(source(name)))


@pytest.mark.parametrize("name", ["sample", *REAL])
def test_expected_points_range_from_none_to_all(name):
    nb = source(name)
    metas = [cell.metadata.get("nbgrader", {}) for cell in nb.cells]
    tests = [meta for meta in metas if meta.get("grade") and meta.cell_type == "code"]
    assert demo.total(nb) == sum(meta.points for meta in tests)
    assert demo.share(nb, []) < demo.share(nb, demo.half(nb)[0]) < demo.total(nb)


@pytest.mark.parametrize(
    "right, points", [("", 0), ("kl", 3), ("bound", 3), ("kl gap", 3), ("kl bound gap", 8)]
)
def test_expected_points_follow_from_the_functions_that_tests_use(right, points):
    assert demo.share(notebook(), right.split()) == points


FAULTS = [  # a pattern in the JSON, its replacement, a part of the message
    ('"grade_id": "gap"', '"grade_id": "kl"', "more than once"),
    ('"grade_id": "gap"', '"grade_id": "other"', "nbgrader.grade_id"),
    ('"schema_version": 3', '"schema_version": 2', "schema_version"),
    ('"locked": true', '"locked": false', "nbgrader.locked"),
    ('"task": false', '"task": true', "nbgrader.task"),
    ('"points": 2', '"points": 0', "greater than 0"),
    ('"points": 2', '"points": 3', "The first cell must say"),
    ('"points": 3,\n', "", "must have points"),
    ("8 by tests", "7 by tests", "The first cell must say"),
    ("### END SOLUTION", "", "the marks must be"),
    ("### BEGIN SOLUTION", "## BEGIN SOLUTION", "the marks must be"),
    ("### END HIDDEN TESTS", "### END SOLUTION", "the marks must be"),
    ("# Assignment 0", "# ### BEGIN SOLUTION 0", "the marks must be"),
    (r"### (BEGIN|END) SOLUTION", "", "without a solution"),
    ("## Part 1", "{eq}`eq-one` ## Part 1", "role"),
    ("## Part 1", ":::{note} ## Part 1", "directive"),
    ('"grade": true', '"grade": false', "not followed by a test"),
]


@pytest.mark.parametrize("pattern, new, message", FAULTS)
def test_faults_in_a_source_notebook_are_named(pattern, new, message):
    changed, count = re.subn(pattern, new, text(notebook()))
    found = list(faults(nbformat.reader.reads(changed)))
    assert count and any(message in sentence for sentence in found), found


def test_leaks_finds_words_of_the_key():
    nb = notebook()
    plain = copy.deepcopy(nb)
    for cell in plain.cells:
        for kind in ("SOLUTION", "HIDDEN TESTS"):
            cell.source = re.sub(rf"(?s)### BEGIN {kind}.*?### END {kind}", "", cell.source)
    assert leaks(nb, plain) == []
    assert "logsumexp" in leaks(nb, nb) and "Jensen" in leaks(nb, nb) and "extreme" in leaks(nb, nb)
    plain.cells[3].source += " difference"
    assert leaks(nb, plain) == ["difference"]


# ---- Collecting the submissions: every notebook is graded or named in a remark


NAMES = ["01_elbo", "02_iwae"]
MISNAMED = {  # the file handed in, what it must be called
    "ben/01_elbo (1).ipynb": "ben/01_elbo.ipynb",
    "cem/Copy of 01_elbo.ipynb": "cem/01_elbo.ipynb",
    "dora/Kopie von 02_iwae.ipynb": "dora/02_iwae.ipynb",
    "eva/01_ELBO.ipynb": "eva/01_elbo.ipynb",
    "finn/01_elbo.IPYNB": "finn/01_elbo.ipynb",
    "fred/week3/01_elbo.ipynb": "fred/01_elbo.ipynb",
    "gus_01_elbo.ipynb": "STUDENT/01_elbo.ipynb",
    "02_iwae.ipynb": "STUDENT/02_iwae.ipynb",
    "hana/01-elbo-final.ipynb": "hana/01_elbo.ipynb",
    "ida/02_iwae.ipynb.txt": "ida/02_iwae.ipynb",
    "jo/02_iwae.zip": "jo/02_iwae.ipynb",
}


def handed_in(folder, *files):
    for file in files:
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return folder


@pytest.mark.parametrize("file", MISNAMED)
def test_a_misnamed_submission_gets_a_row_that_says_what_it_must_be_called(file, tmp_path):
    (row,) = collect(handed_in(tmp_path / "in", file), tmp_path / "course", NAMES)
    name = Path(MISNAMED[file]).stem
    remark = f"'{file}' was not graded; it must be called '{MISNAMED[file]}'."
    assert row == {
        "student": file.split("/")[0],
        "assignment": name,
        "graded": False,
        "remarks": [remark],
    }
    assert not (tmp_path / "course").exists()


def test_a_notebook_of_unknown_name_and_a_folder_without_any_get_a_row(tmp_path):
    folder = handed_in(
        tmp_path / "in",
        "ann/homework.ipynb",
        "bob/notes.pdf",
        "cleo/01_elbo.ipynb",
        "cleo/data/plot.png",
        "ann/.ipynb_checkpoints/01_elbo.ipynb",
        "__MACOSX/x.ipynb",
        "list.csv",
    )
    (folder / "dan").mkdir()
    rows = {row["student"]: row for row in collect(folder, tmp_path / "course", NAMES)}
    names = "called one of 01_elbo.ipynb, 02_iwae.ipynb in"
    assert rows.keys() == {"ann", "bob", "cleo", "dan"} and rows["cleo"]["remarks"] == []
    assert rows["ann"]["remarks"] == [
        f"'ann/homework.ipynb' was not graded; it must be {names} 'ann/'."
    ]
    assert rows["bob"]["remarks"] == [f"The folder 'bob' contains no notebook {names} 'bob/'."]
    assert {rows[student]["assignment"] for student in ("ann", "bob", "dan")} == {"unknown"}


def test_a_copy_next_to_the_submission_is_named_in_its_row(tmp_path):
    """One row per student and assignment: a second one could replace the first."""
    folder = handed_in(
        tmp_path / "in",
        "ann/01_elbo.ipynb",
        "ann/01_elbo (1).ipynb",
        "ann/01_elbo.html",
        "bob/01_elbo (1).ipynb",
        "bob/01_elbo (2).ipynb",
    )
    ann, bob = collect(folder, tmp_path / "course", NAMES)
    assert ann["graded"] and (tmp_path / "course/submitted/ann/01_elbo/01_elbo.ipynb").exists()
    assert ann["remarks"] == ["'ann/01_elbo (1).ipynb' was not graded, only 'ann/01_elbo.ipynb'."]
    assert not bob["graded"] and ["(1)" in remark for remark in bob["remarks"]] == [True, False]


def test_only_regular_files_of_named_students_are_collected(tmp_path):
    folder = handed_in(tmp_path / "in", "good/01_elbo.ipynb", "no name!/01_elbo.ipynb")
    for student in ("link", "large"):
        (folder / student).mkdir()
    (folder / "link" / "01_elbo.ipynb").symlink_to(folder / "good" / "01_elbo.ipynb")
    (folder / "large" / "01_elbo.ipynb").write_bytes(bytes(LONGEST_FILE + 1))
    rows = collect(folder, tmp_path / "course", NAMES)
    assert [row["student"] for row in rows if row["graded"]] == ["good"]
    assert len(rows) == 4 and all(row["remarks"] for row in rows if not row["graded"])


# ---- Requirements of the sandbox


def test_grading_says_what_the_machine_lacks(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert sandbox.check([]) == sandbox.missing()
    assert "needs Linux and root" in sandbox.missing()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(sandbox.shutil, "which", lambda tool: None if tool == "setpriv" else tool)
    assert sandbox.missing() == "Grading needs the programs setpriv (package util-linux)."


# ---- With nbgrader


def lines(texts):
    return {line.strip() for text in texts for line in text.splitlines()}


@pytest.mark.parametrize("name", ["sample", *REAL])
def test_the_students_versions_contain_no_word_of_the_key(name, nbgrader, tmp_path):
    path = tmp_path / f"{name}.ipynb"
    nb = source(name)
    path.write_text(text(nb), encoding="utf-8")
    make([path], tmp_path / "built")
    versions = ("student", "release", "solution")
    made = {version: load(tmp_path / "built" / version / path.name) for version in versions}
    key, public = lines(marked(nb, "SOLUTION") + marked(nb, "HIDDEN TESTS")), lines([open_part(nb)])
    secret = {line for line in key - public if len(line) > 25}
    assert secret
    assert [cell.id for cell in made["student"].cells] == [cell.id for cell in nb.cells]
    for version in ("student", "release"):
        assert leaks(nb, made[version]) == []
        content = text(made[version])
        assert "BEGIN " not in content and "END " not in content
        assert not secret & lines(cell.source for cell in made[version].cells)
    gaps = [
        cell for cell in made["student"].cells if cell.metadata.get("nbgrader", {}).get("solution")
    ]
    assert all("YOUR CODE HERE\n" in c.source or "YOUR ANSWER HERE" in c.source for c in gaps)
    assert "checksum" in text(made["release"]) and "deletable" in text(made["release"])
    assert "checksum" not in text(made["student"]) and "deletable" not in text(made["student"])
    assert [cell.source for cell in made["solution"].cells] == [cell.source for cell in nb.cells]
    assert not any(cell.get("outputs") for version in made.values() for cell in version.cells)


def test_make_writes_nothing_from_a_faulty_source(nbgrader, tmp_path):
    path = tmp_path / "01_bad.ipynb"
    path.write_text(text(notebook()).replace('"schema_version": 3', '"schema_version": 2'))
    with pytest.raises(ValueError, match="schema_version"):
        make([path], tmp_path / "built")
    assert not (tmp_path / "built").exists()


def executed(change):
    """Return the notebook that is executed when the changed student version is submitted."""
    import grading

    submitted = demo.filled(notebook(), ["kl", "bound"])
    change(submitted)
    return grading.answered(demo.filled(notebook()), submitted)


def test_answers_are_found_by_grade_id_cell_id_or_colabs_id(nbgrader):
    def colab(nb):
        for cell in nb.cells:
            cell.metadata = {"id": cell.pop("id"), "colab": {"x": 1}}
        nb.metadata, nb.nbformat_minor = {"colab": {}}, 0

    def by_name(nb):
        for i, cell in enumerate(nb.cells):
            cell.id = f"other-{i}"
        nb.cells.reverse()

    for change in (lambda nb: None, colab, by_name):
        made = executed(change)
        assert [cell.id for cell in made.cells] == [cell.id for cell in notebook().cells]
        got = {cell.id: cell.source for cell in made.cells}
        assert (
            "logsumexp" in got["bound"] and "variance = " in got["kl"] and "YOUR CODE" in got["gap"]
        )


def test_a_students_own_cells_are_kept_but_not_changed_tests_or_metadata(nbgrader):
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

    made, released = executed(change), demo.filled(notebook())
    ids = [cell.id for cell in made.cells]
    own = [cell.source for cell in made.cells if cell.id.startswith("own-")]
    assert own == [
        released.cells[2].source + "\nimport math",
        "helper = 1",
        "second = 2",
        "last = 3",
    ]
    assert ids.index("bound") == [cell.source for cell in made.cells].index("helper = 1") + 1
    assert [ident for ident in ids if not ident.startswith("own-")] == [
        cell.id for cell in released.cells
    ]
    assert made.metadata == released.metadata
    for cell in released.cells:
        same = next(other for other in made.cells if other.id == cell.id)
        assert same.metadata == cell.metadata
        assert cell.metadata.get("nbgrader", {}).get("solution") or same.source == cell.source
    words = next(cell.source for cell in made.cells if cell.id == "why")
    assert words == "Because < script>of< /script> $a< b$ [x](javascript :y)"


def test_a_misnamed_submission_is_in_the_table_of_scores(nbgrader, tmp_path, monkeypatch):
    import grading

    monkeypatch.setattr(grading, "course", lambda folder, sources: Path(folder))
    monkeypatch.setattr(grading.sandbox, "check", lambda hidden: None)
    folder = handed_in(tmp_path / "in", "cem/Copy of 01_elbo.ipynb")
    (row,) = grading.grade(tmp_path / "course", [Path("01_elbo.ipynb")], folder)
    assert (row["student"], row["assignment"], row["points"]) == ("cem", "01_elbo", 0.0)
    assert "must be called 'cem/01_elbo.ipynb'" in row["remarks"]


def test_the_check_of_the_sandbox_reports_visible_paths(room):
    """A path that is mounted into the sandbox is reported when it should be hidden."""
    assert "hidden" in sandbox.check([sys.prefix])


def test_sample_submissions_get_the_expected_points(room, capsys):
    with capsys.disabled():
        assert demo.main(os.environ.get("ONLY", "")) == 0
