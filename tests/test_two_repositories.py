"""The rehearsal of "Two repositories" in book/course_work.md, with local bare repositories.

Runs where nbgrader is: under `make grade-demo`.
"""

import ast
import importlib.util
import os
import shutil
import subprocess
import sys

import pytest
from assignments import leaks, make
from conftest import need
from harness import ROOT, Cell, cells, run
from record import load, text

NAME, FUNCTION = "04_beta_tc", "vote"  # the convention that is changed: its arguments' order
PUBLIC = "https://github.com/school/vae-course"


def swapped(source, function):
    """Return source with the first two arguments of a function exchanged, in def and in calls."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell of Markdown
        return source
    lines = source.splitlines(keepends=True)
    starts = [sum(map(len, lines[:i])) for i in range(len(lines) + 1)]
    pairs = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name == function:
            pairs.append(node.args.args[:2])
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == function:
            pairs.append(node.args[:2])
    spans = []
    for first, second in pairs:
        (a, b), (c, d) = ((starts[n.lineno - 1] + n.col_offset,
                           starts[n.end_lineno - 1] + n.end_col_offset)
                          for n in (first, second))  # fmt: skip
        spans.append((a, d, source[c:d] + source[b:c] + source[a:b]))
    for a, d, new in sorted(spans, reverse=True):
        source = source[:a] + new + source[d:]
    return source


def git(*arguments, **more):
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lost(notebook):
    """Return the test cells that fail."""
    failed = run(notebook)
    return {cell.name for cell in notebook if cell.points is not None and cell.name in failed}


def test_swapped_exchanges_two_arguments_everywhere():
    assert swapped("def f(a, b, c):\n    g(a, b)\nf(1, [2,\n 3], 4)", "f") == (
        "def f(b, a, c):\n    g(a, b)\nf([2,\n 3], 1, 4)"
    )
    assert swapped("f(1, g(2, 3))", "f") == "f(g(2, 3), 1)"


def test_a_private_mirror_with_changed_conventions(tmp_path, monkeypatch):
    need(importlib.util.find_spec("nbgrader"), "needs nbgrader: run by make grade-demo", ci=False)
    monkeypatch.setenv("VAELIB_PROFILE", "smoke")
    log = []

    def step(what):
        log.append(what)
        print(f"{len(log)}. {what}")

    # The public repository, and a mirror of it that stays private
    public, private, work = (tmp_path / name for name in ("public.git", "private.git", "key"))
    git("clone", "--bare", "-q", str(ROOT), str(public))
    head = git("-C", str(ROOT), "rev-parse", "HEAD").strip()
    git("-C", str(public), "update-ref", "refs/heads/main", head)
    git("init", "--bare", "-q", "-b", "main", str(private))
    git("-C", str(public), "push", "-q", "--mirror", str(private))
    git("clone", "-q", str(private), str(work))
    for path in git("ls-files", "-m", "-o", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / path).is_file():  # what is being worked on belongs to the rehearsal
            (work / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, work / path)
    step("a mirror holds every file of the public repository")
    assert (work / "chapters/assignments" / f"{NAME}.ipynb").exists()

    # A changed convention: the published key loses its points, the changed one keeps them
    path = work / "chapters/assignments" / f"{NAME}.ipynb"
    nb = load(path)
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.source = swapped(cell.source, FUNCTION)
    path.write_text(text(nb), encoding="utf-8")
    ours = [Cell(cell.name, swapped(cell.source, FUNCTION), cell.points, cell.answer)
            for cell in cells(NAME)]  # fmt: skip
    assert not lost(ours)
    published = {cell.name: cell.source for cell in cells(NAME) if cell.answer}
    copied = [Cell(cell.name, published.get(cell.name, cell.source), cell.points, cell.answer)
              for cell in ours]  # fmt: skip
    gone = lost(copied)
    step(f"with the arguments of {FUNCTION} exchanged, the published key loses {sorted(gone)}")
    assert gone and all(FUNCTION in name for name in gone)

    # The students' version has no word of the key, and installs from the public side
    address = [sys.executable, "book/tools/repository.py", PUBLIC]
    subprocess.run(address, cwd=work, check=True, capture_output=True)
    make([path], tmp_path / "built")
    handed_out = load(tmp_path / "built" / "student" / path.name)
    assert leaks(load(path), handed_out) == []
    assert "BEGIN SOLUTION" not in text(handed_out)
    first = next(cell.source for cell in handed_out.cells if cell.id == "bootstrap")
    assert f'"git+{PUBLIC}"' in first and "private" not in text(handed_out)
    step(f"the student's notebook installs from {PUBLIC}, and has no word of the key")

    # What a student's Colab does, with the public address served from the disk
    site = tmp_path / "site"
    settings = {
        "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": f"url.{public.as_uri()}.insteadOf",
        "GIT_CONFIG_VALUE_0": PUBLIC, "PIP_PREFIX": str(site), "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "1", "PIP_IGNORE_INSTALLED": "1", "PYTHONPATH": "",
    }  # fmt: skip
    # As where vaelib is missing, and without the pins of this machine's packages
    code = "from importlib import metadata, util\nutil.find_spec = lambda name: None\n"
    code += first.replace("& installed", "& set()")
    done = subprocess.run([sys.executable, "-I", "-c", code], env={**os.environ, **settings},
                          cwd=tmp_path, capture_output=True, text=True)  # fmt: skip
    if "No module named 'setuptools'" in done.stderr:
        pytest.skip("needs setuptools to install vaelib without a network")
    assert done.returncode == 0, done.stderr
    (found,) = site.rglob("vaelib/coursework/__init__.py")
    assert list(found.parent.glob("programs/*.py"))
    assert not list(site.rglob("*.ipynb")), "the installed package has no notebooks of the key"
    step("it installs vaelib, the students' programs among it, and none of the notebooks")
