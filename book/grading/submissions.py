"""Collect the submissions: every notebook is either graded or named in a remark.

A submission is STUDENT/NAME.ipynb, where NAME is an assignment. A file with another name is not
graded, since 'Copy of 01_elbo.ipynb' may be an older version; the student gets 0 points and a
remark that says what the file must be called. Nothing here needs nbgrader.
"""

import re
import shutil
from pathlib import Path

LONGEST_FILE = 5_000_000  # bytes of a submitted notebook
UNKNOWN = "unknown"  # stands for the assignment in the row of a file that resembles none


def collect(submissions, folder, names):
    """Copy submissions/STUDENT/NAME.ipynb to where nbgrader looks for it, folder/submitted.

    Returns a list of dicts, one per student and assignment: student, assignment, graded (bool) and
    remarks (sentences).
    """
    submissions, rows = Path(submissions), {}
    for name in names:
        for path in sorted(submissions.glob(f"*/{name}.ipynb")):
            student, problem = path.parent.name, refusal(path)
            rows[student, name] = {"graded": not problem, "remarks": [problem] if problem else []}
            if not problem:
                copy = Path(folder, "submitted", student, name, path.name)
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
    for path in other_files(submissions, names):
        student, *below = path.relative_to(submissions).parts
        name = resembled(path.name, names)
        row = rows.get((student, name or UNKNOWN))
        notebook = ".ipynb" in path.name.lower()
        if not notebook and (name is None or row):
            continue  # a picture, or what was exported from a notebook that has a row
        row = rows.setdefault((student, name or UNKNOWN), {"graded": False, "remarks": []})
        shown, owner = path.relative_to(submissions).as_posix(), student if below else "STUDENT"
        if row["graded"]:
            row["remarks"].append(f"'{shown}' was not graded, only '{student}/{name}.ipynb'.")
        else:
            row["remarks"].append(
                f"'{shown}' was not graded; it must be {called(owner, name, names)}."
            )
    for path in visible(submissions.iterdir()):
        if path.is_dir() and not any(student == path.name for student, _ in rows):
            remark = (
                f"The folder '{path.name}' contains no notebook {called(path.name, None, names)}."
            )
            rows[path.name, UNKNOWN] = {"graded": False, "remarks": [remark]}
    return [
        {"student": student, "assignment": name, **row} for (student, name), row in rows.items()
    ]


def refusal(path):
    """Return a sentence that says why a submission cannot be graded, or None."""
    if not re.fullmatch(r"[\w.-]+", path.parent.name):
        return "A student's name must consist of letters, digits, '_', '.' and '-'."
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LONGEST_FILE:
        return f"A submission must be a regular file of at most {LONGEST_FILE:,} bytes."
    return None


def visible(paths):
    return sorted(path for path in paths if not path.name.startswith((".", "__")))


def other_files(folder, names, depth=0):
    """Yield the files below a folder that are not STUDENT/NAME.ipynb, hidden ones aside."""
    for path in visible(folder.iterdir()):
        if path.is_dir() and not (depth and path.is_symlink()):
            yield from other_files(path, names, depth + 1)
        elif not (depth == 1 and path.name in {f"{name}.ipynb" for name in names}):
            yield path


def letters(text):
    return re.sub(r"[\W_]", "", text.lower())


def resembled(file, names):
    """Return the assignment that a file's name contains, up to case and punctuation, or None."""
    return next((name for name in names if letters(name) in letters(file)), None)


def called(student, name, names):
    """Return what a file must be called.

    'called ...' or, for an unknown assignment, 'called one of ...'.
    """
    if name or len(names) == 1:
        return f"called '{student}/{name or names[0]}.ipynb'"
    return f"called one of {', '.join(f'{name}.ipynb' for name in names)} in '{student}/'"
