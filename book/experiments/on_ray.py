"""The same rows on a Ray cluster: one task a row, its receipt written where the command was given."""

import os
import time

import ray

from . import runner

TRIES = 5  # a row whose worker dies is given to another one so many times


def run(name, todo, device, scratch, where, deadline, workers=2):
    """Run rows on the cluster of $RAY_ADDRESS, or on one of `workers` processes here; returns those that failed.

    A worker that dies loses no row: Ray gives the row to another, which goes on from the checkpoint in `scratch` where
    the two share a disk. A row whose receipt is written is not run again.
    """
    kept = {name: os.environ[name] for name in ("VAELIB_DATA", "TQDM_DISABLE") if name in os.environ}
    address, options = os.environ.get("RAY_ADDRESS"), {"env_vars": kept}
    if address:  # the workers' machines get this working tree; ours have it
        options |= {"working_dir": str(runner.ROOT), "excludes": [".venv", "_build", ".git"]}
    else:
        options["env_vars"]["PYTHONPATH"] = os.pathsep.join([str(runner.ROOT), os.environ.get("PYTHONPATH", "")])
    ray.init(address=address, num_cpus=None if address else workers, runtime_env=options, include_dashboard=False,
             log_to_driver=False, logging_level="ERROR")  # fmt: skip

    @ray.remote(num_cpus=1, num_gpus=1 if device.startswith("cuda") else 0, max_retries=TRIES)
    def work(row):
        return runner.execute(name, row, device, scratch)

    pending, failed = {work.remote(row): row for row in todo}, []
    try:
        while pending:
            left = deadline - time.monotonic()
            done, _ = ray.wait(list(pending), timeout=None if left == float("inf") else max(0.0, left))
            if not done:
                print(f"time is up for {', '.join(pending.values())}; run the command again to go on", flush=True)
                break
            row = pending.pop(done[0])
            try:
                receipt = ray.get(done[0])
            except ray.exceptions.RayError as error:
                failed.append(row)
                print(f"{runner.short(name)}/{row}: failed ({type(error).__name__}: {error})", flush=True)
                continue
            runner.keep(receipt, name, row, where)
    finally:
        ray.shutdown()
    return failed
