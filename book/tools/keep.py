"""Record results of a chapter on data that a reader may not have, so that its page is complete.

    python book/tools/keep.py    # needs MNIST, in $VAELIB_DATA or downloaded by vl.mnist()

Runs some cells of the chapter in the default profile and saves one of their variables, a dict of
arrays and numbers, with its origin in book/receipts/pages/NAME.npz. `vaelib.pages.receipts.kept`
reads it.
"""

import hashlib
import json
import os
import platform
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parents[2]
# name: the chapter, the cells to run in order, and the variable to save
KEPT = {
    "mnist-plane": (
        "03_reparameterization",
        ("setup", "mnist-data", "mnist-train"),
        "plane",
    )
}


def sources(name):
    """Return the code of the cells that compute the variable of this name, in order."""
    from book.experiments import runner

    chapter, cells, _ = KEPT[name]
    return runner.cells(chapter, cells)


def fingerprint(name):
    """Return the SHA-256 of the last cell; a test compares it with the chapter."""
    return hashlib.sha256(sources(name)[-1].encode()).hexdigest()


def make(name):
    """Run the cells; returns the variable and its origin. SystemExit: the data are missing."""
    from book.experiments import runner

    scope, began = {}, time.perf_counter()
    for source in sources(name):
        exec(source, scope)
    data = scope["mnist"]
    if data is None:
        raise SystemExit(f"{name} needs MNIST; vl.mnist() downloads it.")
    origin = {
        "command": "python book/tools/keep.py",
        "profile": "default",
        "seed": 0,
        "cells": fingerprint(name),
        "data": {data.name: runner.fingerprint(data.train, data.test)},
        "device": runner.device_name("cpu"),
        "seconds": round(time.perf_counter() - began, 1),
        "commit": runner.commit(),
        "date": date.today().isoformat(),
        "versions": (
            {"python": platform.python_version()}
            | {p: version(p) for p in ("torch", "numpy", "vaelib")}
        ),
    }
    return scope[KEPT[name][2]], origin


def main():
    sys.path.insert(0, str(ROOT))
    os.environ["VAELIB_PROFILE"] = "default"
    torch.set_default_device("cpu")
    for name in KEPT:
        values, origin = make(name)
        path = ROOT / "book" / "receipts" / "pages" / f"{name}.npz"
        path.parent.mkdir(exist_ok=True)
        np.savez_compressed(path, origin=json.dumps(origin), **values)
        print(
            f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.0f} kB, {origin['seconds']} s"
        )


if __name__ == "__main__":
    main()
