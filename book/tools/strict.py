"""Sphinx extension: the build's cells are strict, so a claim that does not hold stops the build.

Where a reader runs a cell, such a claim is printed, and so are the numbers for the prose.
"""

import os
from pathlib import Path

import nbformat
from jupyter_cache import get_cache


def use_cache(app, config):
    """Show the chapters as `make book` has just executed them (execute.py), several at a time."""
    if os.environ.get("VAELIB_EXECUTED"):
        config.nb_execution_mode = "cache"
        app.connect("env-updated", keep_outputs)


def keep_outputs(app, env):
    """Add the outputs to the notebooks in jupyter_execute, which myst_nb leaves without them."""
    cache = get_cache(str(Path(app.outdir).parent / ".jupyter_cache"))
    for path in Path(app.outdir).parent.glob("jupyter_execute/chapters/*.ipynb"):
        _, executed = cache.merge_match_into_notebook(nbformat.read(path, as_version=4))
        nbformat.write(executed, path)


def setup(app):
    os.environ["VAELIB_STRICT"] = "1"
    app.connect("config-inited", use_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
