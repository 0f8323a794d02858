"""Run notebooks and store the outputs of their checked cells only.

    python book/tools/record.py chapters/*.ipynb
    python book/tools/record.py --strip chapters/*.ipynb     # only removes other outputs

A checked cell has the tag nbval-check-output. A file is written only if its whole notebook ran
without error.
"""

import argparse
import os
import shutil
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

CHECKED = "nbval-check-output"
KERNELSPEC = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}


def load(path):
    """Return the notebook unchanged; nbformat.read would silently add ids to cells without one."""
    try:
        return nbformat.reader.reads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, nbformat.ValidationError) as error:
        raise ValueError(f"{path} is not a notebook: {error}") from error


def text(nb):
    """Return a notebook's text: indent 1, sorted keys, no escapes, a final newline."""
    return nbformat.v4.writes(nb, ensure_ascii=False) + "\n"


def save(path, content):
    """Replace a file's content atomically; its mode is kept."""
    path = Path(path).resolve()
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_text(content, encoding="utf-8", newline="\n")
        shutil.copymode(path, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def kept(outputs):
    """Return the outputs to store: without stderr, with adjacent pieces of stdout joined."""
    result = []
    for output in outputs:
        if output.output_type != "stream":
            result.append(output)
        elif output.name == "stdout":
            if result and result[-1].output_type == "stream":
                result[-1].text += output.text
            else:
                result.append(output)
    return result


def strip(nb):
    """Remove from nb, in place, what differs between runs: unchecked outputs, timings, versions."""
    nb.metadata.pop("widgets", None)
    nb.metadata.kernelspec = dict(KERNELSPEC)
    nb.metadata.language_info = {"name": "python"}
    for cell in nb.cells:
        cell.metadata.pop("execution", None)
        cell.metadata.pop("ExecuteTime", None)
        if cell.cell_type == "code":
            checked = CHECKED in cell.metadata.get("tags", [])
            cell.outputs = kept(cell.outputs) if checked else []
            cell.execution_count = cell.execution_count if checked else None
    return nb


def execute(nb, path):
    """Run nb in place, in its folder. RuntimeError: names the cell that failed."""
    os.environ["VAELIB_STRICT"] = "1"
    started = []  # (index, cell) in the order of execution
    client = NotebookClient(
        nb, kernel_name="python3", timeout=600, record_timing=False,
        resources={"metadata": {"path": str(Path(path).resolve().parent)}},
        on_cell_execute=lambda cell, cell_index: started.append((cell_index, cell)),
    )  # fmt: skip
    try:
        client.execute()
    except Exception as error:  # an error, a time limit, a dead kernel: the file is unchanged
        if not started:
            raise RuntimeError(f"{path}: the kernel did not start: {error}") from error
        index, cell = started[-1]
        name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", error)
        message = f"{path}: cell {cell.get('id', '?')} (number {index + 1}) failed: {name}: {value}"
        raise RuntimeError(message) from error


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--strip", action="store_true", help="remove unchecked outputs without running"
    )
    parser.add_argument("notebooks", nargs="+", type=Path)
    options = parser.parse_args(argv)
    failed = 0
    for path in options.notebooks:
        try:
            nb = load(path)
            if not options.strip:
                execute(nb, path)
        except (OSError, ValueError, RuntimeError) as error:
            print(f"{error}\n{path}: unchanged", file=sys.stderr)
            failed = 1
        else:
            save(path, text(strip(nb)))
            print(f"{path}: {'stripped' if options.strip else 'recorded'}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
