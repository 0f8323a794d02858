"""Points and comments in nbgrader's gradebook; what a person has read stays read."""

from pathlib import Path

from answers import is_answer, of_kind
from assignments import load
from records import answer_of, total


def book(folder):
    """Open the gradebook of a course. feedback.py runs without nbgrader where there is none."""
    from nbgrader.api import Gradebook

    return Gradebook(f"sqlite:///{Path(folder).resolve()}/gradebook.db", "vae-family")


def notebook_of(gradebook, student, name):
    """Return a submission's notebook in the gradebook, or None."""
    from nbgrader.api import MissingEntry

    try:
        return gradebook.find_submission_notebook(name, name, student)
    except MissingEntry:
        return None


def executed(folder, student, name):
    """Return the executed notebook of a submission, or None."""
    path = Path(folder, "autograded", student, name, f"{name}.ipynb")
    return load(path) if path.exists() else None


def texts(nb):
    """Return {graded cell: what a person has read}; for a test these are all answers in code."""
    found, answers = {}, [c.source for c in nb.cells if c.cell_type == "code" and is_answer(c)]
    for cell in nb.cells:
        if of_kind(cell, "grade"):
            written = cell.source if cell.cell_type == "markdown" else "\n".join(answers)
            found[cell.metadata.nbgrader.grade_id] = written
    return found


def by_hand(folder, student, name):
    """Return what people gave: {cell: dict with points, comment, text, waits}.

    text: what they have read; waits: it was to be read again already.
    """
    found, nb = {}, executed(folder, student, name)
    if not Path(folder, "gradebook.db").exists():
        return found
    read = texts(nb) if nb else {}
    with book(folder) as gradebook:
        if (notebook := notebook_of(gradebook, student, name)) is None:
            return found
        comments = {comment.name: comment.manual_comment for comment in notebook.comments}
        for grade in notebook.grades:
            found[grade.name] = {
                "points": grade.manual_score, "extra": grade.extra_credit,
                "waits": grade.needs_manual_grade, "comment": comments.get(grade.name),
                "text": read.get(grade.name),
            }  # fmt: skip
    return found


def keep(folder, student, name, before):
    """After grading again: restore what people gave, and what need not be read again."""
    nb = executed(folder, student, name)
    if nb is None or not before:
        return
    now = texts(nb)
    with book(folder) as gradebook:
        notebook = notebook_of(gradebook, student, name)
        comments = {comment.name: comment for comment in notebook.comments}
        for grade in notebook.grades:
            old = before.get(grade.name)
            if not old:
                continue
            if old["points"] is not None:
                grade.manual_score, grade.extra_credit = old["points"], old["extra"]
                if not old["waits"] and old["text"] == now.get(grade.name):
                    grade.needs_manual_grade = False
            if old["comment"] and grade.name in comments:
                comments[grade.name].manual_comment = old["comment"]
        gradebook.db.commit()


def refresh(folder, records):
    """Put the points and comments of the gradebook into the records; changes the records.

    nbgrader's table gets what lateness and a share of the tests' points take.
    """
    if not Path(folder, "gradebook.db").exists():
        return records
    with book(folder) as gradebook:
        for record in records:
            notebook = notebook_of(gradebook, record["student"], record["assignment"])
            if notebook is None:
                continue
            fill(record, notebook)
            points = sum(cell["points"] or 0 for cell in record["cells"])
            notebook.late_submission_penalty = points - total(record)[0] or None
        gradebook.db.commit()
    return records


def fill(record, notebook):
    """Put the points and comments of one notebook of the gradebook into its record."""
    grades = {grade.name: grade for grade in notebook.grades}
    comments = {comment.name: comment for comment in notebook.comments}
    commented = set()
    for cell in record["cells"]:
        if (grade := grades.get(cell["id"])) is None:
            continue
        by_hand = grade.manual_score is not None or bool(grade.extra_credit)
        if record.get("failed") and not by_hand:
            continue  # the gradebook has what an earlier version got
        if cell["kind"] == "reading":
            cell["points"] = None if grade.needs_manual_grade else grade.score
        else:
            cell["points"], cell["by_hand"] = grade.score, by_hand
        answer = answer_of(cell)
        if (comment := comments.get(answer)) is None:
            continue
        if cell["kind"] == "reading":
            cell["comment"] = comment.comment
        elif answer not in commented:  # several tests may follow one answer
            cell["comment"] = comment.manual_comment
            commented.add(answer)


def enter(folder, assignments, due, students):
    """Write due dates and the students' names into the gradebook."""
    with book(folder) as gradebook:
        for name in assignments:
            when = due.get(name)
            gradebook.update_or_create_assignment(
                name, duedate=when.replace(tzinfo=None) if when else None
            )
        for student, row in students.items():
            *first, last = (row["name"] or student).split()
            gradebook.update_or_create_student(
                student, first_name=" ".join(first), last_name=last, email=row.get("email") or None,
                lms_user_id=row.get("canvas_id") or None,
            )  # fmt: skip
