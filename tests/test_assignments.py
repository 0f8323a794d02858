"""The assignments' points: all for the source, none for an empty one.

tests/assignments/test_NN_name.py contains VARIANTS of the answers: "right" ones must get full
marks, "wrong" ones must lose the test cells that they name. tests/assignments/mutants/NN_name.toml
is what `make key-mutants` found about the systematic ones.
"""

import ast
import importlib.util
import re
import tomllib

import nbformat
import pytest
from harness import NOTEBOOKS, NUMBER, ROOT, Cell, cells, graded, needed, run
from key_mutants import MIN_LOST, fingerprint
from variant_tests import listed, said

from vaelib import coursework as cw

SOLUTION = r"(?ms)^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION"
STUB = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()"


def variants(name):
    """VARIANTS of tests/assignments/test_<name>.py."""
    path = ROOT / "tests" / "assignments" / f"test_{name}.py"
    spec = importlib.util.spec_from_file_location(f"variants_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.VARIANTS


# None, the source's own number, is what nbval runs in `make test`.
@pytest.mark.parametrize(
    "student", [20_271_128, *(pytest.param(n, marks=pytest.mark.slow) for n in (None, 0, 7))]
)
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_source_gets_full_marks(name, student):
    assert NUMBER in [cell.name for cell in cells(name)]
    failed = run(cells(name, student))
    assert not failed, listed(said(failed))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_untouched_student_version_gets_nothing(name):
    stub = [
        Cell(cell.name, re.sub(SOLUTION, STUB, cell.source), cell.points, cell.answer)
        for cell in cells(name)
    ]
    kept = set(graded(stub)) - set(run(needed(stub, graded(stub))))
    assert not kept, f"tests that an empty answer passes: {sorted(kept)}"


# The answer with the number of the wrong line, its name there, and the first cell that tests it.
LINES = {
    "01_elbo": ("mistake", "line", "hidden-mistake"),
    "02_iwae": ("colleague", "LINE", "test-colleague"),
    "03_aae_mmd": ("catch", "LINE", "catch-test"),
    "04_beta_tc": ("catches", "LINE", "catches-own"),
    "05_vim": ("mistake", "LINE", "test-mistake"),
    "06_own_data": ("find-line", "LINE", "test-find-line"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_each_line_that_can_be_mended_is_the_wrong_line(name):
    students = {cw.program(name, student).source: student for student in range(300)}
    several = [n for n in students.values() if len(cw._repairs(name, n)) > 1]
    assert several
    answer, variable, test = LINES[name]
    for student in several:
        repairs = cw._repairs(name, student)
        for number in [*repairs, *([max(repairs) + 1] if student == several[0] else [])]:
            notebook = [
                Cell(cell.name, f"{cell.source}\n{variable} = {number}", None, True)
                if cell.name == answer
                else cell
                for cell in cells(name, student)
            ]
            failed = run(needed(notebook, {answer, test}))
            where = f"number {student}, line {number}"
            assert set(failed) == (set() if number in repairs else {test}), f"{where}: {failed}"
            if number not in repairs:
                assert "ine" in str(failed[test]), f"{where}: {failed}"


def returns(node):
    """Return whether a function returns a value, inner functions excluded."""
    inside = [
        part
        for part in ast.iter_child_nodes(node)
        if not isinstance(part, ast.FunctionDef | ast.Lambda)
    ]
    return any(isinstance(part, ast.Return) and part.value or returns(part) for part in inside)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_points_and_test_cells_are_well_formed(name):
    marked = [
        cell for cell in nbformat.read(NOTEBOOKS[name], 4).cells if "nbgrader" in cell.metadata
    ]
    ids = [cell.metadata.nbgrader.grade_id for cell in marked]
    assert len(ids) == len(set(ids)), "a grade_id is used more than once"
    assert sum(cell.metadata.nbgrader.get("points", 0) for cell in marked) == 20
    for cell in marked:
        meta = cell.metadata.nbgrader
        assert ("### BEGIN SOLUTION" in cell.source) == meta.solution, (
            f"{meta.grade_id}: where is the solution?"
        )
        assert meta.locked == (not meta.solution), (
            f"{meta.grade_id}: students must be able to edit answers only"
        )
    for cell in cells(name):
        tree = ast.parse(cell.source)
        if cell.points is not None:
            silent = [
                node.lineno
                for node in ast.walk(tree)
                if isinstance(node, ast.Assert) and not node.msg
            ]
            assert not silent, f"{cell.name}: the asserts in lines {silent} have no message"
            # nbgrader takes a displayed last value for the points of the cell
            last = tree.body[-1]
            called = getattr(getattr(getattr(last, "value", None), "func", None), "id", "")
            nothing = {"print"} | {
                f.name for f in tree.body if isinstance(f, ast.FunctionDef) and not returns(f)
            }
            assert called in nothing or not isinstance(last, ast.Expr), (
                f"{cell.name}: the last line shows a value"
            )


def test_each_assignment_has_wrong_and_right_variants():
    kinds = [[variant["kind"] for variant in variants(name)] for name in NOTEBOOKS]
    for name, kind in zip(NOTEBOOKS, kinds, strict=True):
        assert kind.count("wrong") >= 8 and kind.count("right") >= 3, name
        assert len(kind) == kind.count("wrong") + kind.count("right"), name


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_almost_every_mutant_of_the_key_loses_points(name):
    path = ROOT / "tests" / "assignments" / "mutants" / f"{name}.toml"
    table = tomllib.loads(path.read_text("utf-8"))
    again = f"{name} has changed since; run make key-mutants ARGS={name}"
    assert table["fingerprint"] == fingerprint(name), again
    assert table["lost"] >= MIN_LOST * table["mutants"]
    survived = [mutant for reason in table.get("reason", []) for mutant in reason["mutants"]]
    assert len(survived) == table["mutants"] - table["lost"]
    assert all(len(reason["why"]) > 10 for reason in table.get("reason", []))
