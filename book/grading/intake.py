"""Take in what was handed in: recognize each notebook by its cells, and its student by its path.

A notebook is recognized if most of an assignment's answer cells are there, by nbgrader's name, the
cell's id or the id that Colab keeps in the metadata; its file may have any name. The student is
named by the LMS's form of the path, by a folder, or by the rest of the file's name:

    submissions/anna/02_iwae (1).ipynb                             a folder for each student
    submissions/Copy of 02_iwae_gina.ipynb                         the file's name
    submissions/smithanna_LATE_12345_678_02_iwae.ipynb             Canvas: Download Submissions
    submissions/Anna Smith_12345_assignsubmission_file_/x.ipynb    Moodle: Download all submissions
    submissions/class.zip                                          a zip file of any of these

Whatever is not taken is listed with the reason. Nothing here needs nbgrader.
"""

import hashlib
import json
import re
from pathlib import Path

from answers import cell_names
from handed_in import LONGEST_FILE, find
from people import student_of

# Canvas: sortable_name, LATE, user, attachment, file; without names: anon, an id, attachment, file.
CANVAS = re.compile(r"(?P<name>[^/]*?)_(?P<late>LATE_)?(?P<id>\d+)_(?P<order>\d+)_(?P<file>.+)")
CANVAS_ANONYMOUS = re.compile(
    r"(?P<late>LATE_)?(?P<name>anon)_(?P<id>[A-Za-z0-9]+)_(?P<order>\d+)_(?P<file>.+)"
)
# Moodle: name, participant, plugin; then a folder's end, or the file's name.
MOODLE = re.compile(r"(?P<name>[^/]+?)_(?P<id>\d+)_assignsubmission_file(_(?P<file>.*))?")
# Folders that are not a student's, and words in a file's name that are not a student's name.
GENERAL = re.compile(
    r"(?i)(submi(tted|ssions?)|week|woche|assignments?|homework|hw|sheet|blatt|abgaben?|download|"
    r"exercises?|übung(en)?|uebung(en)?|course)[\W_]*\d*"
)
NO_NAME = re.compile(
    r"(?i)copy|copie|copia|kopie|of|von|de|final|new|neu|v\d*|\d{1,3}|hw\d*|homework|solutions?|"
    r"assignment\d*|abgabe|submission|notebook|ipynb|json|txt|untitled\d*|graded|late"
)


def answer_ids(nb):
    """Return the names of the cells that a student answers."""
    return {cell["metadata"]["nbgrader"]["grade_id"] for cell in nb["cells"]
            if cell["metadata"].get("nbgrader", {}).get("solution")}  # fmt: skip


def read_notebook(content):
    """Return a notebook as a dict. ValueError: a reason why this is none."""
    if len(content) > LONGEST_FILE:
        raise ValueError(f"too large; a notebook may have {LONGEST_FILE:,} bytes")
    if not content.strip():
        raise ValueError("an empty file")
    try:
        nb = json.loads(content.decode("utf-8-sig"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"it cannot be read as JSON ({type(error).__name__})") from None
    if isinstance(nb, dict) and ("worksheets" in nb or nb.get("nbformat") in (1, 2, 3)):
        raise ValueError("a notebook of an old format; save it as version 4")
    if (
        not isinstance(nb, dict)
        or not isinstance(nb.get("cells"), list)
        or (nb.get("nbformat") != 4 or not isinstance(nb.get("metadata"), dict))
    ):
        raise ValueError("it is not a notebook")
    for cell in nb["cells"]:
        source = cell.get("source") if isinstance(cell, dict) else None
        text = isinstance(source, str) or (
            isinstance(source, list) and all(isinstance(line, str) for line in source)
        )
        known = text and cell.get("cell_type") in ("code", "markdown", "raw")
        if not known or not isinstance(cell.get("metadata"), dict):
            raise ValueError("it is not a valid notebook: a cell has no text, type or metadata")
    return nb


def recognized(nb, ids):
    """Return the assignment of a notebook. ids: {assignment: names of its answer cells}.

    ValueError: no assignment has most of its answer cells there.
    """
    seen = {name for cell in nb["cells"] for name in cell_names(cell)}
    shares = {name: len(wanted & seen) / len(wanted) for name, wanted in ids.items()}
    best = max(shares, key=shares.get)
    if shares[best] <= 0.5:
        count = f"{len(ids[best] & seen)} of the {len(ids[best])} answer cells of {best}"
        raise ValueError(f"it is none of the assignments: it has {count}")
    return best


def rest_of(name, assignments):
    """Return what a file's name says besides the assignment: a student's name, or nothing."""
    text = re.sub(r"(?i)(\.(ipynb|zip|json|txt))+$", "", name)
    text = re.sub(r"\s*\(\d+\)", "", text)
    for assignment in sorted(assignments, key=len, reverse=True):
        words = r"[\W_]*".join(map(re.escape, re.split(r"[\W_]+", assignment)))
        text = re.sub(rf"(?i){words}", " ", text)
    words = [word for word in re.split(r"[\s_]+|-(?=\d*$)", text) if word.strip("-,. ")]
    words = [word for word in words if not NO_NAME.fullmatch(word.strip("-,. "))]
    return " ".join(words).strip("-,. ")


def named_in(path, assignments):
    """Return the one assignment that a file's name names, or None."""
    file = re.sub(r"[\W_]+", "_", path.rsplit("/", 1)[-1].lower())
    named = [name for name in assignments if re.sub(r"[\W_]+", "_", name.lower()) in file]
    return named[0] if len(named) == 1 else None


def is_name(folder, assignments):
    """Return whether a folder may be named like a student; one of an assignment is nobody's."""
    return not GENERAL.fullmatch(folder) and bool(rest_of(folder, assignments))


def owner_of(item, assignments):
    """Return whose file it is: a dict with name, kind, id, order, late. ValueError: not known."""
    for text in (*item["folders"], *item["zips"], item["file"]):
        for kind, form in (("moodle", MOODLE), ("canvas", CANVAS_ANONYMOUS), ("canvas", CANVAS)):
            if found := form.fullmatch(text):
                got = {"late": None, "order": 0} | found.groupdict()
                name = got["name"] if got["name"] != "anon" else f"anon_{got['id']}"
                return {"name": name.strip(), "kind": kind, "id": got["id"],
                        "order": int(got["order"] or 0), "late": bool(got["late"])}  # fmt: skip
    names = [(name, "folder") for name in item["folders"] if is_name(name, assignments)]
    names += [(rest_of(text, assignments), "file") for text in (item["file"], *item["zips"][::-1])]
    for name, kind in names:
        if name:
            return {"name": name, "kind": kind, "id": "", "order": 0, "late": False}
    raise ValueError("its path does not name a student; put it into a folder with the student's "
                     "name")  # fmt: skip


def copy_number(file):
    """Return 1 of 'x (1).ipynb' and 'x-1.ipynb', the number of a later copy, or 0."""
    found = re.search(r"(?:\((\d+)\)|-(\d+))\.\w+$", file)
    return int(found[1] or found[2]) if found else 0


def collect(submissions, sources, roster=None, names=None, zone=None):
    """Return the submissions that are taken, and what is left with its reason.

    sources: {assignment: notebook}. roster, names: of people.py. Taken are dicts with student,
    name, assignment, file, content, sha256, time (None for an LMS's download, whose files have the
    time of the download), late (Canvas says so) and intake (sentences). Left are dicts with file
    and reason.
    """
    roster, names, left = roster or {}, {} if names is None else names, []
    ids = {name: answer_ids(nb) for name, nb in sources.items()}
    found, lost = [], []
    for item in find(submissions, lambda path, why: left.append({"file": path, "reason": why}),
                     zone):  # fmt: skip
        try:
            nb = read_notebook(item["content"])
            item["assignment"] = recognized(nb, ids)
            item["owner"] = owner_of(item, list(ids))
        except ValueError as error:
            left.append({"file": item["path"], "reason": str(error)})
            if "assignment" in item and not item["folders"]:
                lost.append(left[-1])  # a notebook in the submissions folder itself
        else:
            found.append(item)
    # The folder itself is a student's, if nothing in it names one.
    above = Path(submissions).resolve()
    if not found and above.is_dir() and is_name(above.name, list(ids)):
        for one in lost:
            one["reason"] = (f"its path does not name a student; if '{above.name}' is a student's "
                             "folder, give the folder above it")  # fmt: skip
    tell_apart(found, roster)
    groups = {}
    for item in found:
        item["student"], item["name"] = student_of(item["owner"], roster, names)
        groups.setdefault((item["student"], item["assignment"]), []).append(item)
    taken = []
    for (student, assignment), items in sorted(groups.items()):
        first, *others = sorted(items, key=age, reverse=True)
        intake = []
        for other in others:
            same = other["content"] == first["content"]
            reason = ("the same notebook as" if same else "an older version than" if
                      age(other)[:2] != age(first)[:2] else "another version, of the same time, of"
                      ) + f" '{first['path']}', which was taken"  # fmt: skip
            left.append({"file": other["path"], "reason": reason})
            if not same:
                intake.append(f"Of several versions '{first['path']}' was taken, "
                              f"not '{other['path']}'.")  # fmt: skip
        if (other := named_in(first["path"], ids)) not in (None, assignment):
            intake.append(f"The file is named {other}, its cells are those of {assignment}.")
        if roster and student not in roster:
            intake.append(f"'{first['name']}' is not in roster.csv.")
        lms = first["owner"]["kind"] in ("canvas", "moodle")
        taken.append({
            "student": student, "name": first["name"], "assignment": assignment,
            "file": first["path"], "content": first["content"],
            "sha256": hashlib.sha256(first["content"]).hexdigest(),
            "time": None if lms else first["time"], "late": first["owner"]["late"],
            "intake": intake,
        })  # fmt: skip
    return taken, sorted(left, key=lambda one: one["file"])


def age(item):
    """Return what orders the versions of a submission, the last one being the latest."""
    time = item["time"].timestamp() if item["time"] else 0
    owner = item["owner"]
    order = owner["order"] if owner["kind"] == "canvas" else 0
    return (order, time, copy_number(item["file"]), item["path"])


def tell_apart(found, roster):
    """Give two students of the same name in one Moodle download their numbers as well."""
    numbers = {}
    for item in found:
        owner = item["owner"]
        if owner["kind"] == "moodle":
            numbers.setdefault((item["assignment"], owner["name"]), set()).add(owner["id"])
    double = {name for (_, name), ids in numbers.items() if len(ids) > 1}
    listed = {number for row in roster.values() for number in row["moodle_id"].split()}
    for item in found:
        owner = item["owner"]
        if owner["kind"] == "moodle" and owner["name"] in double and owner["id"] not in listed:
            owner["name"] = f"{owner['name']} {owner['id']}"


def store(folder, submission):
    """Write a submission, as it was handed in, to where nbgrader looks for it, with its time."""
    name = submission["assignment"]
    place = Path(folder, "submitted", submission["student"], name)
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.ipynb").write_bytes(submission["content"])
    stamp = place / "timestamp.txt"
    stamp.unlink(missing_ok=True)
    if submission["handed_in"]:
        stamp.write_text(submission["handed_in"].strftime("%Y-%m-%d %H:%M:%S UTC\n"))
