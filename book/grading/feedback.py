"""What comes back from grading: pages for students, grade files, reading pages for instructors.

    make feedback                       # or: python book/grading/feedback.py --course course
    python book/grading/feedback.py --gradescope /autograder/results/results.json RECORD.json

reads course/records and the gradebook, first writes course/marks.csv into the gradebook, applies
course.toml and handed_in.csv again, and writes
  course/scores.csv                          as make grade does, with the points by reading
  course/feedback/STUDENT/ASSIGNMENT.html    one page a submission, for the student
  course/feedback/ASSIGNMENT-moodle.zip      the same pages, as Moodle takes them
  course/grades-canvas.csv, grades-moodle.csv
  course/reading/ASSIGNMENT.html             the written answers, for the instructor
A page for a student contains nothing of the key: of a test only the last line of its failure.
"""

import argparse
import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path

import dates
import grades
import lms
import marks
import people
import reading
import records as kept
from assignments import ROOT, load
from messages import cleaned, passed
from page import counted, number, page, tag
from records import answer_of, held, total

# Remarks that are for the student as well; all others (similar answers, names to read) are not.
FOR_STUDENTS = r"^'[^']*' was (not )?(graded|taken)|must be (called|a regular file)|^Handed in"


# ---- The page of a student


ASK = ("Of a failed test you see the last line of its message. If a line does not help you, ask; "
       "keep this page and your notebook for that.")  # fmt: skip


def title_of(course, name):
    """Return the first heading of an assignment, or its name."""
    path = Path(course, "source", name, f"{name}.ipynb")
    cells = load(path).cells if path.exists() else []
    found = re.search(r"(?m)^# (.+)$", cells[0].source) if cells else None
    return found[1].strip() if found else name


def late(hours):
    """Return how late a submission is, as a phrase, or None."""
    if hours is None or hours <= 0:
        return None
    days, rest = divmod(round(hours), 24)
    parts = [f"{n} {unit}{'' if n == 1 else 's'}" for n, unit in ((days, "day"), (rest, "hour"))
             if n]  # fmt: skip
    return f"{' and '.join(parts) or 'less than half an hour'} late"


def moment(iso, zone=None):
    """Return a time of a record in a zone, '2026-11-28 22:40 Europe/Berlin', default UTC."""
    then = datetime.fromisoformat(iso).astimezone(zone or dates.UTC)
    return f"{then:%Y-%m-%d %H:%M} {zone.key if zone else 'UTC'}"


def for_students(record):
    """Return the remarks that are meant for the student."""
    flags = set(record["flags"])
    return [remark for remark in record["remarks"]
            if remark not in flags and re.search(FOR_STUDENTS, remark)]  # fmt: skip


def result(cell):
    """Return the cell of a table that says what came of an answer, as HTML."""
    if cell["points"] is None:
        said = tag("span", "not yet read", "open")
    elif cell["kind"] == "reading":
        said = tag("span", "read", "dim") if not cell["comment"] else ""
    elif passed(cell):
        said = tag("span", "✓ passed", "good")
    else:
        said = tag("span", "✗ ", "bad") + tag("span", cell["message"] or "Failed.", dir="auto")
    if cell["ready_made"]:
        said += tag("p", "A ready-made function was used: half of the points.", "dim")
    if cell.get("by_hand"):
        said += tag("p", "Points given by hand.", "dim")
    if cell["comment"]:
        said += tag("div", cell["comment"], "text", dir="auto")
    return said


def row(cell):
    kind = "written answer"
    if cell["kind"] == "tests":
        kind = "hidden tests" if cell["hidden"] else "visible tests"
    points = "–" if cell["points"] is None else number(cell["points"])
    most = tag("span", f" of {number(cell['of'])}", "dim")
    return (f'<tr><th scope="row">{tag("code", answer_of(cell))}{tag("small", kind)}</th>'
            f'<td>{result(cell)}</td><td class="points">{points}{most}</td></tr>')  # fmt: skip


def parts(cells):
    """Return [(title, cells)] of consecutive cells with the same title."""
    found = []
    for cell in cells:
        if not found or found[-1][0] != cell["title"]:
            found.append((cell["title"], []))
        found[-1][1].append(cell)
    return found


def student_page(record, title, who, zone=None):
    """Return a student's page as HTML; `record` is a cleaned one, times are shown in `zone`."""
    points, of, unread = total(record)
    tests = total({"cells": [c for c in record["cells"] if c["kind"] == "tests"]})
    words = total({"cells": [c for c in record["cells"] if c["kind"] == "reading"]})
    body = [tag("h1", title), tag("p", who, "dim"), tag("p", counted(points, of), "total")]
    if unread:
        note = f"{counted(unread)} not yet read: the sum can still rise."
        body.append(tag("p", note, "note"))
    facts = [("By tests", f"{number(tests[0])} of {number(tests[1])}")]
    if words[1]:
        open_part = f"; {number(words[2])} not yet read" if words[2] else ""
        known = f"{number(words[0])} of {number(words[1])}{open_part}"
        none = f"not yet read ({number(words[1])})"
        facts.append(("By reading", none if words[2] == words[1] else known))
    if record["handed_in"]:
        facts.append(("Handed in", moment(record["handed_in"], zone)))
    if record["due"]:
        facts.append(("Due", moment(record["due"], zone)))
    if phrase := late(record["late_hours"]):
        taken = f", which takes {record['penalty']:.0%} of the points" if record["penalty"] else ""
        facts.append(("Late", phrase.removesuffix(" late") + taken))
    body.append("<dl>" + "".join(tag("dt", a) + tag("dd", b) for a, b in facts) + "</dl>")
    if (share := record.get("tests_share", 1)) != 1:
        said = f"Points by tests count {share * 100:g}%, {number(tests[0] * share)} in place of "
        said += f"{number(tests[0])}. {record['tests_comment']}"
        body.append(tag("p", said.strip(), "note", dir="auto"))
    if record["stopped"]:
        stop = "The notebook was stopped while it ran, and tests after that count 0:"
        body.append(tag("p", f"{stop} {record['stopped']}", "note"))
    body += [tag("p", remark, "note", dir="auto") for remark in for_students(record)]
    body += [
        '<table><caption class="hidden">Points of every answer, by parts</caption><thead><tr>',
        tag("th", "Answer", "name", scope="col") + tag("th", "Result", scope="col"),
        tag("th", "Points", "points", scope="col") + "</tr></thead>",
    ]
    for part, cells in parts(record["cells"]):
        got, most, unread = total({"cells": cells})
        got = "–" if unread == most else number(got)
        heading = tag("h2", part or "Other cells")
        body += [f'<tbody><tr><th class="part" colspan="2" scope="rowgroup">{heading}</th>',
                 f'<td class="part points">{got} of {number(most)}</td></tr>',
                 *[row(cell) for cell in cells], "</tbody>"]  # fmt: skip
    body.append("</table>")
    file = f"{record['file'].rsplit('/', 1)[-1]}, SHA-256 {record['sha256'][:16]}…"
    body += ["<footer>", tag("p", f"Graded file: {file}", "dim"), tag("p", ASK, "dim"), "</footer>"]
    return page(f"{title}: {counted(points, of)}", body)


def write_pages(course, records, options, roster, zone=None):
    """Write the pages of all students and the zips for Moodle; returns sentences."""
    said, pages, back = [], {}, []
    names = {student: row["name"] for student, row in roster.items() if row["name"]}
    titles = {name: title_of(course, name) for name in {r["assignment"] for r in records}}
    for record in records:
        name, student = record["assignment"], record["student"]
        file = Path(course, "feedback", student, f"{name}.html")
        flagged, unread = held(record), total(record)[2]
        if flagged or (unread and options.only_complete):
            file.unlink(missing_ok=True)
            back.append(f"{student} {name} ({'flagged' if flagged else 'not yet read'})")
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        who = names.get(student, student)
        clean = cleaned(course, record, not options.no_hidden)
        file.write_text(student_page(clean, titles[name], who, zone), encoding="utf-8")
        pages.setdefault(name, []).append((record, who, file))
    written = sum(len(files) for files in pages.values())
    said.append(f"{written} feedback page{'' if written == 1 else 's'} in {course / 'feedback'}.")
    if back:
        said.append(f"Held back: {', '.join(back)}.")
    for name in titles:
        said += lms.moodle_zip(course, name, pages.get(name, []))
    return said


def run(options):
    """Write everything that --course asks for; returns the exit status."""
    course = options.course
    if course.exists() and not os.access(course, os.R_OK):
        print(f"{course} is readable by root only; run this as root.", file=sys.stderr)
        return 2
    records = kept.read_all(course)
    if not records:
        print(f"{course / 'records'} has no records; grade first (make grade).", file=sys.stderr)
        return 2
    roster = people.read_roster(course)
    settings = dates.read_settings(course)
    times = dates.read_times(course, settings["zone"])
    records = kept.dated_again(records, settings, times)
    changes, problems = marks.apply(course, records)
    records = grades.refresh(course, records)
    kept.finish(course, records, roster)
    students = {*roster, *(record["student"] for record in records)}
    names = {*settings["due"], *(record["assignment"] for record in records)}
    odd = [*people.unused(course), *dates.strangers(settings, times, students, names)]
    said = [*changes, *odd, *kept.on_times(records, course), *kept.absent(records, roster)]
    said += write_pages(course, records, options, roster, settings["zone"])
    if roster:
        said += lms.write_grades(course, records, roster, options)
    else:
        said.append(f"{course / 'roster.csv'} is missing, so no grade files for Canvas and Moodle "
                    "were written.")  # fmt: skip
    said += reading.write(course, records, options.anonymous)
    print(*said, sep="\n")
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return 1 if problems else 0


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--course", type=Path, default=ROOT / "course")
    parser.add_argument(
        "--only-complete",
        action="store_true",
        help="no page for a submission with points that are not yet read",
    )
    parser.add_argument(
        "--no-hidden", action="store_true", help="no messages of tests that have a hidden part"
    )
    parser.add_argument(
        "--zeros",
        action="store_true",
        help="0 points in the grade files for what was never handed in",
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="NAME=TITLE",
        help="the title of an assignment in Canvas and Moodle",
    )
    parser.add_argument(
        "--anonymous", action="store_true", help="reading pages with numbers in place of names"
    )
    parser.add_argument(
        "--gradescope",
        nargs=2,
        type=Path,
        metavar=("RESULTS", "RECORD"),
        help="write Gradescope's results.json for one record, and nothing else",
    )
    options = parser.parse_args(argv)
    try:
        if options.gradescope:
            results, path = options.gradescope
            record = json.loads(path.read_text())
            record = cleaned(path.resolve().parents[1], record, not options.no_hidden)
            for remark in record["remarks"]:
                print(remark)  # for instructors: students do not see stdout
            results.write_text(json.dumps(lms.gradescope(record, late, for_students), indent=1))
            return 0
        return run(options)
    except (ValueError, FileNotFoundError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
