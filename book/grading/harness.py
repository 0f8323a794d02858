"""Run the code cells of an assignment in one namespace, without a kernel.

A failing cell does not stop the others, as in nbgrader. The tests of the assignments and the
mutation of their keys (mutants.py) both use this.
"""

import ast
import contextlib
import functools
import io
import json
import linecache
import os
import signal
import symtable
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import torch

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = {
    path.stem: path for path in sorted((ROOT / "chapters" / "assignments").glob("[0-9]*.ipynb"))
}
# A call such as torch.manual_seed(0) does not redefine these.
MODULES = {"math", "nn", "np", "plt", "torch", "vl", "cw"}
NUMBER = "number"  # the cell in which a student writes the student's number


@dataclass
class Cell:
    """A code cell: a test's points, the names it uses, and those it defines for later cells."""

    name: str
    source: str
    points: float | None
    answer: bool
    own: bool = False  # what a student measured and drew, which no test can know
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
def cells(name, student=None):
    """Return the code cells of an assignment, except the one that installs vaelib in Colab.

    student: the number that the cell `number` assigns, in place of the key's.
    """
    code = [cell for cell in nbformat.read(NOTEBOOKS[name], 4).cells if cell.cell_type == "code"]
    found = []
    for cell in code:
        meta = cell.metadata.get("nbgrader", {})
        if "remove-cell" not in cell.metadata.get("tags", []):
            points = meta["points"] if meta.get("grade") else None
            source = cell.source
            if cell.id == NUMBER and student is not None:
                source = f"STUDENT = {student}"
            ident, answer = meta.get("grade_id", cell.id), meta.get("solution", False)
            own = "own-data" in cell.metadata.get("tags", [])
            found.append(Cell(ident, source, points, answer, own))
    return found


def run(notebook):
    """Run cells in one namespace; returns {name: error} of the cells that failed."""
    namespace = fresh()
    failed = {cell.name: execute(cell, namespace) for cell in notebook}
    plt.close("all")
    return {name: error for name, error in failed.items() if error}


def fresh():
    """Return a new namespace; torch is seeded, in float32, its gradients switched on."""
    torch.manual_seed(0)
    torch.set_default_dtype(torch.float32)
    torch.set_grad_enabled(True)
    return {"__name__": "__main__"}


def execute(cell, namespace):
    """Run a cell, without what it prints; returns its error or None."""
    file = f"<{cell.name}>"
    linecache.cache[file] = len(cell.source), None, cell.source.splitlines(True), file
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(compile(cell.source, file, "exec"), namespace)
    except Exception as error:
        return error
    return None


def can_copy():
    """Return whether `apart` works here: a copy of threads of OpenMP or of CUDA can hang."""
    return hasattr(os, "fork") and torch.get_num_threads() == 1 and not torch.cuda.is_available()


def apart(function, longest):
    """Return function() as run in a copy of this process, a JSON value; None if it was stopped.

    longest: seconds. Call it only where `can_copy()`.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:  # whatever happens, the copy ends here
            signal.alarm(longest)
            with contextlib.redirect_stderr(io.StringIO()), os.fdopen(writing, "w") as pipe:
                json.dump(function(), pipe)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    return None if status else json.loads(text)


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


def replaced(name, cell, code):
    """Return the assignment's code cells with other code as the answer of one cell."""
    assert cell in [other.name for other in cells(name) if other.answer], cell
    return [Cell(cell, code, None, True) if other.name == cell else other for other in cells(name)]


def edited(code, *changes):
    """Return code with each (old, new) of `changes` made once, one after the other.

    AssertionError: old does not occur exactly once.
    """
    for old, new in changes:
        assert code.count(old) == 1, f"occurs {code.count(old)} times, must occur once: {old!r}"
        code = code.replace(old, new)
    return code


def variants():
    """Return an empty list of variants, and the functions that add a wrong and a right one."""
    found = []

    def wrong(cell, what, loses, code):
        """loses: what follows the cell in the ids of the tests that fail, "" for the first."""
        loses = [f"test-{cell}{end}" for end in loses]
        found.append(
            {"cell": cell, "kind": "wrong", "what": what, "code": code.strip("\n"), "loses": loses}
        )

    def right(cell, what, code):
        found.append({"cell": cell, "kind": "right", "what": what, "code": code.strip("\n")})

    return found, wrong, right
