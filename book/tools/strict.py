"""Sphinx extension: the build's cells are strict, so a claim that does not hold stops the build.

Where a reader runs a cell, such a claim is printed, and so are the numbers for the prose.
"""

import os


def setup(app):
    os.environ["VAELIB_STRICT"] = "1"
    return {"parallel_read_safe": True, "parallel_write_safe": True}
