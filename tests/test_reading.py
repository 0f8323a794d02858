"""The reading page of instructors, and marks.csv; the tests of the gradebook need nbgrader."""

import importlib.util
import re
import stat
from pathlib import Path
from types import SimpleNamespace

import grades
import marks
import nbformat
import pytest
import records
from conftest import need
from course_sample import NAME, a_record, change, handed_in, make_course, page_of, run, write


@pytest.fixture
def course(tmp_path):
    return make_course(tmp_path)


# ---- The reading page


def test_a_reading_page_shows_answers_outputs_and_the_rubric(course):
    assert run(course) == 0
    path = course / "reading" / f"{NAME}.html"
    made = path.read_text(encoding="utf-8")
    for part in ("Jensen.", "as handed in 1.25", "as remade 1.26", "1 point for Jensen",
                 "Why does the bound rise", "only the text", f"anna,{NAME},why,,"):  # fmt: skip
        assert part in made, part
    assert made.count("data:image/png") == 1 and made.count("cannot be shown") == 2
    assert "alert(3)" not in made and "svg" not in made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_equal_outputs_are_shown_once(course):
    place = Path("anna", NAME, f"{NAME}.ipynb")
    write(course / "autograded" / place, (course / "submitted" / place).read_text())
    assert run(course) == 0
    made = (course / "reading" / f"{NAME}.html").read_text()
    assert made.count("as handed in 1.25") == 1 and "handed in and remade: the same" in made


@pytest.mark.parametrize("content", [
    "", "{}", '{"cells": 3}', "[" * 9999, "\x00", '{"nbformat": 4, "nbformat_minor": 5, "cells": '
    '[3, {"cell_type": "code", "metadata": 3, "source": 3}, {"cell_type": "code", "metadata": {}, '
    '"source": "", "outputs": [3, {"output_type": "display_data", "data": 3}]}]}',
])  # fmt: skip
def test_a_broken_submission_does_not_stop_the_reading_page(course, content):
    write(course / "submitted" / "ben" / NAME / f"{NAME}.ipynb", content)
    assert run(course) == 0
    made = (course / "reading" / f"{NAME}.html").read_text()
    assert "&lt;script&gt;" in made  # the answer, from the graded notebook
    assert "No answer." not in made and "No outputs were stored." in made


def test_an_anonymous_page_has_no_names_and_keeps_its_numbers(course):
    assert run(course, "--anonymous") == 0
    first = marks.anonymous_key(course, NAME)
    assert sorted(first.values()) == ["anna", "ben"]
    change(course, "aaron")
    assert run(course) == 0  # stays anonymous
    later = marks.anonymous_key(course, NAME)
    assert {label: later[label] for label in first} == first and later["student 3"] == "aaron"
    made = (course / "reading" / f"{NAME}.html").read_text()
    assert not re.search("anna|ben|aaron", made) and "student 3" in made
    assert not re.search("anna|ben", (course / "reading" / f"{NAME}-marks.csv").read_text())


# ---- marks.csv


WRONG = [  # a row, a part of the sentence
    (f"dora,{NAME},why,1,", "no submission of"),
    ("anna,02_iwae,why,1,", "no submission of"),
    (f"anna,{NAME},who,1,", "cell must be one of why or a test's, got 'who'."),
    (f"anna,{NAME},why,2.5,", "points must be a number from 0 to 2, got '2.5'."),
    (f"anna,{NAME},why,-1,", "from 0 to 2"),
    (f"anna,{NAME},why,nan,", "from 0 to 2"),
    (f"anna,{NAME},why,two,", "got 'two'"),
    (f"anna,{NAME},why,1,\nanna,{NAME},why,2,", "line 2 is about the same cell"),
    (f"anna,{NAME},tests,3,", "points of tests must be a percentage, 0% to 100%, got '3'."),
    (f"anna,{NAME},tests,101%,", "got '101%'"),
    (f"anna,{NAME},tests,,why", "got ''"),
    (f"anna,{NAME},why,50%,", "points must be a number from 0 to 2, got '50%'."),
    (f"anna,{NAME},tests,50%,\nanna,{NAME},tests,40%,", "line 2 is about the same cell"),
]


def head(*rows):
    return "\n".join(["student,assignment,cell,points,comment", *rows, ""])


@pytest.mark.parametrize("row, sentence", WRONG)
def test_a_wrong_row_of_marks_is_named_in_one_sentence(course, row, sentence):
    write(course / "marks.csv", head(row))
    _, (problem,) = marks.checked(course, records.read_all(course))
    assert problem.startswith("marks.csv, line ") and sentence in problem and "\n" not in problem


def test_marks_take_semicolons_decimal_commas_and_anonymous_numbers(course):
    assert run(course, "--anonymous") == 0
    (label,) = [key for key, who in marks.anonymous_key(course, NAME).items() if who == "anna"]
    rows = f"\ufeffPoints;Student;assignment;cell;comment\n1,5;{label};{NAME};why;ok\n;;;;\n"
    write(course / "marks.csv", rows)
    ((row, record, cell),), problems = marks.checked(course, records.read_all(course))
    assert not problems and marks.points_of(row["points"]) == 1.5
    assert (record["student"], cell["id"]) == ("anna", "why")


def used(manual, auto, needs, new, before=None):
    grade = SimpleNamespace(manual_score=manual, auto_score=auto, needs_manual_grade=needs)
    comment = SimpleNamespace(manual_comment=None)
    said = marks.use(grade, comment, new, before, 2.0)
    return said, grade.manual_score, grade.needs_manual_grade, comment.manual_comment


def test_every_change_by_marks_is_said():
    new = {"points": 1.0, "comment": "", "answer": "a"}
    assert used(None, None, True, new) == ("1 of 2 points, not read before.", 1.0, False, None)
    assert used(1.5, None, False, new)[0] == "1 of 2 points, in place of 1.5."
    assert used(None, 0.0, False, new)[0] == "1 of 2 points, in place of 0."
    assert used(1.0, None, False, new, new)[0] is None
    assert used(1.0, None, True, new, new) == (None, 1.0, False, None)  # graded once more
    said, points, *_ = used(2.0, None, False, new, new)  # changed in Formgrader since
    assert "was kept" in said and points == 2.0
    said, points, needs, _ = used(1.0, None, True, new | {"answer": "b"}, new)
    assert said == marks.AGAIN and needs
    words = {"points": None, "comment": "Why?", "answer": "a"}
    assert used(None, None, True, words) == ("a comment.", None, True, "Why?")


# ---- With nbgrader


@pytest.fixture
def book(course):
    """A gradebook of the course as grading leaves it."""
    need(importlib.util.find_spec("nbgrader"), "needs nbgrader: run by make grade-demo", ci=False)
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course}/gradebook.db", "vae-family") as book:
        book.add_assignment(NAME)
        book.add_notebook(NAME, NAME)
        for cell in a_record()["cells"]:
            kind = "markdown" if cell["kind"] == "reading" else "code"
            book.add_grade_cell(cell["id"], NAME, NAME, max_score=cell["of"], cell_type=kind)
            book.add_solution_cell(records.answer_of(cell), NAME, NAME)
        for who in ("anna", "ben"):
            book.add_student(who)
            book.add_submission(NAME, who)
            for cell in a_record()["cells"]:
                grade = book.find_grade(cell["id"], NAME, NAME, who)
                grade.auto_score, grade.needs_manual_grade = cell["points"], cell["points"] is None
        book.db.commit()
    return course


def test_totals_are_those_of_the_scores(book):

    for record in grades.refresh(book, records.read_all(book)):
        scores = records.row_of(record)
        points, of, unread = records.total(record)
        assert (points, unread) == (scores["points"], scores["to_read"]) == (3.0, 2.0)
        assert of == scores["of"] + 2.0


def test_marks_reach_the_gradebook_and_the_page(book, capsys):
    write(book / "marks.csv", head(f'anna,{NAME},why,1.5,"Which inequality?"'))
    assert run(book) == 0
    assert f"anna, {NAME}, why: 1.5 of 2 points, not read before, a comment." in (
        capsys.readouterr().out
    )
    assert "4.5 of 10 points" in page_of(book) and "Which inequality?" in page_of(book)
    assert run(book) == 0 and "why:" not in capsys.readouterr().out
    write(book / "marks.csv", head(f"anna,{NAME},why,1,", f"ben,{NAME},why,9,"))
    assert run(book) == 1  # one row is wrong: none is used
    assert "line 3: points must be" in capsys.readouterr().err
    assert "4.5 of 10 points" in page_of(book)
    write(book / "marks.csv", head(f"anna,{NAME},why,1,"))
    assert run(book) == 0 and "1 of 2 points, in place of 1.5." in capsys.readouterr().out
    nb = handed_in("Another answer.", [])
    write(book / "autograded" / "anna" / NAME / f"{NAME}.ipynb", nbformat.writes(nb))
    assert run(book) == 0 and marks.AGAIN in capsys.readouterr().out


def test_feedback_brings_scores_and_nbgraders_table_up_to_date(book, capsys):
    from nbgrader.api import Gradebook

    write(book / "marks.csv", head(f"anna,{NAME},why,1.5,", f"anna,{NAME},tests,50%,"))
    for _ in range(2):
        assert run(book) == 0
        line = next(line for line in (book / "scores.csv").read_text().splitlines()
                    if line.startswith("anna"))  # fmt: skip
        assert line.split(",")[3:7] == ["1.5", "8.0", "0", "1.5"]  # points, of, to_read, read
        with Gradebook(f"sqlite:///{book}/gradebook.db", "vae-family") as gradebook:
            found = gradebook.find_submission_notebook(NAME, NAME, "anna")
            assert (found.score, found.late_submission_penalty) == (4.5, 1.5)


def test_points_by_hand_release_a_flagged_submission(book, capsys):
    change(book, flags=["replaced"], remarks=["replaced"])
    assert run(book) == 0 and "Held back: anna" in capsys.readouterr().out
    write(book / "marks.csv", head(f"anna,{NAME},bound-test,2,Honest."))
    assert run(book) == 0
    assert "5 of 10 points" in page_of(book) and "Honest." in page_of(book)
    assert "replaced" not in page_of(book)
