"""Hand in as a class of thirteen does: every way of naming, late, broken, odd, hostile.

    .venv-grading/bin/python tests/grading/made_up_class.py FOLDER   # writes FOLDER/in

All answers come from the key and from tests/assignments; nobody is made up to be real.
"""

import csv
import importlib.util
import sys
import zipfile
from pathlib import Path

import nbformat
from demo import filled, half
from sample_assignment import ROOT

sys.path.insert(0, str(ROOT / "book" / "grading"))
from assignments import SOURCES, answers, load  # noqa: E402

NO_ASSERTS = """
import ast
class Remove(ast.NodeTransformer):
    def visit_Assert(self, node):
        return ast.Pass()
get_ipython().ast_transformers.append(Remove())
"""
LOOK_AROUND = """
import glob, os
found = [path for path in glob.glob("/**/*.ipynb", recursive=True) if "site-packages" not in path]
print(len(found), "notebooks", os.listdir("/"))
"""
ROSTER = [  # student, name, number, canvas_id, moodle_id
    ("anna", "Anna Aalto", 1001, 501, ""),
    ("ben", "Ben Baker", 1002, 502, ""),
    ("carla", "Carla Costa", 1003, 503, ""),
    ("dora", "Dora Diaz", 1004, 504, ""),
    ("emil", "Emil Eng", 1005, 505, ""),
    ("fay", "Fay Fox", 1006, 506, ""),
    ("gina", "Gina Gil", 1007, 507, ""),
    ("hal", "Hal Hughes", 1008, 508, ""),
    ("ivo", "Ivo Ivanov", 1009, 509, ""),
    ("jan", "Jan Janssen", 1010, 510, ""),
    ("joerg", "Jörg Müller", 1011, "", 4711),
    ("smith", "Joan Smith", 1012, 12345, ""),
    ("kim", "Kim Khan", 1013, 513, ""),
]


def numbered(nb, number):
    for cell in nb.cells:
        if cell.id == "number":
            cell.source = f"STUDENT = {number}"
    return nb


def written(nb):
    """Answer the written questions with a sentence."""
    for cell in nb.cells:
        if cell.cell_type == "markdown" and cell.metadata.get("nbgrader", {}).get("solution"):
            cell.source = "Because the weights of my own table say so: see the second row."
    return nb


def as_colab_saves(nb):
    for cell in nb.cells:
        cell.metadata = {"id": cell.pop("id"), "colab": {"base_uri": "https://localhost:8080/"}}
    nb.metadata, nb.nbformat_minor = {"colab": {"provenance": []}}, 0
    return nb


def in_odd_form(source, nb):
    """Give every answer that has one the last right variant of tests/assignments."""
    name = next(path.stem for path in SOURCES.glob("*.ipynb") if load(path) == source)
    path = ROOT / "tests" / "assignments" / f"test_{name}.py"
    spec = importlib.util.spec_from_file_location("odd", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    odd = {v["cell"]: v["code"] for v in module.VARIANTS if v["kind"] == "right"}
    for cell in nb.cells:
        cell.source = odd.get(cell.id, cell.source)
    return nb


def hand_in(folder, name="02_iwae", other="04_beta_tc"):
    """Write the submissions of two assignments below folder/in, and folder/roster.csv."""
    source, second = load(SOURCES / f"{name}.ipynb"), load(SOURCES / f"{other}.ipynb")
    every = [cell.id for cell in source.cells]
    place = Path(folder) / "in"

    def key():
        return written(filled(source, every))

    def save(path, nb):
        (place / path).parent.mkdir(parents=True, exist_ok=True)
        content = nb if isinstance(nb, str) else nbformat.v4.writes(nb)
        (place / path).write_text(content, encoding="utf-8")

    save(f"anna/{name}.ipynb", numbered(key(), 1001))
    save(f"anna/{other}.ipynb",
         numbered(written(filled(second, [cell.id for cell in second.cells])), 1001))  # fmt: skip
    right, none = half(source)
    save(f"ben/{name} (1).ipynb", numbered(written(filled(source, [*right, "number"], none)), 1002))
    save(f"carla/Copy of {name}.ipynb", as_colab_saves(numbered(key(), 1003)))
    stuck = numbered(key(), 1004)
    first = next(cell for cell in stuck.cells if cell.id == "bound")
    first.source = f'iwae_bound = cw.ready_made("{name}", "iwae_bound")'
    save(f"dora/Kopie von {name}.ipynb", stuck)
    save(f"emil/{name}.ipynb", filled(source))
    broken = as_colab_saves(numbered(key(), 1006))
    cell = next(cell for cell in broken.cells if cell.metadata["id"] == "bound")
    cell.source = cell.source.replace("):", ")", 1)
    save(f"fay/{name}.ipynb", broken)
    save(f"gina/{name}_gina.ipynb", in_odd_form(source, numbered(key(), 1007)))
    (place / "hal").mkdir(parents=True)
    with zipfile.ZipFile(place / "hal" / "homework.zip", "w") as file:
        file.writestr(f"hw2/{name}.ipynb", nbformat.v4.writes(numbered(key(), 1008)))
        file.writestr("hw2/plot.png", b"\x89PNG")
    for student, number, code in (("ivo", 1009, NO_ASSERTS), ("jan", 1002, LOOK_AROUND)):
        nb = numbered(filled(source, [answers(source)[1].id]), number)
        nb.cells.insert(8, nbformat.v4.new_code_cell(code, id="attack"))
        save(f"{student}/{name}.ipynb", nb)
    save(f"Müller, Jörg_4711_assignsubmission_file_/{name}.ipynb", numbered(key(), 1011))
    save(f"smithjoan_LATE_12345_678_{name}.ipynb", numbered(key(), 1012))
    save("kim/photo.png", "not a picture")
    with (Path(folder) / "roster.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["student", "name", "email", "number", "canvas_id", "sis_id", "moodle_id"])
        for student, shown, number, canvas, moodle in ROSTER:
            email = f"{student}@school.example"
            table.writerow([student, shown, email, number, canvas, f"S{number}", moodle])


if __name__ == "__main__":
    hand_in(sys.argv[1])
