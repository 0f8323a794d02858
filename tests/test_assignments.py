"""The assignments' points: all for the source, none for an empty one, the right ones for variants.

A notebook's cells run in one namespace, without a kernel; a failing cell does not stop the others,
as in nbgrader. tests/assignments/NN_name.py contains VARIANTS of the answers: "right" ones must get
full marks, "wrong" ones must lose the test cells that they name. Of a variant's notebook only the
cells run that its answer can affect, and those that they need.
"""

import ast
import contextlib
import functools
import importlib.util
import io
import linecache
import re
import symtable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = {
    path.stem: path for path in sorted((ROOT / "chapters" / "assignments").glob("[0-9]*.ipynb"))
}
# A call such as torch.manual_seed(0) does not redefine these.
MODULES = {"math", "nn", "np", "plt", "torch", "vl"}
ALL = 6  # assignments of the complete book
SOLUTION = r"(?ms)^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION"
STUB = r"\1# YOUR CODE HERE\n\1raise NotImplementedError()"


@dataclass
class Cell:
    """A code cell: a test's points, the names it uses, and those it defines for later cells."""

    name: str
    source: str
    points: float | None
    answer: bool
    uses: set = field(init=False)
    makes: set = field(init=False)

    def __post_init__(self):
        table = symtable.symtable(self.source, self.name, "exec")
        self.makes = {
            name.get_name()
            for name in table.get_symbols()
            if name.is_assigned() or name.is_imported()
        }
        # What a test itself defines, it does not use from other cells.
        self.uses = looked_up(table) - (self.makes if self.points is not None else set())
        self.makes |= set(map(changed, ast.walk(ast.parse(self.source)))) - MODULES - {None}


def looked_up(table):
    """Return the names that code, including its functions and classes, looks up in the notebook."""
    top = table.get_type() == "module"
    names = {
        name.get_name()
        for name in table.get_symbols()
        if name.is_referenced() and (top or name.is_global())
    }
    return names.union(*map(looked_up, table.get_children()))


def changed(node):
    """Return the name of the object that code changes.

    x in x[i] = ..., x.y = ... and x.append(...).
    """
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Attribute)
    ):
        node = node.value.func
    elif not (isinstance(node, (ast.Subscript, ast.Attribute)) and isinstance(node.ctx, ast.Store)):
        return None
    while isinstance(node, (ast.Subscript, ast.Attribute)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


@functools.cache
def cells(name):
    """Return the code cells of an assignment, except the one that installs vaelib in Colab."""
    code = [cell for cell in nbformat.read(NOTEBOOKS[name], 4).cells if cell.cell_type == "code"]
    found = []
    for cell in code:
        meta = cell.metadata.get("nbgrader", {})
        if "remove-cell" not in cell.metadata.get("tags", []):
            points = meta["points"] if meta.get("grade") else None
            found.append(
                Cell(
                    meta.get("grade_id", cell.id), cell.source, points, meta.get("solution", False)
                )
            )
    return found


def run(notebook):
    """Run cells in one namespace; returns {name: error} of the cells that failed."""
    namespace, failed = {"__name__": "__main__"}, {}
    torch.manual_seed(0)
    for cell in notebook:
        file = f"<{cell.name}>"
        linecache.cache[file] = len(cell.source), None, cell.source.splitlines(True), file
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                exec(compile(cell.source, file, "exec"), namespace)
        except Exception as error:
            failed[cell.name] = error
    plt.close("all")
    return failed


def graded(notebook):
    return {cell.name: cell.points for cell in notebook if cell.points is not None}


def needed(notebook, targets):
    """Return the target cells and those that define what they use, in order, but no other tests."""
    kept, names = [], set()
    for cell in reversed(notebook):
        if cell.name in targets or (cell.points is None and cell.makes & names):
            kept.append(cell)
            names |= cell.uses
    return kept[::-1]


def concerned(notebook, changed):
    """Return the test cells that a new answer in the cell `changed` can affect, and their needs."""
    at = [cell.name for cell in notebook].index(changed)
    names, targets = set(notebook[at].makes), [changed]
    for cell in notebook[at + 1 :]:
        if cell.uses & names and cell.points is None:
            names |= cell.makes
        elif cell.uses & names:
            targets.append(cell.name)
    return needed(notebook, targets)


def variants(name):
    """VARIANTS of tests/assignments/<name>.py."""
    path = ROOT / "tests" / "assignments" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"variants_{name}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.VARIANTS


def replaced(name, variant):
    """Return the assignment's code cells with the variant's code as one answer."""
    assert variant["cell"] in [cell.name for cell in cells(name) if cell.answer], variant["cell"]
    return [Cell(cell.name, variant["code"], None, True) if cell.name == variant["cell"] else cell
            for cell in cells(name)]  # fmt: skip


def listed(failed):
    return "\n".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed.items())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_source_gets_full_marks(name):
    failed = run(cells(name))
    assert not failed, listed(failed)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_an_untouched_student_version_gets_nothing(name):
    stub = [
        Cell(cell.name, re.sub(SOLUTION, STUB, cell.source), cell.points, cell.answer)
        for cell in cells(name)
    ]
    kept = set(graded(stub)) - set(run(needed(stub, graded(stub))))
    assert not kept, f"tests that an empty answer passes: {sorted(kept)}"


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


CASES = [pytest.param(name, variant, id=f"{name}-{variant['cell']}-{variant['kind']}-{i}")
         for name in NOTEBOOKS for i, variant in enumerate(variants(name))]  # fmt: skip


@pytest.mark.parametrize(("name", "variant"), CASES)
def test_right_variants_keep_and_wrong_variants_lose_their_points(name, variant):
    notebook = replaced(name, variant)
    failed = run(concerned(notebook, variant["cell"]))
    lost = {cell: error for cell, error in failed.items() if cell in graded(notebook)}
    if variant["kind"] == "right":
        assert not lost, f"{variant['what']}\n{listed(lost)}"
    else:
        assert variant["loses"] and set(variant["loses"]) <= set(graded(notebook)), variant["loses"]
        kept = set(variant["loses"]) - set(lost)
        assert not kept, f"{variant['what']}\nkept the points of {sorted(kept)}\n{listed(lost)}"


def test_each_assignment_has_wrong_and_right_variants():
    kinds = [[variant["kind"] for variant in variants(name)] for name in NOTEBOOKS]
    for name, kind in zip(NOTEBOOKS, kinds, strict=True):
        assert kind.count("wrong") >= 8 and kind.count("right") >= 3, name
        assert len(kind) == kind.count("wrong") + kind.count("right"), name
    if len(NOTEBOOKS) == ALL:
        wrong, right = (sum(kind.count(which) for kind in kinds) for which in ("wrong", "right"))
        assert wrong >= 30 and right >= 10
