"""Controls of the chapters: what a page computes for one seed, recorded for several.

A row executes the cells of its notebook that define a function, and calls it with each seed: the
page calls the same function. `code` identifies these cells, so that the receipt becomes stale when
one of them changes in more than its comments and layout.
"""

import ast
import hashlib
import json
import os
from pathlib import Path

from vaelib.pages import receipts

VERSION = 1
PROFILE = "default"  # tests run the functions in the smoke profile
CLAIM = "What a chapter shows for one seed holds for others."
CHAPTERS = Path(__file__).resolve().parents[2] / "chapters"


def sources(chapter, cells):
    """Return the code of the named cells, in the notebook's order."""
    notebook = json.loads((CHAPTERS / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    found = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    return "\n".join(found[name] for name in found if name in cells)


def row(name, title, chapter, cells, function, seeds):
    code = ast.dump(ast.parse(sources(chapter, cells)))
    config = {
        "chapter": chapter,
        "cells": cells,
        "function": function,
        "code": hashlib.sha256(code.encode()).hexdigest()[:16],
        "seeds": list(range(seeds)),
    }
    return {"id": name, "title": title, "config": config}


ROWS = [
    row("02-habits", "Squared error summed or averaged", "02_elbo",
        ["setup", "sizes", "predict", "predicted", "habits", "habits-run"], "habits", 6),
    row("02-gauge", "Moments of the code: fast, slow, clamped", "02_elbo",
        ["setup", "sizes", "clamp", "gauge-run", "gauge-train"], "gauge", 6),
]  # fmt: skip


def run(config, device, folder):
    """Call the chapter's function with each seed, in the default profile."""
    os.environ["VAELIB_PROFILE"] = PROFILE
    names = {"__name__": "__main__"}
    exec(sources(config["chapter"], config["cells"]), names)
    measured = [names[config["function"]](seed) for seed in config["seeds"]]
    results = {
        quantity: receipts.summary([float(values[quantity]) for values in measured])
        for quantity in measured[0]
    }
    return results, {}


def seconds(config, device):
    return 60.0
