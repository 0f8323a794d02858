"""What a laptop can do of the papers' tables in some evenings: a list in order of value, and how it is stopped.

`make evening` runs the list at low priority and goes on where the last evening ended; `make evening-pause` stops it, at
the cost of at most a minute of each seed that is under way.
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

# (experiment, row, seeds), the most valuable first: one seed of each headline, then what compares them, then the rest.
QUEUE = [
    ("iwae_table1", "vae-1-k1", [0]),
    ("iwae_table1", "iwae-1-k5", [0]),
    ("iwae_table1", "iwae-1-k50", [0]),
    *(("iwae_table1", row, [0, 1, 2]) for row in ("vae-1-k1-32", "iwae-1-k5-32")),
    ("iwae_table1", "iwae-1-k50", [1, 2]),
    ("iwae_table1", "vae-1-k1", [1, 2]),
    ("iwae_table1", "iwae-1-k5", [1, 2]),
    ("iwae_table1", "vae-1-k5", [0]),
    ("iwae_table1", "vae-1-k50", [0]),
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
    ("iwae_table2", "vae-iwae-100", [0, 1, 2]),
    ("iwae_table2", "iwae-vae-100", [0, 1, 2]),
]
QUEUE = json.loads(os.environ.get("EVENING", "null")) or QUEUE  # another list, such as the tests'


def todo(where):
    """The units of the list that have no result yet."""
    missing = {unit for name in dict.fromkeys(name for name, *_ in QUEUE)
               for unit in runner.units(name, unfinished(name, where), where)}  # fmt: skip
    wanted = [(name, row, (seed,)) for name, row, seeds in QUEUE for seed in seeds]
    return [unit for unit in wanted if unit in missing]


def unfinished(name, where):
    return [row for row, state in runner.states(name, where).items() if state != "run"]


def minutes(units, device):
    """How long each unit will take here, {(experiment, row): minutes}, from a few timed steps of each kind of row."""
    torch.set_num_threads(1)  # as a seed has on a CPU
    found = {}
    for name, row, _ in units:
        if (name, row) not in found:
            (planned,) = [r for r in runner.plan(name)["rows"] if r["id"] == row]
            found[name, row] = runner.load(name).seconds(planned["config"], device) / 60
    return found


def run(device, scratch, where, jobs, say=print):
    """Run what is left of the list; returns an exit status."""
    Path(scratch).mkdir(parents=True, exist_ok=True)
    with open(Path(scratch) / "evening", "a+") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            handle.seek(0)
            say(f"An evening is running already, process {handle.read().strip()}; stop it with make evening-pause.")
            return 1
        handle.truncate(0)
        handle.write(str(os.getpid()))
        handle.flush()
        units = todo(where)
        if not units:
            say("Everything on the list has a result.")
            return 0
        for name in {name for name, *_ in units}:
            receipts.write_json(runner.plan(name), Path(where) / runner.short(name) / "plan.json")
        yield_to_others()
        say(f"{len(units)} seeds are left; timing a few steps of each row ...")
        needed = minutes(units, device)
        for unit in units:
            say(f"  {runner.label(unit)}: about {needed[unit[:2]]:.0f} min")
        total = sum(needed[unit[:2]] for unit in units) / 60
        say(f"About {total:.1f} hours of one thread, {total / jobs:.1f} with {jobs} at once. Stop at any time "
            "(Ctrl-C, make evening-pause); make evening goes on.")  # fmt: skip
        return 1 if runner.run_local(units, device, scratch, where, float("inf"), jobs) else 0


def yield_to_others():
    """Lower the priority of this process and of those that it starts.

    Linux weighs terminals before processes: a nice value counts within one terminal only, unless the whole session has
    one as well.
    """
    os.nice(19)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text("19")


def pause(scratch, patience=30):
    """Stop the evening that runs in `scratch`; returns an exit status."""
    file = Path(scratch) / "evening"
    if not running(file):
        print("No evening is running.")
        return 0
    process = int(file.read_text())
    os.kill(process, signal.SIGTERM)
    until = time.monotonic() + patience
    while running(file) and time.monotonic() < until:
        time.sleep(0.1)
    if running(file):
        print(f"Process {process} has not stopped after {patience} s.")
        return 1
    print("Paused; make evening goes on from the last checkpoints.")
    return 0


def running(file):
    if not file.exists():
        return False
    with runner.locked(file, "a") as free:
        return not free
