"""Use a few minutes of a GPU: python -m book.experiments.gpu --minutes 9 --out FOLDER (make gpu).

Runs the tests marked gpu, the GPU rows of engine_benchmark, and the rows of the papers' tables in
order of value; then writes one archive of results, logs and unfinished checkpoints, in parts of at
most 15 MB. --archive resumes from an archive. It needs no network and only the packages torch,
numpy, scipy, scikit-learn, matplotlib, safetensors, tqdm and pytest; MNIST must be in $VAELIB_DATA.
Without git, the commit is read from $VAELIB_COMMIT.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import torch

from vaelib.pages import receipts

from . import runner

BENCHMARKS = [
    "engine_benchmark/gpu-k1",
    "engine_benchmark/gpu-k1-copies",
    "engine_benchmark/gpu-k50",
    "engine_benchmark/gpu-k1-compiled",
    "engine_benchmark/gpu-k50-copies",
]
TABLES = [
    *(f"iwae_table1/{row}-long" for row in (
        "vae-1-k1", "iwae-1-k5", "iwae-1-k50", "vae-2-k1", "iwae-2-k5", "iwae-2-k50",
        "vae-1-k5", "vae-1-k50", "vae-2-k5", "vae-2-k50")),
    "iwae_table2/vae-iwae", "iwae_table2/iwae-vae",
]  # fmt: skip
# Shares of the time for tests and benchmarks; seconds reserved for the archive.
TESTS_SHARE, BENCHMARK_SHARE, PACKING = 0.25, 0.25, 25.0
PART = 15 * 2**20  # bytes of a part of the archive


def main(arguments=None):
    parser = argparse.ArgumentParser("python -m book.experiments.gpu", description=__doc__)
    parser.add_argument("--minutes", type=float, default=9.0)
    parser.add_argument(
        "--out", type=Path, default=runner.ROOT / "_build" / "gpu", help="folder of the archive"
    )
    parser.add_argument(
        "--archive", type=Path, help="resume from the parts of an archive in this folder"
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--benchmarks", nargs="*", default=BENCHMARKS)
    parser.add_argument("--rows", nargs="*", default=TABLES)
    parser.add_argument(
        "--take", type=Path, help="only copy the results of this archive into book/receipts"
    )
    given = parser.parse_args(arguments)
    if given.take:
        return take(given.take)
    if given.minutes * 60 <= 2 * PACKING:
        parser.error(f"--minutes must be more than {2 * PACKING / 60:.1f}, got {given.minutes:g}")
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device must be available, got 'cuda'; --device cpu rehearses on the CPU")
    began = time.monotonic()
    end = began + 60 * given.minutes - PACKING
    work = given.out / "work"  # content of the archive: results, logs, scratch
    shutil.rmtree(work, ignore_errors=True)
    if given.archive:
        unpack(given.archive, work)
    (work / "logs").mkdir(parents=True, exist_ok=True)
    say(
        f"{runner.device_name(given.device)}; "
        f"torch {torch.__version__}, Python {sys.version.split()[0]}; commit {runner.commit()}"
    )
    try:
        tests(work, began + TESTS_SHARE * (end - began), given.device)
        rows(
            given.benchmarks,
            work,
            time.monotonic() + BENCHMARK_SHARE * (end - time.monotonic()),
            given.device,
        )
        rows(given.rows, work, end, given.device)
    finally:
        pack(work, given.out)
    say(f"{(time.monotonic() - began) / 60:.1f} minutes in all")
    return 0


def say(text):
    print(f"gpu: {text}", flush=True)


def tests(work, deadline, device):
    """Run the tests marked gpu, or their rehearsal on a CPU.

    Skipped if the archive says that they passed.
    """
    done, log = work / "logs" / "tests.passed", work / "logs" / "tests.txt"
    if done.exists():
        say("tests: passed earlier")
        return
    env = os.environ | {
        "PYTHONPATH": str(runner.ROOT),
        "VAELIB_REHEARSE": "" if device == "cuda" else "1",
    }
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "-q", "--durations=0",
               "-p", "no:cacheprovider", "tests/test_gpu.py"]  # fmt: skip
    status = run(command, log, deadline, env)
    end = {0: "passed", None: "time is up"}.get(status, f"exit status {status}")
    say(f"tests: {end}")
    print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-25:]), flush=True)
    if status == 0:
        done.touch()


def rows(names, work, deadline, device):
    """Run rows in sequence until the deadline, each in a separate process with all its seeds."""
    where, scratch = work / "receipts", work / "scratch"
    for name in names:
        experiment, _, row = name.rpartition("/")
        left = deadline - time.monotonic()
        if left < 15:
            say(f"{name}: no time left")
            continue
        command = [sys.executable, "-m", "book.experiments", experiment, "--row", row,
                   "--device", device, "--minutes", f"{left / 60:.3f}",
                   "--receipts", str(where), "--scratch", str(scratch)]  # fmt: skip
        log = work / "logs" / f"{name.replace('/', '-')}.txt"
        began = time.monotonic()
        status = run(command, log, deadline + 10, os.environ | {"TQDM_DISABLE": "1"})
        lines = log.read_text(errors="replace").splitlines()
        say(
            f"{name}: {time.monotonic() - began:.0f} s, exit status {status}; "
            f"{lines[-1] if lines else ''}"
        )


def run(command, log, deadline, env):
    """Run a command with its output in a log; returns the exit status, None at the deadline."""
    with open(log, "a") as file:
        try:
            return subprocess.run(
                command,
                cwd=runner.ROOT,
                env=env,
                stdout=file,
                stderr=subprocess.STDOUT,
                timeout=max(1.0, deadline - time.monotonic()),
            ).returncode
        except subprocess.TimeoutExpired:
            return None


def pack(work, out):
    """Write the archive in parts, without the checkpoints of finished seeds."""
    for folder in (work / "scratch").glob("*/*/*"):
        if folder.is_dir() and finished(folder, work / "receipts"):
            shutil.rmtree(folder)
    archive = out / "gpu.tar.gz"
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for folder in sorted(work.iterdir()):
            tar.add(folder, folder.name)
    content = archive.read_bytes()
    archive.unlink()
    for old in out.glob("gpu.tar.gz.*"):
        old.unlink()
    for i in range(0, len(content), PART):
        (out / f"gpu.tar.gz.{i // PART:02d}").write_bytes(content[i : i + PART])
    shutil.rmtree(work)
    say(f"archive: {len(content) / 1e6:.1f} MB in {-(-len(content) // PART)} parts in {out}")


def finished(folder, where):
    """Return whether all seeds of a scratch folder, NAME/ROW-key/SEEDS, have results."""
    name, row = folder.parts[-3], folder.parts[-2].rpartition("-")[0]
    files = [where / name / "seeds" / f"{row}.{seed}.json" for seed in folder.name.split("-")]
    return all(file.exists() for file in files)


def unpack(archive, work):
    """Join the parts of an archive and unpack it in `work`."""
    parts = sorted(Path(archive).glob("gpu.tar.gz.*"))
    if not parts:
        raise SystemExit(f"gpu: --archive must be a folder with gpu.tar.gz.00, ..., got {archive}")
    work.mkdir(parents=True)
    whole = work.parent / "gpu.tar.gz"
    whole.write_bytes(b"".join(part.read_bytes() for part in parts))
    with tarfile.open(whole) as tar:
        tar.extractall(work, filter="data")
    whole.unlink()


def take(archive, where=None):
    """Copy the results of an archive to the book's receipts."""
    where = Path(where or receipts.folder())
    work = runner.ROOT / "_build" / "gpu" / "taken"
    shutil.rmtree(work, ignore_errors=True)
    unpack(archive, work)
    for file in sorted((work / "receipts").rglob("*.json")):
        if file.name == "plan.json":
            continue
        receipt = json.loads(file.read_text(encoding="utf-8"))
        stem = file.relative_to(work / "receipts" / receipt["experiment"]).with_suffix("")
        receipts.write(receipt, where, str(stem))
        say(f"taken: {receipt['experiment']}/{stem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
