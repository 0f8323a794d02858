"""The form of the assignments, their versions, and grading.

Tests that need nbgrader and root run under `make grade-demo`, in .venv-grading; elsewhere they are
skipped.
"""

import copy
import importlib.util
import os
import re
import sys

import assignments
import checks
import demo
import nbformat
import pytest
from answers import answered
from assignments import (
    IN_A_CLONE,
    NUMBER,
    SOURCES,
    faults,
    handed_out,
    leaks,
    make,
    marked,
    open_part,
    published,
)
from conftest import need
from record import load, text
from repository import BOOTSTRAP
from sample_assignment import notebook

REAL = {path.stem: path for path in sorted(SOURCES.glob("*.ipynb"))}


def source(name):
    return load(REAL[name]) if name in REAL else notebook()


@pytest.fixture
def nbgrader():
    need(importlib.util.find_spec("nbgrader"), "needs nbgrader: run by make grade-demo", ci=False)


@pytest.fixture
def room(nbgrader, tmp_path):
    """Skip if no room can be created, except in CI; fail if one can be created and leaks."""
    problem, _ = checks.check([tmp_path, SOURCES])
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


def answer(name, **metadata):
    meta = {"schema_version": 3, "grade_id": name, "task": False, "grade": False, "solution": True,
            "locked": False, "cell_type": "code"} | metadata  # fmt: skip
    code = "STUDENT = 0\n### BEGIN SOLUTION\nSTUDENT = 1234567\n### END SOLUTION"
    return nbformat.v4.new_code_cell(code, id=name, metadata={"nbgrader": meta})


def test_only_the_students_number_is_an_answer_without_a_test():
    nb = notebook()
    nb.cells.insert(3, answer(NUMBER))
    assert not list(faults(nb))
    nb.cells.insert(4, answer("another"))
    assert list(faults(nb)) == ["An answer is not followed by a test."]
    nb.cells[3], nb.cells[4] = nb.cells[4], nb.cells[3]
    assert list(faults(nb)) == ["An answer is not followed by a test."]


# ---- What is handed out


def linking():
    nb = notebook()
    nb.cells[0].source += (
        " See [2](../02_elbo.ipynb), [a part](../04_iwae.ipynb#a-part), [x](https://x.org) and "
        "f[0](x)."
    )
    return nb


def test_links_to_chapters_lead_to_the_pages_of_the_book():
    nb = linking()
    nb.cells[2].source += '\n"[2](../02_elbo.ipynb)"'
    for pages in ("https://x.org/course", "https://x.org/course/"):
        made = handed_out(nb, pages)
        assert made.cells[0].source.endswith(
            "See [2](https://x.org/course/chapters/02_elbo.html), "
            "[a part](https://x.org/course/chapters/04_iwae.html#a-part), [x](https://x.org) and "
            "f[0](x)."
        )
    assert made.cells[2].source == nb.cells[2].source  # code
    assert handed_out(nb, None).cells[0].source == nb.cells[0].source == linking().cells[0].source


def test_the_address_of_the_pages_is_that_of_the_repository_once_it_is_set(tmp_path):
    config = tmp_path / "_config.yml"
    for owner, address in {"OWNER": None, "you": "https://you.github.io/vae-family/"}.items():
        config.write_text(f"repository:\n  url: https://github.com/{owner}/vae-family\n")
        assert published(config) == address


@pytest.mark.parametrize("name", ["sample", *REAL])
def test_no_handed_out_notebook_sends_a_student_into_a_clone(name):
    assert IN_A_CLONE in BOOTSTRAP
    made = handed_out(source(name), "https://x.org")
    (cell,) = (cell for cell in made.cells if cell.get("id") == "bootstrap")
    assert "make lab" not in cell.source and "pip install {ADDRESS}" in cell.source
    compile(cell.source, name, "exec")
    assert not re.search(r"\]\(\.\./", "".join(
        cell.source for cell in made.cells if cell.cell_type == "markdown"))  # fmt: skip


def test_a_missing_address_of_the_book_is_said(tmp_path, monkeypatch, capsys):
    config = tmp_path / "_config.yml"
    config.write_text("repository:\n  url: https://github.com/OWNER/vae-family\n")
    said = assignments.without_address(None, config)
    assert "would install vaelib from an address that does not exist, and links" in said
    assert "lead nowhere outside a clone: run make repository URL=" in said and "--pages" in said
    said = assignments.without_address("https://you.github.io/course/", config)
    assert "make repository URL=" in said and "links" not in said
    config.write_text("repository:\n  url: https://github.com/you/vae-family\n")
    assert assignments.without_address(None, config) is None
    monkeypatch.setattr(assignments, "make", lambda *_: None)
    monkeypatch.setattr(assignments, "without_address", lambda pages: f"pages: {pages}")
    assert assignments.main(["--built", str(tmp_path / "built")]) == 0
    assert capsys.readouterr().out.endswith("pages: None\n")


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


def test_links_of_both_students_versions_lead_to_the_pages(nbgrader, tmp_path):
    path = tmp_path / "00_sample.ipynb"
    path.write_text(text(linking()), encoding="utf-8")
    make([path], tmp_path / "built", "https://x.org/course/")
    for version, target in {"student": "https://x.org/course/chapters/02_elbo.html",
                            "release": "https://x.org/course/chapters/02_elbo.html",
                            "solution": "../02_elbo.ipynb"}.items():  # fmt: skip
        made = load(tmp_path / "built" / version / path.name)
        assert f"[2]({target})" in made.cells[0].source


def test_make_writes_nothing_from_a_faulty_source(nbgrader, tmp_path):
    path = tmp_path / "01_bad.ipynb"
    path.write_text(text(notebook()).replace('"schema_version": 3', '"schema_version": 2'))
    with pytest.raises(ValueError, match="schema_version"):
        make([path], tmp_path / "built")
    assert not (tmp_path / "built").exists()


def executed(change):
    """Return the notebook that is executed when the changed student version is submitted."""
    submitted = demo.filled(notebook(), ["kl", "bound"])
    change(submitted)
    return answered(demo.filled(notebook()), submitted)


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


def test_the_check_of_the_sandbox_reports_visible_paths(room):
    """A path that is mounted into the sandbox is reported when it should be hidden."""
    assert "hidden" in checks.check([sys.prefix])[0]


def test_sample_submissions_get_the_expected_points(room, capsys):
    with capsys.disabled():
        assert demo.main(os.environ.get("ONLY", "")) == 0
