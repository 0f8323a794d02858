"""The form of the notebooks, rule by rule.

A rule is a function (nb, name, book) that yields problems as sentences; book is {name: notebook},
for names that must be unique in the whole book. tests/test_form_rules.py plants violations of each
rule.
"""

import ast
import functools
import re
import symtable
from pathlib import Path

import nbformat
import pytest
from record import load
from repository import bootstrap_source, notebooks, onward_source, read_url

ROOT = Path(__file__).resolve().parents[1]

CHECKED = "nbval-check-output"
SKIPS = (
    "nbval-skip",
    "nbval-ignore-output",
    "nbval-raises-exception",
    "raises-exception",
    "skip-execution",
)
DRAWS = r"\bplt\.(?:subplots?|subplot_mosaic|figure|show|plot|scatter|hist|bar|imshow)\("
WIDGETS = r"\b(?:ipy)?widgets\.\w"
MACHINE = r"(?<![\w.-])/(?:home|root|work|tmp)/|\bC:\\+[A-Z]"
# kind, argument, options
BOX = r"(?m)^[`:]{3,}\{(exercise|solution)(?:-start)?\} *(.*)\n((?: *:[\w-]+:.*\n)*)"


def code(nb):
    return [cell for cell in nb.cells if cell.cell_type == "code"]


def lines(cell):
    return [line for line in cell.source.splitlines() if line.strip()]


def tags(cell):
    return cell.metadata.get("tags", [])


def mystnb(cell, part, key):
    return cell.metadata.get("mystnb", {}).get(part, {}).get(key, "")


def shown(cell):
    """The text of a cell's stored outputs, without stderr."""
    outputs = [output for output in cell.get("outputs", []) if output.get("name") != "stderr"]
    return "\n".join(
        output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs
    )


def markdown(nb):
    return [cell.source for cell in nb.cells if cell.cell_type == "markdown"]


def prose(nb):
    """All typeset text: the markdown cells and the figures' captions."""
    return (
        "\n\n".join(markdown(nb) + [mystnb(cell, "figure", "caption") for cell in code(nb)]) + "\n"
    )


def figure_names(nb):
    names = [
        mystnb(cell, "figure", "name") for cell in code(nb) if "remove-output" not in tags(cell)
    ]
    return [name for name in names if name] + re.findall(r":name: *(fig-\S+)", prose(nb))


def equation_labels(nb):
    dollars = re.findall(r"(?s)\$\$.*?\$\$(?:[ \t]*\(([^)\s]+)\))?", prose(nb))
    return [label for label in dollars if label] + re.findall(
        r"\{math\}.*\n(?::\w+:.*\n)*?:label: *(\S+)", prose(nb)
    )


@functools.cache
def figure_makers():
    """The functions of vaelib/pages/plotting.py that create a figure, directly or indirectly."""
    source = (ROOT / "vaelib" / "pages" / "plotting.py").read_text(encoding="utf-8")
    bodies = dict(re.findall(r"(?ms)^def (\w+)(.*?)(?=^(?:def|class|@)|\Z)", source))
    makers = {name for name, body in bodies.items() if re.search(DRAWS, body)}
    for _ in bodies:
        makers |= {
            name
            for name, body in bodies.items()
            if any(re.search(rf"\b{m}\(", body) for m in makers)
        }
    return makers


def draws(cell):
    calls = re.findall(r"\bplotting\.(\w+)\(", cell.source)
    return bool(re.search(DRAWS, cell.source)) or not figure_makers().isdisjoint(calls)


def check_format(nb, name, book):
    if (nb.nbformat, nb.nbformat_minor) != (4, 5):
        yield f"{name}: nbformat must be 4.5, got {nb.nbformat}.{nb.nbformat_minor}."
    for error in nbformat.validator.iter_validate(nb):
        yield f"{name} is not valid nbformat: {error.message[:200]}."


def check_ids(nb, name, book):
    ids = [cell.get("id", "") for cell in nb.cells]
    for i, label in enumerate(ids):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{1,62}", label):
            yield (
                f"{name}, cell number {i + 1}: the id must be 2 to 63 of a-z, 0-9 and -, "
                f"got {label!r}."
            )
        elif re.match(r"[0-9a-f]{8}(-|$)", label):
            yield f"{name}, cell {label}: the id looks random; it must be made of words."
        if label in ids[:i]:
            yield f"{name}, cell {label}: the id is used more than once."


def check_outputs(nb, name, book):
    for cell in code(nb):
        where = f"{name}, cell {cell.get('id')}"
        if CHECKED not in tags(cell):
            if cell.outputs or cell.execution_count is not None:
                yield (
                    f"{where} stores outputs or a count but is not tagged {CHECKED}; "
                    "run `make record`."
                )
        elif not cell.outputs or not isinstance(cell.execution_count, int):
            yield (
                f"{where} is a {CHECKED} cell without stored outputs and execution count; "
                "run `make record`."
            )
        elif any(
            output.output_type == "error" or output.get("name") == "stderr"
            for output in cell.outputs
        ):
            yield f"{where} stores an error or stderr."
        elif not re.search(r"\d", shown(cell)):
            yield f"{where} is a {CHECKED} cell, but its stored text does not contain a number."
        elif re.search(r"\b0x[0-9a-f]{6,}", shown(cell)):
            yield f"{where} stores a memory address, which differs between runs."


def check_skips(nb, name, book):
    for cell in nb.cells:
        comments = re.findall(r"# *((?:NBVAL|PYTEST_VALIDATE)_\w+)", cell.source)
        for mark in [tag for tag in SKIPS if tag in tags(cell)] + comments:
            yield (
                f"{name}, cell {cell.get('id')} is marked {mark}; "
                "no cell may be skipped or expected to fail."
            )


def check_lengths(nb, name, book):
    for cell in code(nb):
        if (length := len(lines(cell))) > 40:
            yield f"{name}, cell {cell.get('id')} must have at most 40 lines, got {length}."


LONE = r"\s*[\[\](){},]+\s*|\s*[\w.]+,\s*"  # a bracket, or one name


def check_cut(nb, name, book):
    """Cells are cut by meaning: three open ones in a row at most, none the rest of another."""
    run, lone = 0, 0
    for cell in nb.cells:
        where = f"{name}, cell {cell.get('id')}"
        if cell.cell_type == "markdown":
            run = 0
            continue
        run = 0 if FOLDED & set(tags(cell)) else run + 1
        if run > 3:
            yield f"{where} is the fourth open cell without a sentence."
        if re.search(r"-(?:rest|more|last|cont|continued)$", cell.get("id") or ""):
            yield f"{where} is named as the rest of another."
        if cell.get("id") == "setup" and "hide-cell" not in tags(cell):
            yield f"{where} must be folded by hide-cell."
        lone += sum(bool(re.fullmatch(LONE, line)) for line in lines(cell))
    if lone > 10:
        yield f"{name}: at most 10 lines may be a bracket or a name alone, got {lone}."


def check_figures(nb, name, book):
    everywhere = [label for other in book.values() for label in figure_names(other)]
    for cell in code(nb):
        where, label = f"{name}, cell {cell.get('id')}", mystnb(cell, "figure", "name")
        described = {"figure", "image"} & set(cell.metadata.get("mystnb", {}))
        if {"remove-output", "remove-cell"} & set(tags(cell)) or not (described or draws(cell)):
            continue
        caption, alt = (
            mystnb(cell, "figure", "caption").strip(),
            mystnb(cell, "image", "alt").strip(),
        )
        if not caption:
            yield f"{where} draws a figure without mystnb.figure.caption."
        if not label.startswith("fig-") or everywhere.count(label) > 1:
            yield f"{where}: mystnb.figure.name must begin with fig- and be unique, got {label!r}."
        if len(alt) < 40 or alt == caption:
            yield (
                f"{where}: mystnb.image.alt must have at least 40 characters "
                "and differ from the caption."
            )


def check_output_widgets(nb, name, book):
    for cell in code(nb):
        if re.search(r"\binteract(?:ive|ive_output|_manual)?\(|@interact|\.Output\(", cell.source):
            yield (
                f"{name}, cell {cell.get('id')} captures output in a widget, which can deadlock "
                "nbclient and the build. Set the value of an Image or HTML widget instead."
            )


def check_static(nb, name, book):
    for cell in code(nb):
        where, removed = f"{name}, cell {cell.get('id')}", "remove-output" in tags(cell)
        widgets = re.search(WIDGETS, cell.source)
        if widgets and not removed:
            yield f"{where} uses ipywidgets, which need a kernel; it must be tagged remove-output."
        static = cell.metadata.get("vaelib", {}).get("static")
        if (widgets or (draws(cell) and removed)) and static not in figure_names(nb):
            yield (
                f"{where} is not shown on the page; "
                "vaelib.static must name a figure of this notebook that is."
            )


def check_bootstrap(nb, name, book):
    first = next(iter(code(nb)), None)
    if first is None or first.get("id") != "bootstrap":
        yield f"{name}: the first code cell must have the id bootstrap."
    elif first.source != bootstrap_source(read_url(ROOT / "_config.yml")) or tags(first) != [
        "remove-cell"
    ]:
        yield (
            f"{name}, cell bootstrap must be that of book/tools/repository.py, "
            "tagged remove-cell only."
        )
    if nb.metadata.get("kernelspec", {}).get("name") != "python3":
        yield f"{name}: the kernelspec must be python3."


def check_onward(nb, name, book):
    if re.match(r"0[1-9]|1[0-3]|A_", name):
        last = nb.cells[-1]
        if last.get("id") != "onward" or last.source != onward_source(
            read_url(ROOT / "_config.yml"), name
        ):
            yield f"{name}: the last cell must be `onward` of book/tools/repository.py."


def check_portable(nb, name, book):
    for cell in nb.cells:
        where = f"{name}, cell {cell.get('id')}"
        if re.search(MACHINE, cell.source) or re.search(MACHINE, shown(cell)):
            yield f"{where} contains an absolute path of a machine."
        if cell.cell_type == "code" and cell.get("id") != "bootstrap":
            if re.search(r"(?m)pip install|^\s*(?:!|%%?[a-z])", cell.source):
                yield f"{where} contains a pip install, a ! or a % command."
            for line in [line for line in lines(cell) if len(line) > 84]:
                yield (
                    f"{where} must have lines of at most 84 columns, "
                    f"got {len(line)}: {line[:40]}..."
                )


def names_of(source):
    """The names that a cell reads and does not set itself, and those it sets, imports apart."""
    top = symtable.symtable(source, "cell", "exec")
    symbols = top.get_symbols()
    own = {s.get_name() for s in symbols if s.is_assigned() or s.is_imported() or s.is_namespace()}
    read = {s.get_name() for s in symbols if s.is_referenced()}
    inner = top.get_children()
    while inner:
        table = inner.pop()
        read |= {s.get_name() for s in table.get_symbols() if s.is_referenced() and s.is_global()}
        inner += table.get_children()
    return read - own, own - {s.get_name() for s in symbols if s.is_imported()}


SHOWN = ("table", "paper_table", "curves", "planes", "traversal", "film")


def check_shown(nb, name, book):
    """A notebook shows the value of a cell's last expression only."""
    for cell in code(nb):
        for node in ast.parse(cell.source).body[:-1]:
            call = node.value if isinstance(node, ast.Expr) else None
            if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in SHOWN:
                where = f"{name}, cell {cell.get('id')}"
                yield f"{where} must end with the call of {call.func.attr}, to show it."


GROWS = ("append", "extend", "insert", "setdefault", "update", "pop", "remove")


def grown(source):
    """The names that a cell changes in place, by a method or by an operator such as +=."""
    for node in ast.walk(ast.parse(source)):
        at = None
        if isinstance(node, ast.AugAssign):
            at = node.target
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in GROWS:
            at = node.func.value
        while isinstance(at, ast.Subscript):
            at = at.value
        if isinstance(at, ast.Name):
            yield at.id


def check_reuse(nb, name, book):
    """A cell that reads a name which a later cell sets again would fail, or lie, when run again."""
    cells = [(cell.get("id"), *names_of(cell.source)) for cell in code(nb)]
    for cell, (where, read, _) in zip(code(nb), cells, strict=True):
        for changed in sorted(read & set(grown(cell.source))):
            yield f"{name}, cell {where} changes {changed!r}, which another cell makes, in place."
    for i, (where, read, _) in enumerate(cells):
        before = set().union(*(sets for _, _, sets in cells[:i]))
        for at, _, sets in cells[i + 1 :]:
            for again in sorted(read & before & sets):
                yield f"{name}, cell {where} reads {again!r}, which cell {at} sets again."


def check_opening(nb, name, book):
    if not "".join(markdown(nb)[:1]).startswith("# "):
        yield f"{name}: the first markdown cell must begin with '# ' and the title."
    first = [cell.source for cell in nb.cells[:4] if cell.cell_type == "markdown"]
    if not any(
        all(words in source for words in ("You will be able to", "You need", "Time"))
        for source in first
    ):
        yield (
            f"{name}: one of the first four cells must say 'You will be able to', "
            "'You need' and 'Time'."
        )
    if not any("vp.sizes(" in cell.source for cell in code(nb)[:3]):
        yield f"{name}: one of the first three code cells must call vp.sizes(...)."


def check_exercises(nb, name, book):
    if not re.match(r"0[1-9]|13|A_", name):
        return
    boxes = [(kind, label.strip(), options) for kind, label, options in re.findall(BOX, prose(nb))]
    exercises = [
        re.findall(r":label: *(\S+)", options) for kind, _, options in boxes if kind == "exercise"
    ]
    hidden = [
        label
        for kind, label, options in boxes
        if kind == "solution" and ":class: dropdown" in options
    ]
    if len(exercises) < 4:
        yield f"{name} must have at least 4 exercises, got {len(exercises)}."
    for label in exercises:
        if not label or label[0] not in hidden:
            yield (
                f"{name}: the exercise {label} must have a :label: "
                "and a {solution} with `:class: dropdown`."
            )
    headings = re.findall(r"(?m)^## +(.*?) *$", prose(nb))
    if not {"Summary", "Exercises"} <= set(headings) or headings[-1] != "References":
        yield (
            f"{name} must have the headings '## Summary', '## Exercises' "
            "and, last, '## References'."
        )


def check_references(nb, name, book):
    equations = [label for other in book.values() for label in equation_labels(other)]
    figures = [label for other in book.values() for label in figure_names(other)]
    for label in equation_labels(nb):
        if not label.startswith("eq-") or equations.count(label) > 1:
            yield f"{name}: an equation label must begin with eq- and be unique, got {label!r}."
    used = re.findall(r"\{eq\}`([^`]+)`", prose(nb))
    used += re.findall(r"\{(?:numref|ref)\}`(?:[^`<]*<)?(fig-[^`>]+)>?`", prose(nb))
    for label in used:
        if label not in equations + figures:
            yield f"{name} refers to {label!r}, which labels no equation or figure of the book."
    for page in re.findall(r"\{doc\}`(?:[^`<]*<)?([^`>]+)>?`", prose(nb)):
        start = ROOT if page.startswith("/") else ROOT / "chapters"
        if not any((start / f"{page.lstrip('/')}{end}").exists() for end in (".md", ".ipynb")):
            yield f"{name} refers to {page!r}, which is no page beside it."


def self_tests(nb):
    return [cell for cell in nb.cells if ":class: self-test" in cell.source]


def check_words(nb, name, book):
    texts = [
        cell.source
        for cell in nb.cells
        if cell.cell_type == "markdown"
        and cell not in self_tests(nb)
        and cell.get("id") != "onward"
    ]
    words = sum(len(re.sub(r"(?s)\$\$.*?\$\$|\$[^$]*\$", " ", text).split()) for text in texts)
    if re.match(r"0[1-9]|1[0-3]|A_", name) and not 2000 <= words <= 5000:
        yield f"{name} must have 2000 to 5000 words of prose, got {words}."


SELF_TEST = re.compile(
    r":::\{admonition\} Check yourself\n:class: self-test\n\n(?P<question>.+?)\n\n"
    r"(?P<options>1\. .+?)\n\n"
    r"<details><summary>Answers</summary>\n\n(?P<answers>1\. .+?)\n\n</details>\n:::",
    re.S,
)


def check_self_tests(nb, name, book):
    found = self_tests(nb)
    if re.match(r"0[1-9]|1[0-3]|A_", name) and len(found) < 5:
        yield f"{name} must have at least 5 self-tests, got {len(found)}."
    places = []
    for cell in found:
        where, box = f"{name}, cell {cell.get('id')}", SELF_TEST.fullmatch(cell.source)
        if not box:
            yield f"{where} must have the form question, numbered options, folded answers."
            continue
        options, answers = (
            re.findall(r"(?m)^\d\. (.*)", box[part]) for part in ("options", "answers")
        )
        verdicts = [re.match(r"(Yes|No): \S", answer) for answer in answers]
        if len(options) != len(answers) or not 3 <= len(options) <= 4 or not all(verdicts):
            yield (
                f"{where} must have 3 or 4 options and as many answers, "
                "each beginning with Yes: or No:."
            )
        elif [verdict[1] for verdict in verdicts].count("Yes") != 1:
            yield f"{where} must have exactly one right answer."
        else:
            places.append([verdict[1] for verdict in verdicts].index("Yes"))
        if re.search(r"\{\w[\w:]*\}`", cell.source):
            yield f"{where} contains a role, which plain notebooks show raw."
    if places and max(places.count(place) for place in places) > 0.6 * len(places) + 0.5:
        yield (
            f"{name}: the right answers of the self-tests are too often in one position: {places}."
        )


def check_glue(nb, name, book):
    calls = re.findall(
        r"\bvp\.glue\(\s*f?[\"']([^\"']+)[\"']", "\n".join(cell.source for cell in code(nb))
    )
    for label in sorted({label for label in calls if calls.count(label) > 1}):
        yield f"{name}: two calls glue {label!r}."
    # f"kl_{d}" matches kl_2.
    given = {label: re.sub(r"\\{.*?\\}", ".+", re.escape(label)) for label in calls}
    used = set(re.findall(r"\{glue(?::\w*)?\}[` ]([^`:\s]+)", prose(nb)))
    for label in sorted(used):
        if not any(re.fullmatch(pattern, label) for pattern in given.values()):
            yield f"{name}: the prose shows {label!r}, but no cell calls vp.glue({label!r}, ...)."
    for label, pattern in given.items():
        if not any(re.fullmatch(pattern, shown_label) for shown_label in used):
            yield f"{name}: a cell glues {label!r}, but no prose shows it."


FOLDED = {"hide-input", "hide-cell", "remove-cell"}
BOOKKEEPING = r"\bvp\.(?:claim|glue|table|receipts\.\w+|explorer\.\w+|paper_table)\("


def check_grammar(nb, name, book):
    """The first screen, what is folded, claims that say their kind (CONTRIBUTING.md)."""
    first = nb.cells[0].source.split("\n\n")
    if len(first) < 3 or "```{figure} ../book/_static/heads/" not in first[2]:
        yield f"{name}: after the title and one paragraph must come the head drawing."
    if ":class: about" not in nb.cells[0].source:
        yield f"{name}: objectives, prerequisites and time must stand in a box of class about."
    solving = False
    for cell in nb.cells:
        where = f"{name}, cell {cell.get('id')}"
        if cell.cell_type == "markdown":
            begins, ends = (cell.source.rfind(f"{{solution-{part}}}") for part in ("start", "end"))
            solving = begins > ends if begins != ends else solving
            continue
        folded = FOLDED & set(tags(cell))
        if not folded and not solving and CHECKED not in tags(cell):
            if re.search(BOOKKEEPING, cell.source):
                yield f"{where} keeps books (claims, numbers, tables, receipts): hide-input."
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "claim":
                if len(node.args) < 3:
                    yield f"{where}: a claim must say its kind: {ast.unparse(node.args[0])}."
    yield from glued_late(nb, name)


def glued_late(nb, name):
    """A value must be glued before the prose that quotes it."""
    known = set()
    for cell in nb.cells:
        if cell.cell_type == "code":
            known |= set(re.findall(r"\bvp\.glue\(\s*f?[\"']([^\"'{]+)", cell.source))
            continue
        for label in re.findall(r"\{glue(?::\w*)?\}[` ]([^`:\s]+)", cell.source):
            if not any(label.startswith(start) for start in known):
                yield f"{name}, cell {cell.get('id')} quotes {label!r} before it is glued."


RULES = [rule for label, rule in list(globals().items()) if label.startswith("check_")]
# Assignments are not pages of the book; their form has other rules (test_grading.py).
CHAPTERS_ONLY = [
    check_lengths,
    check_cut,
    check_figures,
    check_static,
    check_opening,
    check_exercises,
    check_words,
    check_glue,
    check_reuse,
    check_shown,
    check_grammar,
]
CHAPTERS = {
    path.relative_to(ROOT / "chapters").with_suffix("").as_posix(): path for path in notebooks(ROOT)
}


@functools.cache
def whole_book():
    """{name: notebook}; a page book/*.md is a notebook with one markdown cell."""
    pages = {
        f"book/{path.stem}": path.read_text(encoding="utf-8")
        for path in (ROOT / "book").glob("*.md")
    }
    cells = {name: [nbformat.v4.new_markdown_cell(text)] for name, text in pages.items()}
    book = {name: nbformat.v4.new_notebook(cells=cells[name]) for name in pages}
    return book | {name: load(path) for name, path in CHAPTERS.items()}


def rules(name):
    """The rules for a notebook, by its name below chapters/."""
    return [
        rule for rule in RULES if rule not in CHAPTERS_ONLY or not name.startswith("assignments/")
    ]


@pytest.mark.parametrize(
    ("rule", "name"),
    [(rule, name) for name in CHAPTERS for rule in rules(name)],
    ids=lambda value: getattr(value, "__name__", value).removeprefix("check_"),
)
def test_form(rule, name):
    problems = list(rule(whole_book()[name], name, whole_book()))
    assert not problems, "\n".join(problems)
