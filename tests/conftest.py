"""What a test may lack, and who must not lack it."""

import os
import re
import subprocess
import sys

import pytest


def need(present, reason, ci=True):
    """Skip the test where something is absent; in CI that is a failure (a GPU, ci=False, is excepted)."""
    if present:
        return
    if ci and os.environ.get("CI"):
        pytest.fail(f"in CI this must run: {reason}")
    pytest.skip(reason)


def peak_memory(code):
    """What `code` prints in a process of its own, and that process's peak of memory in bytes.

    Of that process alone: ru_maxrss starts at the peak of whoever started it, here a worker full of other tests' data.
    """
    need(sys.platform.startswith("linux"), "the peak of memory is read from /proc", ci=False)
    code += "\nprint(open('/proc/self/status').read())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    printed, status = run.stdout.split("Name:", 1)
    return printed, 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])
