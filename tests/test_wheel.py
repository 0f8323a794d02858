"""The wheel contains all that a chapter needs: library, scripts, styles and receipts.

In a checkout an editable install hides what the wheel lacks, so the wheel is unpacked in another
folder and used there.
"""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PREPARE = """
import sys

# The editable install of this checkout must not answer for what the wheel lacks.
sys.meta_path[:] = [finder for finder in sys.meta_path
                    if not getattr(finder, "__module__", "").startswith("__editable__")]
"""
CHECK = """
modules = [(name, m) for name, m in sys.modules.items() if name.split(".")[0] == "vaelib"]
places = [(name, place) for name, m in modules for place in [m.__file__ or list(m.__path__)[0]]]
outside = [(name, place) for name, place in places if not place.startswith(SITE)]
assert modules and not outside, outside
"""
# As a notebook runs them, in one namespace: the cells up to the first figure.
FIRST_CELLS = """
import json
import matplotlib

matplotlib.use("Agg")
cells = json.load(open(CHAPTER))["cells"]
sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
(last, *_) = [i for i, source in enumerate(sources) if "plt.show()" in source]
scope = {}
for source in sources[: last + 1]:
    exec(source, scope)
assert len(scope["plt"].get_fignums()) == 1
"""
EXPLORERS = """
import torch

import vaelib as vl
import vaelib.pages as vp

panel = vp.explorer.panel("a", "z", (0, 1), (0, 1), {"line": torch.rand(3, 10).numpy()})
html = vp.explorer.curves([panel], {"knob": [1, 2, 3]})._repr_html_()
assert "<style>" in html and "<script" in html and "<svg" in html
model, labels = vl.VAE(vl.mlp(9, 8, 4), vl.mlp(2, 8, 9), 2), torch.arange(5)
vp.explorer.planes({"VAE": (model, torch.zeros(5, 2), labels)}, (3, 3))
"""
RECEIPTS = """
from vaelib.pages import receipts

assert receipts.experiments() == EXPERIMENTS
for name in EXPERIMENTS:
    assert any(row["receipt"] for row in receipts.rows(name)) or name == "iwae_table2", name
values, origin = receipts.kept("mnist-plane")
assert len(values["codes"]) and origin["data"]
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the unpacked wheel, built from a copy of the files that it is made of."""
    folder = tmp_path_factory.mktemp("wheel")
    source, skip = folder / "source", shutil.ignore_patterns("__pycache__")
    for part in ("vaelib", "book/receipts"):
        shutil.copytree(ROOT / part, source / part, ignore=skip)
    for part in ("README.md", "LICENSE", "pyproject.toml"):
        shutil.copy(ROOT / part, source)
    build = ["pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    subprocess.run([sys.executable, "-m", *build], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    unzip = [sys.executable, "-m", "zipfile", "-e", str(wheel), str(folder / "site")]
    subprocess.run(unzip, check=True)
    return folder / "site"


def files(folder):
    """The relative paths of a folder's files, caches aside."""
    found = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}


def test_every_file_of_the_library_and_every_receipt_is_in_the_wheel(site):
    receipts = files(ROOT / "book" / "receipts")
    # A row's receipt holds the results of its seeds: the files of single seeds stay at home.
    recorded = {f"pages/recorded/{name}" for name in receipts if "/seeds/" not in name}
    assert files(site / "vaelib") == files(ROOT / "vaelib") | recorded


def experiments():
    plans = (ROOT / "book" / "receipts").glob("*/plan.json")
    return sorted(path.parent.name for path in plans)


CASES = {"the first cells of chapter 1": FIRST_CELLS, "explorers": EXPLORERS, "receipts": RECEIPTS}


@pytest.mark.parametrize("code", CASES.values(), ids=CASES)
def test_the_wheel_is_enough_for(code, site, tmp_path):
    chapter = ROOT / "chapters" / "01_autoencoding.ipynb"
    names = f"SITE, CHAPTER, EXPERIMENTS = {str(site)!r}, {str(chapter)!r}, {experiments()}\n"
    environment = os.environ | {"PYTHONPATH": str(site), "VAELIB_PROFILE": "smoke"}
    done = subprocess.run(
        [sys.executable, "-c", PREPARE + names + textwrap.dedent(code) + CHECK],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
