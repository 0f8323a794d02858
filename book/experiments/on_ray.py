"""Run units on a Ray cluster, one task each; results are written on the calling machine."""

import os
import time

import ray

from . import runner

TRIES = 5  # attempts for a unit whose worker dies


def run(todo, device, scratch, where, deadline, workers=2):
    """Run units on the cluster of $RAY_ADDRESS, or on a local one; returns those that failed.

    If a worker dies, Ray gives its unit to another, which resumes from the checkpoint in `scratch`
    if the two share a disk. A seed whose result is written is not run again.
    """
    kept = {
        name: os.environ[name]
        for name in ("VAELIB_DATA", "VAELIB_MIRROR", "TQDM_DISABLE")
        if name in os.environ
    }
    address, options = os.environ.get("RAY_ADDRESS"), {"env_vars": kept}
    if address:  # the workers' machines get this working tree; local workers already have it
        options |= {"working_dir": str(runner.ROOT), "excludes": [".venv", "_build", ".git"]}
    else:
        options["env_vars"]["PYTHONPATH"] = os.pathsep.join(
            [str(runner.ROOT), os.environ.get("PYTHONPATH", "")]
        )
    ray.init(
        address=address,
        num_cpus=None if address else workers,
        runtime_env=options,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )

    @ray.remote(num_cpus=1, num_gpus=1 if device.startswith("cuda") else 0, max_retries=TRIES)
    def work(unit):
        return runner.execute(*unit, device, scratch)

    pending, failed = {work.remote(unit): unit for unit in todo}, []
    try:
        while pending:
            left = deadline - time.monotonic()
            done, _ = ray.wait(
                list(pending), timeout=None if left == float("inf") else max(0.0, left)
            )
            if not done:
                unfinished = ", ".join(map(runner.label, pending.values()))
                print(f"time is up for {unfinished}; run the command again to resume", flush=True)
                break
            unit = pending.pop(done[0])
            try:
                receipt = ray.get(done[0])
            except ray.exceptions.RayError as error:
                failed.append(unit)
                print(f"{runner.label(unit)}: failed ({type(error).__name__}: {error})", flush=True)
                continue
            runner.keep(receipt, unit, where)
    finally:
        ray.shutdown()
    return failed
