"""What a test may lack, and who must not lack it."""

import os

import pytest


def need(present, reason, ci=True):
    """Skip the test where something is absent; in CI that is a failure (a GPU, ci=False, is excepted)."""
    if present:
        return
    if ci and os.environ.get("CI"):
        pytest.fail(f"in CI this must run: {reason}")
    pytest.skip(reason)
