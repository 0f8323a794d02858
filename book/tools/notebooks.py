"""Write plain notebooks for JupyterLab, VS Code, Colab and Kaggle, which show MyST's roles raw.

    python book/tools/notebooks.py                        # after `make book`: _build/colab/
    python book/tools/notebooks.py --assignments FOLDER   # students' notebooks from elsewhere
    python book/tools/notebooks.py --into notebooks       # adds what is not in that folder yet

Numbers of figures and equations, measured values in the text and outputs are those of the build;
drawing code and solutions are folded. The build itself writes the notebooks to html/notebooks, for
the pages' download buttons; _build/colab is published as the branch colab.
"""

import argparse
import ast
import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from plain import BOX, find, plain, read_places, works_cited
from pybtex.database import parse_file
from record import KERNELSPEC, load, text
from repository import (
    ASSIGNMENT_OF,
    PLACEHOLDER,
    ROOT,
    bootstrap_source,
    colab_address,
    kaggle_address,
    read_url,
    site_address,
)

LARGE = 1_000_000  # characters of an output that is not kept
ORIGIN = """*A plain copy of {page}. Numbers in the text and outputs are the page's, made from \
commit {commit} in the size "{profile}"{caution}; yours may differ.*{links}

Under the cells, a line with ✓, or `Checked: ... (1.95 < 4.50)`, is a claim of the text with the \
numbers that it compared; if you change something, it may say `Does not hold here`. A line such as \
`gap = 0.71` is a number that the text quotes. If a figure with sliders does not move, run its \
cell."""
CAUTION = {"smoke": ", which trains for seconds only: the numbers are not what the text says"}
PROFILE = """# If you do nothing, the size of all runs is "default". "smoke" takes seconds, and does
# not check claims on trained models; "paper" trains longer. To change it, take off the next #,
# and run this cell and those below; to go back, write default in it:
# %env VAELIB_PROFILE=smoke"""
README = """# The VAE family as plain notebooks

Plain copies of [the book]({site})'s chapters, made from [its repository]({url}) by `make colab`. \
Do not edit them here.

| notebook | |
|---|---|
"""
# fence, which end, label; options are left out
SOLUTION = re.compile(
    r"(?m)^(:{3,}|`{3,})\{solution-(start|end)\}[ \t]*([^\n]*)\n"
    r"(?:[ \t]*:[\w-]+:[^\n]*\n)*\1[ \t]*$"
)


def read_build(build, name, nb):
    """Return the values that the built chapter's cells glued, and {cell id: outputs}.

    ValueError: the build is missing or outdated.
    """
    executed = build / "jupyter_execute" / f"{name}.ipynb"
    if not executed.exists():
        raise ValueError(
            f"{executed} is missing; numbers come from a build, so run `make book` first."
        )
    now, then = (
        {c.id: c for c in book.cells if c.id != "bootstrap"} for book in (nb, load(executed))
    )
    if changed := [i for i, c in now.items() if i not in then or then[i].source != c.source]:
        raise ValueError(
            f"{name} has changed since it was built, in cell {changed[0]}; run `make book` again."
        )
    glued = executed.with_suffix(".glue.json")  # written by myst_nb if a cell glued
    values = json.loads(glued.read_text(encoding="utf-8")) if glued.exists() else {}
    return values, {
        i: shown(c.outputs, c.metadata.get("mystnb", {}).get("image", {}).get("alt"))
        for i, c in then.items()
        if c.cell_type == "code"
    }


def shown(outputs, alt=None):
    """Return the outputs that a notebook keeps: no warnings, no widgets, nothing large.

    A glued value becomes the line that `glue` prints in a notebook. alt: the text of an image.
    """
    kept, said = [], ""
    for output in outputs:
        if output.output_type == "stream" and output.name == "stdout":
            # The build has added what a cell printed later to its first output as well.
            if output.text.strip() in said:
                continue
            said += output.text
        if name := output.get("metadata", {}).get("scrapbook", {}).get("name"):
            (value,) = (v for k, v in output.data.items() if k.endswith("text/plain"))
            output = new_output("stream", text=f"{name} = {printed(value)}\n")
        if output.output_type == "stream" and output.name == "stdout":
            if kept and kept[-1].output_type == "stream":
                kept[-1].text += output.text
            else:
                kept.append(new_output("stream", text=output.text))
        elif output.output_type in ("display_data", "execute_result"):
            if any("widget" in kind for kind in output.data):
                continue
            # The plain form of a picture, table or explorer would repeat it, or say nothing.
            rich = {k: v for k, v in output.data.items() if k != "text/plain"} or output.data
            picture = any(kind.startswith("image/") for kind in rich)
            data = dict(rich) | ({"text/plain": alt} if alt and picture else {})
            if len(json.dumps(data)) >= LARGE:
                data = {"text/plain": "(too large to be kept; run the cell)"}
            kept.append(new_output("display_data", data))
    return kept


def printed(value):
    """A glued value as `vaelib.pages.glue` prints it, from its repr."""
    try:
        value = ast.literal_eval(value)
    except (ValueError, SyntaxError):  # such as nan
        return value
    return f"{value:.4g}" if isinstance(value, float) else value


def split(source, solving):
    """Cut Markdown at solutions: (text, label of the solution that it is in, of that it is).

    solving: the label of the solution that the text begins in, or None.
    """
    at = 0
    for mark in SOLUTION.finditer(source):
        yield from split_boxes(source[at : mark.start()], solving)
        at, solving = mark.end(), mark[3].strip() if mark[2] == "start" else None
    yield from split_boxes(source[at:], solving)


def split_boxes(source, solving):
    """Cut Markdown before and behind the solutions that are boxes without code."""
    at = 0
    for box in BOX.finditer(source):
        if box[2] == "solution":
            yield source[at : box.start()].strip(), solving, None
            yield box[0], solving, box[3].strip()
            at = box.end()
    yield source[at:].strip(), solving, None


def plain_cells(nb, page):
    """Yield the cells, with captions below figures, folded solutions and a list of works."""
    solving = None
    for cell in nb.cells:
        kept = ("nbgrader", "editable", "deletable")  # nbgrader reads these when grading
        metadata = {key: cell.metadata[key] for key in kept if key in cell.metadata}
        marks = metadata.get("nbgrader", {})
        test = marks.get("grade") and not marks.get("solution")  # of an assignment
        if cell.cell_type == "markdown":
            for number, (part, within, solved) in enumerate(split(cell.source, solving)):
                label = f"{cell.id[:56]}-{number}" if number else cell.id
                if within and within != solving:
                    yield from gap(within, page)
                if solved:
                    answer = f"*Your answer to {find(solved, page).name}: double-click to write.*"
                    yield new_markdown_cell(answer, id=f"{solved[:56]}-gap")
                if within and part:
                    part = f"<details><summary>Discussion</summary>\n\n{part}\n\n</details>"
                solving = within
                if part and plain(part, page):
                    made = new_markdown_cell(plain(part, page), id=label, metadata=metadata)
                    if page.attached:
                        made.attachments = attachments(page.attached)
                        page.attached.clear()
                    yield made
            continue
        tags = cell.metadata.get("tags", [])
        outputs = [] if "hide-output" in tags else page.outputs.get(cell.id, [])
        # What draws is folded; what an open cell needs is not.
        folded = {"hide-input", "hide-cell"} & set(tags)
        if solving or test or "remove-cell" in tags or (folded and outputs):
            metadata |= {"jupyter": {"source_hidden": True}, "cellView": "form"}  # Lab, Colab
        source = bootstrap_source(page.book.pinned) if cell.id == "bootstrap" else cell.source
        yield new_code_cell(source, id=cell.id, metadata=metadata, outputs=outputs)
        if cell.id == "bootstrap" and page.name in page.book.places:
            yield new_code_cell(PROFILE, id="profile")
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure and "remove-output" not in tags:
            on_page = page.name in page.book.places  # an assignment's figures have no numbers
            number = f"**{find(figure['name'], page).name}.** " if on_page else ""
            caption = f"{number}{plain(figure['caption'], page)}"
            yield new_markdown_cell(caption, id=f"{cell.id[:56]}-caption")
    if page.cited:
        yield new_markdown_cell(f"### Works cited\n\n{works_cited(page)}".strip(), id="works-cited")


def attachments(images):
    """Return a cell's attachments from {name: bytes of an SVG or PNG}."""
    kinds = {"svg": "image/svg+xml", "png": "image/png"}
    return {
        name: {kinds[name.rpartition(".")[2]]: base64.b64encode(content).decode()}
        for name, content in images.items()
    }


def gap(label, page):
    """Yield a place to type an exercise's answer, and the head of its solution."""
    name = find(label, page).name
    yield new_code_cell(f"# Your turn: {name}", id=f"{label[:56]}-gap")
    note = (
        f"**Solution to {name}.** Its code is folded (click the three dots to open it); what it "
        "prints stands below."
    )
    yield new_markdown_cell(note, id=f"{label[:56]}-solution")


def profile_of(outputs):
    """Return the profile of a chapter's outputs, as its table of sizes says it."""
    return (re.findall(r"\*\*(\w+)\*\* \(in force\)", json.dumps(outputs)) or ["default"])[0]


def plain_notebook(nb, name, book, glued=(), outputs=None):
    """Return the plain form of the notebook of the page `name`."""
    page = SimpleNamespace(
        name=name, book=book, glued=glued, outputs=outputs or {}, cited=set(), attached={}
    )
    cells = list(plain_cells(nb, page))
    if name in book.places:  # an assignment has no page
        rest = cells[0].source.partition("\n")[2]
        made_from = origin(name, book, profile_of(outputs))
        cells[0].source = f"# {book.places[name].name}\n{rest}\n\n{made_from}"
        cells = [cell for cell in cells if cell.id != "onward"]
        cells.append(new_markdown_cell(onward(name, book), id="onward"))
    metadata = {
        "kernelspec": KERNELSPEC,
        "language_info": {"name": "python"},
        "colab": {"provenance": []},
    }
    made = new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(made)
    return made


def origin(name, book, profile):
    """Return the lines under a plain notebook's title."""
    page, links = "the book's page", ""
    if book.published:
        page = f"[{page}]({book.site}{name}.html)"
        path = f"{name}.ipynb"
        links = (
            f" Open in [Colab]({colab_address(book.url, path)}) · "
            f"[Kaggle]({kaggle_address(book.url, path)})."
        )
    caution, commit = CAUTION.get(profile, ""), book.commit[:7] or "unknown"
    return ORIGIN.format(page=page, commit=commit, links=links, profile=profile, caution=caution)


def onward(name, book):
    """Return the last cell: the page, the assignment, the next chapter."""
    chapter = name.rpartition("/")[2]
    steps = []
    pages = sorted(page for page in book.notebooks if page in book.places)
    for following in pages[pages.index(name) + 1 :][:1]:
        path = f"{following.rpartition('/')[2]}.ipynb"
        steps.append(f"[{book.places[following].name}]({path})")
    if work := ASSIGNMENT_OF.get(chapter):
        task, at = f"assignment {int(work[:2])}", f"assignments/{work}"
        here = f"chapters/{at}" in book.notebooks
        made = f"{task} (in a clone of the book `make assignments`, then `make lab`)"
        steps.append(f"[{task}]({at}.ipynb)" if here else made)
    if book.published:
        steps.append(f"[this page of the book]({book.site}{name}.html)")
    return f"**Go on** to {' · '.join(steps)}" if steps else "**The end**"


def readme(made, book):
    """Return README.md: a table of the notebooks with their links to Colab."""
    lines = [README.format(site=book.site, url=book.url)]
    for name, nb in made.items():
        title = nb.cells[0].source.splitlines()[0].removeprefix("# ")
        lines.append(f"| {title} | [open in Colab]({colab_address(book.url, name + '.ipynb')}) |\n")
    return "".join(lines)


def make(root, build, assignments=None, url=None):
    """Return {path: content} of the branch colab. ValueError: the build lacks something.

    url: of the repository; default that of _config.yml.
    """
    if not (build / "html").is_dir():
        raise ValueError(
            f"{build / 'html'} is missing; numbers come from a build, so run `make book` first."
        )
    book, made = read_book(root, build, assignments, url), {}
    for name, path in book.notebooks.items():
        nb = load(path)
        task = name.startswith("chapters/assignments/")
        glued, outputs = ({}, {}) if task else read_build(build, name, nb)
        made[name] = plain_notebook(nb, name, book, glued, outputs)
    return {"README.md": readme(made, book)} | {
        f"{name}.ipynb": text(nb) for name, nb in made.items()
    }


def read_book(root, build, assignments=None, url=None):
    """Return what all notebooks share: addresses, the commit, places on the pages, paths."""
    url, commit = url or read_url(root / "_config.yml"), commit_of(root)
    folders = {"chapters": root / "chapters"} | (
        {"chapters/assignments": assignments} if assignments else {}
    )
    paths = {
        f"{at}/{path.stem}": path
        for at, folder in folders.items()
        for path in sorted(folder.glob("*.ipynb"))
    }
    return SimpleNamespace(
        url=url,
        site=site_address(url),
        published=PLACEHOLDER not in url,
        images=build / "html/_images",
        commit=commit,
        pinned=f"{url}@{commit}" if commit else url,
        places=read_places(build / "html"),
        works=parse_file(root / "book/references.bib"),
        notebooks=paths,
    )


def commit_of(root):
    """Return the commit that is checked out, or an empty string."""
    try:
        run = subprocess.run(
            ["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True
        )
    except FileNotFoundError:  # no git
        return ""
    return run.stdout.strip() if run.returncode == 0 else ""


def add(root, build, folder):
    """Write the build's chapters, and the students' assignments if there are any.

    A notebook that is in the folder is the reader's: it is not replaced.
    """
    chapters = sorted((build / "html/notebooks/chapters").glob("*.ipynb"))
    if not chapters:
        raise ValueError(f"{build / 'html/notebooks'} has no notebooks, so run `make book` first.")
    made = {path.name: path.read_text(encoding="utf-8") for path in chapters}
    if students := students_folder(root, build):
        book = read_book(root, build, students)
        made |= {
            f"assignments/{path.name}": text(
                plain_notebook(load(path), f"chapters/assignments/{path.stem}", book)
            )
            for path in sorted(students.glob("*.ipynb"))
        }
    for name, content in made.items():
        here = folder / name
        if not here.exists():
            write({name: content}, folder)
        elif here.read_text(encoding="utf-8") != content:
            print(f"{here}: kept as it is; remove it to get the book's.")


def students_folder(root, build):
    """Return where the students' notebooks are: a course's own, or the book's; None: nowhere."""
    places = root / "handed_out", build / "assignments" / "student"
    return next((place for place in places if place.is_dir()), None)


def main(argv=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--build", type=Path, default=root / "_build", help="where `make book` built"
    )
    parser.add_argument("--into", type=Path, help="a reader's folder, where nothing is replaced")
    parser.add_argument(
        "--assignments", type=Path, help="default: handed_out/, or what `make assignments` wrote"
    )
    options = parser.parse_args(argv)
    try:
        if options.into:
            add(Path(root), options.build, options.into)
            return 0
        students = options.assignments or students_folder(Path(root), options.build)
        files = make(Path(root), options.build, students)
    except ValueError as error:
        print(f"{error} Nothing was written.", file=sys.stderr)
        return 2
    out = options.build / "colab"
    shutil.rmtree(out / "chapters", ignore_errors=True)  # chapters that were removed; keeps .git
    write(files, out)
    print(f"{out}: {len(files) - 1} notebooks and their README.md")
    if students is None:
        print(
            "The assignments are not among them, so the chapters' links to them lead nowhere: "
            "run `make assignments` first."
        )
    return 0


def write(files, out):
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(content, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    sys.exit(main())
