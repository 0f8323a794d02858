"""Run the papers' tables on a laptop, over several evenings, in order of value.

`make evening` runs the queue at low priority and resumes where it stopped; `make evening-pause`
stops it, which loses at most a minute of each running seed.
"""

import contextlib
import fcntl
import json
import os
import signal
import time
from pathlib import Path

import torch

from vaelib.pages import receipts

from . import runner

# (experiment, row, seeds), most valuable first: one seed of each headline, then comparisons, then
# the rest.
QUEUE = [
    ("iwae_table1", "vae-1-k1", [0]),
    ("iwae_table1", "iwae-1-k5", [0]),
    ("iwae_table1", "iwae-1-k50", [0]),
    *(("likelihoods", f"logdet-mnist-{goal}-500", [0, 1, 2]) for goal in ("elbo", "mmd", "floor")),
    *(("likelihoods", f"vim-mnist-{model}-short", [0, 1, 2]) for model in ("vae", "vim-n")),
    *(("iwae_table1", row, [0, 1, 2]) for row in ("vae-1-k1-32", "iwae-1-k5-32")),
    ("iwae_table1", "iwae-1-k50", [1, 2]),
    ("iwae_table1", "vae-1-k1", [1, 2]),
    ("iwae_table1", "iwae-1-k5", [1, 2]),
    ("iwae_table1", "vae-1-k5", [0]),
    ("iwae_table1", "vae-1-k50", [0]),
    *(("likelihoods", f"vim-cifar10-{model}-short", [0, 1, 2]) for model in ("vae", "vim-n")),
    ("iwae_table1", "vae-2-k1-32", [0, 1]),
    ("iwae_table1", "iwae-2-k5-32", [0, 1]),
    ("iwae_table1", "vae-2-k1", [0, 1]),
    ("iwae_table1", "iwae-2-k5", [0, 1]),
    ("iwae_table1", "iwae-2-k50", [0]),
    ("iwae_table1", "vae-1-k5", [1, 2]),
    ("iwae_table1", "vae-1-k50", [1, 2]),
    ("iwae_table1", "vae-1-k5-32", [0, 1, 2]),
    ("iwae_table1", "vae-2-k5", [0, 1]),
    ("iwae_table1", "vae-2-k50", [0]),
    ("iwae_table2", "iwae-iwae-100", [0]),
    ("iwae_table2", "vae-vae5-100", [0]),
    ("iwae_table2", "vae-iwae-100", [0, 1, 2]),
    ("iwae_table2", "vae-vae-100", [0, 1, 2]),
    ("iwae_table2", "iwae-vae-100", [0, 1, 2]),
    ("iwae_table2", "iwae-iwae-100", [1, 2]),
    ("iwae_table2", "vae-vae5-100", [1, 2]),
]
QUEUE = json.loads(os.environ.get("EVENING", "null")) or QUEUE  # tests set another queue
NICE = int(os.environ.get("EVENING_NICE", "19"))  # 0 on a machine with nothing else to do


def todo(where):
    """Return the units of the queue without a result."""
    missing = {unit for name in dict.fromkeys(name for name, *_ in QUEUE)
               for unit in runner.units(name, unfinished(name, where), where)}  # fmt: skip
    queued = [(name, row, (seed,)) for name, row, seeds in QUEUE for seed in seeds]
    return [unit for unit in queued if unit in missing]


def unfinished(name, where):
    return [row for row, state in runner.states(name, where).items() if state != "run"]


def minutes(units, device):
    """Estimate {(experiment, row): minutes} on this machine from a few timed steps of each row."""
    torch.set_num_threads(1)  # as each seed on a CPU
    estimates = {}
    for name, row, _ in units:
        if (name, row) not in estimates:
            config = runner.planned_row(name, row)["config"]
            estimates[name, row] = runner.load(name).seconds(config, device) / 60
    return estimates


def run(device, scratch, where, jobs, say=print):
    """Run the rest of the queue; returns an exit status."""
    Path(scratch).mkdir(parents=True, exist_ok=True)
    with open(Path(scratch) / "evening", "a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            say(
                f"make evening is already running, process {handle.read().strip()}; "
                "stop it with make evening-pause."
            )
            return 1
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        units = todo(where)
        if not units:
            say("The whole queue has results.")
            return 0
        for name in {name for name, *_ in units}:
            receipts.write_json(runner.plan(name), Path(where) / runner.short(name) / "plan.json")
        yield_to_others()
        say(f"{len(units)} seeds are left; timing a few steps of each row ...")
        needed = minutes(units, device)
        for unit in units:
            say(f"  {runner.label(unit)}: about {needed[unit[:2]]:.0f} min")
        total = sum(needed[unit[:2]] for unit in units) / 60
        say(
            f"About {total:.1f} hours of one thread, {total / jobs:.1f} with {jobs} at once. "
            "Stop at any time (Ctrl-C, make evening-pause); make evening resumes."
        )
        return 1 if runner.run_local(units, device, scratch, where, float("inf"), jobs) else 0


def yield_to_others():
    """Lower the priority of this process and its children.

    Linux schedules terminals before processes: a nice value counts within one terminal only, unless
    the whole session has one as well.
    """
    os.nice(NICE)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


def pause(scratch, patience=30):
    """Stop the `make evening` that runs in `scratch`; returns an exit status."""
    file = Path(scratch) / "evening"
    if not running(file):
        print("make evening is not running.")
        return 0
    process = int(file.read_text())
    os.kill(process, signal.SIGTERM)
    until = time.monotonic() + patience
    while running(file) and time.monotonic() < until:
        time.sleep(0.1)
    if running(file):
        print(f"Process {process} has not stopped after {patience} s.")
        return 1
    print("Paused; make evening resumes from the last checkpoints.")
    return 0


def running(file):
    if not file.exists():
        return False
    with runner.locked(file, "a") as free:
        return not free
