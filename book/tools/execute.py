"""Execute the chapters for `make book`, several at a time, into the cache that the build reads.

    python book/tools/execute.py [--jobs 2]

Each chapter has a process of its own. One that fails is not kept: the build executes it again, and
reports it. The cache begins empty, so that no result of older code is shown. As a Sphinx extension
it makes the build read this cache if VAELIB_EXECUTED is set.
"""

import argparse
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.utils import single_nb_execution

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / "_build" / ".jupyter_cache"  # Jupyter Book's place for it


def execute(path):
    """The executed notebook, its seconds, and the error that stopped it or None."""
    nb = nbformat.read(path, as_version=4)
    result = single_nb_execution(nb, cwd=str(path.parent), timeout=600, allow_errors=False)
    return nb, result.time, result.err


def main(arguments=None):
    """Execute the chapters; returns the names of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    jobs = min(4, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2)
    parser.add_argument("--jobs", type=int, default=jobs, help=f"at a time (default {jobs})")
    jobs = parser.parse_args(arguments).jobs
    if jobs < 1:
        parser.error(f"--jobs must be a positive integer, got {jobs}")
    shutil.rmtree(CACHE, ignore_errors=True)
    cache, failed, began = get_cache(str(CACHE)), [], time.perf_counter()
    chapters = sorted((ROOT / "chapters").glob("*.ipynb"))
    with ThreadPoolExecutor(jobs) as pool:
        for path, (nb, seconds, error) in zip(chapters, pool.map(execute, chapters), strict=True):
            print(f"{path.stem}: {seconds:.0f} s{', failed' * bool(error)}", flush=True)
            if error:
                failed.append(path.stem)
            else:
                data = {"execution_seconds": seconds}
                bundle = CacheBundleIn(nb, str(path), data=data)
                cache.cache_notebook_bundle(bundle, check_validity=False)
    print(f"{len(chapters)} chapters in {time.perf_counter() - began:.0f} s")
    return failed


def use_cache(app, config):
    if os.environ.get("VAELIB_EXECUTED"):
        config.nb_execution_mode = "cache"
        app.connect("env-updated", keep_outputs)


def keep_outputs(app, env):
    """Add the outputs to the notebooks in jupyter_execute, which myst_nb leaves without them."""
    cache = get_cache(str(CACHE))
    for path in (CACHE.parent / "jupyter_execute" / "chapters").glob("*.ipynb"):
        _, executed = cache.merge_match_into_notebook(nbformat.read(path, as_version=4))
        nbformat.write(executed, path)


def setup(app):
    app.connect("config-inited", use_cache)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    main()
