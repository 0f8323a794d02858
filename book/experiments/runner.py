"""Run an experiment's rows seed by seed: skip what is recorded, resume, keep a time limit.

The unit of work is one seed of one row. Its result is written at once as the receipt of that seed
(seeds/ROW.SEED.json); when all seeds of a row are finished, they are combined into the row's
receipt. A row whose config has no seeds is one unit.
"""

import fcntl
import hashlib
import importlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager, suppress
from datetime import date
from importlib.metadata import version
from pathlib import Path

import torch

import vaelib
from vaelib.pages import receipts

ROOT = Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "_build" / "experiments"


def load(name):
    """Import an experiment: book.experiments.NAME, a module NAME with a dot, or a file NAME.py."""
    if name.endswith(".py"):
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(short(name), name)
            module = importlib.util.module_from_spec(spec)
            sys.path.insert(0, str(Path(name).parent))  # for what it imports from beside it
            sys.modules[name] = module
            spec.loader.exec_module(module)
        return sys.modules[name]
    module = name if "." in name else f"book.experiments.{name}"
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise SystemExit(f"name must be one of {', '.join(names())}, got {name!r}") from None


def names():
    """Return the experiments of this folder: the modules with ROWS."""
    stems = sorted(
        path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("__")
    )
    return [
        stem
        for stem in stems
        if "\nROWS = " in (Path(__file__).parent / f"{stem}.py").read_text(encoding="utf-8")
    ]


def short(name):
    return Path(name).stem if name.endswith(".py") else name.rpartition(".")[2]


def plan(name):
    """Return the plan of an experiment, the content of plan.json."""
    module = load(name)
    rows = [{"id": row["id"], "title": row["title"], "config": row["config"],
             "paper": {quantity: dict(zip(("value", "source", "sd"), quoted, strict=False))
                       for quantity, quoted in row.get("paper", {}).items()},
             "needs_gpu": row.get("needs_gpu", False),
             **({"paper_length": row["paper_length"]} if "paper_length" in row else {})}
            for row in module.ROWS]  # fmt: skip
    command = f"python -m book.experiments {name}"
    return {
        "experiment": short(name),
        "version": getattr(module, "VERSION", 1),
        "claim": getattr(module, "CLAIM", (module.__doc__ or "none").strip().splitlines()[0]),
        "command": command,
        "rows": json.loads(json.dumps(rows)),
    }


def states(name, where):
    """Return {row id: state} of an experiment; an invalid receipt counts as not run.

    A row that lacks seeds has a state such as "1 of 3 seeds".
    """
    planned, result = plan(name), {}
    for row in planned["rows"]:
        try:
            receipt = receipts.read(planned["experiment"], row["id"], where)
        except ValueError as error:
            print(f"{error} It will be recomputed.", file=sys.stderr)
            receipt = None
        state = receipts.state(receipt, row["config"], planned["version"])
        if state == "run" and len(seeds(receipt)) < len(seeds(row)):
            state = f"{len(seeds(receipt))} of {len(seeds(row))} seeds"
        result[row["id"]] = state
    return result


def units(name, rows, where, together=False):
    """Return the units to run, (experiment, row, seeds): one seed each, or a row's together.

    Seed files of another version or config, and broken ones, are named and ignored. The receipt of
    a row that has all its seeds is written here.
    """
    planned, result = plan(name), []
    for row in planned["rows"]:
        if row["id"] not in rows:
            continue
        missing = [
            seed for seed in seeds(row) if part(name, row, seed, planned["version"], where) is None
        ]
        if missing:
            groups = [tuple(missing)] if together else [(seed,) for seed in missing]
            result += [(name, row["id"], group) for group in groups]
        else:
            assemble(name, row["id"], where)
    return result


def seeds(row):
    """Return the seeds of a planned row or a receipt; (None,) if its config has none."""
    return tuple(row["config"].get("seeds", (None,)))


def part(name, row, seed, version, where):
    """Return the receipt of one seed of a planned row; None if none has this config and version."""
    if seed is None:
        return None
    stem = f"seeds/{row['id']}.{seed}"
    try:
        receipt = receipts.read(short(name), stem, where)
    except ValueError as error:
        print(f"{error} It will be recomputed.", file=sys.stderr)
        return None
    if (
        receipt is None
        or receipts.state(receipt, row["config"] | {"seeds": [seed]}, version) == "run"
    ):
        return receipt
    old, new = receipt["config"], row["config"]
    changed = [key for key in old | new if key != "seeds" and old.get(key) != new.get(key)]
    what = (
        f"another {', '.join(changed)}"
        if changed
        else f"version {receipt['version']}, now {version}"
    )
    print(
        f"{short(name)}/{stem}.json is of {what}: it is not used and will be recomputed.",
        file=sys.stderr,
    )
    return None


def planned_row(name, row):
    """Return the row of the plan that has this id."""
    (found,) = [r for r in plan(name)["rows"] if r["id"] == row]
    return found


def execute(name, row, some, device, scratch):
    """Run some seeds of a row and return their receipt.

    None if another process is already running them.
    """
    module = load(name)
    planned = planned_row(name, row)
    config = planned["config"] | ({} if some == (None,) else {"seeds": list(some)})
    rows = folder_of(name, planned, scratch)
    folder = rows / "-".join("all" if seed is None else str(seed) for seed in some)
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as locks:
        if not all([locks.enter_context(locked(rows / f"lock-{seed}")) for seed in some]):
            return None
        commits = folder / "commits"  # a resumed run may use newer code than the first
        made_by = list(
            dict.fromkeys([*(commits.read_text().split() if commits.exists() else []), commit()])
        )
        commits.write_text("\n".join(made_by))
        with clock(folder) as seconds:
            results, data = module.run(config, torch.device(device), folder)
        return {
            "experiment": short(name),
            "id": row,
            "version": getattr(module, "VERSION", 1),
            "config": config,
            "results": results,
            "data": data,
            "device": device_name(device),
            "seconds": round(seconds(), 1),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": version("numpy"),
                "vaelib": vaelib.__version__,  # it may run from a checkout
            },
            "commit": ", ".join(made_by),
            "command": f"python -m book.experiments {name} --row {row} --device {device}",
            "date": date.today().isoformat(),
        }


def folder_of(name, row, scratch):
    """Return the folder of a row's unfinished work, one per config and version."""
    config = {key: value for key, value in row["config"].items() if key != "seeds"}
    key = hashlib.sha256(
        json.dumps([config, getattr(load(name), "VERSION", 1)], sort_keys=True).encode()
    ).hexdigest()[:12]
    return Path(scratch) / short(name) / f"{row['id']}-{key}"


def forget(name, row, scratch, where):
    """Remove unfinished work and seed files of a row, so that it is recomputed.

    Its receipt is kept until then.
    """
    for folder in Path(scratch).glob(f"{short(name)}/{row}-{'[0-9a-f]' * 12}"):
        shutil.rmtree(folder)
    for seed in seeds(planned_row(name, row)):
        (Path(where) / short(name) / "seeds" / f"{row}.{seed}.json").unlink(missing_ok=True)


def keep(receipt, unit, where):
    """Write each seed's result to its own file, and the row's receipt of the seeds that it has."""
    name, row, some = unit
    if receipt is None:
        print(f"{label(unit)}: another process is already running it", flush=True)
        return
    shown = ", ".join(
        f"{quantity} {receipts.show(r)}" for quantity, r in receipt["results"].items()
    )
    print(f"{label(unit)}: {shown}  ({receipt['seconds']:.0f} s)", flush=True)
    if some == (None,):
        receipts.write(receipt, where)
        return
    for i, seed in enumerate(some):
        receipts.write(one_seed(receipt, i, seed), where, f"seeds/{row}.{seed}")
    assemble(name, row, where)


def one_seed(receipt, i, seed):
    """Return the receipt of the i-th seed alone; the seconds are divided equally."""
    n = len(receipt["config"]["seeds"])
    for quantity, result in receipt["results"].items():
        if len(result["values"]) != n:
            raise ValueError(
                f"{receipt['experiment']}: {quantity} must have one value per seed, "
                f"got {len(result['values'])} values for {n} seeds."
            )
    results = {quantity: receipts.summary([result["values"][i]], result["unit"])
               for quantity, result in receipt["results"].items()}  # fmt: skip
    config, seconds = receipt["config"] | {"seeds": [seed]}, round(receipt["seconds"] / n, 1)
    return receipt | {"config": config, "results": results, "seconds": seconds}


def assemble(name, row, where):
    """Combine the receipts of a row's finished seeds into the row's receipt.

    A valid receipt of more seeds is not replaced.
    """
    target, version = planned_row(name, row), plan(name)["version"]
    parts = [part(name, target, seed, version, where) for seed in seeds(target)]
    finished = [seed for seed, found in zip(seeds(target), parts, strict=True) if found]
    parts = [found for found in parts if found]
    with suppress(ValueError):
        old = receipts.read(short(name), row, where)
        valid = receipts.state(old, target["config"], version) == "run"
        if valid and len(seeds(old)) > len(parts):
            return
    if not parts:
        return
    first, last = parts[0], max(parts, key=lambda p: p["date"])
    if any(p["data"] != first["data"] or set(p["results"]) != set(first["results"]) for p in parts):
        raise SystemExit(f"{short(name)}/{row}: its seeds have different data or quantities; "
                         "recompute the row with --again.")  # fmt: skip
    results = {
        quantity: receipts.summary(
            [p["results"][quantity]["values"][0] for p in parts], result["unit"]
        )
        for quantity, result in first["results"].items()
    }
    each = lambda get: ", ".join(  # noqa: E731
        dict.fromkeys(part for p in parts for part in get(p).split(", "))
    )
    receipts.write(
        last
        | {
            "config": target["config"] | {"seeds": finished},
            "results": results,
            "seconds": round(sum(p["seconds"] for p in parts), 1),
            "device": "; ".join(dict.fromkeys(p["device"] for p in parts)),
            "commit": each(lambda p: p["commit"]),
            "versions": {
                package: each(lambda p, n=package: p["versions"][n])
                for package in first["versions"]
            },
        },
        where,
    )
    if len(parts) > 1:
        shown = ", ".join(f"{quantity} {receipts.show(r)}" for quantity, r in results.items())
        said = f"{len(parts)} of {len(seeds(target))}"
        print(f"{short(name)}/{row}: {shown}  ({said} seeds)", flush=True)


def run_local(todo, device, scratch, where, deadline, jobs=1):
    """Run units, `jobs` at once, in separate processes; returns those that failed.

    On a CPU each seed has one thread, so that parallel seeds do not wait for each other. A row
    without seeds (a timing) runs alone.
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
                    print(
                        f"{label(unit)}: no time left; run the command again to resume", flush=True
                    )
                waiting = []
            for process in [p for p in running if p.poll() is not None]:
                unit = running.pop(process)
                if process.returncode:
                    failed.append(unit)
                    print(f"{label(unit)}: failed (exit status {process.returncode})", flush=True)
            if running and time.monotonic() >= deadline:
                for unit in running.values():
                    print(
                        f"{label(unit)}: time is up; "
                        "run the command again to resume from its checkpoint",
                        flush=True,
                    )
                return failed
            time.sleep(0.1 if running else 0)
    finally:  # also when this process is stopped
        for process in running:
            process.kill()
            process.wait()
    return failed


def start(name, row, some, device, scratch, where):
    """Start one unit in a separate process."""
    command = [sys.executable, "-m", "book.experiments", name, "--row", row, "--device", device,
               "--here", "--scratch", str(scratch), "--receipts", str(where)]  # fmt: skip
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    }
    if some != (None,):
        command += ["--seeds", ",".join(map(str, some))]
        if device == "cpu":
            env |= {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    if not sys.stderr.isatty():
        env["TQDM_DISABLE"] = "1"
    return subprocess.Popen(command, cwd=ROOT, env=env)


def label(unit):
    name, row, some = unit
    return f"{short(name)}/{row}" + (
        f", seed {', '.join(map(str, some))}" if some != (None,) else ""
    )


@contextmanager
def locked(file, mode="w"):
    """Try to lock a file: yields True if this process has the lock, which ends with the process."""
    with open(file, mode) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True


@contextmanager
def clock(folder, every=2.0):
    """Yield a function that returns the seconds spent on a row in all runs, also in killed ones."""
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


def summaries(measured, units, other=""):
    """Return the results of a receipt from one {quantity: value} per seed; other: a unit."""
    return {
        quantity: receipts.summary([one[quantity] for one in measured], units.get(quantity, other))
        for quantity in measured[0]
    }


def remember(folder, key, function):
    """Return function(), cached as JSON in `folder` for a resumed run."""
    file = Path(folder) / f"{key}.json"
    if not file.exists():
        receipts.write_json(function(), file)
    return json.loads(file.read_text(encoding="utf-8"))


def cells(chapter, names):
    """Return the code of some cells of a chapter, in the order of names."""
    notebook = json.loads((ROOT / "chapters" / f"{chapter}.ipynb").read_text(encoding="utf-8"))
    code = {cell["id"]: "".join(cell["source"]) for cell in notebook["cells"]}
    return [code[name] for name in names]


def fingerprint(*tensors):
    """Return the SHA-256 of the tensors' bytes."""
    total = hashlib.sha256()
    for tensor in tensors:
        total.update(tensor.cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


def device_name(device):
    """Return the name of the GPU, or of the processor with torch's number of threads."""
    if torch.device(device).type == "cuda":
        return torch.cuda.get_device_name(torch.device(device))
    names = [
        line.partition(":")[2].strip()
        for line in _lines("/proc/cpuinfo")
        if line.startswith("model name")
    ]
    threads = torch.get_num_threads()
    return (
        f"CPU, {threads} thread{'s' * (threads > 1)}: "
        f"{names[0] if names else platform.processor() or 'unknown'}"
    )


def _lines(path):
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def commit():
    """Return the commit, with "+changes" if the library or the experiments differ.

    Without git, $VAELIB_COMMIT.
    """
    git = ["git", "-C", str(ROOT)]
    try:
        head = subprocess.run(
            [*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            [*git, "status", "--porcelain", "vaelib", "book/experiments"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return os.environ.get("VAELIB_COMMIT", "unknown")
    return head + ("+changes" if changed else "")
