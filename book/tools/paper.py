"""Run chapters in the paper profile, and record their minutes and the cells that fail.

    make paper
    python book/tools/paper.py [--profile paper] [--again] [chapters/01_autoencoding.ipynb ...]

After a failing cell the rest of the chapter is still run. The record of a chapter is
book/receipts/profiles/CHAPTER.PROFILE.json; chapters whose code has not changed since are skipped,
so that an interrupted call resumes with the next chapter. The exit status is the number of chapters
with failures.
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
from record import load

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
from book.experiments import runner  # noqa: E402
from vaelib.pages import receipts  # noqa: E402

RECORDS = receipts.folder() / "profiles"


def fingerprint(nb):
    """Return the SHA-256 of a notebook's code."""
    code = [cell.source for cell in nb.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()


def run(path, profile):
    """Run all cells of a chapter, past failing ones, and return its record."""
    nb = load(path)
    os.environ |= {"VAELIB_PROFILE": profile, "VAELIB_STRICT": "1"}
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
    failed = [
        {
            "cell": cell.id,
            "error": output.ename,
            "said": output.evalue.splitlines()[0] if output.evalue else "",
        }
        for cell in nb.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "error"
    ]
    return {
        "chapter": path.stem,
        "profile": profile,
        "code": fingerprint(nb),
        "failed": failed,
        "minutes": round((time.perf_counter() - began) / 60, 1),
        "device": runner.device_name("cpu"),
        "commit": runner.commit(),
        "date": date.today().isoformat(),
    }


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", choices=("smoke", "default", "paper"), default="paper")
    parser.add_argument("--again", action="store_true", help="also run chapters that have a record")
    parser.add_argument("chapters", nargs="*", type=Path, help="default: all")
    options = parser.parse_args(argv)
    failing = 0
    for path in [path.resolve() for path in options.chapters] or sorted(
        (ROOT / "chapters").glob("*.ipynb")
    ):
        file = RECORDS / f"{path.stem}.{options.profile}.json"
        record = (
            json.loads(file.read_text(encoding="utf-8"))
            if file.exists() and not options.again
            else {}
        )
        if record.get("code") != fingerprint(load(path)):
            record = run(path, options.profile)
            receipts.write_json(record, file)
        failing += bool(record["failed"])
        print(
            f"{path.stem}: {record['minutes']} min, {len(record['failed'])} failing cells",
            flush=True,
        )
        for failure in record["failed"]:
            print(f"    {failure['cell']}: {failure['error']}: {failure['said']}", flush=True)
    return failing


if __name__ == "__main__":
    sys.exit(main())
