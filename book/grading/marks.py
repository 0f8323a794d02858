"""Points that an instructor gives in a table, course/marks.csv, without a notebook server.

It has a row for each cell: student, assignment, cell, points, comment. `apply` writes the rows into
nbgrader's gradebook, and says what each of them changed.
"""

import hashlib
import json
import math
import re
from pathlib import Path

import grades
import tables
from assignments import load
from records import answer_of

COLUMNS = ["student", "assignment", "cell", "points", "comment"]
TESTS = "tests"  # in the column cell: all points by tests, times a percentage
USED = "marks-used.json"  # the rows that were used, and which answer they were for


def anonymous_key(course, name):
    """Return {'student 1': 'anna', ...} of an assignment's anonymous reading page, or {}."""
    path = Path(course, "reading", f"{name}-key.csv")
    if not path.exists():
        return {}
    return {row["number"]: row["student"] for row in tables.read(path, ["number", "student"])}


def points_of(text):
    """Return a number, None if the field is empty. ValueError: it is no number."""
    return float(text.replace(",", ".")) if text else None


def share_of(text):
    """Return the share that a percentage such as '50%' is, or None if it is none."""
    found = re.fullmatch(r"(\d+(?:[.,]\d+)?)\s*%", text)
    share = float(found[1].replace(",", ".")) / 100 if found else math.nan
    return share if 0 <= share <= 1 else None


def fault(row, record, earlier):
    """Return what is wrong with a row of marks.csv, or None."""
    if record is None:
        return (f"no submission of '{row['assignment']}' by '{row['student']}' has been graded; "
                "check both names.")  # fmt: skip
    cell = next((cell for cell in record["cells"] if cell["id"] == row["cell"]), None)
    if row["cell"] == TESTS:
        if share_of(row["points"]) is None:
            return f"points of {TESTS} must be a percentage, 0% to 100%, got '{row['points']}'."
        return f"line {earlier} is about the same cell; delete one of the two." if earlier else None
    if cell is None:
        ids = [cell["id"] for cell in record["cells"] if cell["kind"] == "reading"]
        return f"cell must be one of {', '.join(ids)} or a test's, got '{row['cell']}'."
    try:
        points = points_of(row["points"])
    except ValueError:
        points = math.nan
    if points is not None and not 0 <= points <= cell["of"]:
        return f"points must be a number from 0 to {cell['of']:g}, got '{row['points']}'."
    if earlier:
        return f"line {earlier} is about the same cell; delete one of the two."
    return None


def checked(course, records):
    """Return the rows of marks.csv, each with its record and cell, and sentences on wrong rows.

    The cell is None in a row about all tests.
    """
    path = Path(course, "marks.csv")
    known = {(record["student"], record["assignment"]): record for record in records}
    good, problems, seen, keys = [], [], {}, {}
    for row in tables.read(path, COLUMNS):
        if not (row["points"] or row["comment"]):
            continue  # a row of the prepared file that is not filled in yet
        name = row["assignment"]
        keys.setdefault(name, anonymous_key(course, name))
        if (row["student"], name) not in known:
            row["student"] = keys[name].get(row["student"], row["student"])
        place = (row["student"], name, row["cell"])
        record = known.get(place[:2])
        if problem := fault(row, record, seen.get(place)):
            problems.append(f"{path.name}, line {row['line']}: {problem}")
            continue
        seen[place] = row["line"]
        cell = next((cell for cell in record["cells"] if cell["id"] == row["cell"]), None)
        good.append((row, record, cell))
    return good, problems


def fingerprint(course, record, cell):
    """Return a hash of the answer that points were given for."""
    name = record["assignment"]
    path = Path(course, "autograded", record["student"], name, f"{name}.ipynb")
    text = record["sha256"]
    if path.exists():
        wanted = {answer_of(cell), *cell["answers"]}
        text = "\n".join(other.source for other in load(path).cells if other.get("id") in wanted)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def apply(course, records):
    """Write course/marks.csv into the gradebook; returns what changed, and what is wrong with it.

    Both are lists of sentences. If a row is wrong, no row is used. A row that was used before does
    nothing; it never overwrites points that were changed in Formgrader since, and never counts for
    another answer that was handed in since. A row about all tests is written into the record.
    """
    course = Path(course)
    if not (course / "marks.csv").exists():
        return [], []
    rows, problems = checked(course, records)
    if problems:
        return [], problems
    said = [scale(record, row) for row, record, cell in rows if cell is None]
    said = [sentence for sentence in said if sentence]
    scaled = [id(record) for _, record, cell in rows if cell is None]
    said += [f"{record['student']}, {record['assignment']}: points by tests still count "
             f"{record['tests_share'] * 100:g}%, though marks.csv has no row for it any more; a "
             "row with 100% takes it back."
             for record in records
             if record.get("tests_share", 1) != 1 and id(record) not in scaled]  # fmt: skip
    rows = [one for one in rows if one[2] is not None]
    if not rows:
        return said, []
    if not (course / "gradebook.db").exists():
        return said, [f"{course / 'gradebook.db'} is missing: grade first."]
    file = course / USED
    used = json.loads(file.read_text()) if file.exists() else {}
    with grades.book(course) as book:
        for row, record, cell in rows:
            name, student = record["assignment"], record["student"]
            grade = book.find_grade(cell["id"], name, name, student)
            comment = book.find_comment(answer_of(cell), name, name, student)
            new = {"points": points_of(row["points"]), "comment": row["comment"],
                   "answer": fingerprint(course, record, cell)}  # fmt: skip
            place = "|".join([student, name, cell["id"]])
            sentence = use(grade, comment, new, used.get(place), cell["of"])
            if sentence:
                said.append(f"{student}, {name}, {cell['id']}: {sentence}")
            if sentence != AGAIN:
                used[place] = new
        book.db.commit()
    file.write_text(json.dumps(used, indent=1))
    return said, []


def scale(record, row):
    """Write the share of the points by tests into a record; returns what changed, or None."""
    new = {"tests_share": share_of(row["points"]), "tests_comment": row["comment"]}
    if {"tests_share": 1, "tests_comment": ""} | {
        key: record[key] for key in new if key in record} == new:  # fmt: skip
        return None
    record |= new
    return (f"{record['student']}, {record['assignment']}: points by tests count "
            f"{new['tests_share'] * 100:g}%.")  # fmt: skip


AGAIN = ("another answer was handed in since this row was used, which was left out; "
         "read the answer, then change the row.")  # fmt: skip


def use(grade, comment, new, before, of):
    """Put one row into the gradebook; returns a sentence on what changed, or None."""
    points = new["points"]
    if before and all(before[key] == new[key] for key in ("points", "comment")):
        if before["answer"] != new["answer"]:
            return AGAIN
        if points is not None and grade.manual_score != points:
            kept = "none" if grade.manual_score is None else f"{grade.manual_score:g}"
            return (f"the gradebook has {kept} by hand, which was kept; the row with {points:g} "
                    "was used before.")  # fmt: skip
        grade.needs_manual_grade = grade.needs_manual_grade and points is None
        return None
    said = []
    if points is not None:
        old = grade.manual_score if grade.manual_score is not None else grade.auto_score
        if old != points:
            before = "not read before" if old is None else f"in place of {old:g}"
            said.append(f"{points:g} of {of:g} points, {before}")
        elif grade.manual_score is None or grade.needs_manual_grade:
            said.append(f"{points:g} of {of:g} points, as before, now read")
        grade.manual_score, grade.needs_manual_grade = points, False
    if new["comment"] and new["comment"] != comment.manual_comment:
        said.append("another comment" if comment.manual_comment else "a comment")
        comment.manual_comment = new["comment"]
    return ", ".join(said) + "." if said else None
