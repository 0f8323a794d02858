"""Sphinx extension: the build's cells are strict, so a claim that does not hold stops the build.

Where a reader runs a cell, such a claim is printed, and so are the numbers for the prose.
"""

import os


def use_cache(app, config):
    """Show the chapters as `make book` has just executed them (execute.py), several at a time."""
    if os.environ.get("VAELIB_EXECUTED"):
        config.nb_execution_mode = "cache"


def setup(app):
    os.environ["VAELIB_STRICT"] = "1"
    app.connect("config-inited", use_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
