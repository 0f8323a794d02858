"""Run chapters in the paper profile or with other seeds, and record minutes and what fails.

    make paper
    make reseed
    python book/tools/paper.py [--profile paper] [--move 0] [--again] [chapters/02_elbo.ipynb ...]

`--move 1000` adds 1000 to every seed of torch and NumPy in a chapter, also to those of `vl.fit`, so
that nets, noise, batches and simulated data are others; scikit-learn's and the split of the digits
stay. A claim that needs its seeds does not hold then.

After a failing cell the rest of the chapter is still run. The record of a chapter is
book/receipts/profiles/CHAPTER.PROFILE.json, or CHAPTER.PROFILE.1000.json with moved seeds; chapters
whose code has not changed since are skipped, so that an interrupted call resumes with the next
chapter. The exit status is the number of chapters with failures.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from datetime import date
from pathlib import Path

from nbclient import NotebookClient
from nbformat.v4 import new_code_cell
from record import load

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from book.experiments import runner  # noqa: E402
from vaelib.pages import receipts  # noqa: E402

RECORDS = receipts.folder() / "profiles"

MOVED = """
def move_seeds(by):
    import numpy, torch

    def moved(seed):
        return seed + by if isinstance(seed, (int, numpy.integer)) else seed

    def wrap(function):
        return lambda seed=None: function(moved(seed))

    class Generator(torch.Generator):
        def manual_seed(self, seed):
            return super().manual_seed(moved(seed))

    torch.Generator, torch.manual_seed = Generator, wrap(torch.manual_seed)
    numpy.random.default_rng = wrap(numpy.random.default_rng)

move_seeds({move})
del move_seeds
"""


def fingerprint(nb):
    """Return the SHA-256 of a notebook's code."""
    code = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def run(path, profile, move=0):
    """Run all cells of a chapter, past failing ones, and return its record."""
    nb = load(path)
    code = fingerprint(nb)
    # A claim that fails raises in strict runs, and those after it in its cell are not reached.
    os.environ |= {"VAELIB_PROFILE": profile, "VAELIB_STRICT": "" if move else "1"}
    if move:
        nb.cells.insert(0, new_code_cell(MOVED.format(move=move), id="moved"))
    client = NotebookClient(
        nb,
        timeout=None,
        kernel_name="python3",
        allow_errors=True,
        record_timing=False,
        resources={"metadata": {"path": str(path.parent)}},
    )
    began = time.perf_counter()
    client.execute()
    failed, claims = [], []
    for cell in nb.cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                said = output.evalue.splitlines()[0] if output.evalue else ""
                failed.append({"cell": cell.id, "error": output.ename, "said": said})
            if claim := output.get("metadata", {}).get("claim"):
                claims.append(claim)
                if claim["holds"] is False:
                    said = claim["text"] + (f" ({claim['values']})" if claim["values"] else "")
                    failed.append({"cell": cell.id, "error": "claim", "said": said})
    record = {
        "chapter": path.stem,
        "profile": profile,
        "code": code,
        "failed": failed,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "device": runner.device_name("cpu"),
        "commit": runner.commit(),
        "date": date.today().isoformat(),
    }
    if move:
        record |= {"moved": move, "claims": len(claims)}
    return record


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("smoke", "default", "paper"), default="paper")
    parser.add_argument("--move", type=int, default=0, help="added to every seed")
    parser.add_argument("--again", action="store_true", help="also run chapters that have a record")
    parser.add_argument("chapters", nargs="*", type=Path, help="default: all")
    options = parser.parse_args(argv)
    failing = 0
    for path in [path.resolve() for path in options.chapters] or sorted(
        (ROOT / "chapters").glob("*.ipynb")
    ):
        name = f"{path.stem}.{options.profile}" + (f".{options.move}" if options.move else "")
        file = RECORDS / f"{name}.json"
        record = (
            json.loads(file.read_text(encoding="utf-8"))
            if file.exists() and not options.again
            else {}
        )
        if record.get("code") != fingerprint(load(path)):
            record = run(path, options.profile, options.move)
            receipts.write_json(record, file)
        failing += bool(record["failed"])
        print(
            f"{path.stem}: {record['minutes']} min, {len(record['failed'])} failures",
            flush=True,
        )
        for failure in record["failed"]:
            print(f"    {failure['cell']}: {failure['error']}: {failure['said']}", flush=True)
    return failing


if __name__ == "__main__":
    sys.exit(main())
