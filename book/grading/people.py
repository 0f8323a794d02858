"""Who handed in: safe names for nbgrader, and the list of students, roster.csv.

    student,name,email,number,canvas_id,sis_id,login,section,moodle_id   # only `student` is needed

Moodle's number of a participant differs from one assignment to the next; moodle_id may hold
several, separated by spaces. A name that was given to a student once is kept in names.csv.
"""

import re
import unicodedata
from pathlib import Path

import tables

COLUMNS = ("student", "name", "email", "number", "canvas_id", "sis_id", "moodle_id", "login",
           "section")  # fmt: skip
NAMES = ("identity", "student", "name")
LATIN = str.maketrans({
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "æ": "ae",
    "Æ": "Ae", "ø": "o", "Ø": "O", "å": "a", "Å": "A", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D",
})  # fmt: skip


def safe(name):
    """Return a name of letters, digits, '_', '.' and '-' only, which is safe as a folder's name."""
    text = unicodedata.normalize("NFC", name).translate(LATIN)
    kept = [c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn"]
    text = re.sub(r"[^\w.-]+", "_", unicodedata.normalize("NFC", "".join(kept)))
    text = re.sub(r"([_.-])\1+", r"\1", text).strip("_.-")
    return text[:60].strip("_.-") or "student"


def parts(name):
    """Return the words of a name, small and without accents, in the order of the alphabet."""
    return sorted(word for word in re.split(r"[\W_]+", safe(name).lower()) if word)


def joined(name):
    """Return the forms of a name without spaces: Canvas writes 'Smith, Anna' as 'smithanna'."""
    words = [word for word in re.split(r"[\W_]+", safe(name).lower()) if word]
    return {"".join(words[i:] + words[:i]) for i in range(len(words))}


def read_roster(folder):
    """Return {student: row} of roster.csv, {} if there is none. ValueError: says what is wrong."""
    path, roster, taken = Path(folder, "roster.csv"), {}, {}
    for row in tables.read_if_there(path, ("student",), (*COLUMNS, "line")):
        student, place = row["student"], f"{path}, line {row['line']}"
        if not student:
            raise ValueError(f"{place}: student must not be empty.")
        if safe(student) != student:
            raise ValueError(f"{place}: a student must consist of letters, digits, '_', '.' and "
                             f"'-', got '{student}'.")  # fmt: skip
        if row["number"] and not row["number"].isdecimal():
            raise ValueError(f"{place}: a number must consist of digits, got '{row['number']}'.")
        row["number"] = int(row["number"]) if row["number"] else None
        for kind in ("student", "number", "canvas_id", "sis_id", "moodle_id"):
            for value in str(row[kind] or "").split():
                if taken.setdefault((kind, value), student) != student or student in roster:
                    raise ValueError(f"{place}: the {kind} {value} occurs more than once.")
        roster[student] = row
    return roster


def unused(folder):
    """Return a sentence on columns of roster.csv that nothing reads, in a list, or []."""
    path = Path(folder, "roster.csv")
    rows = tables.read(path, ()) if path.exists() else []
    other = [name for name in rows[0] if name not in (*COLUMNS, "line")] if rows else []
    return [f"{path.name} has columns that are not used: {', '.join(map(repr, other))}; known are "
            f"{', '.join(COLUMNS)}."] if other else []  # fmt: skip


def listed(owner, roster):
    """Return the one student of the roster that an owner is, or None.

    owner: a dict with the name as shown, the kind of its source (canvas, moodle, folder or file)
    and that source's id.
    """
    if owner["id"]:
        for student, row in roster.items():
            if owner["id"] in row.get(f"{owner['kind']}_id", "").split():
                return student
    name = owner["name"]
    tests = [
        lambda s, row: name.lower() in (s.lower(), row["email"].lower()) or safe(name) == s,
        lambda s, row: name in (row["sis_id"], row["canvas_id"], row["login"], str(row["number"])),
        lambda s, row: name.lower() == row["email"].partition("@")[0].lower(),
        lambda s, row: row["name"] and parts(name) == parts(row["name"]),
        lambda s, row: row["name"] and safe(name).lower() in joined(row["name"]),
    ]
    for same in tests:
        found = [student for student, row in roster.items() if same(student, row)]
        if len(found) == 1:
            return found[0]
    return None


def read_names(folder):
    """Return {identity: (student, name)} of the names that were given before."""
    rows = tables.read_if_there(Path(folder, "names.csv"), (), NAMES)
    return {row["identity"]: (row["student"], row["name"]) for row in rows}


def write_names(folder, names):
    rows = [[identity, *both] for identity, both in sorted(names.items())]
    tables.write(Path(folder, "names.csv"), NAMES, rows)


def student_of(owner, roster, names):
    """Return the student (a safe name) and the name to show; a new one is added to `names`."""
    if student := listed(owner, roster):
        return student, roster[student]["name"] or student
    given = {student: name for student, name in names.values()}
    if owner["kind"] == "folder" and owner["name"] in given:
        return owner["name"], given[owner["name"]]
    same = f"canvas {owner['id']}" if owner["kind"] == "canvas" else f"name {owner['name']}"
    if same not in names:
        taken, base, count = {student.lower() for student in (*given, *roster)}, None, 1
        student = base = safe(owner["name"])
        while student.lower() in taken:
            count += 1
            student = f"{base}_{count}"
        names[same] = student, owner["name"]
    return names[same]
