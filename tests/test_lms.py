"""Grade files and feedback for Canvas, Moodle and Gradescope, read back as these read them."""

import csv
import io
import json
import zipfile
from argparse import Namespace

import feedback
import lms
import pytest
import reading
from course_sample import NAME, a_record, change, make_course, page_of, run, write


@pytest.fixture
def course(tmp_path):
    return make_course(tmp_path)


# ---- Gradescope


def gradescope_faults(results):
    """Yield what the documented form of results.json does not allow."""
    top = {
        "score": (int, float),
        "execution_time": (int, float),
        "output": str,
        "tests": list,
        "output_format": str,
        "test_output_format": str,
        "test_name_format": str,
        "visibility": str,
        "stdout_visibility": str,
        "extra_data": dict,
        "leaderboard": list,
    }
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


def test_gradescope_gets_the_points_that_the_other_systems_get(course):
    record = a_record(penalty=0.1, tests_share=0.5, tests_comment="")
    made = lms.gradescope(feedback.cleaned(course, record), feedback.late, lambda _: [])
    assert made["score"] == 0.9 * 0.5 * 3.0


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


def complete(course, **more):
    for who, points in (("anna", 1.5), ("ben", None)):
        cells = a_record()["cells"]
        cells[3] |= {"points": points}
        change(course, who, cells=cells, **more)
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


def test_what_lateness_takes_is_taken_everywhere(course):
    """4.5 points less 10 % are 4.05, on the page as in the files."""
    complete(course)
    write(course / "course.toml", "late = {per_day = 0.1, most = 0.5}\n"
          f"[due]\n{NAME} = 2026-11-28T18:40:00Z\n")  # fmt: skip
    assert run(course) == 0
    _, found = canvas_reads(course / "grades-canvas.csv", {"S-17": "17"})
    assert found["4711"] == {NAME: "4.05"}
    assert "4.05 of 10 points" in page_of(course)
    assert "3 hours, which takes 10% of the points" in page_of(course)


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
    ("student\nanna\nanna\n", "line 3: the student anna occurs more than once."),
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


def test_options_of_grade_files_are_checked(course):
    with pytest.raises(ValueError, match="--column must be NAME=TITLE"):
        lms.titles(["x=y"], [NAME])
    assert lms.write_grades(course, [], {}, Namespace(column=[], zeros=False))
    assert reading.write(course, []) == []
