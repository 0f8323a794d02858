"""Taking in what was handed in: forms of names, zip files, versions, lists and times."""

import copy
import csv
import json
import os
import re
import stat
import warnings
import zipfile
from datetime import datetime, timedelta

import answers
import dates
import handed_in
import intake
import nbformat
import people
import pytest
import records
from assignments import REGION
from dates import UTC
from sample_assignment import notebook

ZONE = dates.ZoneInfo("Europe/Berlin")


def filled(source, right=()):
    """Return the student version with some answers from the key, without nbgrader's help."""
    for cell in source.cells:
        if cell.id not in right:
            stub = "raise NotImplementedError()\n" if cell.cell_type == "code" else "YOUR ANSWER"
            text = re.sub(REGION.format("SOLUTION"), stub, cell.source + "\n")
            cell.source = re.sub(REGION.format("HIDDEN TESTS"), "", text).strip()
    return source


def source(name="02_iwae"):
    """Return the sample as an assignment, with ids of its own."""
    nb = notebook()
    for cell in nb.cells:
        if "nbgrader" in cell.metadata:
            cell.id = cell.metadata.nbgrader.grade_id = f"{name[-4:]}-{cell.id}"
    return nb


SOURCES = {name: source(name) for name in ("01_elbo", "02_iwae")}


def handed(name="02_iwae", mark="", change=None):
    """Return a submission's text; mark makes it differ."""
    nb = copy.deepcopy(SOURCES[name])
    nb.cells.append(nbformat.v4.new_code_cell(f"# {mark}", id="mark"))
    if change:
        change(nb)
    return nbformat.v4.writes(nb)


def put(folder, file, content=None, time=None):
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    content = handed() if content is None else content
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if time:
        os.utime(path, (time.timestamp(), time.timestamp()))
    return folder


def packed(path, files):
    """Write a zip file of {name or ZipInfo: content}."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return path


def take(folder, roster=None, names=None, zone=None):
    taken, left = intake.collect(folder, SOURCES, roster, names, zone)
    return taken, {one["file"]: one["reason"] for one in left}


# ---- Names of files and students


FORMS = {  # the path, the student, the name as shown
    "ben/02_iwae (1).ipynb": ("ben", "ben"),
    "carla/Copy of 02_iwae.ipynb": ("carla", "carla"),
    "dora/Kopie von 02_iwae.ipynb": ("dora", "dora"),
    "eva/02_IWAE.IPYNB": ("eva", "eva"),
    "fred/week3/02_iwae.ipynb": ("fred", "fred"),
    "week 3/fred/02_iwae.ipynb": ("fred", "fred"),
    "02_iwae/fred/anything.ipynb": ("fred", "fred"),
    "submitted/fred/02_iwae/02_iwae.ipynb": ("fred", "fred"),
    "gina/02_iwae_gina.ipynb": ("gina", "gina"),
    "02_iwae_gina.ipynb": ("gina", "gina"),
    "gus_02_iwae.ipynb": ("gus", "gus"),
    "Copy of 02-iwae final Hana Ito (2).ipynb": ("Hana_Ito", "Hana Ito"),
    "1234567_02_iwae.ipynb": ("1234567", "1234567"),
    "ida/02_iwae.ipynb.txt": ("ida", "ida"),
    "jo/homework": ("jo", "jo"),
    "Müller, Jörg/02_iwae.ipynb": ("Mueller_Joerg", "Müller, Jörg"),
    "Mu\u0308ller/02_iwae.ipynb": ("Mueller", "Müller"),  # as a Mac writes it
    "李雷/02_iwae.ipynb": ("李雷", "李雷"),
    "../x": None,
    "smithanna_12345_678_02_iwae.ipynb": ("smithanna", "smithanna"),
    "smithanna_LATE_12345_678_02_iwae-1.ipynb": ("smithanna", "smithanna"),
    "müllerjörg_12345_678_Copy of 02_iwae.ipynb": ("muellerjoerg", "müllerjörg"),
    "anon_aB3dE_678_02_iwae.ipynb": ("anon_aB3dE", "anon_aB3dE"),
    "LATE_anon_aB3dE_678_02_iwae.ipynb": ("anon_aB3dE", "anon_aB3dE"),
    "Müller, Jörg_4711_assignsubmission_file_/02_iwae.ipynb": ("Mueller_Joerg", "Müller, Jörg"),
    "Jörg Müller_4711_assignsubmission_file/w/02_iwae.ipynb": ("Joerg_Mueller", "Jörg Müller"),
    "Jörg Müller_4711_assignsubmission_file_02_iwae.ipynb": ("Joerg_Mueller", "Jörg Müller"),
}
del FORMS["../x"]


@pytest.mark.parametrize("file", FORMS)
def test_a_submission_is_recognized_in_every_form_of_its_name(file, tmp_path):
    taken, left = take(put(tmp_path / "in", file))
    assert [(one["student"], one["name"]) for one in taken] == [FORMS[file]] and not left
    (one,) = taken
    assert one["assignment"] == "02_iwae" and not one["intake"]
    assert one["late"] == ("LATE" in file)
    lms = "assignsubmission" in file or "678" in file
    assert (one["time"] is None) == lms  # an LMS's download has the time of the download


@pytest.mark.parametrize("file", FORMS)
def test_the_same_forms_are_recognized_in_a_zip_file(file, tmp_path):
    packed(tmp_path / "in" / "class.zip", {file: handed(), "Zoe/x.ipynb": handed("01_elbo")})
    taken, left = take(tmp_path / "in")
    found = {one["student"]: one for one in taken}
    assert found.keys() == {FORMS[file][0], "Zoe"} and not left
    shown = found[FORMS[file][0]]["file"]
    assert shown == people.unicodedata.normalize("NFC", f"class.zip/{file}")
    taken, _ = take(tmp_path / "in" / "class.zip")  # the zip file itself, as SUBMISSIONS
    assert {one["student"] for one in taken} == found.keys()


def test_a_notebook_is_recognized_by_its_cells_not_by_its_name(tmp_path):
    def colab(nb):
        for cell in nb.cells:
            cell.metadata = {"id": cell.pop("id"), "colab": {}}
        nb.metadata, nb.nbformat_minor = {}, 0

    def renamed(nb):
        for i, cell in enumerate(nb.cells):
            cell.id = f"c{i}"

    def most(nb):
        nb.cells = [cell for cell in nb.cells if not cell.id.endswith("-why")]

    def few(nb):
        nb.cells = [cell for cell in nb.cells if cell.id.endswith(("-why", "-kl", "title"))]

    folder = tmp_path / "in"
    for i, change in enumerate((colab, renamed, most, few)):
        put(folder, f"s{i}/02_iwae.ipynb", handed("01_elbo", change=change))
    taken, left = take(folder)
    assert {one["student"]: one["assignment"] for one in taken} == dict.fromkeys(
        ["s0", "s1", "s2"], "01_elbo"
    )
    assert left == {"s3/02_iwae.ipynb": "it is none of the assignments: it has 2 of the 4 answer "
                    "cells of 01_elbo"}  # fmt: skip


ODD = [  # cells
    "3", '{"source": 3, "cell_type": "code", "metadata": {}}',
    '{"source": [3], "cell_type": "code", "metadata": {}}',
    '{"source": "x", "cell_type": "other", "metadata": {}}',
    '{"source": "x", "cell_type": "code", "metadata": []}',
]  # fmt: skip


def test_whatever_is_not_taken_is_listed_with_the_reason(tmp_path):
    folder = put(tmp_path / "in", "ann/01_elbo.ipynb", handed("01_elbo"))
    (folder / "kim").mkdir()
    (folder / "link").symlink_to(folder / "ann")
    os.mkfifo(folder / "pipe.ipynb")
    others = {
        "ann/plot.png": ("x", "a picture, not a notebook"),
        "ann/report.pdf": ("x", "not a notebook"),
        "ann/.ipynb_checkpoints/01_elbo.ipynb": (None, "a hidden file or folder"),
        "bob/empty.ipynb": (" ", "an empty file"),
        "bob/broken.ipynb": ('{"cells": [', "it cannot be read as JSON (JSONDecodeError)"),
        "bob/deep.ipynb": ("[" * 100_000, "it cannot be read as JSON (RecursionError)"),
        "bob/list.ipynb": ("[]", "it is not a notebook"),
        "bob/old.ipynb": ('{"worksheets": []}', "a notebook of an old format; save it as version "
                          "4"),
        "bob/other.ipynb": ('{"nbformat": 4, "metadata": {}}', "it is not a notebook"),
        "bob/three.ipynb": ('{"nbformat": 3, "cells": []}', "a notebook of an old format; save it "
                            "as version 4"),
        **{f"bob/odd{i}.ipynb": (f'{{"nbformat": 4, "metadata": {{}}, "cells": [{cell}]}}',
                                 "it is not a valid notebook: a cell has no text, type or metadata")
           for i, cell in enumerate(ODD)},
        "bob/large.ipynb": (bytes(handed_in.LONGEST_FILE + 1),
                            "too large; a notebook may have 10,000,000 bytes, it has 10,000,001"),
        "bob/bad.zip": ("PK", "a zip file that cannot be read (BadZipFile)"),
        "02_iwae (1).ipynb": (None, "its path does not name a student; put it into a folder with "
                              "the student's name"),
    }  # fmt: skip
    for file, (content, _) in others.items():
        put(folder, file, content)
    taken, left = take(folder)
    assert [one["student"] for one in taken] == ["ann"]
    expected = {file: reason for file, (_, reason) in others.items()} | {
        "kim": "an empty folder", "link": "a link; links are not followed",
        "pipe.ipynb": "not a regular file",
        "ann/.ipynb_checkpoints": "a hidden file or folder",
    }  # fmt: skip
    del expected["ann/.ipynb_checkpoints/01_elbo.ipynb"]
    assert left == expected


def test_a_students_folder_in_place_of_the_folder_above_it_is_named(tmp_path):
    folder = put(tmp_path / "anna", "02_iwae.ipynb")
    put(folder, "odd.ipynb", "{}")
    taken, left = take(folder)
    assert not taken and left == {
        "02_iwae.ipynb": "its path does not name a student; if 'anna' is a student's folder, "
        "give the folder above it", "odd.ipynb": "it is not a notebook"}  # fmt: skip
    for name in ("submissions", "02_iwae"):  # such a folder is nobody's
        _, left = take(put(tmp_path / name, "02_iwae.ipynb"))
        assert "put it into a folder with the student's name" in left["02_iwae.ipynb"]


# ---- Zip files


def test_a_students_own_zip_file_is_opened_and_has_the_time_of_the_file(tmp_path):
    time = datetime(2026, 11, 1, 12, tzinfo=UTC)
    inner = packed(tmp_path / "inner.zip", {"hw2/02_iwae.ipynb": handed(), "hw2/plot.png": "x"})
    put(tmp_path / "in", "hal/homework.zip", inner.read_bytes(), time)
    put(tmp_path / "in", "smithbob_34_56_Bobs Work.zip", inner.read_bytes())
    packed(tmp_path / "in" / "all.zip", {"submissions/ann/work.zip": inner.read_bytes(),
                                         "submissions/bob/x.ipynb": handed()})  # fmt: skip
    taken, left = take(tmp_path / "in")
    assert {one["student"]: one["file"] for one in taken} == {
        "hal": "hal/homework.zip/hw2/02_iwae.ipynb",
        "smithbob": "smithbob_34_56_Bobs Work.zip/hw2/02_iwae.ipynb",
        "ann": "all.zip/submissions/ann/work.zip/hw2/02_iwae.ipynb",
        "bob": "all.zip/submissions/bob/x.ipynb",
    }
    assert len(left) == 3 and set(left.values()) == {"a picture, not a notebook"}
    assert next(one["time"] for one in taken if one["student"] == "hal") == time


def test_an_entrys_time_is_read_in_the_zone_of_the_course(tmp_path):
    entry = zipfile.ZipInfo("ann/02_iwae.ipynb", (2026, 11, 28, 22, 40, 0))
    packed(tmp_path / "in" / "class.zip", {entry: handed(), zipfile.ZipInfo("bob/x.ipynb"):
                                           handed()})  # fmt: skip
    taken, _ = take(tmp_path / "in", zone=ZONE)
    assert [one["time"] for one in taken] == [datetime(2026, 11, 28, 21, 40, tzinfo=UTC), None]


def test_a_zip_file_of_one_folder_of_students_and_one_of_a_student_alone(tmp_path):
    """The zip file's own name is the student's only if nothing in it is."""
    packed(tmp_path / "in" / "ann.zip", {"02_iwae.ipynb": handed()})
    packed(tmp_path / "in" / "02_iwae submissions.zip", {
        "Course A/bob/x.ipynb": handed(), "Course A/eve/x.ipynb": handed()})  # fmt: skip
    taken, left = take(tmp_path / "in")
    assert {one["student"] for one in taken} == {"ann", "bob", "eve"} and not left


def test_dangerous_entries_of_a_zip_file_are_refused(tmp_path, monkeypatch):
    link = zipfile.ZipInfo("eve/link.ipynb")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    large = handed_in.LONGEST_FILE + 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        packed(tmp_path / "in" / "x.zip", {
            "../../etc/02_iwae.ipynb": handed(), "/root/02_iwae.ipynb": handed(),
            "C:/x/02_iwae.ipynb": handed(), "eve/..\\..\\02_iwae.ipynb": handed(),
            link: "/etc/passwd", "eve/zeros.ipynb": bytes(large), "bob/02_iwae.ipynb": handed(),
            "kim/": "", "__MACOSX/bob/._02_iwae.ipynb": "x",
        })  # fmt: skip
    nested = packed(tmp_path / "n.zip", {"a/02_iwae.ipynb": handed()})
    for _ in range(3):
        nested = packed(tmp_path / f"{nested.stem}n.zip", {"n.zip": nested.read_bytes()})
    put(tmp_path / "in", "ann/nested.zip", nested.read_bytes())
    taken, left = take(tmp_path / "in")
    assert [one["student"] for one in taken] == ["bob"]
    reasons = sorted(left.values())
    assert reasons == sorted([
        "its path in the zip file leads outside", "its path in the zip file leads outside",
        "its path in the zip file is absolute", "its path in the zip file is absolute",
        "a link; links are not followed", "an empty folder", "a hidden file or folder",
        f"too large; it may have 10,000,000 bytes, it has {large:,}",
        "more than 3 zip files within one another",
    ])  # fmt: skip
    assert not list(tmp_path.rglob("etc"))
    monkeypatch.setattr(handed_in, "MOST_BYTES", 10)
    monkeypatch.setattr(handed_in, "MOST_FILES", 4)
    packed(tmp_path / "few" / "x.zip", {f"{s}/x.ipynb": handed() for s in ("ann", "bob", "eve")})
    packed(tmp_path / "few" / "y.zip", {f"{i}/x.ipynb": handed() for i in range(5)})
    taken, left = take(tmp_path / "few")
    assert [one["student"] for one in taken] == ["ann"]
    assert left["few/y.zip" if "few/y.zip" in left else "y.zip"] == (
        "a zip file with more than 4 files")  # fmt: skip
    assert left["x.zip/bob/x.ipynb"] == "the zip file has more than 10 bytes"


def test_a_size_that_an_entry_lies_about_is_not_believed(tmp_path):
    """A zip bomb: the header says 10 bytes, the data are 12 MB."""
    path = packed(tmp_path / "in" / "x.zip", {"eve/02_iwae.ipynb": bytes(12_000_000)})
    size = (12_000_000).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(size) == 2
    path.write_bytes(data.replace(size, (10).to_bytes(4, "little")))
    taken, left = take(tmp_path / "in")
    assert not taken and list(left) == ["x.zip/eve/02_iwae.ipynb"]
    assert "BadZipFile" in left["x.zip/eve/02_iwae.ipynb"]


def test_umlauts_of_a_zip_file_made_on_a_mac(tmp_path):
    path = packed(tmp_path / "in" / "x.zip", {"Mu\u0308ller/02_iwae.ipynb": handed()})
    data = path.read_bytes()
    with zipfile.ZipFile(path) as file:
        assert file.infolist()[0].flag_bits & 0x800
    path.write_bytes(data.replace(b"\x00\x08\x08\x00", b"\x00\x00\x08\x00"))  # does not say UTF-8
    taken, _ = take(tmp_path / "in")
    assert [one["name"] for one in taken] == ["Müller"]


# ---- Versions, lists, times


def test_the_later_version_is_taken_and_the_other_is_named(tmp_path):
    day, folder = datetime(2026, 11, 1, tzinfo=UTC), tmp_path / "in"
    put(folder, "ann/02_iwae (1).ipynb", handed(mark="old"), day)
    put(folder, "ann/02_iwae.ipynb", handed(mark="new"), day + timedelta(hours=1))
    put(folder, "ann/copy/02_iwae.ipynb", handed(mark="new"), day)
    put(folder, "bob/02_iwae.ipynb", handed(mark="1"), day)
    put(folder, "bob/02_iwae (2).ipynb", handed(mark="2"), day)
    put(folder, "smithanna_5_1009_02_iwae.ipynb", handed(mark="1009"), day + timedelta(hours=1))
    put(folder, "smithanna_5_1010_02_iwae-1.ipynb", handed(mark="1010"), day)
    taken, left = take(folder)
    assert {one["student"]: one["file"] for one in taken} == {
        "ann": "ann/02_iwae.ipynb", "bob": "bob/02_iwae (2).ipynb",
        "smithanna": "smithanna_5_1010_02_iwae-1.ipynb",
    }  # fmt: skip
    assert left == {
        "ann/02_iwae (1).ipynb": "an older version than 'ann/02_iwae.ipynb', which was taken",
        "ann/copy/02_iwae.ipynb": "the same notebook as 'ann/02_iwae.ipynb', which was taken",
        "bob/02_iwae.ipynb": "another version, of the same time, of 'bob/02_iwae (2).ipynb', which "
        "was taken",
        "smithanna_5_1009_02_iwae.ipynb": "an older version than "
        "'smithanna_5_1010_02_iwae-1.ipynb', which was taken",
    }
    ann = next(one for one in taken if one["student"] == "ann")
    assert ann["intake"] == [
        "Of several versions 'ann/02_iwae.ipynb' was taken, not 'ann/02_iwae (1).ipynb'."
    ]


ROSTER = """student;name;email;number;canvas_id;sis_id;moodle_id
anna;Anna Smith;anna.smith@school.example;1001;12345;S1;
joerg;Jörg Müller;jm@school.example;1002;;;4711 4802
ben;;;;;;
"""


@pytest.mark.parametrize(
    "file, student",
    [
        ("xyz_12345_678_02_iwae.ipynb", "anna"),
        ("smithanna_99_678_02_iwae.ipynb", "anna"),
        ("Smith, Anna/x.ipynb", "anna"),
        ("anna.smith@school.example/x.ipynb", "anna"),
        ("Anna.Smith/x.ipynb", "anna"),
        ("1001/x.ipynb", "anna"),
        ("S1/x.ipynb", "anna"),
        ("02_iwae_Anna_Smith.ipynb", "anna"),
        ("Somebody_4802_assignsubmission_file_/x.ipynb", "joerg"),
        ("Müller Jörg_9_assignsubmission_file_/x.ipynb", "joerg"),
        ("müllerjörg_7_678_x.ipynb", "joerg"),
        ("ben/x.ipynb", "ben"),
    ],
)
def test_the_roster_finds_a_student_by_any_of_the_names_and_numbers(file, student, tmp_path):
    put(tmp_path, "roster.csv", ROSTER)
    (one,), _ = take(put(tmp_path / "in", file), people.read_roster(tmp_path))
    shown = {"anna": "Anna Smith", "joerg": "Jörg Müller", "ben": "ben"}[student]
    assert (one["student"], one["name"], one["intake"]) == (student, shown, [])


def test_a_student_who_is_not_in_the_roster_is_graded_with_a_remark(tmp_path):
    put(tmp_path, "roster.csv", ROSTER)
    (one,), _ = take(put(tmp_path / "in", "Zoe Z/x.ipynb"), people.read_roster(tmp_path))
    assert (one["student"], one["intake"]) == ("Zoe_Z", ["'Zoe Z' is not in roster.csv."])


@pytest.mark.parametrize(
    "content, message",
    [
        ("name\nx", "must have a column student, got name"),
        ("student\nx y", "a student must consist of letters.*got 'x y'"),
        ("student,number\nx,1a", "a number must consist of digits, got '1a'"),
        ("student,number\nx,1\ny,1", "the number 1 occurs more than once"),
        ("student\nx\nx", "the student x occurs more than once"),
        ("student,moodle_id\nx,1 2\ny,2", "the moodle_id 2 occurs more than once"),
    ],
)
def test_what_is_wrong_in_the_roster_is_said(content, message, tmp_path):
    put(tmp_path, "roster.csv", content)
    with pytest.raises(ValueError, match=message):
        people.read_roster(tmp_path)


def test_columns_that_nothing_reads_and_students_without_a_submission_are_named(tmp_path):
    assert people.unused(tmp_path) == []
    (tmp_path / "roster.csv").write_text("student;Matrikelnummer;number\nann;7;7\nbob;8;8\n")
    assert people.unused(tmp_path)[0].startswith(
        "roster.csv has columns that are not used: 'matrikelnummer'; known are student, name"
    )
    roster = people.read_roster(tmp_path)
    made = [{"assignment": name, "student": "ann"} for name in ("01_elbo", "02_iwae")]
    made.append({"assignment": "01_elbo", "student": "bob"})
    assert records.absent(made, roster) == ["Nothing of 02_iwae from bob."]
    assert records.absent(made, {}) == []


@pytest.mark.parametrize(("file", "name"), [
    ("a/02_iwae (1).ipynb", "02_iwae"), ("02_iwae/x.ipynb", None), ("a/Copy of 03 AAE-mmd.ipynb",
     "03_aae_mmd"), ("a/02_iwae_and_01_elbo.ipynb", None), ("a/notebook.ipynb", None),
])  # fmt: skip
def test_the_assignment_that_a_files_name_names(file, name):
    assert intake.named_in(file, ["01_elbo", "02_iwae", "03_aae_mmd"]) == name


def test_a_safe_name_is_unique_and_stays(tmp_path):
    folder, names = tmp_path / "in", {}
    put(folder, "Jörg Müller/02_iwae.ipynb")
    put(folder, "Joerg_Mueller/02_iwae.ipynb")
    put(folder, "smithanna_1_2_x.ipynb")
    put(folder, "smithanna_3_4_x.ipynb")
    taken, _ = take(folder, names=names)
    first = {one["file"]: one["student"] for one in taken}
    assert sorted(first.values()) == [
        "Joerg_Mueller", "Joerg_Mueller_2", "smithanna", "smithanna_2"]  # fmt: skip
    people.write_names(tmp_path, names)
    (folder / "smithanna_1_2_x.ipynb").unlink()
    taken, _ = take(folder, names=people.read_names(tmp_path))
    assert all(first[one["file"]] == one["student"] for one in taken) and len(taken) == 3
    put(tmp_path / "more", "smithanna_2/02_iwae.ipynb")  # a folder with a name that was given
    (one,), _ = take(tmp_path / "more", names=people.read_names(tmp_path))
    assert (one["student"], one["name"]) == ("smithanna_2", "smithanna")
    for odd in ("..", "-x", "a--b", "=1+1", "x/y", "", "a" * 300):
        made = people.safe(odd)
        assert made and made not in (".", "..") and len(made) <= 60 and "--" not in made
        assert all(c.isalnum() or c in "_.-" for c in made) and made[0] not in ".-"


def test_two_students_of_one_name_in_one_moodle_download_are_not_mixed_up(tmp_path):
    for number in (11, 12):
        put(tmp_path / "in", f"Jan Jansen_{number}_assignsubmission_file_/02_iwae.ipynb",
            handed(mark=number))  # fmt: skip
    taken, left = take(tmp_path / "in")
    assert [one["student"] for one in taken] == ["Jan_Jansen_11", "Jan_Jansen_12"] and not left


SETTINGS = """zone = "Europe/Berlin"
late = {per_day = 0.1, most = 0.5}
[due]
02_iwae = 2026-11-28T23:59:00
01_elbo = 2026-11-14T23:59:00-05:00
"""


def test_due_dates_have_a_zone_and_lateness_a_rule(tmp_path):
    put(tmp_path, "course.toml", SETTINGS)
    settings = dates.read_settings(tmp_path, list(SOURCES))
    due = settings["due"]["02_iwae"]
    assert due == datetime(2026, 11, 28, 22, 59, tzinfo=UTC)
    assert settings["due"]["01_elbo"] == datetime(2026, 11, 15, 4, 59, tzinfo=UTC)
    assert dates.late_hours(due, due) == dates.late_hours(due, None) == 0
    assert dates.late_hours(None, due) is dates.late_hours(None, None) is None
    assert dates.penalty(None, settings["late"]) == 0
    assert dates.late_hours(due + timedelta(minutes=90), due) == 1.5
    shares = {0.0: 0, 0.1: 0.1, 24.0: 0.1, 24.1: 0.2, 1000.0: 0.5}
    assert {hours: dates.penalty(hours, settings["late"]) for hours in shares} == shares
    assert dates.penalty(48, None) == 0
    assert dates.read_settings(tmp_path / "no", [])["due"] == {}
    put(tmp_path, "handed_in.csv", "student,assignment,time\nann,02_iwae,2026-11-30 00:00\n")
    (time,) = dates.read_times(tmp_path, settings["zone"]).values()
    assert dates.late_hours(time, due) == pytest.approx(24.02, abs=0.01)


@pytest.mark.parametrize(
    "content, message",
    [
        ("[due]\n02_iwae = 2026-11-28T23:59:00", "due 02_iwae must have a zone"),
        ("[due]\n02_iwae = 'soon'", "due 02_iwae must be a time such as"),
        ("[due]\n02_iwea = 2026-11-28T23:59:00Z", "due must name assignments.*got '02_iwea'"),
        ("zone = 'Mars/North'", "zone must be a name such as Europe/Berlin, got 'Mars/North'"),
        ("late = {per_day = 10, most = 50}", "shares from 0 to 1"),
        ("late = 0.1", "late must be"),
        ("dues = 1", "may have zone, late, due and extensions, got 'dues'"),
        ("extensions = 3", "extensions must be a table of hours, got 3"),
        ("[extensions]\nann = '2'\nbo = true\n'kim 02_iwae' = 3", "got ann = '2', bo = True.$"),
        ("[extensions]\nann = -1\nbo = nan\nc.d = 1", "got ann = -1, bo = nan, c = {'d': 1}.$"),
        ("zone", "cannot be read"),
    ],
)
def test_what_is_wrong_in_the_settings_is_said(content, message, tmp_path):
    put(tmp_path, "course.toml", content)
    with pytest.raises(ValueError, match=message):
        dates.read_settings(tmp_path, list(SOURCES))


def test_a_submission_is_stored_as_it_was_handed_in_with_its_time(tmp_path):
    (one,), _ = take(put(tmp_path / "in", "ann/02_iwae (1).ipynb"))
    one["handed_in"] = datetime(2026, 11, 28, 21, 40, tzinfo=UTC)
    intake.store(tmp_path, one)
    place = tmp_path / "submitted" / "ann" / "02_iwae"
    assert (place / "02_iwae.ipynb").read_bytes() == one["content"]
    assert (place / "timestamp.txt").read_text() == "2026-11-28 21:40:00 UTC\n"
    intake.store(tmp_path, one | {"handed_in": None})
    assert not (place / "timestamp.txt").exists()


# ---- What an answer's text says


@pytest.mark.parametrize(
    "code, found",
    [
        ("signal = x.mean() / x.std()\nnoise = signal.compile", []),
        ("model = torch.compile(model)\npattern = re.compile('x')\nmodel.eval()", []),
        ("inspect = 3\n# eval exec ctypes\n'gc'", []),
        ("import signal", ["signal"]),
        ("import gc as g", ["gc"]),
        ("from subprocess import run", ["subprocess"]),
        ("eval('1')", ["eval"]),
        ("compile('1', '', 'eval')", ["compile"]),
        ("import os\nos.makedirs('x')\nos.path.join('a')", []),
        ("import os\nos.kill(1, 9)", ["kill"]),
        ("from os import fork", ["fork"]),
        ("import sys\nsys._getframe(1).f_globals", ["_getframe", "f_globals"]),
        ("getattr(f, '__globals__')", ["__globals__"]),
        ("class T:\n    def __eq__(self, other):\n        return True", ["__eq__"]),
        ("__import__('ctypes')", ["ctypes"]),
        ("%matplotlib inline\nget_ipython()", ["get_ipython"]),
        ("def broken(:\n    get_ipython()", ["get_ipython"]),
        ("cw.ready_made('02_iwae', 'bound')", []),
        ("take = cw.ready_made\ntake('02_iwae', 'bound')", ["ready_made"]),
        ("getattr(cw, 'ready_made')('02_iwae', 'bound')", ["ready_made"]),
        ("cw._made('x', 'y')", ["_made"]),
    ],
)
def test_suspicious_names_are_found_by_their_use(code, found):
    released = filled(notebook())
    nb = filled(notebook())
    next(cell for cell in nb.cells if cell.id == "kl").source = code
    assert answers.to_read(answers.answered(filled(notebook()), nb), released) == found


@pytest.mark.parametrize(
    "code, number",
    [
        ("STUDENT = 1234567  # mine", 1234567),
        ("STUDENT = 0\nSTUDENT = 42", 42),
        ("STUDENT = 1 / 0", None),
        ("STUDENT = '42'", None),
        ("STUDENT = True", None),
        ("STUDENT = 12 34", None),
        ("print(1)", None),
    ],
)
def test_the_number_is_read_and_not_executed(code, number):
    nb = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code, id="number")])
    assert answers.number_in(nb) == number
    nb.cells[0].id = "other"
    assert answers.number_in(nb) is None


READY = "iwae_bound = cw.ready_made('02_iwae', 'iwae_bound')"


@pytest.mark.parametrize(
    "cell, code, halved",
    [
        ("bound", READY, ["bound-test"]),
        ("bound", "from vaelib.coursework import ready_made as r\nx = r('a', 'b')", ["bound-test"]),
        ("bound", "import vaelib.coursework as q\nx = q.ready_made('a', name='b')", ["bound-test"]),
        ("gap", "def gap(*a):\n    f = cw.ready_made('a', 'gap')\n    return f(*a)", ["gap-test"]),
        ("bound", "# " + READY, []),
        ("bound", f"'''{READY}'''", []),
        (None, READY, ["bound-test"]),  # an own cell: the answer that defines this function
        (None, "x = cw.ready_made('02_iwae', name)", ["gap-test"]),  # else the last answer
    ],
)
def test_tests_after_a_ready_made_function_give_half(cell, code, halved):
    key, nb = notebook(), filled(notebook(), ["kl", "bound", "gap"])
    if cell:
        next(c for c in nb.cells if c.id == cell).source = code
    else:
        at = next(i for i, c in enumerate(nb.cells) if c.id == "gap-test")
        nb.cells.insert(at, nbformat.v4.new_code_cell(code))
    made = answers.answered(filled(notebook()), nb)
    assert [made.cells[i].id for i in sorted(answers.ready_made(made, key))] == halved


def test_a_given_cell_that_takes_a_ready_made_function_costs_nothing():
    released = filled(notebook())
    next(cell for cell in released.cells if cell.id == "setup").source += f"\n{READY}"
    made = answers.answered(released, filled(notebook(), ["kl"]))
    assert not answers.ready_made(made, notebook()) and not answers.to_read(made, released)


def test_links_that_differ_between_versions_do_not_make_an_own_cell():
    released, given = filled(notebook()), filled(notebook())
    for nb, target in ((released, "../02_elbo.ipynb"), (given, "https://x.org/02_elbo.html")):
        for cell in nb.cells:
            if cell.id in ("question", "why"):
                cell.source += f" See [chapter 2]({target})."
            if cell.id == "bootstrap":
                cell.source += f"  # {target}"
    made = answers.answered(released, given)
    assert [cell.id for cell in made.cells] == [cell.id for cell in notebook().cells]
    assert "../02_elbo.ipynb" in next(cell.source for cell in made.cells if cell.id == "why")


# ---- Records


def record(student, **more):
    cell = {"id": "kl-test", "kind": "tests", "points": 2.0, "of": 3.0, "ready_made": False}
    words = {"id": "why", "kind": "reading", "points": None, "of": 2.0, "ready_made": False}
    return {
        "student": student, "name": student.title(), "assignment": "02_iwae", "failed": None,
        "stopped": None, "flags": [], "to_read": [], "cells": [cell, words], "intake": [],
        "asks_number": True, "number": 7, "late_hours": 0.0, "penalty": 0.0, "late_by_lms": False,
        "seconds": 1.0,
    } | more  # fmt: skip


def test_numbers_are_compared_with_the_roster_and_with_each_other(tmp_path):
    roster = {"ann": {"number": 1001}, "bob": {"number": 1002}, "eve": {"number": None}}
    numbers = {"ann": 1001, "bob": 1001, "eve": 5, "kim": None, "zoe": 0}
    every = [record(student, number=number) for student, number in numbers.items()]
    every.append(record("ann", assignment="01_elbo", number=1001))
    every.append(record("old", asks_number=False, number=None))
    rows = records.finish(tmp_path, every, roster)
    assert [row["remarks"] for row in rows] == [
        "The number 1001 is also that of bob.",
        "The student number is 1001, in roster.csv it is 1002. "
        "The number 1001 is also that of ann.",
        "", "The cell 'number' has no student number.", "The student number is 0.",
        "The number 1001 is also that of bob.", "",
    ]  # fmt: skip
    with (tmp_path / "scores.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert tuple(table[0]) == records.COLUMNS and len(table) == 7
    assert (table[0]["points"], table[0]["of"], table[0]["to_read"]) == ("2.0", "3.0", "2.0")
    saved = records.read(tmp_path, "ann", "02_iwae")
    assert saved["remarks"] == ["The number 1001 is also that of bob."]
    assert len(records.read_all(tmp_path)) == 7


def test_a_formula_in_a_name_is_text_in_the_table(tmp_path):
    records.finish(tmp_path, [record("x", name="=1+1")], {})
    assert ",'=1+1," in (tmp_path / "scores.csv").read_text()


def test_only_a_changed_submission_source_or_library_is_graded_again(tmp_path):
    path = put(tmp_path, "a.ipynb", "{}") / "a.ipynb"
    made = records.made_with(path)
    old, new = {"failed": None, "sha256": "x", "made_with": made}, {"sha256": "x"}
    assert records.unchanged(old, new, made) and not records.unchanged(None, new, made)
    assert not records.unchanged(old, {"sha256": "y"}, made)
    assert not records.unchanged(old | {"failed": "It broke."}, new, made)
    assert not records.unchanged(old, new, made | {"profile": "paper"})
    path.write_text("{ }")
    assert not records.unchanged(old, new, records.made_with(path))


def test_lateness_is_said(tmp_path):
    due = datetime(2026, 11, 28, 22, 59, tzinfo=UTC)
    settings = {"due": {"02_iwae": due}, "late": {"per_day": 0.1, "most": 0.5}, "zone": None,
                "extensions": {"bob": 48, "ann 02_iwae": 24}}  # fmt: skip
    one = {"student": "ann", "name": "Ann", "assignment": "02_iwae", "file": "x", "sha256": "y",
           "late": False, "handed_in": due + timedelta(hours=30), "intake": [],
           "time": None}  # fmt: skip
    made = record("ann") | records.of_intake(
        one | {"handed_in": due + timedelta(hours=54)}, settings
    )
    assert (made["late_hours"], made["due"]) == (30.0, "2026-11-29T22:59:00+00:00")
    assert dates.due_of(settings, "bob", "02_iwae") == due + timedelta(hours=48)
    assert dates.due_of(settings, "bob", "01_elbo") is None
    assert dates.strangers(settings, {}, {"ann", "bob"}, ["02_iwae"]) == []
    said = dates.strangers(settings, {("cid", "01_elbo"): due}, {"ann"}, ["01_elbo"])
    assert ["'bob', 'ann 02_iwae'." in said[0], "'cid 01_elbo'." in said[1]] == [True, True]
    assert said[1].startswith("handed_in.csv has times for unknown students or assignments")
    settings["extensions"] = {}
    made = record("ann") | records.of_intake(one, settings)
    assert (made["late_hours"], made["penalty"]) == (30.0, 0.2)
    assert (made["handed_in"], made["due"]) == ("2026-11-30T04:59:00+00:00",
                                                "2026-11-28T22:59:00+00:00")  # fmt: skip
    assert records.remarks(made, {}, {}) == ["30.0 hours late, which takes 20% of the points."]
    made = record("ann") | records.of_intake(one | {"handed_in": None, "late": True}, settings)
    assert made["late_hours"] is None and "Canvas says" in records.remarks(made, {}, {})[0]
    (row,) = records.finish(tmp_path, [made], {})
    with (tmp_path / "scores.csv").open(newline="") as file:
        assert [row["late hours"] for row in csv.DictReader(file)] == [""]
    known = made | {"handed_in": made["due"], "late_by_lms": False}
    said = records.on_times([made, made | {"student": "bob"}, known], tmp_path)
    assert said == [
        "2 submissions have no known time, so nothing is taken off for lateness: ann 02_iwae, "
        f"bob 02_iwae; write their times into {tmp_path / 'handed_in.csv'}.",
        "Canvas says that these were late, but not by how much: ann 02_iwae, bob 02_iwae; "
        f"write their times into {tmp_path / 'handed_in.csv'}."]  # fmt: skip
    assert records.on_times([known, made | {"due": None, "late_by_lms": False}], tmp_path) == []


def failing(kind, message):
    error = nbformat.v4.new_output("error", ename=kind, evalue=message, traceback=[])
    return nbformat.v4.new_code_cell("x", outputs=[error])


@pytest.mark.parametrize(("cell", "expected"), [
    (failing("AssertionError", "first\nanother variance"), "AssertionError: another variance"),
    (failing("RuntimeError", "\x1b[31mDouble\x1b[0m"), "RuntimeError: Double"),
    (failing("AssertionError", ""), "AssertionError"),
    (failing("E", "x" * 1000), "E: " + "x" * 497),
    (nbformat.v4.new_code_cell("x"), None),
])  # fmt: skip
def test_a_message_is_the_last_line_of_the_error(cell, expected):
    assert records.message_of(cell) == expected


def test_the_cells_of_a_record_follow_the_notebook():
    cells = records.cells_of(notebook(), None, {"gap-test"})
    assert json.loads(json.dumps(cells)) == [
        {"id": "kl-test", "title": "Part 1: the KL", "kind": "tests", "hidden": True,
         "answers": ["kl"], "points": 0.0, "of": 3.0, "message": None, "comment": None,
         "ready_made": False},
        {"id": "bound-test", "title": "Part 2: the bound", "kind": "tests", "hidden": True,
         "answers": ["bound"], "points": 0.0, "of": 3.0, "message": None, "comment": None,
         "ready_made": False},
        {"id": "gap-test", "title": "Part 2: the bound", "kind": "tests", "hidden": False,
         "answers": ["gap"], "points": 0.0, "of": 2.0, "message": None, "comment": None,
         "ready_made": True},
        {"id": "why", "title": "Part 2: the bound", "kind": "reading", "hidden": False,
         "answers": ["why"], "points": 0.0, "of": 2.0, "message": None, "comment": None,
         "ready_made": False},
    ]  # fmt: skip


def test_a_record_says_why_an_answer_fails_by_itself():
    """A missing colon is a NameError in the test, which tells a student nothing."""
    nb = notebook()
    for cell in nb.cells:
        wrong = {
            "kl": ("SyntaxError", "expected ':' (1234.py, line 1)"),
            "kl-test": ("NameError", "name 'gaussian_kl' is not defined"),
            "bound": ("NotImplementedError", ""), "bound-test": ("NameError", "name 'b'"),
        }.get(cell.id)  # fmt: skip
        if wrong:
            cell.outputs = [nbformat.v4.new_output("error", ename=wrong[0], evalue=wrong[1])]
    cells = {cell["id"]: cell for cell in records.cells_of(nb, nb, set())}
    assert cells["kl-test"]["message"] == "The answer itself fails: SyntaxError: expected ':'"
    assert cells["bound-test"]["message"] == "NameError: name 'b'"
