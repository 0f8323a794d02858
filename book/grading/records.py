"""The records of a course: one JSON file for each submission, and scores.csv made from all of them.

course/records/STUDENT--ASSIGNMENT.json has the keys that `new` and grading.py write; points and
comments are read from nbgrader's gradebook again whenever they are shown.
"""

import hashlib
import json
import os
import re
from datetime import datetime
from importlib.metadata import version
from pathlib import Path

from answers import is_answer, of_kind
from dates import due_of, late_hours, penalty, written
from tables import plain
from tables import write as write_table

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MESSAGE = 500  # characters
TOO_LONG = "CellTimeoutError"  # what nbclient calls it
COLUMNS = ("student", "name", "assignment", "points", "of", "to_read", "read points", "late hours",
           "remarks", "seconds", "penalty")  # fmt: skip


def place(folder, student, assignment):
    return Path(folder, "records", f"{student}--{assignment}.json")


def read(folder, student, assignment):
    """Return the record of a submission, or None."""
    path = place(folder, student, assignment)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def read_all(folder):
    """Return all records, in the order of assignments and students."""
    paths = Path(folder, "records").glob("*.json")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    for record in found:
        for name in (record["student"], record["assignment"]):
            if not re.fullmatch(r"[^/\\\0.][^/\\\0]*", name):
                raise ValueError(f"A record's names must be names of folders, got {name!r}.")
    return sorted(found, key=lambda record: (record["assignment"], record["student"]))


def write(folder, record):
    path = place(folder, record["student"], record["assignment"])
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
    os.replace(part, path)


def made_with(source):
    """Return what a result depends on besides the submission: the source notebook and vaelib."""
    library, digest = sorted((ROOT / "vaelib").rglob("*.py")), hashlib.sha256()
    for path in library:
        digest.update(path.read_bytes())
    return {
        "source": hashlib.sha256(Path(source).read_bytes()).hexdigest(),
        "vaelib": f"{version('vaelib')} {digest.hexdigest()[:12]}",
        "profile": os.environ.get("VAELIB_PROFILE", "default"),
    }


def unchanged(record, submission, made):
    """Return whether a record holds for a submission as it is now."""
    return bool(record) and not record["failed"] and record["made_with"] == made and (
        record["sha256"] == submission["sha256"])  # fmt: skip


def of_intake(submission, settings):
    """Return the part of a record that the intake knows."""
    kept = {key: submission[key] for key in ("student", "name", "assignment", "file", "sha256",
                                             "intake")}  # fmt: skip
    file = {"file_time": written(submission["time"]), "marked_late": submission["late"]}
    return kept | file | dated(kept | file, settings, submission["handed_in"])


def dated(record, settings, handed_in):
    """Return the part of a record that follows from when it was handed in (None: not known)."""
    due = due_of(settings, record["student"], record["assignment"])
    hours = late_hours(handed_in, due)
    return {
        "handed_in": written(handed_in), "due": written(due), "late_hours": hours,
        "late_by_lms": bool(record["marked_late"] and handed_in is None),
        "penalty": penalty(hours, settings["late"]),
    }  # fmt: skip


def dated_again(records, settings, times):
    """Return records with course.toml and handed_in.csv ({(student, assignment): time}) as now."""
    found = []
    for record in records:
        # a record of an earlier version has no time of its file
        old = record.get("file_time", record["handed_in"])
        record = {"marked_late": record["late_by_lms"]} | record
        time = times.get((record["student"], record["assignment"]),
                         datetime.fromisoformat(old) if old else None)  # fmt: skip
        found.append(record | dated(record, settings, time))
    return found


def listed(records):
    return ", ".join(f"{record['student']} {record['assignment']}" for record in records)


def on_times(records, folder):
    """Return sentences on submissions with a due date, of which nobody knows when they came."""
    unknown = [record for record in records if record["due"] and record["handed_in"] is None]
    marked = [record for record in records if record["late_by_lms"]]
    said, file = [], Path(folder, "handed_in.csv")
    if unknown:
        have = "1 submission has" if len(unknown) == 1 else f"{len(unknown)} submissions have"
        said.append(f"{have} no known time, so nothing is taken off for lateness: "
                    f"{listed(unknown)}; write their times into {file}.")  # fmt: skip
    if marked:
        said.append(f"Canvas says that these were late, but not by how much: {listed(marked)}; "
                    f"write their times into {file}.")  # fmt: skip
    return said


def absent(records, roster):
    """Return a sentence on each assignment which students of the roster have not handed in."""
    found = {}
    for record in records:
        found.setdefault(record["assignment"], set()).add(record["student"])
    lost = {name: [s for s in roster if s not in there] for name, there in sorted(found.items())}
    return [f"Nothing of {name} from {', '.join(who)}." for name, who in lost.items() if who]


def remarks(record, roster, owners):
    """Return the sentences of the column remarks. owners: {number: students who wrote it}."""
    said = [record["failed"], record["stopped"], *record["flags"]]
    slow = [cell["id"] for cell in record["cells"] if TOO_LONG in (cell.get("message") or "")]
    if slow and not record["stopped"]:
        said.append(f"Stopped, since they took too long: {', '.join(slow)}.")
    if record["to_read"]:
        said.append(f"Read: it uses {', '.join(record['to_read'])}.")
    if half := [cell["id"] for cell in record["cells"] if cell["ready_made"]]:
        said.append(f"Half of the points, with a ready-made function: {', '.join(half)}.")
    said += record["intake"]
    if record["asks_number"] and not record["failed"]:
        number, student = record["number"], record["student"]
        listed = roster.get(student, {}).get("number")
        others = sorted(owners.get(number, set()) - {student}) if number else []
        if number is None:
            said.append("The cell 'number' has no student number.")
        elif number == 0:
            said.append("The student number is 0.")
        elif listed is not None and listed != number:
            said.append(f"The student number is {number}, in roster.csv it is {listed}.")
        if others:
            said.append(f"The number {number} is also that of {', '.join(others)}.")
    if (share := record.get("tests_share", 1)) != 1:
        why = f" ({record['tests_comment']})" if record["tests_comment"] else ""
        said.append(f"Points by tests count {share * 100:g}%, by marks.csv{why}.")
    if record["late_hours"]:
        taken = f", which takes {record['penalty']:.0%} of the points" if record["penalty"] else ""
        said.append(f"{record['late_hours']:.1f} hours late{taken}.")
    if record["late_by_lms"]:
        said.append("Canvas says that it was late, but not by how much: write its time into "
                    "handed_in.csv.")  # fmt: skip
    return [sentence for sentence in said if sentence]


def finish(folder, records, roster):
    """Write all records with their remarks, and scores.csv; returns the rows."""
    owners = {}
    for record in records:
        if record["number"]:
            owners.setdefault(record["number"], set()).add(record["student"])
    for record in records:
        record["remarks"] = remarks(record, roster, owners)
        write(folder, record)
    rows = [row_of(record) for record in records]
    cells = [[plain(row[column]) for column in COLUMNS] for row in rows]
    write_table(Path(folder, "scores.csv"), COLUMNS, cells)
    return rows


def row_of(record):
    """Return a record's row of scores.csv; points are those before lateness."""
    tests = [cell for cell in record["cells"] if cell["kind"] == "tests"]
    reading = [cell for cell in record["cells"] if cell["kind"] == "reading"]
    return {
        "student": record["student"], "name": record["name"], "assignment": record["assignment"],
        "points": sum(cell["points"] or 0 for cell in tests) * record.get("tests_share", 1),
        "of": sum(cell["of"] for cell in tests),
        "to_read": sum(cell["of"] for cell in reading if cell["points"] is None),
        "read points": sum(cell["points"] or 0 for cell in reading),
        "late hours": record["late_hours"], "remarks": " ".join(record["remarks"]),
        "seconds": record["seconds"], "penalty": record["penalty"],
    }  # fmt: skip


def total(record):
    """Return the points that are known, the maximum, and the points that nobody has read yet.

    The known points are those that are left after what lateness takes.
    """
    share = record.get("tests_share", 1)  # of the points by tests, by a row of marks.csv
    known = sum(cell["points"] * (share if cell["kind"] == "tests" else 1)
                for cell in record["cells"] if cell["points"] is not None)  # fmt: skip
    known *= 1 - record.get("penalty", 0)
    unread = sum(cell["of"] for cell in record["cells"] if cell["points"] is None)
    return known, sum(cell["of"] for cell in record["cells"]), unread


def held(record):
    """Say whether a submission is held back: flagged, and nobody gave points by hand yet."""
    return bool(record["flags"]) and not any(cell.get("by_hand") for cell in record["cells"])


def answer_of(cell):
    """Return the id of the answer that a graded cell is about."""
    return cell["id"] if cell["kind"] == "reading" else (cell["answers"] or [cell["id"]])[-1]


# ---- The cells of a record


def raised(cell):
    """Return the kind of a cell's last error and the lines of its message, or None."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if not errors:
        return None
    text = re.sub(r"\x1b\[[\d;]*m", "", str(errors[-1].evalue)).strip()
    return errors[-1].ename, text.splitlines() or [""]


def message_of(cell):
    """Return the kind and the last line of a test's failure, or None.

    It may quote a hidden test; messages.py makes of it what a student sees.
    """
    if (error := raised(cell)) is None:
        return None
    kind, last = error[0], error[1][-1].strip()
    return (f"{kind}: {last}" if last else kind)[:LONGEST_MESSAGE]


def answer_fails(cell):
    """Return a sentence if the cell of an answer fails by itself, as with a missing colon."""
    if (error := raised(cell)) is None or error[0] in ("NotImplementedError", "NotGraded"):
        return None
    kind, lines = error
    # IPython adds the file and the line of its own numbering
    reason = re.sub(r" \(.*, line \d+\)$", "", lines[0])
    sentence = f"The answer itself fails: {kind}" + (f": {reason}" if reason else "")
    return sentence[:LONGEST_MESSAGE]


def cells_of(source, executed, half):
    """Return the list `cells` of a record, without points; the gradebook has them (grades.py).

    source, executed: notebooks; executed may be None. half: cells that give half of their points.
    """
    cells = executed.cells if executed else []
    outputs = {cell.metadata.nbgrader.grade_id: cell for cell in cells if of_kind(cell, "grade")}
    broken = {cell.metadata.nbgrader.grade_id: answer_fails(cell) for cell in cells
              if cell.cell_type == "code" and is_answer(cell)}  # fmt: skip
    found, title, last = [], "", None
    for cell in source.cells:
        if cell.cell_type == "markdown":
            heads = re.findall(r"(?m)^#+ +(?!(?:BEGIN|END) )(.+?)\s*$", cell.source)
            title = heads[-1] if heads else title
        if is_answer(cell):
            last = cell.metadata.nbgrader.grade_id
        if not of_kind(cell, "grade"):
            continue
        meta = cell.metadata.nbgrader
        tests = cell.cell_type == "code"
        message = None
        if tests and meta.grade_id in outputs:
            message = message_of(outputs[meta.grade_id])
        if message and message.startswith("NameError"):  # the test misses what the answer makes
            message = broken.get(last) or message
        found.append({
            "id": meta.grade_id, "title": title, "kind": "tests" if tests else "reading",
            "hidden": "HIDDEN TESTS" in cell.source, "answers": [last] if last else [],
            "points": 0.0, "of": float(meta.points),
            "message": message, "comment": None, "ready_made": meta.grade_id in half,
        })  # fmt: skip
    return found
