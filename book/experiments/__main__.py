"""The command line: python -m book.experiments NAME [--minutes M] [--device ...] [--engine local|ray]."""

import argparse
import sys
import time
from pathlib import Path

import torch

from vaelib import receipts

from . import runner


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m book.experiments", description=__doc__)
    parser.add_argument("name", nargs="?", help="the experiment; without it, all are listed")
    parser.add_argument("--row", action="append", help="only this row (may be given several times)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long; run again to go on")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="ray: the cluster of $RAY_ADDRESS")
    parser.add_argument("--workers", type=int, default=2, help="for a Ray of its own, where $RAY_ADDRESS is not set")
    parser.add_argument("--again", action="store_true", help="run rows anew that have a valid receipt")
    parser.add_argument("--list", action="store_true", help="write the plan, say what is run, run nothing")
    parser.add_argument("--receipts", type=Path, default=receipts.folder(), help="where the receipts go")
    parser.add_argument("--scratch", type=Path, default=runner.SCRATCH, help="where unfinished work is kept")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)  # one row, in this process
    given = parser.parse_args(arguments)
    if given.name is None:
        for name in runner.names():
            show(name, given.receipts)
        return 0
    deadline = time.monotonic() + 60 * given.minutes
    planned = runner.plan(given.name)
    ids = [row["id"] for row in planned["rows"]]
    for row in given.row or []:
        if row not in ids:
            parser.error(f"--row is {row!r}; {planned['experiment']} has {', '.join(ids)}")
    if given.here:
        (row,) = given.row
        runner.keep(runner.execute(given.name, row, given.device, given.scratch), given.name, row, given.receipts)
        return 0
    receipts.write_json(planned, given.receipts / planned["experiment"] / "plan.json")
    states, todo = runner.states(given.name, given.receipts), []
    if given.list:
        return show(given.name, given.receipts)
    for row in planned["rows"]:
        name = f"{planned['experiment']}/{row['id']}"
        if given.row and row["id"] not in given.row:
            continue
        if states[row["id"]] == "run" and not given.again:
            print(f"{name}: has a valid receipt", flush=True)
        elif row["needs_gpu"] and not given.device.startswith("cuda") and not given.row:
            print(f"{name}: needs a GPU (name it with --row to run it here all the same)", flush=True)
        else:
            if given.again:
                runner.forget(given.name, row["id"], given.scratch)
            todo.append(row["id"])
    if given.engine == "ray":
        try:
            from . import on_ray
        except ModuleNotFoundError:
            parser.error("--engine ray needs Ray: pip install -r requirements-ray.txt")
        failed = on_ray.run(given.name, todo, given.device, given.scratch, given.receipts, deadline, given.workers)
    else:
        failed = runner.run_local(given.name, todo, given.device, given.scratch, given.receipts, deadline)
    return 1 if failed else 0


def show(name, where):
    for row, state in runner.states(name, where).items():
        print(f"{runner.short(name)}/{row}: {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
