"""Tests that need data, a GPU or a tool: skipped without it, but failed in CI."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# The file of each data set that is fetched last.
DATA = {
    "mnist": "MNIST/raw/t10k-labels-idx1-ubyte.gz",
    "omniglot": "omniglot/images_background_small2.zip",
    "cifar10": "cifar10/cifar10_jpeg_test.npz",
}


def need(present, reason, ci=True):
    """Skip the test if something is absent; fail in CI, unless CI cannot have it.

    ci: False for what CI cannot have, such as a GPU.
    """
    if present:
        return
    if ci and os.environ.get("CI"):
        pytest.fail(f"in CI this must run: {reason}")
    pytest.skip(reason)


def need_data(*names):
    """Skip the test if a data set is neither in $VAELIB_DATA nor in the cache.

    In CI it fails for MNIST and the small Omniglot, which `make data` fetches, but not for the
    JPEGs of CIFAR-10, which are not available for download.
    """
    import pooch  # a machine that runs only tests/test_gpu.py need not have it

    homes = [os.environ.get("VAELIB_DATA") or os.devnull, pooch.os_cache("vaelib")]
    for name in names:
        here = any(Path(home, DATA[name]).exists() for home in homes)
        advice = "no download exists" if name == "cifar10" else "run `make data`"
        need(here, f"{DATA[name]} is missing: {advice}", ci=name != "cifar10")


def peak_memory(code):
    """What `code` prints in a separate process, and the peak memory of that process in bytes.

    From VmHWM: ru_maxrss starts at the peak of the parent, here a worker full of other tests' data.
    """
    need(sys.platform.startswith("linux"), "the peak of memory is read from /proc", ci=False)
    code += "\nprint(open('/proc/self/status').read())"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    printed, status = run.stdout.split("Name:", 1)
    return printed, 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])


def pytest_collection_modifyitems(items):
    """Run the files that take minutes first, so that no worker waits for the last one."""
    long = ("test_rerun.py", "test_runner.py", "test_experiments.py", "test_engine.py")
    items.sort(
        key=lambda item: item.path.name not in long and item.path.parent.name != "assignments"
    )
