"""A small course with two submissions, made by hand, for tests of what comes back from grading."""

import base64
import json
import re

import feedback
import nbformat
from assignments import REGION
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
        "late_hours": 0.0, "penalty": 0.0, "number": None, "room": "process", "stopped": None,
        "flags": [],
        "to_read": [], "remarks": [], "seconds": 31.2, "cells": cells, "name": "", "intake": [],
        "failed": None, "asks_number": False, "late_by_lms": False,
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


def make_course(folder):
    """Write a course with two submissions: anna's, and ben's, whose answer is an attack."""
    write(folder / "source" / NAME / f"{NAME}.ipynb", text(notebook()))
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
        write(folder / "records" / f"{who}--{NAME}.json", json.dumps(record))
        nb = handed_in(words, outs)
        write(folder / "submitted" / who / NAME / f"{NAME}.ipynb", nbformat.writes(nb))
        nb = handed_in(words, [output("stream", name="stdout", text="as remade 1.26")])
        write(folder / "autograded" / who / NAME / f"{NAME}.ipynb", nbformat.writes(nb))
    return folder


def run(course, *options):
    return feedback.main(["--course", str(course), *options])


def change(course, who="anna", **changes):
    write(course / "records" / f"{who}--{NAME}.json", json.dumps(a_record(who, **changes)))


def page_of(course, who="anna"):
    return (course / "feedback" / who / f"{NAME}.html").read_text(encoding="utf-8")


def record_of(course, who="anna"):
    return json.loads((course / "records" / f"{who}--{NAME}.json").read_text(encoding="utf-8"))
