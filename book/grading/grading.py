"""Grade by nbgrader, with each submission executed in a room that protects the grader.

    make grade SUBMISSIONS=folder       # or a zip file; the gradebook and the scores are in course/

intake.py takes in what was handed in, execute.py executes one submission within nbgrader, rooms.py
protects from it, records.py writes down the result. The folder course/ may have roster.csv
(people.py), course.toml and handed_in.csv (dates.py).
"""

import argparse
import json
import os
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import checks
import dates
import grades
import intake
import people
import records
import tables
from assignments import ROOT, SOURCES, course, load
from execute import ExecuteApart, Late, TakeAnswers
from nbgrader import preprocessors as steps
from rooms import ROOMS


def configure(c):
    """Set nbgrader's options.

    Course/nbgrader_config.py calls this, so that every command uses the rooms.
    """
    c.CourseDirectory.course_id = "vae-family"
    c.CourseDirectory.ignore = ["*"]  # only notebooks are copied
    c.Autograde.sanitize_preprocessors = [steps.ClearOutput, TakeAnswers, steps.DeduplicateIds,
                                          steps.OverwriteKernelspec, steps.OverwriteCells,
                                          steps.CheckCellMetadata]  # fmt: skip
    c.Autograde.autograde_preprocessors = [
        ExecuteApart,
        steps.IgnorePattern,
        steps.LimitOutput,
        steps.SaveAutoGrades,
        steps.AssignLatePenalties,
        steps.CheckCellMetadata,
    ]
    c.AssignLatePenalties.plugin_class = Late
    for name in ("timeout", "total", "output_limit"):
        if value := os.environ.get(f"GRADING_{name.upper()}"):
            setattr(c.ExecuteApart, name, int(value))


def autograde(folder, student, name, room="namespaces", longest=900):
    """Grade one submission in its own process.

    Returns None, or a sentence that says what failed.
    """
    command = [sys.executable, "-m", "nbgrader", "autograde", name, "--student", student, "--force"]
    log = Path(folder, "reports", f"{student}--{name}.log")
    log.parent.mkdir(exist_ok=True)

    def limits():
        resource.setrlimit(resource.RLIMIT_DATA, (8 << 30, 8 << 30))

    log.with_suffix(".json").unlink(missing_ok=True)
    with log.open("wb") as out, tempfile.TemporaryDirectory(prefix="vae-") as temporary:
        options = {
            "cwd": folder,
            "stdout": out,
            "stderr": out,
            "start_new_session": True,
            "preexec_fn": limits,
        }
        os.chmod(temporary, 0o711)  # in the room container another user reaches its sockets
        environment = os.environ | {"TMPDIR": temporary, "GRADING_ROOM": room}
        process = subprocess.Popen(command, env=environment, **options)
        try:
            process.wait(longest)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if process.returncode == 0:
        return None
    errors = re.findall(r"(?m)^\s+([\w.]*(?:Error|Exception)\b.*)", log.read_text(errors="replace"))
    reason = errors[-1][:100] if errors else "no reason given"
    return f"nbgrader could not grade it ({reason}); see reports/{log.name}."


def result(folder, record, report):
    """Return a record with what the executed notebook, the report and the gradebook say."""
    student, name = record["student"], record["assignment"]
    source = load(Path(folder, "source", name, f"{name}.ipynb"))
    done = None if record["failed"] else grades.executed(folder, student, name)
    cells = records.cells_of(source, done, set(report["ready_made"]))
    return grades.refresh(folder, [record | {"cells": cells}])[0]


NO_REPORT = {"stopped": None, "flags": [], "to_read": [], "number": None, "ready_made": []}


def grade_one(folder, submission, base, room, gaps, made):
    """Grade a submission and return its record."""
    student, name, began = submission["student"], submission["assignment"], time.monotonic()
    before = grades.by_hand(folder, student, name)
    intake.store(folder, submission)
    failed = autograde(folder, student, name, room)
    if not failed:
        grades.keep(folder, student, name, before)
    file = Path(folder, "reports", f"{student}--{name}.json")
    report = NO_REPORT | (json.loads(file.read_text()) if file.exists() else {})
    asks = any(cell.get("id") == "number" for cell in load(
        Path(folder, "source", name, f"{name}.ipynb")).cells)  # fmt: skip
    kept = {key: report[key] for key in NO_REPORT}
    return result(folder, base | kept | {
        "failed": failed, "room": room, "unprotected": gaps, "made_with": made, "remarks": [],
        "asks_number": asks, "seconds": round(time.monotonic() - began, 1),
    }, report)  # fmt: skip


def grade(folder, sources, submissions, room="namespaces", only=(), students=(), again=False):
    """Grade what is new or changed, and bring all records up to date.

    only, students: names of assignments and students; empty: all. again: unchanged ones as well.
    Returns (rows of scores.csv, the pairs of student and assignment graded now, what is left).
    """
    sources = {path.stem: path for path in sorted(sources)}
    if not sources:
        raise ValueError("The folder of the sources contains no notebooks.")
    folder = course(folder, sources.values())
    settings, roster = dates.read_settings(folder, list(sources)), people.read_roster(folder)
    times, names = dates.read_times(folder, settings["zone"]), people.read_names(folder)
    taken, left = intake.collect(
        submissions, {name: load(path) for name, path in sources.items()}, roster, names,
        settings["zone"],
    )  # fmt: skip
    people.write_names(folder, names)
    lost = [[tables.plain(one["file"]), one["reason"]] for one in left]
    tables.write(Path(folder, "not_taken.csv"), ("file", "reason"), lost)
    for word, wanted in (("assignment", only), ("student", students)):
        known = set(sources) if word == "assignment" else {one["student"] for one in taken}
        if lost := set(wanted) - known:
            raise ValueError(f"There is no {word} '{sorted(lost)[0]}' among "
                             f"{', '.join(sorted(known)) or 'what was handed in'}.")  # fmt: skip
    shown = {one["student"]: {"name": one["name"]} for one in taken} | roster
    grades.enter(folder, sources, settings["due"], shown)
    made = {name: records.made_with(path) for name, path in sources.items()}
    chosen, gaps, graded = None, [], []
    for submission in taken:
        student, name = key = submission["student"], submission["assignment"]
        if (only and name not in only) or (students and student not in students):
            continue
        submission["handed_in"] = times.get(key, submission["time"])
        base, record = records.of_intake(submission, settings), records.read(folder, *key)
        if not again and records.unchanged(record, submission, made[name]):
            records.write(folder, record | base)
            continue
        if chosen is None:  # the room is looked at when it is needed
            chosen, gaps, reasons = checks.choose(room, [folder, *sources.values()])
            for line in (*reasons, *(f"Room '{chosen}': {gap}" for gap in gaps)):
                print(line, flush=True)
        kept = {key: record[key] for key in ("tests_share", "tests_comment")
                if record and key in record}  # fmt: skip
        records.write(folder, kept | grade_one(folder, submission, base, chosen, gaps, made[name]))
        graded.append(key)
        show(records.read(folder, *key))
    every = grades.refresh(folder, records.read_all(folder))
    for sentence in (
        *people.unused(folder),
        *dates.strangers(settings, times, {*shown, *(r["student"] for r in every)}, sources),
        *records.on_times(every, folder),
        *records.absent(every, roster),
    ):
        print(sentence)
    return records.finish(folder, every, roster), graded, left


def show(record):
    row = records.row_of(record)
    said = records.remarks(record, {}, {})
    print(f"{row['student']:24} {row['assignment']:16} {row['points']:4g} of {row['of']:g}, "
          f"{row['to_read']:g} to read, {row['seconds']:5.1f} s  {' '.join(said)}",
          flush=True)  # fmt: skip


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("submissions", type=Path, help="a folder, or a zip file from an LMS")
    parser.add_argument("--course", type=Path, default=ROOT / "course")
    parser.add_argument("--sources", type=Path, default=SOURCES)
    parser.add_argument("--assignment", nargs="+", default=[], help="grade these only")
    parser.add_argument("--student", nargs="+", default=[], help="grade these only")
    parser.add_argument("--again", action="store_true", help="grade unchanged ones as well")
    parser.add_argument("--room", choices=("auto", *ROOMS), default="namespaces")
    options = parser.parse_args(argv)
    if not options.submissions.exists():
        print(f"SUBMISSIONS must be a folder or a zip file, got '{options.submissions}'.",
              file=sys.stderr)  # fmt: skip
        return 2
    try:
        rows, graded, left = grade(
            options.course, options.sources.glob("*.ipynb"), options.submissions, options.room,
            options.assignment, options.student, options.again,
        )  # fmt: skip
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    if not rows and not left:
        print(f"'{options.submissions}' contains no submissions.")
    for one in left:
        print(f"Not taken: '{one['file']}': {one['reason']}.")
    now = [records.read(options.course, *key) for key in graded]
    for record in now:
        for sentence in record["remarks"]:
            if "number" in sentence:  # compared with the others, so known only at the end
                print(f"{record['student']}, {record['assignment']}: {sentence}")
    failed = [record for record in now if record["failed"]]
    print(f"{len(graded)} graded now, {len(rows)} in {options.course / 'scores.csv'}, "
          f"{len(left)} files not taken. Now run make feedback: it writes pages for reading the "
          f"written answers; their points go into {options.course / 'marks.csv'}.")  # fmt: skip
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
