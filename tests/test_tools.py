"""The tools of book/tools: what they write, and that a failure changes no file."""

import importlib
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import mutants
import nbformat
import oldest
import paper
import plain
import pytest
import record
import repository
import yaml
from bs4 import BeautifulSoup
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]

CHECKED = {"tags": ["nbval-check-output"]}
NEW = "https://github.com/somebody/vae.book"


def write(path, *cells, **metadata):
    nb = nbformat.v4.new_notebook(cells=list(cells), metadata=metadata)
    path.write_text(nbformat.v4.writes(nb), encoding="utf-8")
    return path


def code(source, label, **fields):
    return nbformat.v4.new_code_cell(source, id=label, **fields)


@pytest.fixture
def notebook(tmp_path):
    noisy = (
        "import sys\nprint('a', flush=True)\nprint('warned', file=sys.stderr, flush=True)\n"
        "print('1 é')\n6 * 7"
    )
    return write(
        tmp_path / "small.ipynb",
        nbformat.v4.new_markdown_cell("# Título\n\nText", id="title"),
        code(
            "print('unchecked')",
            "plain",
            execution_count=7,
            metadata={"ExecuteTime": {"end": "now"}},
        ),
        code(noisy, "checked", metadata=CHECKED | {"execution": {"started": "now"}}),
        code("import os\nprint(os.path.exists('small.ipynb'), 1)", "folder", metadata=CHECKED),
        language_info={"name": "python", "version": "3.0"},
        widgets={"state": 1},
        other=1,
    )


def test_record_stores_only_checked_outputs_and_is_deterministic(notebook):
    before = record.load(notebook)
    assert record.main([str(notebook)]) == 0
    first = notebook.read_bytes()
    assert record.main([str(notebook)]) == 0
    assert notebook.read_bytes() == first
    assert record.main(["--strip", str(notebook)]) == 0
    assert notebook.read_bytes() == first
    assert list(notebook.parent.iterdir()) == [notebook]

    nb = record.load(notebook)
    assert [(c.id, c.source) for c in nb.cells] == [(c.id, c.source) for c in before.cells]
    _, plain, checked, folder = nb.cells
    assert plain.outputs == [] and plain.execution_count is None and plain.metadata == {}
    assert checked.execution_count == 2 and checked.metadata == CHECKED
    assert [o.output_type for o in checked.outputs] == ["stream", "execute_result"]
    assert checked.outputs[0].text == "a\n1 é\n" and checked.outputs[1].data == {"text/plain": "42"}
    assert folder.outputs[0].text == "True 1\n"
    assert nb.metadata == {
        "kernelspec": record.KERNELSPEC,
        "language_info": {"name": "python"},
        "other": 1,
    }
    assert "é" in first.decode() and first.startswith(b'{\n "cells"') and first.endswith(b"}\n")


def test_record_does_not_change_a_failing_notebook_and_names_the_cell(notebook, capsys):
    failing = write(
        notebook.with_name("failing.ipynb"), code("x = 1", "fine"), code("1 / 0", "broken")
    )
    before = failing.read_bytes()
    assert record.main([str(failing), str(notebook)]) == 1
    assert failing.read_bytes() == before
    printed = capsys.readouterr()
    assert (
        "failing.ipynb: cell broken (number 2) failed: ZeroDivisionError: division by zero"
        in printed.err
    )
    assert "small.ipynb: recorded" in printed.out
    assert sorted(p.name for p in notebook.parent.iterdir()) == ["failing.ipynb", "small.ipynb"]


def test_record_names_files_that_are_not_notebooks(tmp_path, capsys):
    (tmp_path / "broken.ipynb").write_text("{")
    assert record.main([str(tmp_path / "broken.ipynb"), str(tmp_path / "absent.ipynb")]) == 1
    printed = capsys.readouterr().err
    assert "broken.ipynb is not a notebook" in printed and "absent.ipynb: unchanged" in printed


def test_strip_does_not_run_cells(tmp_path):
    stored = [nbformat.v4.new_output("stream", name="stdout", text="1\n")]
    fields = {"metadata": CHECKED, "outputs": stored, "execution_count": 1}
    path = write(
        tmp_path / "a.ipynb",
        code("1 / 0", "checked", **fields),
        code("2", "plain", execution_count=2),
    )
    assert record.main(["--strip", str(path)]) == 0
    checked, plain = record.load(path).cells
    assert (
        checked.outputs == stored and checked.execution_count == 1 and plain.execution_count is None
    )


@pytest.fixture
def book(tmp_path):
    """A copy of the files that contain the address.

    _config.yml, two notebooks, README, CITATION.
    """
    config = (ROOT / "_config.yml").read_text(encoding="utf-8")
    (tmp_path / "_config.yml").write_text(config, encoding="utf-8")
    old = repository.read_url(tmp_path / "_config.yml")
    (tmp_path / "README.md").write_text(
        f"Clone {old}.git or see {old}. Not {old}-data, not {old}.org.\n"
        f"{old.replace('https://github.com', 'https://colab.research.google.com/github')}"
        "/blob/main\n"
    )
    (tmp_path / "CITATION.cff").write_text(f'title: T\nrepository-code: "{old}"\nlicense: MIT\n')
    (tmp_path / "chapters" / "assignments").mkdir(parents=True)
    for name in ("01_one", "assignments/01_one"):
        cells = code(repository.bootstrap_source(old), "bootstrap"), code("1", "other")
        write(tmp_path / "chapters" / f"{name}.ipynb", *cells)
    return tmp_path


def contents(root):
    return {path: path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_repository_changes_the_address_everywhere(book):
    old, config = repository.read_url(book / "_config.yml"), (book / "_config.yml").read_text()
    assert repository.main([NEW], book) == 0
    assert (book / "_config.yml").read_text() == config.replace(f"url: {old}", f"url: {NEW}")
    assert repository.read_url(book / "_config.yml") == NEW
    for path in repository.notebooks(book):
        bootstrap, other = record.load(path).cells
        assert bootstrap.source == repository.bootstrap_source(NEW) and other.source == "1"
    assert len(repository.notebooks(book)) == 2
    assert (
        book / "CITATION.cff"
    ).read_text() == f'title: T\nrepository-code: "{NEW}"\nlicense: MIT\n'
    assert (book / "README.md").read_text() == (
        f"Clone {NEW}.git or see {NEW}. Not {old}-data, not {old}.org.\n"
        "https://colab.research.google.com/github/somebody/vae.book/blob/main\n"
    )
    moved = contents(book)
    assert repository.main([NEW], book) == 0
    assert contents(book) == moved
    assert repository.main([old], book) == 0
    assert (book / "_config.yml").read_text() == config


REFUSED = """http://github.com/a/b https://github.com/a https://github.com/a/b/
https://github.com/a/b.git https://gitlab.com/a/b https://github.com/-a/b https://github.com/a/..
https://github.com/a/b/tree/main a/b""".split()


@pytest.mark.parametrize(
    "url", ["", "https://github.com/a/b c", 'https://github.com/a/b"', *REFUSED]
)
def test_repository_refuses_invalid_addresses(book, url, capsys):
    before = contents(book)
    assert repository.main([url], book) == 2
    printed = capsys.readouterr().err
    assert (
        repr(url) in printed
        and "https://github.com/<owner>/<name>" in printed
        and printed.count("\n") == 1
    )
    assert contents(book) == before


def test_repository_reports_a_config_without_an_address(book, capsys):
    (book / "_config.yml").write_text("repository:\n  branch: main\nother:\n  url: x\n")
    before = contents(book)
    assert repository.main([NEW], book) == 2
    assert "_config.yml has no line" in capsys.readouterr().err and contents(book) == before


def test_bootstrap_skips_an_installed_vaelib_and_reports_failures(monkeypatch):
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "1")  # restored afterwards
    source = repository.bootstrap_source(NEW)
    assert f'"git+{NEW}"' in source
    assert len([line for line in source.splitlines() if line.strip()]) <= 20
    assert max(map(len, source.splitlines())) <= 100
    space = {}
    exec(compile(source, "bootstrap", "exec"), space)
    assert "done" not in space
    with pytest.raises(
        SystemExit, match="vaelib could not be installed from ./no-such-folder.*make lab"
    ):
        here = source.replace('"vaelib"', '"no_such_module"').replace(
            f'"git+{NEW}"', '"./no-such-folder"'
        )
        exec(compile(here, "bootstrap", "exec"), {})


def test_workflows_are_valid_and_run_existing_targets():
    """Each file has the form that GitHub reads, and each `make` in it is a Makefile target."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8")))
    ran = set()
    for path in (ROOT / ".github/workflows").glob("*.yml"):
        flow = yaml.safe_load(path.read_text(encoding="utf-8"))
        # YAML reads the key `on` as True.
        assert (
            flow["name"] == path.stem and flow[True] and flow["permissions"]["contents"] == "read"
        )
        for job in flow["jobs"].values():
            assert job["runs-on"] and all("uses" in step or "run" in step for step in job["steps"])
            for step in job["steps"]:
                for line in re.findall(
                    r"(?m)^(?:sudo (?:\w+=\w+ )*)?make (.+)$", step.get("run", "")
                ):
                    ran |= {word for word in re.sub(r"\w+=(\".*?\"|\S+)", "", line).split()}
    assert (
        {"data", "book", "links", "colab", "colab-test", "grade-demo", "mutants"} <= ran <= targets
    )
    assert ".ci/run" in (ROOT / ".github/workflows/book.yml").read_text(encoding="utf-8")


def test_the_weekly_run_uses_colabs_versions(tmp_path):
    """The step of colab.yml reads both forms of lines in Colab's list of versions."""
    steps = yaml.safe_load((ROOT / ".github/workflows/colab.yml").read_text())["jobs"]["run"][
        "steps"
    ]
    (step,) = [step["run"] for step in steps if "freeze.txt" in step.get("run", "")]
    (tmp_path / "list.txt").write_text(
        "# Do not modify\nabsl-py==1.4.0\nipython==7.34.0\n"
        "ipython-genutils==0.2.0\nnumpy==2.1.3\npytorch-x==1\n"
        "torch @ "
        "https://a.b/whl/cpu/torch-2.11.0%2Bcpu-cp313-cp313-manylinux_2_28_x86_64.whl#sha256=ab\n"
        "torchvision @ https://a.b/whl/cpu/torchvision-0.26.0%2Bcpu-cp313-cp313-linux.whl\n"
        "tqdm==4.67.3+x\n"
    )
    (tmp_path / "book/tools").mkdir(parents=True)
    environment = os.environ | {"FREEZE": f"file://{tmp_path}/list.txt"}
    subprocess.run(
        ["bash", "-eo", "pipefail", "-c", step], cwd=tmp_path, env=environment, check=True
    )
    found = (tmp_path / "book/tools/colab-requirements.txt").read_text().split()
    assert found == ["ipython==7.34.0", "numpy==2.1.3", "torch==2.11.0", "tqdm==4.67.3"]


def test_a_renamed_page_redirects(tmp_path):
    (tmp_path / "index.md").write_text("# A book\n\n```{toctree}\nnew\n```\n")
    (tmp_path / "new.md").write_text("# A page\n")
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_parser', 'sphinx_reredirects']\nredirects = {'old': 'new.html'}\n"
    )
    assert "sphinx_reredirects" in (ROOT / "_config.yml").read_text(encoding="utf-8")
    run = [sys.executable, "-m", "sphinx", "-q", "-W", str(tmp_path), str(tmp_path / "html")]
    subprocess.run(run, check=True, timeout=600)
    assert "new.html" in (tmp_path / "html/old.html").read_text()


def test_numbers_of_an_appendix_begin_with_its_letter(tmp_path):
    """In captions and references, after a second build as well, and for the plain notebooks."""
    part = (
        "$$\nx = 1\n$$ (eq-{0})\n\n```{{figure}} ../a.svg\n:name: fig-{0}\n:alt: A\n\nIt.\n```\n\n"
        "See {{eq}}`eq-{0}`, {{numref}}`fig-{0}`, {{eq}}`eq-a`, {{numref}}`Figure %s <fig-a>`.\n\n"
    )
    pages = {
        "start": "# S\n\n" + part.format("s"),
        "01_one": "# One\n\n" + part.format("one"),
        "A_more": "# More\n\n" + part.format("a") + "## Most\n\n" + part.format("b"),
    }
    pages["start"] += "```{toctree}\n:numbered:\n01_one\n```\n\n```{toctree}\nA_more\n```\n"
    (tmp_path / "chapters").mkdir()
    for name, text in pages.items():
        (tmp_path / f"chapters/{name}.md").write_text(text)
    (tmp_path / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    (tmp_path / "conf.py").write_text(
        "extensions = ['myst_parser', 'appendix']\nmyst_enable_extensions = ['dollarmath']\n"
        "root_doc, numfig, html_theme = 'chapters/start', True, 'sphinx_book_theme'\n"
    )
    run = [sys.executable, "-m", "sphinx", "-q", "-W", str(tmp_path), str(tmp_path / "html")]
    for _ in range(2):
        path = os.pathsep.join([str(ROOT / "book/tools"), os.environ.get("PYTHONPATH", "")])
        subprocess.run(run, check=True, timeout=600, env=os.environ | {"PYTHONPATH": path})
        places = plain.read_places(tmp_path / "html")
        found = {label: places[label].name for label in places if re.match("eq-|fig-", label)}
        assert found == {
            "eq-s": "(1)", "fig-s": "Fig. 1", "eq-one": "(1.1)", "fig-one": "Fig. 1.1",
            "eq-a": "(A.1)", "fig-a": "Fig. A.1", "eq-b": "(A.2)", "fig-b": "Fig. A.2"}  # fmt: skip
        html = BeautifulSoup((tmp_path / "html/chapters/A_more.html").read_bytes(), "html.parser")
        assert "See (A.2), Fig. A.2, (A.1), Figure A.1." in html.get_text()
        html = BeautifulSoup((tmp_path / "html/chapters/01_one.html").read_bytes(), "html.parser")
        assert "See (1.1), Fig. 1.1, (A.1), Figure A.1." in html.get_text()
        (tmp_path / "chapters/01_one.md").write_text(pages["01_one"] + "More.\n")


def test_decorating_functions_later_is_equivalent():
    source = (
        "def loud(f):\n    return lambda x: 2 * f(x)\n\n"
        "@loud\ndef one(x):\n    return x + 1\n\nCALLED = 3\n"
    )
    later, scope = mutants.decorated_later(source), {}
    exec(later, scope)
    assert "@" not in later and scope["one"](1) == 4 and scope["CALLED"] == 3


def test_an_unknown_exit_code_does_not_count_as_killed():
    assert [mutants.end(code) for code in (0, 1, -24, None, 2, 5, -11)] == [
        "survived", "killed", "timeout", "waiting", "untested", "untested", "untested"]  # fmt: skip


def test_each_surviving_mutant_is_listed_once_with_a_reason():
    reasons = tomllib.loads((Path(__file__).parent / "mutants.toml").read_text())["reason"]
    listed = [mutant for reason in reasons for mutant in reason["mutants"]]
    assert len(set(listed)) == len(listed) and all(len(reason["why"]) > 20 for reason in reasons)
    for mutant in listed:  # of a function that still exists
        module, *names = mutant.split(": ")[0].split(".")
        found = importlib.import_module(f"vaelib.{module}")
        for name in names:
            assert hasattr(found, name), mutant
            found = getattr(found, name)


def test_the_oldest_packages_are_older_than_colabs():
    """vaelib's first cell in Colab must not ask for newer packages than Colab has."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    bounds = dict(line.split("==") for line in oldest.oldest(project) if "==" in line)
    assert {"numpy", "scipy", "matplotlib", "scikit-learn", "ipywidgets"} <= set(bounds)
    given = (ROOT / "book/tools/colab-requirements.txt").read_text(encoding="utf-8")
    for name, version in re.findall(r"(?m)^([\w-]+)==([\w.]+)", given):
        assert Version(bounds.get(name, "0")) <= Version(version), name


def test_moved_seeds_find_the_claim_that_needs_its_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(paper, "RECORDS", tmp_path)
    for name in ("VAELIB_PROFILE", "VAELIB_STRICT"):
        monkeypatch.setenv(name, "")  # `run` sets them for the kernel
    monkeypatch.delenv("PYTEST_VERSION")  # that of the kernel: a reader's claims do not raise
    path = write(
        tmp_path / "chapter.ipynb",
        code("import numpy as np\nimport torch\nimport vaelib.pages as vp", "setup"),
        code("moved = seed = by = {}  # a chapter may use these names", "names"),
        code(
            "torch.manual_seed(0)\nfirst = torch.rand(1).item()\n"
            "shuffle = torch.Generator().manual_seed(0)\n"
            "torch.manual_seed(0)\nagain = torch.rand(1, generator=shuffle).item()\n"
            "other = np.random.default_rng(0).random()\n"
            "vp.claim('the first number of seed 0', first == 0.49625658988952637, 'identity')\n"
            "vp.claim('twice the same', first == again, 'identity')\n"
            "vp.claim('NumPy too', other == 0.6369616873214543, 'identity')",
            "draws",
        ),
        code("1 / 0", "breaks"),
    )
    zero = {"cell": "breaks", "error": "ZeroDivisionError", "said": "division by zero"}
    options = ["--profile", "default", str(path)]
    assert paper.main(options) == 1 and paper.main(["--move", "7", *options]) == 1
    stays, moved = (
        json.loads((tmp_path / f"chapter.default{end}.json").read_text(encoding="utf-8"))
        for end in ("", ".7")
    )
    assert stays["failed"] == [zero] and "moved" not in stays
    assert (moved["moved"], moved["claims"], moved["code"]) == (7, 3, stays["code"])
    assert [one["said"].split(" (")[0] for one in moved["failed"]] == [
        "the first number of seed 0",
        "NumPy too",
        "division by zero",
    ]
