"""What is taken from a submission: its answers, and what their text says, never by executing it.

`answered` puts the answers into the released notebook. `ready_made`, `number_in` and `to_read` look
at Python's own tree of the text (ast).
"""

import ast
import re

import nbformat

# Names that no answer needs; a submission that uses one gets a remark, and loses no points. Some
# are ordinary words (signal, compile, inspect), so it counts how a name is used. These are
# suspicious wherever they stand, ...
NAMES = set(
    "get_ipython ctypes _getframe currentframe f_back f_globals f_locals builtins __builtins__ "
    "settrace setprofile __torch_function__ __eq__ __code__ __globals__ __closure__ "
    "__subclasses__".split()
)
# ... these modules if they are imported, these functions if they are called, of any module.
MODULES = set("ctypes gc inspect multiprocessing signal socket subprocess threading".split())
FUNCTIONS = set("eval exec compile globals breakpoint".split())
METHODS = set("_exit fork forkpty kill system popen run_line_magic _made".split())


def cell_names(cell):
    """Return a cell's names: nbgrader's; its id; the id that Colab moves into the metadata."""
    nbgrader = cell["metadata"].get("nbgrader")
    found = [
        nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None,
        cell.get("id"),
        cell["metadata"].get("id"),
    ]
    return [name for name in found if isinstance(name, str)]


def of_kind(cell, kind):
    """Return whether a cell is a solution (an answer) or is graded: kind is nbgrader's word."""
    return bool(cell.metadata.get("nbgrader", {}).get(kind))


def is_answer(cell):
    return of_kind(cell, "solution")


def is_test(cell):
    return of_kind(cell, "grade") and cell.cell_type == "code"


def harmless(markdown):
    """Return Markdown without HTML and scripts in links; the instructor's browser renders it."""
    return re.sub(
        r"(?i)(java|vb)script:", r"\1script :", re.sub(r"<(?=[A-Za-z/!?])", "< ", markdown)
    )


def unlinked(source):
    """Return a text without the targets of its links, which differ between versions."""
    return re.sub(r"\]\([^()\s]*\)", "]()", source).strip()


def answered(released, submitted):
    """Return the released notebook with the submission's answers and the student's own cells.

    Own cells stand before the released cell that they preceded in the submission.
    """
    place = {
        name: i for i, c in reversed(list(enumerate(released.cells))) for name in cell_names(c)
    }
    texts = {unlinked(cell.source) for cell in released.cells} | {""}
    before, own, answers = {}, [], {}
    for cell in submitted.cells:
        source = cell.source if cell.cell_type == "code" else harmless(cell.source)
        i = next((place[name] for name in cell_names(cell) if name in place), None)
        here = released.cells[i] if i is not None else None
        if here is not None and is_answer(here) and i not in answers:
            same = unlinked(cell.source) == unlinked(here.source)  # not answered
            answers[i] = here.source if same else source
        elif here is not None and (of_kind(here, "grade") or "bootstrap" in cell_names(here)):
            pass  # a changed test; or the cell that installs vaelib, which is here
        elif unlinked(cell.source) not in texts:
            own.append((cell.cell_type, source))  # the student's own cell, or a copy of an answer
            continue
        if i is not None and i not in before:
            before[i], own = own, []
    before[len(released.cells)] = own
    cells = []
    for i, cell in enumerate([*released.cells, None]):
        for kind, source in before.get(i, []):
            new = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
            cells.append(new(source, id=f"own-{len(cells)}"))
        if cell is not None:
            cell.source = answers.get(i, cell.source)
            cells.append(cell)
    released.cells = cells
    return released


def tree(source):
    """Return the tree of a cell's code without IPython's magics, or None: it is not Python."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def suspicious(source):
    """Return the names that no answer needs, of one cell, by how they are used."""
    parsed = tree(source)
    if parsed is None:  # a broken cell defines nothing; its words are looked at
        return set(re.findall(r"\w+", source)) & NAMES
    found = set()
    for node in ast.walk(parsed):
        if isinstance(node, ast.Import):
            found |= {one.name.partition(".")[0] for one in node.names} & (MODULES | NAMES)
        elif isinstance(node, ast.ImportFrom):
            found |= {(node.module or "").partition(".")[0]} & (MODULES | NAMES)
            found |= {one.name for one in node.names} & (NAMES | METHODS)
        elif isinstance(node, ast.Name):
            found |= {node.id} & NAMES
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found |= {node.name} & NAMES
        elif isinstance(node, ast.Attribute):
            found |= {node.attr} & (NAMES | METHODS)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found |= {node.value} & NAMES  # getattr(x, "__globals__")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found |= {node.func.id} & FUNCTIONS
            if node.func.id == "__import__":
                found |= {getattr(value, "value", None) for value in node.args[:1]} & MODULES
    return found


def from_student(cell):
    """Return whether a code cell of an answered notebook is an answer or the student's own."""
    return cell.cell_type == "code" and (is_answer(cell) or str(cell.get("id")).startswith("own-"))


def to_read(nb, released):
    """Return the suspicious names of the student's cells that the released notebook has not."""
    used, known = set(), set()
    for cell in nb.cells:
        if from_student(cell):
            used |= suspicious(cell.source)
            if mentions(cell.source) > len(ready_made_calls(cell.source)):
                used.add("ready_made")  # taken in a way that is not seen below
    for cell in released.cells:
        if cell.cell_type == "code" and "bootstrap" not in cell_names(cell):
            known |= suspicious(cell.source)
    return sorted(used - known)


def mentions(source):
    """Return how often a cell's code, comments and texts aside, names ready_made."""
    nodes = ast.walk(tree(source) or ast.Module([], []))
    names = ("id", "attr", "value")
    return sum("ready_made" in [getattr(node, name, None) for name in names] for node in nodes)


def number_in(nb):
    """Return the student's number, of `STUDENT = 1234567` in the cell `number`, or None."""
    for cell in nb.cells:
        if "number" in cell_names(cell) and (parsed := tree(cell.source)) is not None:
            values = [
                node.value.value for node in parsed.body
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
                and any(isinstance(t, ast.Name) and t.id == "STUDENT" for t in node.targets)
            ]  # fmt: skip
            if values and type(values[-1]) is int:
                return values[-1]
    return None


def ready_made_calls(source):
    """Return the names of the functions that a cell takes ready-made; None for one not written out.

    A call is cw.ready_made(assignment, name), whatever the module is called, or that function
    imported under any name.
    """
    parsed, calls = tree(source), []
    if parsed is None:
        return []
    imported = {
        one.asname or one.name for node in ast.walk(parsed) if isinstance(node, ast.ImportFrom)
        for one in node.names if one.name == "ready_made"
    }  # fmt: skip
    for node in ast.walk(parsed):
        if isinstance(node, ast.Call):
            called = node.func
            if getattr(called, "attr", None) == "ready_made" or getattr(called, "id", None) in (
                imported | {"ready_made"}
            ):
                values = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "name")]
                text = getattr(values[0], "value", None) if values else None
                calls.append(text if isinstance(text, str) else None)
    return calls


def ready_made(nb, key):
    """Return the places of the test cells in nb that give half of their points.

    They stand between an answer that takes a ready-made function and the next answer. Where an own
    cell takes it, the answer is the one that defines this function in the key, else the last one.
    """
    defines = {}
    for cell in key.cells:
        if is_answer(cell) and cell.cell_type == "code" and (parsed := tree(cell.source)):
            for node in parsed.body:
                if isinstance(node, ast.FunctionDef):
                    defines[node.name] = cell.metadata.nbgrader.grade_id
    taken, last = set(), None
    for cell in nb.cells:
        if is_answer(cell):
            last = cell.metadata.nbgrader.grade_id
        if from_student(cell):
            for name in ready_made_calls(cell.source):
                taken.add(last if is_answer(cell) else defines.get(name, last))
    places, last = set(), None
    for i, cell in enumerate(nb.cells):
        if is_answer(cell):
            last = cell.metadata.nbgrader.grade_id
        elif is_test(cell) and last in taken and last is not None:
            places.add(i)
    return places
