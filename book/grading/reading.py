"""The reading page of an assignment: all written answers, question by question, for the instructor.

Beside each answer stand the figures and tables of the cells before it: as handed in (the outputs
stored in the submission) and as remade (those of grading). Only text and pictures are shown.
"""

import base64
import binascii
import random
import re
from pathlib import Path

import marks
import tables
from answers import cell_names
from assignments import REGION, load
from page import counted, escape, page, tag

PICTURES = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}
LONGEST_TEXT, LARGEST_PICTURE, MOST = 4000, 2_000_000, 20  # characters, bytes, outputs


def place(nb, name):
    """Return the index of a cell, or None."""
    return next((i for i, cell in enumerate(nb.cells) if name in cell_names(cell)), None)


def notebook(course, kind, student, name):
    """Return a notebook of a course, or None if it is missing or cannot be read."""
    path = Path(course, kind, student, name, f"{name}.ipynb")
    try:
        nb = load(path)
        nb.cells = [cell for cell in nb.cells if sound(cell)]
        return nb
    except Exception:  # what a student hands in may be anything
        return None


def sound(cell):
    """Say whether a cell has the parts that this page reads, each of the right kind."""
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return False
    dicts = [cell.get("metadata"), cell.get("attachments") or {}, *cell.get("outputs", [])]
    dicts += [*(cell.get("attachments") or {}).values()]
    dicts += [out.get("data") or {} for out in cell.get("outputs", [])]
    return isinstance(cell.get("source"), str) and all(isinstance(part, dict) for part in dicts)


# ---- Outputs


def text_box(text):
    text = re.sub(r"\x1b\[[0-9;]*m|(?m:^Fontconfig error: .*\n?)", "", text).rstrip()
    if len(text) > LONGEST_TEXT:
        text = f"{text[:LONGEST_TEXT]}\n… ({len(text) - LONGEST_TEXT:,} more characters)"
    return tag("pre", text) if text else ""


def picture(kind, data):
    """Return a picture as HTML, or a sentence if the data is no such picture."""
    data = "".join(data) if isinstance(data, list) else data
    try:
        content = base64.b64decode(re.sub(r"\s+", "", data), validate=True)
    except (binascii.Error, TypeError, ValueError):
        content = b""
    if not content.startswith(PICTURES[kind]) or len(content) > LARGEST_PICTURE:
        return tag("p", "A picture that cannot be shown.", "dim")
    return f'<img alt="Figure" src="data:{kind};base64,{base64.b64encode(content).decode()}">'


def joined(text):
    return "".join(map(str, text)) if isinstance(text, list) else str(text)


def output(out):
    """Return one output of a cell as HTML: text, PNG or JPEG."""
    kind = out.get("output_type")
    if kind == "stream":
        return text_box(joined(out.get("text", "")))
    if kind == "error":
        return text_box(f"{out.get('ename')}: {' '.join(joined(out.get('evalue')).split())}")
    data = out.get("data") or {}
    for form in PICTURES:
        if form in data:
            return picture(form, data[form])
    return text_box(joined(data["text/plain"])) if "text/plain" in data else ""


def outputs(cells, tests):
    """Return the outputs of cells as HTML, those of tests aside, and pasted pictures."""
    found = []
    for cell in cells:
        if cell.cell_type == "code" and not tests.intersection(cell_names(cell)):
            found += [output(out) for out in cell.get("outputs", [])]
        for attached in (cell.get("attachments") or {}).values():
            found += [picture(form, attached[form]) for form in PICTURES if form in attached]
    found = [piece for piece in found if piece]
    more = len(found) - MOST
    return found[:MOST] + ([tag("p", f"{more} more outputs.", "dim")] if more > 0 else [])


def stretch(nb, before, question):
    """Return the cells between two questions, the second included; [] if it is not there."""
    end = place(nb, question) if nb else None
    if end is None:
        return []
    start = place(nb, before) if before else None
    return nb.cells[0 if start is None or start > end else start + 1 : end + 1]


def box(heading, pieces, empty):
    inside = "".join(pieces) or tag("p", empty, "dim")
    return f'<div class="box">{tag("h4", heading)}{inside}</div>'


def evidence(submitted, remade, before, question, tests):
    """Return the outputs before a question, as handed in and as remade, side by side."""
    handed_in = outputs(stretch(submitted, before, question), tests)
    again = outputs(stretch(remade, before, question), tests)
    if handed_in and handed_in == again:
        return box("Figures and tables, handed in and remade: the same", handed_in, "")
    return (f'<div class="pair">{box("As handed in", handed_in, "No outputs were stored.")}'
            f'{box("As remade by grading", again, "No outputs.")}</div>')  # fmt: skip


# ---- The page


def question_of(source, name):
    """Return the text before an answer's cell, and its sample answer with the rubric."""
    at = place(source, name) if source else None
    if at is None:
        return "", ""
    before = source.cells[at - 1] if at else None
    asked = before.source if before and before.cell_type == "markdown" else ""
    key = re.findall(REGION.format("SOLUTION"), source.cells[at].source + "\n")
    return asked, "\n".join(key).strip()


def order(course, name, students, anonymous):
    """Return [(label, student)]: names in order, or numbers in a shuffled order.

    Numbers are kept in ASSIGNMENT-key.csv; a page stays anonymous until that file is deleted.
    """
    path = Path(course, "reading", f"{name}-key.csv")
    if not anonymous and not path.exists():
        return [(student, student) for student in students]
    key = {student: label for label, student in marks.anonymous_key(course, name).items()}
    new = [student for student in students if student not in key]
    random.Random(f"reading {name}").shuffle(new)
    for student in new:
        key[student] = f"student {len(key) + 1}"
    tables.write(path, ("number", "student"), [(key[student], student) for student in key])
    return [(key[student], student) for student in key if student in students]


def state(cell):
    """Return a sentence on the points that an answer has."""
    if cell["points"] is None:
        return f"Not yet read, of {counted(cell['of'])}."
    comment = f" Comment: {cell['comment']}" if cell["comment"] else ""
    return f"{counted(cell['points'], cell['of'])}.{comment}"


def answer(label, record, cell, before, notebooks):
    """Return one student's answer to one question as HTML."""
    submitted, remade = notebooks
    tests = {other["id"] for other in record["cells"] if other["kind"] == "tests"}
    found = [nb.cells[at].source for nb in notebooks
             if nb and (at := place(nb, cell["id"])) is not None]  # fmt: skip
    words = found[0].strip() if found else ""
    if not words or words == "YOUR ANSWER HERE":
        written = tag("p", "No answer.", "dim")
    else:
        written = f'<div class="box soft">{tag("pre", words, "wrap", dir="auto")}</div>'
    row = ",".join(quoted(part) for part in (label, record["assignment"], cell["id"], "", ""))
    return [
        f'<article><h3>{escape(label)}</h3>',
        written,
        tag("p", state(cell), "" if cell["points"] is None else "dim", dir="auto"),
        f'<p class="dim">Row of marks.csv: {tag("code", row)}</p>',
        evidence(submitted, remade, before, cell["id"], tests),
        "</article>",
    ]  # fmt: skip


def quoted(field):
    """Return a field of a CSV file, in quotes if it needs them."""
    return '"' + field.replace('"', '""') + '"' if re.search(r'[",;\n]', field) else field


def about(record, label):
    """Return the sentences of grading that the instructor should read first, as HTML."""
    said = [*record["flags"], record["stopped"]]
    if record["to_read"]:
        said.append(f"Its code uses {', '.join(record['to_read'])}.")
    said = " ".join(sentence for sentence in said if sentence)
    return tag("li", f"{label}: {said}", dir="auto") if said else ""


HOW = """Give points in Formgrader, or write rows into course/marks.csv (student,assignment,cell,\
points,comment) and run make feedback, which puts them into the gradebook and says what changed. \
The file {rows} has a row for every answer that is not yet read. Formulas and Markdown are shown \
as they were typed."""


def reading_page(course, name, records, labels):
    """Return the reading page of an assignment as HTML."""
    by_student = {record["student"]: record for record in records}
    source = notebook(course, "source", "", name)
    both = {s: [notebook(course, kind, s, name) for kind in ("submitted", "autograded")]
            for s in by_student}  # fmt: skip
    questions = []
    for record in records:
        ids = [cell["id"] for cell in record["cells"] if cell["kind"] == "reading"]
        questions += [question for question in ids if question not in questions]
    body = [tag("h1", f"Written answers of {name}"), tag("p", "For instructors only.", "note"),
            tag("p", HOW.format(rows=f"reading/{name}-marks.csv"))]  # fmt: skip
    remarks = [about(by_student[student], label) for label, student in labels]
    if any(remarks):
        body.append(f"<h2>Read these notebooks first</h2><ul>{''.join(remarks)}</ul>")
    for i, question in enumerate(questions):
        asked, key = question_of(source, question)
        before = questions[i - 1] if i else None
        body += [f"<section><h2>Question {i + 1}: {tag('code', question)}</h2>"]
        body += [tag("pre", asked, "wrap")] if asked else []
        if key:
            body.append("<details open><summary>Sample answer and rubric</summary>"
                        f'<div class="box">{tag("pre", key, "wrap")}</div></details>')  # fmt: skip
        for label, student in labels:
            record = by_student[student]
            cell = next((cell for cell in record["cells"] if cell["id"] == question), None)
            if cell:
                body += answer(label, record, cell, before, both[student])
        body.append("</section>")
    return page(f"Written answers of {name}", body, wide=True)


def write(course, records, anonymous=False):
    """Write course/reading/ASSIGNMENT.html and ASSIGNMENT-marks.csv; returns sentences."""
    folder, said = Path(course, "reading"), []
    folder.mkdir(exist_ok=True)
    folder.chmod(0o700)
    for name in sorted({record["assignment"] for record in records}):
        graded = [record for record in records if record["assignment"] == name
                  and any(cell["kind"] == "reading" for cell in record["cells"])]  # fmt: skip
        if not graded:
            continue
        labels = order(course, name, [record["student"] for record in graded], anonymous)
        (folder / f"{name}.html").write_text(
            reading_page(course, name, graded, labels), encoding="utf-8")  # fmt: skip
        by_student, rows = {record["student"]: record for record in graded}, []
        for label, student in labels:
            rows += [[label, name, cell["id"], "", ""] for cell in by_student[student]["cells"]
                     if cell["kind"] == "reading" and cell["points"] is None]  # fmt: skip
        tables.write(folder / f"{name}-marks.csv", marks.COLUMNS, rows)
        for file in folder.glob(f"{name}*"):
            file.chmod(0o600)
        said.append(f"{folder / f'{name}.html'}: {len(labels)} students, "
                    f"{len(rows)} answer{'' if len(rows) == 1 else 's'} to read.")  # fmt: skip
    return said
