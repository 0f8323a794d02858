"""Grades and feedback in the forms that Canvas, Moodle and Gradescope take.

The forms were checked against these sources:
- Moodle, "Upload multiple feedback files in a zip": a file called
  FULLNAME_NUMBER_assignfeedback_file_FILE goes to the participant with that number. The number is
  Moodle's own of a student in one assignment; "Download all submissions" puts it into the names.
  https://github.com/moodle/moodle/blob/main/mod/assign/feedback/file/importziplib.php
- Moodle, grade import: CSV, one column that names the student ("Email address", "ID number"), one
  for each grade; the columns are mapped by hand.    https://docs.moodle.org/en/Grade_import
- Canvas, gradebook import: Student, ID, SIS User ID, SIS Login ID, Section, assignments; a row
  "Points Possible". A student is found by ID, then SIS User ID, then SIS Login ID.
  https://github.com/instructure/canvas-lms/blob/master/lib/gradebook_importer.rb
- Gradescope, results.json:  https://gradescope-autograders.readthedocs.io/en/latest/specs/
"""

import re
import zipfile
from pathlib import Path

from page import counted, number
from records import answer_of, held, total
from tables import plain, write


def titles(columns, names):
    """Return {assignment: title} from options NAME=TITLE. ValueError: a sentence."""
    found = {name: name for name in names}
    for column in columns:
        name, _, title = column.partition("=")
        if name not in found or not title:
            raise ValueError(f"--column must be NAME=TITLE with NAME one of {', '.join(names)}, "
                             f"got '{column}'.")  # fmt: skip
        found[name] = title
    return found


def grades(records):
    """Return {(student, assignment): points} of what is complete, and phrases on the rest."""
    found, left = {}, []
    for record in records:
        points, _, unread = total(record)
        place = (record["student"], record["assignment"])
        why = (
            "flagged"
            if held(record)
            else f"{number(unread)} not yet read"
            if unread
            else "not graded"
            if not record["cells"]
            else None
        )
        if why:
            left.append(f"{' '.join(place)} ({why})")
        else:
            found[place] = number(points)
    return found, left


def write_grades(course, records, roster, options):
    """Write grades-canvas.csv and grades-moodle.csv; returns sentences."""
    names = sorted({record["assignment"] for record in records})
    heads = titles(options.column, names)
    most = {record["assignment"]: number(total(record)[1])
            for record in records if record["cells"]}  # fmt: skip
    found, left = grades(records)
    open_places = {(record["student"], record["assignment"]) for record in records}

    def points(student):
        never = "0" if options.zeros else ""
        return [found.get((student, name), "" if (student, name) in open_places else never)
                for name in names]  # fmt: skip

    canvas, moodle, without = [], [], {"Canvas": [], "Moodle": []}
    for student, row in roster.items():
        name, got = plain(row["name"] or student), points(student)
        ids = [row["canvas_id"], row["sis_id"], row["login"]]
        if any(ids):
            canvas.append([name, *ids, row["section"], *got])
        else:
            without["Canvas"].append(student)
        ids = [row["email"], row["moodle_id"] or row["number"]]
        if any(ids):
            moodle.append([name, *ids, *got])
        else:
            without["Moodle"].append(student)
    head = [heads[name] for name in names]
    possible = ["    Points Possible", "", "", "", "", *[most.get(name, "") for name in names]]
    write(course / "grades-canvas.csv",
              ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *head],
              [possible, *canvas])  # fmt: skip
    write(course / "grades-moodle.csv", ["Full name", "Email address", "ID number", *head],
              moodle)  # fmt: skip
    said = [f"{course / 'grades-canvas.csv'} ({len(canvas)} students), "
            f"{course / 'grades-moodle.csv'} ({len(moodle)})."]  # fmt: skip
    needed = {"Canvas": "canvas_id, sis_id or login", "Moodle": "email, moodle_id or number"}
    for system, students in without.items():
        if students:
            said.append(f"Not in the file for {system}, since the roster has no {needed[system]}: "
                        f"{', '.join(students)}.")  # fmt: skip
    strangers = sorted({s for s, _ in open_places} - roster.keys())
    if strangers:
        said.append(f"Graded, but not in the roster: {', '.join(strangers)}.")
    if left:
        said.append(f"Left empty in both files: {', '.join(left)}.")
    return said


def moodle_name(record, who):
    """Return a page's name in Moodle's zip, or None if the participant's number is not known."""
    found = re.search(r"_(\d+)_assignsubmission_file", record["file"])
    if not found:
        return None
    who = re.sub(r"[_/\\\0]+", " ", who).strip() or "student"  # the first '_' ends the name
    return f"{who}_{found[1]}_assignfeedback_file_{record['assignment']}.html"


def moodle_zip(course, name, pages):
    """Write feedback/ASSIGNMENT-moodle.zip from [(record, who, file)]; returns sentences."""
    path, without = Path(course, "feedback", f"{name}-moodle.zip"), []
    path.unlink(missing_ok=True)
    named = [(moodle_name(record, who), file) for record, who, file in pages]
    without = [record["student"] for record, who, _ in pages if not moodle_name(record, who)]
    if len(without) == len(pages):
        return []  # not a download from Moodle
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for inside, file in named:
            if inside:
                archive.write(file, inside)
    count = len(pages) - len(without)
    said = [f"{path}: {count} page{'' if count == 1 else 's'} for Moodle."]
    if without:
        said.append(f"Not in {path.name}, since the folder they came from has no number of "
                    f"Moodle's: {', '.join(without)}.")  # fmt: skip
    return said


def gradescope(record, late, for_students):
    """Return the content of results.json. Students see hidden tests after the due date only.

    A flagged submission shows 0 points and no reason until the instructor has read it.
    """
    flagged = held(record)
    tests = []
    for cell in record["cells"]:
        if cell["kind"] != "tests" and cell["points"] is None:
            continue  # read by a person: a question of its own in Gradescope
        answer = answer_of(cell)
        kind = "read" if cell["kind"] != "tests" else "hidden" if cell["hidden"] else "visible"
        good = cell["message"] is None if cell["kind"] == "tests" else True
        tests.append({
            "name": f"{cell['title']}: {answer} ({kind})",
            "score": 0.0 if flagged else cell["points"],
            "max_score": cell["of"],
            "status": "passed" if good and not flagged else "failed",
            "output": "" if flagged else cell["message"] or cell["comment"] or "",
            "output_format": "text",
            "visibility": "after_due_date" if cell["hidden"] else "visible",
        })  # fmt: skip
    said = []
    if flagged:
        said = ["An instructor reads this submission before it gets points."]
    else:
        said += [late(record["late_hours"]), record["stopped"], *for_students(record)]
        if unread := total(record)[2]:
            said.append(f"{counted(unread)} by reading not in this score.")
    return {
        "score": 0.0 if flagged else round(total(record)[0], 4),  # without what lateness takes
        "execution_time": round(record["seconds"]),
        "output": "\n".join(sentence for sentence in said if sentence),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "stdout_visibility": "hidden",
        "tests": tests,
    }
