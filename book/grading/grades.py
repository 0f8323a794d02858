"""Points and comments in nbgrader's gradebook; what a person has read stays read."""

from pathlib import Path

from answers import is_answer, of_kind
from assignments import load
from nbgrader.api import Gradebook, MissingEntry


def book(folder):
    return Gradebook(f"sqlite:///{Path(folder).resolve()}/gradebook.db", "vae-family")


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
        try:
            notebook = gradebook.find_submission_notebook(name, name, student)
        except MissingEntry:
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
        notebook = gradebook.find_submission_notebook(name, name, student)
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


def given(folder, student, name):
    """Return ({cell: points, None: nobody has read it}, {cell: a reader's comment})."""
    points, comments = {}, {}
    with book(folder) as gradebook:
        try:
            notebook = gradebook.find_submission_notebook(name, name, student)
        except MissingEntry:
            return points, comments
        kinds = {cell.name: cell.cell_type for cell in notebook.notebook.grade_cells}
        for grade in notebook.grades:
            waits = grade.needs_manual_grade and kinds[grade.name] == "markdown"
            points[grade.name] = None if waits else float(grade.score)
        for comment in notebook.comments:
            if comment.manual_comment:
                comments[comment.name] = comment.manual_comment
    return points, comments


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
