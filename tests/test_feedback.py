"""What comes back from grading: the pages of students, and their form.

Records are made by hand, so nothing here needs nbgrader.
"""

import csv
import re
from html.parser import HTMLParser

import feedback
import messages
import nbformat
import page
import pytest
import records
from assignments import leaks
from course_sample import (
    EVIL,
    NAME,
    a_record,
    change,
    make_course,
    page_of,
    record_of,
    run,
    write,
)
from sample_assignment import notebook


@pytest.fixture
def course(tmp_path):
    return make_course(tmp_path)


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
    change(course, cells=cells, file=f"class.zip/{EVIL}", stopped=EVIL, tests_share=0.5,
           tests_comment=EVIL, intake=[f"'{EVIL}' was not graded."], to_read=[EVIL])  # fmt: skip
    write(course / "roster.csv", f'student,name\nanna,"{EVIL}"\n')
    assert run(course) == 0
    for path in [*course.glob("feedback/*/*.html"), *course.glob("reading/*.html")]:
        assert not list(faults(path.read_text(encoding="utf-8"))), path
    assert page_of(course).count("&lt;script&gt;alert(1)") == 10  # to_read: one message is withheld


def test_forbidden_characters_are_replaced():
    assert page.escape("a\x00\x1b\ud800\nb") == "a\ufffd\ufffd\ufffd\nb"


# ---- The page of a student


def test_a_page_shows_points_messages_and_what_is_not_yet_read(course):
    write(course / "course.toml", f"[due]\n{NAME} = 2026-11-27T18:20:00Z\n")
    change(course, stopped="The kernel died.")
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
    (None, None), (0.0, None), (-3.0, None), (0.2, "less than half an hour late"),
    (1.2, "1 hour late"),
    (24.4, "1 day late"), (49.0, "2 days and 1 hour late"), (23.7, "1 day late")])  # fmt: skip
def test_lateness(hours, phrase):
    assert feedback.late(hours) == phrase


SETTINGS = f"""zone = "Europe/Berlin"
late = {{per_day = 0.1, most = 0.5}}
[due]
{NAME} = 2026-11-28T20:40:00
"""


def scores(course):
    with (course / "scores.csv").open(newline="", encoding="utf-8") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


def test_times_are_shown_in_the_zone_of_the_course(course):
    assert run(course) == 0 and "2026-11-28 21:40 UTC" in page_of(course)
    write(course / "course.toml", SETTINGS)
    assert run(course) == 0
    assert "2026-11-28 22:40 Europe/Berlin" in page_of(course)
    assert "2026-11-28 20:40 Europe/Berlin" in page_of(course) and "UTC" not in page_of(course)


def test_times_and_extensions_are_applied_again_without_grading(course, capsys):
    write(course / "course.toml", SETTINGS)
    for who in ("anna", "ben"):
        change(course, who, file_time=None, marked_late=who == "ben", handed_in=None)
    assert run(course) == 0
    printed = capsys.readouterr().out
    assert ("2 submissions have no known time, so nothing is taken off for lateness: "
            f"anna {NAME}, ben {NAME}; write their times") in printed  # fmt: skip
    assert f"Canvas says that these were late, but not by how much: ben {NAME};" in printed
    assert "Late" not in page_of(course) and "Handed in" not in page_of(course)
    assert [row["late hours"] for row in scores(course).values()] == ["", ""]
    assert record_of(course)["late_hours"] is None
    write(course / "handed_in.csv", "student,assignment,time\n"
          f"anna,{NAME},2026-11-28 23:40\nben,{NAME},2026-11-30 20:40\n")  # fmt: skip
    write(course / "course.toml", SETTINGS + "[extensions]\nanna = 1\nben = 48\nbe = 3\n")
    assert run(course) == 0
    printed = capsys.readouterr().out
    assert "no known time" not in printed and "Canvas says" not in printed
    assert "change nothing: 'be'." in printed
    rows = scores(course)
    assert [(row["late hours"], row["penalty"]) for row in rows.values()] == [
        ("2.0", "0.1"), ("0.0", "0.0")]  # fmt: skip
    assert "2 hours, which takes 10% of the points" in page_of(course)
    assert "2026-11-28 21:40 Europe/Berlin" in page_of(course)  # due, with the extension
    assert record_of(course)["due"] == "2026-11-28T20:40:00+00:00"
    assert record_of(course, "ben")["late_hours"] == 0
    write(course / "course.toml", SETTINGS + "[extensions]\nanna = 'x'\n")
    assert run(course) == 2 and "got anna = 'x'." in capsys.readouterr().err


def test_a_row_of_marks_scales_the_points_by_tests(course, capsys):
    write(course / "roster.csv", "student,canvas_id\nanna,1\n")
    cells = a_record()["cells"]
    cells[3] |= {"points": 1.5}
    change(course, cells=cells)

    def after(points, comment=""):
        head = "student,assignment,cell,points,comment\n"
        write(course / "marks.csv", head + f"anna,{NAME},tests,{points},{comment}\n")
        assert run(course) == 0
        canvas = (course / "grades-canvas.csv").read_text().splitlines()[-1]
        return scores(course)["anna"]["points"], canvas.rsplit(",", 1)[1]

    for _ in range(2):  # not applied twice
        assert after("50%", "Could not explain it.") == ("1.5", "3")
        assert "3 of 10 points" in page_of(course)
        said = "Points by tests count 50%, 1.5 in place of 3. Could not explain it."
        assert said in page_of(course)
    assert capsys.readouterr().out.count("points by tests count 50%") == 1
    assert "Points by tests count 50%, by marks.csv (Could" in scores(course)["anna"]["remarks"]
    assert after("12,5 %".replace(",", ".")) == ("0.375", "1.88")
    assert after("100%") == ("3.0", "4.5") and "Points by tests count" not in page_of(course)
    assert "points by tests count 100%" in capsys.readouterr().out


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
    ("ValueError: " + "x" * 900, "ValueError: " + "x" * 487 + "…"),
    ("ValueError: extreme = iwae_bound(torch.tensor([[-2000.0], [-2000.0]]))", messages.WITHHELD),
    ("ValueError: extreme=iwae_bound(torch.ten", messages.WITHHELD),
    ("RuntimeError: torch.isfinite( extreme ).all()", messages.WITHHELD),
    ("ValueError: iwae_bound(torch.zeros(5, 2))", "ValueError: iwae_bound(torch.zeros(5, 2))"),
]


@pytest.mark.parametrize("message, expected", MESSAGES)
def test_messages_are_one_line_and_quote_no_hidden_test(course, message, expected):
    cells = a_record()["cells"]
    cells[1] |= {"message": message}
    made = feedback.cleaned(course, a_record(cells=cells))
    assert made["cells"][1]["message"] == expected
    assert len(expected) <= messages.LONGEST


def test_code_of_a_hidden_test_that_is_public_as_well_may_be_quoted(course):
    said = "ValueError: assert torch.allclose("
    cells = a_record()["cells"]
    cells[0] |= {"message": said, "points": 0.0}
    assert feedback.cleaned(course, a_record(cells=cells))["cells"][0]["message"] == said


def test_code_that_no_answer_needs_gets_no_message_of_a_hidden_test(course):
    cells = a_record()["cells"]
    cells[1] |= {"message": "ValueError: a hidden test, backwards"}
    made = messages.cleaned(course, a_record(cells=cells, to_read=["getsource"]))["cells"]
    assert made[1]["message"] == "A hidden test failed." and "is not written" in made[2]["message"]
    cells[1] |= {"message": "NotGraded: The kernel died."}
    made = messages.cleaned(course, a_record(cells=cells, to_read=["getsource"]))["cells"]
    assert made[1]["message"] == "The kernel died."


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
    assert not records.held(record)
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
