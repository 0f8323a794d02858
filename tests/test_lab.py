"""A plain notebook in JupyterLab, in a browser: run all, again, changed, interrupted, reopened.

`make lab-test` after `make book`; skipped without JupyterLab or a build.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import need
from test_pages import CHROMIUM, FLAGS, need_browser

ROOT = Path(__file__).resolve().parents[1]
# What a code cell has printed and drawn, and its error.
CELLS = """() => window.jupyterapp.shell.currentWidget.content.widgets
  .filter(w => w.model.type === "code").map(w => {
    const outputs = [...Array(w.model.outputs.length).keys()]
      .map(i => w.model.outputs.get(i).toJSON());
    return {id: w.model.id, source: w.model.sharedModel.getSource(), count: w.model.executionCount,
            text: outputs.flatMap(o => [o.text, o.data?.["text/plain"], o.data?.["text/html"]])
              .map(t => [].concat(t ?? "").join("")).join("\\n"),
            error: outputs.filter(o => o.output_type === "error").map(o => o.ename)[0] ?? null};
  })"""
EDIT = """([id, old, now]) => {
  const cell = window.jupyterapp.shell.currentWidget.content.widgets.find(w => w.model.id === id);
  const source = cell.model.sharedModel.getSource();
  if (!source.includes(old)) throw Error(id + " has no " + old);
  cell.model.sharedModel.setSource(source.replace(old, now));
}"""


class Lab:
    """A browser's page with one notebook open."""

    def __init__(self, page, address):
        self.page, self.address = page, address

    def open(self, name):
        self.page.goto(f"{self.address}/lab/tree/{name}.ipynb?reset")
        self.page.wait_for_function("window.jupyterapp")
        self.page.evaluate("window.jupyterapp.restored")
        self.page.wait_for_selector(".jp-Notebook .jp-Cell")
        self.page.wait_for_function(
            "window.jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel"
        )
        return self

    def do(self, command, wait=True, **arguments):
        call = "window.jupyterapp.commands.execute(command, options)"
        script = f"([command, options]) => {call if wait else '{' + call + '}'}"
        self.page.evaluate(script, [command, arguments])

    def cells(self):
        return {cell["id"]: cell for cell in self.page.evaluate(CELLS)}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The address of a JupyterLab over copies of the build's plain notebooks."""
    built = os.environ.get("VAELIB_BOOK")
    need(built, "VAELIB_BOOK does not name a folder of built pages: `make book`", ci=False)
    need(find_spec("jupyterlab"), "no JupyterLab: `make lab-test`", ci=False)
    need_browser()
    folder = tmp_path_factory.mktemp("notebooks")
    for path in Path(built).resolve().glob("notebooks/chapters/*.ipynb"):
        shutil.copy(path, folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    leave = ("PYTEST_VERSION", "VAELIB_STRICT", "PYTEST_CURRENT_TEST")
    env = {key: value for key, value in os.environ.items() if key not in leave}
    env |= {"VAELIB_PROFILE": "smoke", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--allow-root",
               "--IdentityProvider.token=", "--LabApp.expose_app_in_browser=True",
               "--LabApp.news_url=None", f"--ServerApp.root_dir={folder}"]  # fmt: skip
    with open(folder / "log.txt", "w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=2)
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def lab(server):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.set_default_timeout(240_000)
        yield Lab(page, server)
        browser.close()


@pytest.mark.parametrize("name", ["01_autoencoding", "03_reparameterization", "08_mmd_vae"])
def test_a_chapter_runs_twice(lab, name):
    lab.open(name)
    for _ in range(2):
        lab.do("notebook:run-all-cells")
        cells = lab.cells().values()
        assert not [cell for cell in cells if cell["error"]]
        assert not [cell for cell in cells if "Does not hold" in cell["text"]]
        assert all(cell["count"] for cell in cells if cell["source"])
    assert any(re.search(r"(?m)^\w+ = [-\d.]+", cell["text"]) for cell in cells)  # glued
    assert any("✓" in cell["text"] for cell in cells)


def test_a_changed_value_a_stop_and_a_reopened_notebook(lab):
    lab.open("03_reparameterization")
    lab.do("notebook:run-all-cells")
    # A claim that no longer holds is printed, and the cells behind it run.
    lab.page.evaluate(EDIT, ["estimators", "1 + 2 * noise", "3 + 2 * noise"])
    lab.do("notebook:run-all-cells")
    cells = lab.cells()
    broken = [cell["id"] for cell in cells.values() if "Does not hold" in cell["text"]]
    assert broken and not [cell for cell in cells.values() if cell["error"]]
    # The stop button stops the training, and what waits behind it does not run.
    lab.page.evaluate(EDIT, ["train", "steps=size.steps", "steps=100_000"])
    lab.do("notebook:run-all-cells", wait=False)
    time.sleep(25)
    lab.do("kernelmenu:interrupt")
    lab.page.wait_for_function(
        "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
    )
    cells = lab.cells()
    assert cells["train"]["error"] == "Interrupted"
    lab.do("docmanager:save")
    again = lab.open("03_reparameterization").cells()
    assert again["train"]["error"] == "Interrupted"
    assert "100_000" in again["train"]["source"]
