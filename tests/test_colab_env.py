"""Plain notebooks in .venv-colab, an environment like Colab's, but with the book's own torch.

`make colab-env` creates it; `make colab-test` runs this file after `make book`.
"""

import json
import re
import shutil
import subprocess

import pytest
from conftest import need
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook
from test_colab import (  # noqa: F401
    CHAPTERS,
    ROOT,
    URL,
    bootstrap_source,
    branch,
    build,
    execute,
    notebook,
)

COLAB_PYTHON = ROOT / ".venv-colab" / "bin" / "python"


def without_vaelib():
    """Uninstall vaelib from .venv-colab, as in a new Colab session."""
    need(COLAB_PYTHON.exists(), "no .venv-colab: `make colab-env`", ci=False)
    subprocess.run([COLAB_PYTHON, "-m", "pip", "uninstall", "-q", "-y", "vaelib"], check=True)


def versions():
    """The installed versions; -I ignores a vaelib.egg-info in the working directory."""
    code = (
        "import importlib.metadata as m, json; "
        "print(json.dumps({d.name: d.version for d in m.distributions()}))"
    )
    return json.loads(
        subprocess.run(
            [COLAB_PYTHON, "-I", "-c", code], check=True, capture_output=True, text=True
        ).stdout
    )


def first_cell(address):
    source = bootstrap_source(URL).replace(f"git+{URL}", address)
    assert address in source
    return source


def publish(folder, edit=lambda text: text):
    """Make a git repository of the files that pip needs; returns its address."""
    for part in ("vaelib", "book/receipts"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("README.md", "LICENSE", "pyproject.toml"):
        (folder / part).write_text(edit((ROOT / part).read_text()))
    git = ["git", "-C", folder, "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    return f"git+file://{folder}"


def test_the_environment_has_colabs_versions():
    without_vaelib()
    found = versions()
    requirements = (ROOT / "book/tools/colab-requirements.txt").read_text(encoding="utf-8")
    expected = re.findall(r"(?m)^([\w-]+)==([\w.]+)", requirements)
    assert {"torch", "numpy", "matplotlib", "ipython", "ipywidgets"} <= {
        name for name, _ in expected
    }
    assert all(found[name].split("+")[0] == number for name, number in expected), found
    assert not {"myst-nb", "myst_nb"} & set(found)


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        (
            "git+file:///nowhere/at/all",
            "fatal: '/nowhere/at/all' does not appear to be a git repository",
        ),
        ("numpy<2", "ERROR: Cannot install "),
    ],
)
def test_a_failing_first_cell_reports_one_sentence_and_changes_nothing(tmp_path, address, reason):
    """Without a connection, and with a vaelib that requires an older numpy."""
    without_vaelib()
    before = versions()
    if address == "numpy<2":
        (tmp_path / "repository").mkdir()
        address = publish(
            tmp_path / "repository",
            lambda text: re.sub('"numpy>=[^"]+"', '"numpy<2"', text),
        )
    with pytest.raises(CellExecutionError) as stop:
        execute(new_notebook(cells=[new_code_cell(first_cell(address))]), tmp_path, COLAB_PYTHON)
    message = stop.value.evalue
    assert (
        stop.value.ename == "SystemExit" and f"could not be installed from {address}." in message
    ), stop.value
    assert "and run this cell again" in message and "\n" not in message
    assert f"a clone of the book. {reason}" in message, message
    assert versions() == before


@pytest.fixture(scope="module")
def colab_env(tmp_path_factory):
    """.venv-colab after a plain notebook's first cell: the versions before and after."""
    without_vaelib()
    folder, before = tmp_path_factory.mktemp("repository"), versions()
    cells = [
        first_cell(publish(folder)),
        "import vaelib.pages as vp\nvp.receipts.plan('iwae_table1')",
    ]
    execute(new_notebook(cells=list(map(new_code_cell, cells))), folder.parent, COLAB_PYTHON)
    return before, versions()


def test_the_first_cell_installs_vaelib_and_changes_nothing_else(colab_env):
    before, after = colab_env
    assert "vaelib" not in before and "vaelib" in after
    assert {name: after[name] for name in before} == before


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_plain_notebook_runs_in_colabs_environment(
    branch,  # noqa: F811
    colab_env,
    tmp_path,
    name,
):
    execute(notebook(branch, name), tmp_path, COLAB_PYTHON)
