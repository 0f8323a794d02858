"""Grade sample submissions: the key itself, half of it, and submissions that attack the grader.

    make grade-demo        # as root; prints a table, fails if a score is not the expected one

In the half submission the first half of the answers (rounded down) is right; the others are left
out or return None, in turn. It must pass the tests that use no missing or wrong function, directly
or through another one (`share`).
"""

import ast
import copy
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from attacks import ATTACKS
from sample_assignment import ROOT, notebook

sys.path.insert(0, str(ROOT / "book" / "grading"))
import checks  # noqa: E402
from assignments import NUMBER, SOURCES, answers, load, marked, student, text  # noqa: E402

ATTACKED = "00_sample_assignment"
HONEST, ATTACK_AFTER = "kl", "kl-test"  # the cell an attack answers correctly; its own cell's place


def names(node, context):
    return {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, context)
    }


def share(source, right):
    """Return the points by tests of a submission that answers the cells in `right` and no other."""
    points, broken = 0.0, set()
    for cell in source.cells:
        meta = cell.metadata.get("nbgrader", {})
        if cell.cell_type != "code":
            continue
        lost = False
        for statement in ast.parse(cell.source).body:
            made = names(statement, ast.Store)
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                made = {statement.name}
            uses_broken = bool(names(statement, ast.Load) & broken)
            lost |= uses_broken
            left_out = meta.get("solution") and cell.id not in {*right, NUMBER}
            broken = broken | made if uses_broken or left_out else broken - made
        if meta.get("grade") and not lost:
            points += meta["points"]
    return points


def total(source):
    return share(source, {cell.id for cell in answers(source)})


def filled(source, right=(), none=()):
    """Return the student version with some answers from the key, and some that return None."""
    nb, key = student(source), {cell.id: cell.source for cell in source.cells}
    for cell in nb.cells:
        if cell.id in right:
            cell.source = key[cell.id]
        elif cell.id in none:
            cell.source = cell.source.replace("raise NotImplementedError()", "return None")
    return nb


def numbered(nb, number):
    """Write a student's number into the cell for it, if there is one."""
    for cell in nb.cells:
        if cell.id == NUMBER:
            cell.source = f"STUDENT = {number}"
    return nb


def half(source):
    """Return the answers that are right, and those that return None; the others are left out."""
    cells = [cell.id for cell in answers(source) if cell.id != NUMBER]
    right, rest = cells[: len(cells) // 2], cells[len(cells) // 2 :]
    return right, rest[1::2]


def attacker(source, attack):
    """Answer the first cell from the key.

    Attack in an extra cell after its test, or in other answers.
    """
    nb = filled(source, [HONEST])
    for cell in nb.cells:
        cell.source = attack.get("answers", {}).get(cell.id, cell.source)
    at = next(i for i, cell in enumerate(nb.cells) if cell.id == ATTACK_AFTER) + 1
    if attack.get("code"):
        hidden = [
            line.strip() for part in marked(source, "HIDDEN TESTS") for line in part.splitlines()
        ]
        # Split into letters, so that the attack does not find itself.
        split = [list(line) for line in hidden if len(line) > 30]
        needles = f"NEEDLES = [''.join(line) for line in {split!r}]\n"
        nb.cells.insert(at, nbformat.v4.new_code_cell(needles + attack["code"], id="attack"))
    if change := attack.get("change"):
        change(nb)
    return nb


def submissions(sources):
    """Return [(student, assignment, notebook, expected points, a sentence)]."""
    made = []
    for name, source in sources.items():
        key = filled(source, [cell.id for cell in source.cells])
        made.append(("perfect", name, numbered(key, 1001), total(source), "submits the key"))
        right, none = half(source)
        does = "half of the answers, the others left out or None"
        nb = numbered(filled(source, right, none), 1002)
        made.append(("half", name, nb, share(source, right), does))
    for i, attack in enumerate(ATTACKS):
        nb, source = attacker(sources[ATTACKED], attack), sources[ATTACKED]
        expected = share(source, [HONEST]) * (not attack["cheats"]) + attack.get("wins", 0)
        made.append((f"attack-{i:02}-{attack['name']}", ATTACKED, nb, expected, attack["does"]))
    return made


def loot(folder, student_name):
    """Return what an attack printed that it found, from the executed notebook."""
    path = Path(folder, "autograded", student_name, ATTACKED, f"{ATTACKED}.ipynb")
    if not path.exists():
        return ""
    printed = [
        output.get("text", "") for cell in load(path).cells for output in cell.get("outputs", [])
    ]
    lines = [line for line in "".join(printed).splitlines() if line.startswith("LOOT ")]
    return " ".join(line.removeprefix("LOOT ") for line in lines)


def scripts(folder, student_name, name):
    """Return what an instructor's browser would run of an executed notebook."""
    path = Path(folder, "autograded", student_name, name, f"{name}.ipynb")
    cells = load(path).cells if path.exists() else []
    shown = [
        json.dumps(cell.get("outputs", [])) if cell.cell_type == "code" else cell.source
        for cell in cells
    ]
    return re.findall(
        r"(?i)<script|<svg|<img|javascript:|text/html|text/markdown", "\n".join(shown)
    )


def run(folder, sources, only=""):
    """Grade all submissions in `folder`; returns rows with the expected and the actual result."""
    import grading  # needs nbgrader

    paths = {}
    for name, source in sources.items():
        paths[name] = Path(folder, "sources", f"{name}.ipynb")
        paths[name].parent.mkdir(exist_ok=True)
        paths[name].write_text(text(source), encoding="utf-8")
    expectations, raw = (
        {},
        {f"attack-{i:02}-{attack['name']}": attack.get("raw") for i, attack in enumerate(ATTACKS)},
    )
    for student_name, name, nb, expected, does in submissions(sources):
        if only in student_name:
            path = Path(folder, "handed-in", student_name, f"{name}.ipynb")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(raw.get(student_name) or nbformat.v4.writes(nb), encoding="utf-8")
            expectations[student_name, name] = {"expected": expected, "does": does}
    course = Path(folder, "course")
    rows, _, left = grading.grade(course, paths.values(), Path(folder, "handed-in"))
    nothing = {"points": 0.0, "of": 0.0, "to_read": 0.0, "seconds": 0.0}
    for one in left:
        who, name = one["file"].removesuffix(".ipynb").split("/")
        rows.append({"student": who, "assignment": name, "remarks": one["reason"], **nothing})
    for row in rows:
        row |= expectations[row["student"], row["assignment"]]
        row["loot"] = loot(course, row["student"])
        row["scripts"] = scripts(course, row["student"], row["assignment"])
    return rows


def wrong(rows):
    """Yield a sentence for each row whose score, remark or loot is not the expected one."""
    attacks = {f"attack-{i:02}-{attack['name']}": attack for i, attack in enumerate(ATTACKS)}
    for row in rows:
        who = f"{row['student']}, {row['assignment']}"
        if row["points"] != row["expected"]:
            yield f"{who}: points must be {row['expected']:g}, got {row['points']:g}."
        attack = attacks.get(row["student"], {"remark": "", "loot": ""})
        if attack["remark"] not in row["remarks"] or (not attack["remark"] and row["remarks"]):
            yield f"{who}: the remark must contain {attack['remark']!r}, got {row['remarks']!r}."
        if row["scripts"]:
            yield f"{who}: a browser would run {row['scripts']}."
        if row["loot"] != attack["loot"]:
            yield f"{who}: the loot must be {attack['loot']!r}, got {row['loot']!r}."


def table(rows):
    head = f"\n{'submission':24} {'assignment':14} {'points':>8} {'expect':>6} {'read':>4} {'s':>5}"
    print(f"{head}  what it tried -> result")
    for row in rows:
        result = " ".join(filter(None, [row["loot"], row["remarks"]])) or "graded"
        print(
            f"{row['student']:24} {row['assignment']:14} {row['points']:>3g}/{row['of']:<4g} "
            f"{row['expected']:>6g} {row['to_read']:>4g} {row['seconds']:>5.1f}  "
            f"{row['does']} -> {result}"
        )


def main(only=""):
    if problem := checks.missing():
        print(problem, file=sys.stderr)
        return 2
    os.environ.update(VAELIB_PROFILE="smoke", GRADING_TIMEOUT="20", GRADING_TOTAL="120")
    real = sorted(Path(os.environ.get("GRADE_DEMO_SOURCES", SOURCES)).glob("*.ipynb"))
    sources = {ATTACKED: notebook()} | {path.stem: load(path) for path in real}
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="grade-demo-") as folder:
        rows = run(folder, copy.deepcopy(sources), only)
    table(rows)
    problems = list(wrong(rows))
    seconds = time.monotonic() - began
    print(
        "",
        *problems,
        f"{len(rows)} submissions in {seconds:.0f} s, {len(problems)} wrong",
        sep="\n",
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
