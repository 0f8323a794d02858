"""Runs an experiment's rows: skips what has a valid receipt, survives a kill, keeps to a time budget."""

import fcntl
import hashlib
import importlib
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

from vaelib import receipts

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "_build" / "experiments"


def load(name):
    """The module of an experiment: book.experiments.NAME, or NAME itself where it has a dot."""
    module = name if "." in name else f"book.experiments.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise SystemExit(f"There is no experiment {name!r}; allowed are {', '.join(names())}.") from None


def names():
    """The experiments of this folder: the modules that have ROWS."""
    stems = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("__"))
    return [stem for stem in stems if "\nROWS = " in (Path(__file__).parent / f"{stem}.py").read_text(encoding="utf-8")]


def short(name):
    return name.rpartition(".")[2]


def plan(name):
    """The plan of an experiment as it is recorded in plan.json."""
    module = load(name)
    rows = [{"id": row["id"], "title": row["title"], "config": row["config"],
             "paper": {quantity: {"value": value, "source": source}
                       for quantity, (value, source) in row.get("paper", {}).items()},
             "needs_gpu": row.get("needs_gpu", False)} for row in module.ROWS]  # fmt: skip
    command = f"python -m book.experiments {name}"
    return {"experiment": short(name), "version": module.VERSION, "claim": module.CLAIM, "command": command,
            "rows": json.loads(json.dumps(rows))}  # fmt: skip


def states(name, where):
    """{row id: state} of an experiment; a receipt that is not valid counts as not run."""
    wanted, found = plan(name), {}
    for row in wanted["rows"]:
        try:
            receipt = receipts.read(wanted["experiment"], row["id"], where)
        except ValueError as error:
            print(f"{error} It will be made anew.", file=sys.stderr)
            receipt = None
        found[row["id"]] = receipts.state(receipt, row["config"], wanted["version"])
    return found


def execute(name, row, device, scratch):
    """Run one row here and return its receipt; None where another process is at it."""
    module = load(name)
    (planned,) = [r for r in plan(name)["rows"] if r["id"] == row]
    key = hashlib.sha256(json.dumps([planned["config"], module.VERSION], sort_keys=True).encode()).hexdigest()[:12]
    folder = Path(scratch) / short(name) / f"{row}-{key}"  # another config or version starts anew
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder / "lock") as mine:
        if not mine:
            return None
        commits = folder / "commits"  # a later try may run other code than the one that it goes on from
        made_by = list(dict.fromkeys([*(commits.read_text().split() if commits.exists() else []), commit()]))
        commits.write_text("\n".join(made_by))
        with clock(folder) as seconds:
            results, data = module.run(planned["config"], torch.device(device), folder)
        return {
            "experiment": short(name), "id": row, "version": module.VERSION, "config": planned["config"],
            "results": results, "data": data, "device": device_name(device), "seconds": round(seconds(), 1),
            "versions": {"python": platform.python_version()} | {p: version(p) for p in ("torch", "numpy", "vaelib")},
            "commit": ", ".join(made_by), "command": f"python -m book.experiments {name} --row {row} --device {device}",
            "date": date.today().isoformat(),
        }  # fmt: skip


def forget(name, row, scratch):
    """Remove what earlier tries have left of a row, so that it is computed anew."""
    for folder in Path(scratch).glob(f"{short(name)}/{row}-{'[0-9a-f]' * 12}"):
        shutil.rmtree(folder)


def keep(receipt, name, row, where):
    """Write a row's receipt and say so."""
    if receipt is None:
        print(f"{short(name)}/{row}: another process is at it", flush=True)
        return
    receipts.write(receipt, where)
    shown = ", ".join(f"{quantity} {receipts.show(r)}" for quantity, r in receipt["results"].items())
    print(f"{short(name)}/{row}: {shown}  ({receipt['seconds']:.0f} s)", flush=True)


def run_local(name, todo, device, scratch, where, deadline):
    """Run rows one after another, each in a process of its own that the deadline kills; returns those that failed."""
    failed = []
    for row in todo:
        left = deadline - time.monotonic()
        if left <= 0:
            print(f"{short(name)}/{row}: no time left; run the command again to go on", flush=True)
            continue
        command = [sys.executable, "-m", "book.experiments", name, "--row", row, "--device", device, "--here",
                   "--scratch", str(scratch), "--receipts", str(where)]  # fmt: skip
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        if not sys.stderr.isatty():
            env["TQDM_DISABLE"] = "1"
        try:
            done = subprocess.run(command, cwd=ROOT, env=env, timeout=None if left == float("inf") else left)
        except subprocess.TimeoutExpired:
            print(f"{short(name)}/{row}: time is up; run the command again to go on from its checkpoint", flush=True)
            continue
        if done.returncode:
            failed.append(row)
            print(f"{short(name)}/{row}: failed (exit status {done.returncode})", flush=True)
    return failed


@contextmanager
def locked(file):
    """True while this process holds the file's lock; it is let go however the process ends."""
    with open(file, "w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


@contextmanager
def clock(folder, every=2.0):
    """A function that says how many seconds this try and the earlier ones, killed or not, have spent on a row."""
    began, stop = time.perf_counter(), threading.Event()
    file = folder / f"{time.time_ns()}.seconds"

    def note():
        file.write_text(f"{time.perf_counter() - began:.3f}")

    def beat():
        while not stop.wait(every):
            note()

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield lambda: sum(float(f.read_text() or 0) for f in folder.glob("*.seconds"))
    finally:
        stop.set()
        thread.join()
        note()


def remember(folder, key, function):
    """function(), computed once: its result, anything JSON holds, is kept in `folder` for a later try."""
    file = Path(folder) / f"{key}.json"
    if not file.exists():
        receipts.write_json(function(), file)
    return json.loads(file.read_text(encoding="utf-8"))


def fingerprint(*tensors):
    """The SHA-256 of tensors' bytes."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(tensor.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def device_name(device):
    """What a receipt says of the machine: the GPU's name, or the processor's with the threads that torch uses."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(torch.device(device))
    names = [line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")]
    return f"CPU, {torch.get_num_threads()} threads: {names[0] if names else platform.processor() or 'unknown'}"


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def commit():
    """The commit that runs, with "+changes" where library or experiments differ from it; "unknown" without git."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "vaelib", "book/experiments"], capture_output=True,
                                 text=True, check=True).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head + ("+changes" if changed else "")
