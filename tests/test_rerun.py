"""Cells can be run again: each once more by itself after a chapter has run, in any order.

A reader who runs a cell a second time must not be told that a theorem is false.
"""

import time
import warnings
from pathlib import Path

import nbformat
import pytest
from harness import Cell, apart, can_copy, execute, fresh

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
SLOW = 1.0  # seconds; what trains for longer is not trained again


@pytest.mark.slow
@pytest.mark.parametrize("name", CHAPTERS)
def test_every_cell_can_be_run_again(name, monkeypatch):
    monkeypatch.setenv("VAELIB_PROFILE", "smoke")
    monkeypatch.setenv("VAELIB_STRICT", "1")
    monkeypatch.chdir(ROOT / "chapters")
    path = ROOT / f"chapters/{name}.ipynb"
    # In a copy of this process, which has imported torch: a chapter can change what it likes.
    found = apart(lambda: problems(path), 500) if can_copy() else problems(path)
    assert found is not None, "the process ended, or took more than 500 seconds"
    assert not found, "".join(found)


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["x = 1", "y = x + 1", "x = 'one'"], "again, b: TypeError"),
        (["x = [1]", "x.append(2)\nassert len(x) < 3"], "again, b: AssertionError"),
        (["x = 1", "assert x == 1", "print(x)"], ""),
        (["x = 1", "y = 1 / 0"], "b: ZeroDivisionError"),
    ],
)
def test_what_fails_when_run_again_is_named(tmp_path, cells, said):
    made = [nbformat.v4.new_code_cell(c, id=i) for c, i in zip(cells, "abc", strict=False)]
    nbformat.write(nbformat.v4.new_notebook(cells=made), tmp_path / "some.ipynb")
    assert said in "".join(problems(tmp_path / "some.ipynb"))
    assert said or not problems(tmp_path / "some.ipynb")


def problems(path):
    """What fails when the cells of a notebook run in order, then each alone once more."""
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    warnings.simplefilter("ignore")
    cells = [
        (cell.id, cell.source) for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"
    ]
    names, found, seconds = fresh(), [], {}
    for label, source in cells:
        began = time.perf_counter()
        found += problem(label, source, names)
        seconds[label] = time.perf_counter() - began
        plt.close("all")
    for label, source in cells:
        if seconds[label] < SLOW:
            found += [f"again, {error}" for error in problem(label, source, dict(names))]
            plt.close("all")
    return found


def problem(label, source, names):
    """The error of a cell, in a list."""
    error = execute(Cell(label, source, None, False), names)
    return [f"{label}: {type(error).__name__}: {str(error)[:300]}\n"] if error else []
