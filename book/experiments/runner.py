"""Runs an experiment's rows seed by seed: skips what is recorded, survives a kill, keeps to a time budget.

The unit of work is one seed of one row. Its result is written at once, as a receipt of that one seed beside the others
(seeds/ROW.SEED.json); when a row has all its seeds, its own receipt is made of them. A row whose config has no seeds is
one unit.
"""

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
from contextlib import ExitStack, contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

import vaelib
from vaelib.pages import receipts

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
             "paper": {quantity: dict(zip(("value", "source", "sd"), told, strict=False))
                       for quantity, told in row.get("paper", {}).items()},
             "needs_gpu": row.get("needs_gpu", False),
             **({"paper_length": row["paper_length"]} if "paper_length" in row else {})}
            for row in module.ROWS]  # fmt: skip
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


def units(name, rows, where, together=False):
    """What is still to do of some rows, as (experiment, row, seeds): one seed each, or all of a row together.

    A seed's file that is of other code, or broken, is named and does not count; a row that has all its seeds gets its
    receipt here.
    """
    planned, found = plan(name), []
    for row in planned["rows"]:
        if row["id"] not in rows:
            continue
        missing = [seed for seed in seeds(row) if part(name, row, seed, planned["version"], where) is None]
        if missing:
            found += [(name, row["id"], tuple(missing))] if together else [(name, row["id"], (s,)) for s in missing]
        else:
            assemble(name, row["id"], where)
    return found


def seeds(row):
    """The seeds of a planned row; (None,) where its config has none."""
    return tuple(row["config"].get("seeds", (None,)))


def part(name, row, seed, version, where):
    """The recorded result of one seed of a planned row; None where there is none of this config and version."""
    if seed is None:
        return None
    stem = f"seeds/{row['id']}.{seed}"
    try:
        found = receipts.read(short(name), stem, where)
    except ValueError as error:
        print(f"{error} It will be made anew.", file=sys.stderr)
        return None
    if found is None or receipts.state(found, row["config"] | {"seeds": [seed]}, version) == "run":
        return found
    changed = [key for key in found["config"] | row["config"]
               if key != "seeds" and found["config"].get(key) != row["config"].get(key)]  # fmt: skip
    what = f"another {', '.join(changed)}" if changed else f"version {found['version']}, now {version}"
    print(f"{short(name)}/{stem}.json is of {what}: it is not used and will be made anew.", file=sys.stderr)
    return None


def execute(name, row, some, device, scratch):
    """Run one row here for some of its seeds and return the receipt of these; None where another process is at it."""
    module = load(name)
    (planned,) = [r for r in plan(name)["rows"] if r["id"] == row]
    config = planned["config"] | ({} if some == (None,) else {"seeds": list(some)})
    rows = folder_of(name, planned, scratch)
    folder = rows / "-".join("all" if seed is None else str(seed) for seed in some)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        if not all([locks.enter_context(locked(rows / f"lock-{seed}")) for seed in some]):
            return None
        commits = folder / "commits"  # a later try may run other code than the one that it goes on from
        made_by = list(dict.fromkeys([*(commits.read_text().split() if commits.exists() else []), commit()]))
        commits.write_text("\n".join(made_by))
        with clock(folder) as seconds:
            results, data = module.run(config, torch.device(device), folder)
        return {
            "experiment": short(name), "id": row, "version": module.VERSION, "config": config,
            "results": results, "data": data, "device": device_name(device), "seconds": round(seconds(), 1),
            "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": version("numpy"),
                         "vaelib": vaelib.__version__},  # which need not be installed
            "commit": ", ".join(made_by), "command": f"python -m book.experiments {name} --row {row} --device {device}",
            "date": date.today().isoformat(),
        }  # fmt: skip


def folder_of(name, row, scratch):
    """Where the unfinished work on a planned row lies: one folder a config and version, so that another starts anew."""
    config = {key: value for key, value in row["config"].items() if key != "seeds"}
    key = hashlib.sha256(json.dumps([config, load(name).VERSION], sort_keys=True).encode()).hexdigest()[:12]
    return Path(scratch) / short(name) / f"{row['id']}-{key}"


def forget(name, row, scratch, where):
    """Remove what earlier tries have left of a row, so that it is computed anew; its receipt stays until then."""
    for folder in Path(scratch).glob(f"{short(name)}/{row}-{'[0-9a-f]' * 12}"):
        shutil.rmtree(folder)
    for seed in seeds(next(r for r in plan(name)["rows"] if r["id"] == row)):
        (Path(where) / short(name) / "seeds" / f"{row}.{seed}.json").unlink(missing_ok=True)


def keep(receipt, unit, where):
    """Write the result of some seeds, each in a file of its own, and the row's receipt once all are there."""
    name, row, some = unit
    if receipt is None:
        print(f"{label(unit)}: another process is at it", flush=True)
        return
    shown = ", ".join(f"{quantity} {receipts.show(r)}" for quantity, r in receipt["results"].items())
    print(f"{label(unit)}: {shown}  ({receipt['seconds']:.0f} s)", flush=True)
    if some == (None,):
        receipts.write(receipt, where)
        return
    for i, seed in enumerate(some):
        receipts.write(one_seed(receipt, i, seed), where, f"seeds/{row}.{seed}")
    assemble(name, row, where)


def one_seed(receipt, i, seed):
    """The receipt of the i-th seed alone; the seconds are shared out equally."""
    n = len(receipt["config"]["seeds"])
    for quantity, result in receipt["results"].items():
        if len(result["values"]) != n:
            raise ValueError(f"{receipt['experiment']}: {quantity} has {len(result['values'])} values for {n} seeds; "
                             "it must have one a seed.")  # fmt: skip
    results = {quantity: receipts.summary([result["values"][i]], result["unit"])
               for quantity, result in receipt["results"].items()}  # fmt: skip
    config, seconds = receipt["config"] | {"seeds": [seed]}, round(receipt["seconds"] / n, 1)
    return receipt | {"config": config, "results": results, "seconds": seconds}


def assemble(name, row, where):
    """Make the row's receipt of its seeds' files, if all of them are there."""
    planned = plan(name)
    (wanted,) = [r for r in planned["rows"] if r["id"] == row]
    parts = [part(name, wanted, seed, planned["version"], where) for seed in seeds(wanted)]
    if None in parts:
        return
    first, last = parts[0], max(parts, key=lambda p: p["date"])
    if any(p["data"] != first["data"] or set(p["results"]) != set(first["results"]) for p in parts):
        raise SystemExit(f"{short(name)}/{row}: its seeds were made from different data or measure different things; "
                         "make the row anew with --again.")  # fmt: skip
    results = {quantity: receipts.summary([p["results"][quantity]["values"][0] for p in parts], result["unit"])
               for quantity, result in first["results"].items()}  # fmt: skip
    each = lambda get: ", ".join(dict.fromkeys(part for p in parts for part in get(p).split(", ")))  # noqa: E731
    receipts.write(last | {
        "config": wanted["config"], "results": results, "seconds": round(sum(p["seconds"] for p in parts), 1),
        "device": "; ".join(dict.fromkeys(p["device"] for p in parts)), "commit": each(lambda p: p["commit"]),
        "versions": {package: each(lambda p, n=package: p["versions"][n]) for package in first["versions"]},
    }, where)  # fmt: skip
    if len(parts) > 1:
        shown = ", ".join(f"{quantity} {receipts.show(r)}" for quantity, r in results.items())
        print(f"{short(name)}/{row}: {shown}  (all {len(parts)} seeds)", flush=True)


def run_local(todo, device, scratch, where, deadline, jobs=1):
    """Run units, `jobs` at once, each in a process of its own that the deadline kills; returns those that failed.

    On a CPU a seed has one thread, so that several of them do not wait for each other; a row without seeds (a timing)
    has the machine to itself.
    """
    waiting, running, failed = list(todo), {}, []
    try:
        while waiting or running:
            alone = any(some == (None,) for _, _, some in running.values())
            while waiting and len(running) < jobs and time.monotonic() < deadline and not alone:
                alone = waiting[0][2] == (None,)
                if alone and running:
                    break
                unit = waiting.pop(0)
                running[start(*unit, device, scratch, where)] = unit
            if time.monotonic() >= deadline:
                for unit in waiting:
                    print(f"{label(unit)}: no time left; run the command again to go on", flush=True)
                waiting = []
            for process in [p for p in running if p.poll() is not None]:
                unit = running.pop(process)
                if process.returncode:
                    failed.append(unit)
                    print(f"{label(unit)}: failed (exit status {process.returncode})", flush=True)
            if running and time.monotonic() >= deadline:
                for unit in running.values():
                    print(f"{label(unit)}: time is up; run the command again to go on from its checkpoint", flush=True)
                return failed
            time.sleep(0.1 if running else 0)
    finally:  # also where this process is told to stop
        for process in running:
            process.kill()
            process.wait()
    return failed


def start(name, row, some, device, scratch, where):
    """Start one unit in a process of its own."""
    command = [sys.executable, "-m", "book.experiments", name, "--row", row, "--device", device, "--here",
               "--scratch", str(scratch), "--receipts", str(where)]  # fmt: skip
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    if some != (None,):
        command += ["--seeds", ",".join(map(str, some))]
        if device == "cpu":
            env |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if not sys.stderr.isatty():
        env["TQDM_DISABLE"] = "1"
    return subprocess.Popen(command, cwd=ROOT, env=env)


def label(unit):
    name, row, some = unit
    return f"{short(name)}/{row}" + (f", seed {', '.join(map(str, some))}" if some != (None,) else "")


@contextmanager
def locked(file, mode="w"):
    """True while this process holds the file's lock; it is let go however the process ends."""
    with open(file, mode) as handle:
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
    """The commit that runs, with "+changes" where library or experiments differ from it; without git $VAELIB_COMMIT."""
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changed = subprocess.run([*git, "status", "--porcelain", "vaelib", "book/experiments"], capture_output=True,
                                 text=True, check=True).stdout.strip()  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("VAELIB_COMMIT", "unknown")
    return head + ("+changes" if changed else "")
