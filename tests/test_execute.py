"""The chapters executed side by side before the build."""

import re
from types import SimpleNamespace
from unittest.mock import Mock

import execute
import nbformat
import pytest
from jupyter_cache import get_cache


def write(folder, **cells):
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in cells.items():
        nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nb.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(nb, folder / f"{name}.ipynb")


@pytest.fixture
def chapters(tmp_path, monkeypatch):
    monkeypatch.setattr(execute, "ROOT", tmp_path)
    monkeypatch.setattr(execute, "CACHE", tmp_path / "_build" / ".jupyter_cache")
    return tmp_path / "chapters"


def test_what_was_executed_is_kept_and_what_failed_is_not(chapters, capsys):
    write(chapters, a_good="print(6 * 7)", b_bad="1 / 0")
    assert execute.main(["--jobs", "2"]) == ["b_bad"]
    assert re.search(r"b_bad: \d+ s, failed\n2 chapters in", capsys.readouterr().out)
    cache = get_cache(str(execute.CACHE))
    _, nb = cache.merge_match_into_notebook(nbformat.read(chapters / "a_good.ipynb", 4))
    assert nb.cells[0].outputs[0].text == "42\n"
    with pytest.raises(KeyError):
        cache.match_cache_notebook(nbformat.read(chapters / "b_bad.ipynb", 4))


def test_nothing_of_an_earlier_call_is_kept(chapters):
    clock = "from pathlib import Path; print(Path('now').read_text())"
    write(chapters, a=clock)
    for now in ("first", "second"):
        (chapters / "now").write_text(now)
        assert execute.main(["--jobs", "1"]) == []
        cache = get_cache(str(execute.CACHE))
        _, nb = cache.merge_match_into_notebook(nbformat.read(chapters / "a.ipynb", 4))
        assert nb.cells[0].outputs[0].text == f"{now}\n"


def test_two_chapters_run_at_the_same_time(chapters):
    meet = "from pathlib import Path; import time\nPath('{0}').touch()\n"
    meet += "for _ in range(900):\n    if Path('{1}').exists(): break\n    time.sleep(.1)\n"
    meet += "else: raise RuntimeError('the other chapter did not come')"
    write(chapters, a=meet.format("a", "b"), b=meet.format("b", "a"))
    assert execute.main(["--jobs", "2"]) == []


def test_jobs_must_be_positive(chapters, capsys):
    with pytest.raises(SystemExit):
        execute.main(["--jobs", "0"])
    assert "--jobs must be a positive integer, got 0" in capsys.readouterr().err


@pytest.mark.parametrize(("executed", "mode"), [("1", "cache"), (None, "force")])
def test_the_build_reads_the_cache_only_after_make_book(executed, mode, monkeypatch):
    monkeypatch.delenv("VAELIB_EXECUTED", raising=False)
    if executed:
        monkeypatch.setenv("VAELIB_EXECUTED", executed)
    config, app = SimpleNamespace(nb_execution_mode="force"), Mock()
    execute.use_cache(app, config)
    assert config.nb_execution_mode == mode
    assert app.connect.called == bool(executed)


def test_the_notebooks_of_the_build_have_their_outputs(chapters):
    write(chapters, a="print(6 * 7)")
    execute.main(["--jobs", "1"])
    build = execute.CACHE.parent
    write(build / "jupyter_execute" / "chapters", a="print(6 * 7)")
    execute.keep_outputs(None, None)
    nb = nbformat.read(build / "jupyter_execute" / "chapters" / "a.ipynb", 4)
    assert nb.cells[0].outputs[0].text == "42\n"
