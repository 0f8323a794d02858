"""What comes back from grading: students' pages, marks.csv, reading pages, grade files.

Records are made here by hand, so only the tests of the gradebook need nbgrader.
"""

import base64
import csv
import importlib.util
import io
import json
import re
import stat
import zipfile
from argparse import Namespace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import feedback
import lms
import marks
import nbformat
import page
import pytest
import reading
from assignments import REGION, leaks
from conftest import need
from record import text
from sample_assignment import notebook

NAME = "00_sample_assignment"
EVIL = "<script>alert(1)</script><img src=x onerror=alert(2)>"
PIXEL = ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJ"
         "RU5ErkJggg==")  # fmt: skip


def a_record(who="anna", **changes):
    """A record of the sample assignment: 3 + 0 of 8 by tests, 2 points not yet read."""

    def cell(name, title, of, **more):
        kind = {"kind": "tests", "hidden": True, "answers": [name.removesuffix("-test")]}
        rest = {"points": of, "of": of, "message": None, "comment": None, "ready_made": False}
        return {"id": name, "title": title} | kind | rest | more

    missing = "NotImplementedError: "
    cells = [
        cell("kl-test", "Part 1: the KL", 3.0),
        cell("bound-test", "Part 2: the bound", 3.0, points=0.0,
             message="AssertionError: an underflow"),
        cell("gap-test", "Part 2: the bound", 2.0, points=0.0, hidden=False, message=missing),
        cell("why", "Part 2: the bound", 2.0, points=None, kind="reading", hidden=False,
             answers=["why"]),
    ]  # fmt: skip
    return {
        "student": who, "assignment": NAME, "file": f"{who}/{NAME} (1).ipynb",
        "sha256": "0123456789abcdef" * 4, "handed_in": "2026-11-28T21:40:00+00:00", "due": None,
        "late_hours": 0.0, "number": None, "room": "process", "stopped": None, "flags": [],
        "to_read": [], "remarks": [], "seconds": 31.2, "cells": cells,
    } | changes  # fmt: skip


def output(kind, **data):
    if kind == "stream":
        return nbformat.v4.new_output("stream", **data)
    return nbformat.v4.new_output(kind, data=data["data"])


def handed_in(words, outputs):
    """The student's version with a written answer, and outputs in the cell `setup`."""
    nb = notebook()
    for cell in nb.cells:
        for kind in ("SOLUTION", "HIDDEN TESTS"):
            cell.source = re.sub(REGION.format(kind), "...", cell.source + "\n").rstrip()
        if cell.id == "why":
            cell.source = words
        if cell.id == "setup":
            cell.outputs = outputs
    return nb


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.fixture
def course(tmp_path):
    """A course with two submissions: anna's, and ben's, whose answer is an attack."""
    write(tmp_path / "source" / NAME / f"{NAME}.ipynb", text(notebook()))
    plain = [output("stream", name="stdout", text="as handed in 1.25")]
    active = [
        output("display_data", data={"text/html": EVIL, "text/plain": "only the text"}),
        output("display_data", data={"text/html": EVIL}),
        output("display_data", data={"image/svg+xml": f"<svg>{EVIL}</svg>"}),
        output("display_data", data={"application/javascript": "alert(3)"}),
        output("display_data", data={"image/png": PIXEL}),
        output("display_data", data={"image/png": base64.b64encode(EVIL.encode()).decode()}),
        output("display_data", data={"image/png": f'"><script>{PIXEL}'}),
    ]
    for who, words, outs in (("anna", "Jensen.", plain), ("ben", EVIL, active)):
        record = a_record(who)
        write(tmp_path / "records" / f"{who}--{NAME}.json", json.dumps(record))
        nb = handed_in(words, outs)
        write(tmp_path / "submitted" / who / NAME / f"{NAME}.ipynb", nbformat.writes(nb))
        nb = handed_in(words, [output("stream", name="stdout", text="as remade 1.26")])
        write(tmp_path / "autograded" / who / NAME / f"{NAME}.ipynb", nbformat.writes(nb))
    return tmp_path


def run(course, *options):
    return feedback.main(["--course", str(course), *options])


def change(course, who="anna", **changes):
    write(course / "records" / f"{who}--{NAME}.json", json.dumps(a_record(who, **changes)))


def page_of(course, who="anna"):
    return (course / "feedback" / who / f"{NAME}.html").read_text(encoding="utf-8")


# ---- The form of every page


class Reader(HTMLParser):
    """Collects the tags, the addresses and the text of a page, and unbalanced tags."""

    void = {"meta", "img"}

    def __init__(self, content):
        super().__init__()
        self.open, self.tags, self.wrong, self.addresses, self.texts = [], [], [], [], []
        self.feed(content)
        self.wrong += self.open

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in self.void:
            self.open.append(tag)
        for name, value in attributes:
            if name.startswith("on") or name in ("src", "href", "action", "data", "style"):
                self.addresses.append((name, value))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"</{tag}>")

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)


ALLOWED = set("html head meta title style body main h1 h2 h3 h4 p dl dt dd table caption thead "
              "tbody tr th td code pre small span div section article footer details summary ul li "
              "img".split())  # fmt: skip


def faults(content):
    """Yield what is wrong with a page: active parts, foreign addresses, its structure."""
    found = Reader(content)
    yield from found.wrong
    yield from {tag for tag, _ in found.tags} - ALLOWED
    yield from [value for _, value in found.addresses
                if not value.startswith("data:image/png;base64,")]  # fmt: skip
    headings = [int(tag[1]) for tag, _ in found.tags if re.fullmatch(r"h\d", tag)]
    if headings.count(1) != 1 or any(b > a + 1 for a, b in zip(headings, headings[1:])):  # noqa: B905, RUF007
        yield f"headings {headings}"
    if any(tag == "th" and "scope" not in attributes for tag, attributes in found.tags):
        yield "th without a scope"
    if "url(" in content or "@import" in content or 'lang="en"' not in content:
        yield "style or language"


@pytest.mark.parametrize("bad", [EVIL, "<p>", "<b>x</b>", '<img src="http://x.org/a.png">',
                                 "<h1>two</h1>", "<h3>a</h3><h5>b</h5>", "<th>x</th>"])  # fmt: skip
def test_the_check_of_pages_finds_faults(bad):
    assert not list(faults(page.page("x", ["<h1>x</h1>"])))
    assert list(faults(page.page("x", ["<h1>x</h1>", bad])))


def test_all_pages_are_inert_and_well_formed(course):
    words = {"title": EVIL, "message": f"ValueError: {EVIL}", "comment": f"{EVIL}\nsecond line"}
    cells = [cell | words for cell in a_record()["cells"]]
    change(course, cells=cells, file=f"class.zip/{EVIL}", stopped=EVIL, late_hours=27.3,
           remarks=[f"'{EVIL}' was not graded."], to_read=[EVIL])  # fmt: skip
    write(course / "roster.csv", f'student,name\nanna,"{EVIL}"\n')
    assert run(course) == 0
    for path in [*course.glob("feedback/*/*.html"), *course.glob("reading/*.html")]:
        assert not list(faults(path.read_text(encoding="utf-8"))), path
    assert page_of(course).count("&lt;script&gt;alert(1)") == 10


def test_forbidden_characters_are_replaced():
    assert page.escape("a\x00\x1b\ud800\nb") == "a\ufffd\ufffd\ufffd\nb"


# ---- The page of a student


def test_a_page_shows_points_messages_and_what_is_not_yet_read(course):
    change(course, late_hours=27.3, stopped="The kernel died.")
    assert run(course) == 0
    shown = " ".join(Reader(page_of(course)).texts)
    for part in ("3 of 10 points", "2 points not yet read", "1 day and 3 hours", "The kernel died.",
                 "Part 1: the KL", "an underflow", "The function is not written.",
                 "2026-11-28 21:40 UTC", "0123456789abcdef…", f"{NAME} (1).ipynb"):  # fmt: skip
        assert part in shown, part
    assert "AssertionError" not in shown and "anna/" not in shown


def test_a_page_is_complete_when_all_is_read(course):
    cells = a_record()["cells"]
    cells[3] |= {"points": 1.5, "comment": "Say which inequality."}
    change(course, cells=cells)
    assert run(course, "--only-complete") == 0
    assert "not yet read" not in page_of(course) and "4.5 of 10 points" in page_of(course)
    assert "Say which inequality." in page_of(course)
    assert not (course / "feedback" / "ben").exists()


def test_a_page_that_is_held_back_later_is_removed(course):
    assert run(course) == 0 and page_of(course)
    change(course, flags=["A test that must fail passed."])
    assert run(course) == 0
    assert not (course / "feedback" / "anna" / f"{NAME}.html").exists()


@pytest.mark.parametrize("hours, phrase", [
    (0.0, None), (-3.0, None), (0.2, "less than half an hour late"), (1.2, "1 hour late"),
    (24.4, "1 day late"), (49.0, "2 days and 1 hour late"), (23.7, "1 day late")])  # fmt: skip
def test_lateness(hours, phrase):
    assert feedback.late(hours) == phrase


def test_a_page_contains_nothing_of_the_key(course):
    """No word of a solution or a hidden test, except in the message of a failed assertion."""
    assert run(course) == 0
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(page_of(course))])
    assert leaks(notebook(), nb) == ["an", "underflow"]


MESSAGES = [  # the message in a record, what a student sees
    ("AssertionError: an underflow", "an underflow"),
    ("AssertionError", "A test failed without a message."),
    ("AssertionError: ", "A test failed without a message."),
    (None, "A test failed without a message."),
    ("NotGraded: The kernel died.", "The kernel died."),
    ("\x1b[0;31mValueError\x1b[0m: two\nlines", "ValueError: two lines"),
    ("ValueError: " + "x" * 900, "ValueError: " + "x" * 487 + "…"),
    ("ValueError: extreme = iwae_bound(torch.tensor([[-2000.0], [-2000.0]]))", feedback.WITHHELD),
    ("ValueError: extreme=iwae_bound(torch.ten", feedback.WITHHELD),
    ("RuntimeError: torch.isfinite( extreme ).all()", feedback.WITHHELD),
    ("ValueError: iwae_bound(torch.zeros(5, 2))", "ValueError: iwae_bound(torch.zeros(5, 2))"),
]


@pytest.mark.parametrize("message, expected", MESSAGES)
def test_messages_are_one_line_and_quote_no_hidden_test(course, message, expected):
    cells = a_record()["cells"]
    cells[1] |= {"message": message}
    made = feedback.cleaned(course, a_record(cells=cells))
    assert made["cells"][1]["message"] == expected
    assert len(expected) <= feedback.LONGEST


def test_code_of_a_hidden_test_that_is_public_as_well_may_be_quoted(course):
    said = "ValueError: assert torch.allclose("
    cells = a_record()["cells"]
    cells[0] |= {"message": said, "points": 0.0}
    assert feedback.cleaned(course, a_record(cells=cells))["cells"][0]["message"] == said


def test_messages_of_hidden_tests_can_be_kept_back(course):
    assert run(course, "--no-hidden") == 0
    assert "an underflow" not in page_of(course) and "is not written" in page_of(course)


def test_remarks_for_the_instructor_do_not_reach_students(course):
    inner = ["Functions that tests use were replaced: torch.Tensor.sum.", "Read: it uses ctypes.",
             "It resembles that of ben, which was handed in earlier.",
             "nbgrader could not grade it; see reports/x.log."]  # fmt: skip
    told = "'anna/old.ipynb' was not graded, only 'anna/new.ipynb'."
    cells = a_record()["cells"]
    cells[0] |= {"points": 2.0, "by_hand": True}
    cells[1] |= {"message": f"NotGraded: 0 until someone has read this submission. {inner[0]}"}
    record = a_record(remarks=[*inner, told], flags=inner[:1], to_read=["ctypes"], cells=cells)
    assert not marks.held(record)
    made = feedback.student_page(feedback.cleaned(course, record), "A title", "anna")
    assert "was not graded, only" in made and "Points given by hand." in made
    for word in ("replaced", "ctypes", "of ben", "reports", "someone"):
        assert word not in made


def test_half_of_the_points_for_a_ready_made_function(course):
    cells = a_record()["cells"]
    cells[0] |= {"points": 1.5, "ready_made": True}
    made = feedback.student_page(feedback.cleaned(course, a_record(cells=cells)), "x", "anna")
    assert "half of the points" in made and "✓ passed" in made and "1.5 of 10 points" in made


def test_a_course_that_only_root_can_read_is_named(course, monkeypatch, capsys):
    monkeypatch.setattr(feedback.os, "access", lambda *_: False)
    assert run(course) == 2 and "readable by root only" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["../anna", ".anna", "a/b", ""])
def test_a_record_cannot_lead_out_of_the_course(course, name, capsys):
    change(course, student=name)
    assert run(course) == 2 and "names of folders" in capsys.readouterr().err


# ---- Gradescope


def gradescope_faults(results):
    """Yield what the documented form of results.json does not allow."""
    top = {"score": (int, float), "execution_time": (int, float), "output": str, "tests": list,
           "output_format": str, "test_output_format": str, "test_name_format": str,
           "visibility": str, "stdout_visibility": str, "extra_data": dict, "leaderboard": list}
    test = {"score": (int, float), "max_score": (int, float), "status": str, "name": str,
            "name_format": str, "number": str, "output": str, "output_format": str, "tags": list,
            "visibility": str, "extra_data": dict}  # fmt: skip
    for made, form in [(results, top), *[(one, test) for one in results["tests"]]]:
        yield from [key for key, value in made.items() if not isinstance(value, form.get(key, ()))]
        for key, allowed in {
            "visibility": ("hidden", "after_due_date", "after_published", "visible"),
            "status": ("passed", "failed"),
            "output_format": ("text", "html", "simple_format", "md", "ansi"),
        }.items():
            if made.get(key, allowed[0]) not in allowed:
                yield key


def test_gradescope_gets_its_documented_form(course, tmp_path, capsys):
    path, made = course / "records" / f"anna--{NAME}.json", tmp_path / "results.json"
    change(course, remarks=["Read: it uses ctypes."])
    assert feedback.main(["--gradescope", str(made), str(path)]) == 0
    assert capsys.readouterr().out == "Read: it uses ctypes.\n"  # which instructors see
    assert "ctypes" not in made.read_text()
    results = json.loads(made.read_text())
    assert not list(gradescope_faults(results))
    assert list(gradescope_faults(results | {"points": 1, "visibility": "later"}))
    assert (results["score"], results["execution_time"]) == (3.0, 31)
    assert results["score"] == sum(test["score"] for test in results["tests"])
    seen = {test["name"]: test for test in results["tests"]}
    assert len(seen) == 3 and "2 points by reading" in results["output"]
    hidden = seen["Part 2: the bound: bound (hidden)"]
    assert (hidden["visibility"], hidden["status"]) == ("after_due_date", "failed")
    assert hidden["output"] == "an underflow"
    assert seen["Part 2: the bound: gap (visible)"]["visibility"] == "visible"


def test_gradescope_shows_no_reason_for_a_flag(course):
    cells = [cell | {"message": "NotGraded: replaced"} for cell in a_record()["cells"]]
    record = a_record(flags=["replaced"], remarks=["replaced"], cells=cells)
    results = lms.gradescope(feedback.cleaned(course, record), feedback.late, lambda _: ["late"])
    assert results["score"] == 0 and "replaced" not in json.dumps(results)
    assert {test["output"] for test in results["tests"]} == {""}
    assert not list(gradescope_faults(results))


# ---- Canvas and Moodle


ROSTER = """student,name,email,number,canvas_id,sis_id
anna,"Berg, Anna",anna@example.org,,4711,
ben,Ben_Unterstrich,,1234567,,S-17
carla,=HYPERLINK("x"),,,12,
dora,Dora,,,,
"""


def complete(course):
    for who, points in (("anna", 1.5), ("ben", None)):
        cells = a_record()["cells"]
        cells[3] |= {"points": points}
        change(course, who, cells=cells)
    write(course / "roster.csv", ROSTER)


def canvas_reads(path, known):
    """Read as Canvas's importer does: {id: {assignment: points}}; students by ID or SIS User ID."""
    head, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
    assert head[:5] == ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    assert "Points Possible" in rows[0][0] and rows[0][1:5] == [""] * 4
    found = {}
    for row in rows[1:]:
        who = row[1] or known[row[2]]
        found[who] = dict(zip(head[5:], row[5:], strict=True))
    return dict(zip(head[5:], rows[0][5:], strict=True)), found


def test_canvas_reads_the_grades(course, capsys):
    complete(course)
    assert run(course) == 0
    possible, found = canvas_reads(course / "grades-canvas.csv", {"S-17": "17"})
    assert possible == {NAME: "10"}
    assert found == {"4711": {NAME: "4.5"}, "17": {NAME: ""}, "12": {NAME: ""}}
    printed = capsys.readouterr().out
    assert "no canvas_id, sis_id or login: dora." in printed
    assert "no email, moodle_id or number: carla, dora." in printed
    assert f"Left empty in both files: ben {NAME} (2 not yet read)." in printed
    assert "\n=" not in (course / "grades-canvas.csv").read_text()


def test_what_was_never_handed_in_can_count_zero(course):
    complete(course)
    assert run(course, "--zeros", "--column", f"{NAME}=Homework (99)") == 0
    possible, found = canvas_reads(course / "grades-canvas.csv", {"S-17": "17"})
    assert possible == {"Homework (99)": "10"}
    assert [found[who]["Homework (99)"] for who in ("4711", "17", "12")] == ["4.5", "", "0"]


def test_moodle_reads_the_grades(course):
    complete(course)
    assert run(course) == 0
    rows = list(csv.DictReader((course / "grades-moodle.csv").open(encoding="utf-8")))
    assert [row["Email address"] for row in rows] == ["anna@example.org", ""]
    assert [row["ID number"] for row in rows] == ["", "1234567"]
    assert [row[NAME] for row in rows] == ["4.5", ""]


def test_a_flagged_submission_has_no_grade(course, capsys):
    complete(course)
    change(course, cells=[], flags=["replaced"])
    assert run(course) == 0
    assert canvas_reads(course / "grades-canvas.csv", {"S-17": "1"})[1]["4711"][NAME] == ""
    assert f"anna {NAME} (flagged)" in capsys.readouterr().out


@pytest.mark.parametrize("roster, sentence", [
    ("name\nanna\n", "must have a column student, got name."),
    ("student\nanna\nanna\n", "line 3: 'anna' is in line 2 already."),
    ("student,name\n,Anna\n", "line 2: student must not be empty."),
])  # fmt: skip
def test_a_wrong_roster_is_named_in_one_sentence(course, roster, sentence, capsys):
    write(course / "roster.csv", roster)
    assert run(course) == 2
    assert capsys.readouterr().err.strip().endswith(sentence)


def moodle_takes(name):
    """Return (participant, plugin, file) as Moodle's importer does, or None."""
    parts = name.split("/")[0].split("_", 4)
    if len(parts) < 5 or not parts[1].isdigit():
        return None
    return int(parts[1]), f"{parts[2]}_{parts[3]}", parts[4]


def test_moodle_takes_the_zip(course, capsys):
    write(course / "roster.csv", "student,name\nanna,Anna_Berg/x\n")
    change(course, file=f"class.zip/Anna Berg_4711_assignsubmission_file/{NAME}.ipynb")
    assert run(course) == 0
    with zipfile.ZipFile(course / "feedback" / f"{NAME}-moodle.zip") as archive:
        (name,) = archive.namelist()
        assert archive.read(name).decode() == page_of(course)
    assert moodle_takes(name) == (4711, "assignfeedback_file", f"{NAME}.html")
    assert "no number of Moodle's: ben." in capsys.readouterr().out


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
]


def head(*rows):
    return "\n".join(["student,assignment,cell,points,comment", *rows, ""])


@pytest.mark.parametrize("row, sentence", WRONG)
def test_a_wrong_row_of_marks_is_named_in_one_sentence(course, row, sentence):
    write(course / "marks.csv", head(row))
    _, (problem,) = marks.checked(course, marks.records(course))
    assert problem.startswith("marks.csv, line ") and sentence in problem and "\n" not in problem


def test_marks_take_semicolons_decimal_commas_and_anonymous_numbers(course):
    assert run(course, "--anonymous") == 0
    (label,) = [key for key, who in marks.anonymous_key(course, NAME).items() if who == "anna"]
    rows = f"\ufeffPoints;Student;assignment;cell;comment\n1,5;{label};{NAME};why;ok\n;;;;\n"
    write(course / "marks.csv", rows)
    ((row, record, cell),), problems = marks.checked(course, marks.records(course))
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
            book.add_solution_cell(marks.answer_of(cell), NAME, NAME)
        for who in ("anna", "ben"):
            book.add_student(who)
            book.add_submission(NAME, who)
            for cell in a_record()["cells"]:
                grade = book.find_grade(cell["id"], NAME, NAME, who)
                grade.auto_score, grade.needs_manual_grade = cell["points"], cell["points"] is None
        book.db.commit()
    return course


def test_totals_are_those_of_the_scores(book):
    import grading

    for record in marks.refresh(book, marks.records(book)):
        scores = grading.scores(book, record["student"], NAME)
        points, of, unread = marks.total(record)
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


def test_points_by_hand_release_a_flagged_submission(book, capsys):
    change(book, flags=["replaced"], remarks=["replaced"])
    assert run(book) == 0 and "Held back: anna" in capsys.readouterr().out
    write(book / "marks.csv", head(f"anna,{NAME},bound-test,2,Honest."))
    assert run(book) == 0
    assert "5 of 10 points" in page_of(book) and "Honest." in page_of(book)
    assert "replaced" not in page_of(book)


def test_options_of_grade_files_are_checked(course):
    with pytest.raises(ValueError, match="--column must be NAME=TITLE"):
        lms.titles(["x=y"], [NAME])
    assert lms.write_grades(course, [], [], Namespace(column=[], zeros=False))
    assert reading.write(course, []) == []
