"""The command line of the experiments: python -m book.experiments NAME [options]."""

import argparse
import signal
import sys
import time
from pathlib import Path

import torch

from vaelib.pages import receipt_table, receipts

from . import evening, runner


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m book.experiments", description=__doc__)
    parser.add_argument(
        "name", nargs="?", help="the experiment, or a file plan.py of your own; default: list all"
    )
    parser.add_argument("--row", action="append", help="only this row (repeatable)")
    parser.add_argument(
        "--jobs", type=int, default=1, help="seeds to run in parallel (one thread each on a CPU)"
    )
    parser.add_argument(
        "--minutes", type=float, default=float("inf"), help="time limit; run again to resume"
    )
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="ray: the cluster of $RAY_ADDRESS",
    )
    parser.add_argument(
        "--workers", type=int, default=2, help="workers of a local Ray, if $RAY_ADDRESS is not set"
    )
    parser.add_argument(
        "--again", action="store_true", help="also run rows that have a valid receipt"
    )
    parser.add_argument(
        "--list", action="store_true", help="write the plan and show the rows' states; run nothing"
    )
    parser.add_argument(
        "--evening", action="store_true", help="run the queue of evening.py (make evening)"
    )
    parser.add_argument("--pause", action="store_true", help="stop a running `make evening`")
    parser.add_argument(
        "--receipts",
        type=Path,
        help="folder of the receipts (of a file of your own: receipts/ beside it)",
    )
    parser.add_argument(
        "--scratch",
        type=Path,
        help="folder of unfinished work (of a file of your own: unfinished/ beside it)",
    )
    # Internal: run one unit in this process.
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seeds", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    # Exit through `finally`, so that child processes end with this one.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    own = Path(given.name).resolve() if (given.name or "").endswith(".py") else None
    if own and not own.is_file():
        parser.error(f"name must be a file that exists, got {given.name}")
    given.name = str(own) if own else given.name
    given.receipts = given.receipts or (own.parent / "receipts" if own else receipts.folder())
    given.scratch = given.scratch or (own.parent / "unfinished" if own else runner.SCRATCH)
    if given.jobs < 1:
        parser.error(f"--jobs must be at least 1, got {given.jobs}")
    if given.pause:
        return evening.pause(given.scratch)
    if given.evening:
        return evening.run(given.device, given.scratch, given.receipts, given.jobs)
    if given.name is None:
        for name in runner.names():
            show(name, given.receipts)
        return 0
    deadline = time.monotonic() + 60 * given.minutes
    planned = runner.plan(given.name)
    ids = [row["id"] for row in planned["rows"]]
    for row in given.row or []:
        if row not in ids:
            parser.error(
                f"--row must be one of {', '.join(ids)} for {planned['experiment']}, got {row!r}"
            )
    if given.here:
        seeds = tuple(map(int, given.seeds.split(","))) if given.seeds else (None,)
        return here((given.name, given.row[0], seeds), given)
    receipts.write_json(planned, given.receipts / planned["experiment"] / "plan.json")
    if given.list:
        return show(given.name, given.receipts)
    states, rows = runner.states(given.name, given.receipts), []
    for row in planned["rows"]:
        name = f"{planned['experiment']}/{row['id']}"
        if given.row and row["id"] not in given.row:
            continue
        if states[row["id"]] == "run" and not given.again:
            print(f"{name}: has a valid receipt", flush=True)
        elif row["needs_gpu"] and not given.device.startswith("cuda") and not given.row:
            print(f"{name}: needs a GPU (use --row to run it here anyway)", flush=True)
        else:
            if given.again:
                runner.forget(given.name, row["id"], given.scratch, given.receipts)
            rows.append(row["id"])
    # On a GPU the seeds of a row are copies in one program; on a CPU each is a separate unit.
    todo = runner.units(given.name, rows, given.receipts, together=given.device.startswith("cuda"))
    if given.engine == "ray":
        try:
            from . import on_ray
        except ModuleNotFoundError:
            parser.error("--engine ray needs Ray: pip install -e '.[ray]' -c requirements.txt")
        failed = on_ray.run(
            todo, given.device, given.scratch, given.receipts, deadline, given.workers
        )
    else:
        failed = runner.run_local(
            todo, given.device, given.scratch, given.receipts, deadline, given.jobs
        )
    if own:
        report(own, given.receipts)
    return 1 if failed else 0


def report(plan, where):
    """Write the table of a plan of one's own beside it, as Markdown, and print it."""
    table = receipt_table(plan.stem, where=where).strip() + "\n"
    plan.with_suffix(".md").write_text(table, encoding="utf-8")
    print(f"\n{table}\nwritten to {plan.with_suffix('.md')}", flush=True)


def here(unit, given):
    """Run one unit in this process and record it."""
    # Ends at once: the last checkpoint is at most a minute old.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        runner.keep(runner.execute(*unit, given.device, given.scratch), unit, given.receipts)
    except OSError as error:
        raise SystemExit(
            f"{runner.label(unit)}: {error.filename or 'a file'} cannot be written "
            f"({error.strerror or error}). Unfinished work is kept in {given.scratch}; "
            "free some space and run the same command to resume."
        ) from error
    return 0


def show(name, where):
    for row, state in runner.states(name, where).items():
        print(f"{runner.short(name)}/{row}: {state}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
