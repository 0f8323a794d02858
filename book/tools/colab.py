"""Write plain notebooks for Colab, which shows MyST's roles and boxes raw.

    python book/tools/colab.py                        # after `make book`: writes _build/colab/
    python book/tools/colab.py --assignments FOLDER   # adds the students' notebooks in it

Numbers of figures and equations, and measured values in the text, are those of the build. The
folder is published as the branch colab.
"""

import argparse
import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from plain import find, plain, read_places, works_cited
from pybtex.database import parse_file
from record import KERNELSPEC, load, text
from repository import ROOT, colab_address, read_url, site_address

ORIGIN = (
    "*A plain copy of [the book's page]({}) for Colab. "
    "Numbers in the text are the page's; yours may differ.*"
)
README = """# The VAE family in Colab

Plain copies of [the book]({site})'s chapters, made from [its repository]({url}) by `make colab`. \
Do not edit them here.

| notebook | |
|---|---|
"""


def read_glued(build, name, nb):
    """Return the values that the built chapter's cells glued. ValueError: the build is outdated."""
    executed = build / "jupyter_execute" / f"{name}.ipynb"
    if not executed.exists():
        raise ValueError(
            f"{executed} is missing; numbers come from a build, so run `make book` first."
        )
    now, then = (
        [(c.id, c.source) for c in book.cells if c.id != "bootstrap"]
        for book in (nb, load(executed))
    )
    if changed := [label for label, source in now if (label, source) not in then]:
        raise ValueError(
            f"{name} has changed since it was built, in cell {changed[0]}; run `make book` again."
        )
    glued = executed.with_suffix(".glue.json")  # written by myst_nb if a cell glued
    return json.loads(glued.read_text(encoding="utf-8")) if glued.exists() else {}


def plain_cells(nb, page):
    """Yield the cells without outputs and tags, with captions below figures and a list of works."""
    for cell in nb.cells:
        graded = ("nbgrader", "editable", "deletable")  # nbgrader reads these when grading
        metadata = {key: cell.metadata[key] for key in graded if key in cell.metadata}
        if cell.cell_type == "markdown":
            yield new_markdown_cell(plain(cell.source, page), id=cell.id, metadata=metadata)
            continue
        yield new_code_cell(cell.source, id=cell.id, metadata=metadata)
        figure = cell.metadata.get("mystnb", {}).get("figure")
        if figure and "remove-output" not in cell.metadata.get("tags", []):
            caption = f"**{find(figure['name'], page).name}.** {plain(figure['caption'], page)}"
            yield new_markdown_cell(caption, id=f"{cell.id[:56]}-caption")
    if page.cited:
        yield new_markdown_cell(f"### Works cited\n\n{works_cited(page)}".strip(), id="works-cited")


def plain_notebook(nb, name, book, glued=()):
    """Return the plain form of the notebook of the page `name`."""
    page = SimpleNamespace(name=name, book=book, glued=glued, cited=set())
    cells = list(plain_cells(nb, page))
    if name in book.places:  # an assignment has no page
        rest = cells[0].source.partition("\n")[2]
        origin = ORIGIN.format(f"{book.site}{name}.html")
        cells[0].source = f"# {book.places[name].name}\n{rest}\n\n{origin}"
    metadata = {
        "kernelspec": KERNELSPEC,
        "language_info": {"name": "python"},
        "colab": {"provenance": []},
    }
    made = new_notebook(cells=cells, metadata=metadata)
    nbformat.validate(made)
    return made


def readme(made, book):
    """Return README.md: a table of the notebooks with their links to Colab."""
    lines = [README.format(site=book.site, url=book.url)]
    for name, nb in made.items():
        title = nb.cells[0].source.splitlines()[0].removeprefix("# ")
        lines.append(f"| {title} | [open in Colab]({colab_address(book.url, name + '.ipynb')}) |\n")
    return "".join(lines)


def make(root, build, assignments=None):
    """Return {path: content} of the branch colab. ValueError: the build lacks something."""
    if not (build / "html").is_dir():
        raise ValueError(
            f"{build / 'html'} is missing; numbers come from a build, so run `make book` first."
        )
    url = read_url(root / "_config.yml")
    folders = {"chapters": root / "chapters"} | (
        {"chapters/assignments": assignments} if assignments else {}
    )
    paths = {
        f"{at}/{path.stem}": path
        for at, folder in folders.items()
        for path in sorted(folder.glob("*.ipynb"))
    }
    book = SimpleNamespace(
        url=url,
        site=site_address(url),
        places=read_places(build / "html"),
        works=parse_file(root / "book/references.bib"),
        notebooks=paths,
    )
    made = {}
    for name, path in paths.items():
        nb = load(path)
        glued = {} if name.startswith("chapters/assignments/") else read_glued(build, name, nb)
        made[name] = plain_notebook(nb, name, book, glued)
    return {"README.md": readme(made, book)} | {
        f"{name}.ipynb": text(nb) for name, nb in made.items()
    }


def main(argv=None, root=ROOT):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--build", type=Path, default=root / "_build", help="where `make book` built"
    )
    parser.add_argument("--out", type=Path, help="default: colab/ in the build")
    parser.add_argument("--assignments", type=Path, help="a folder of students' notebooks")
    options = parser.parse_args(argv)
    out = options.out or options.build / "colab"
    try:
        files = make(Path(root), options.build, options.assignments)
    except ValueError as error:
        print(f"{error} Nothing was written.", file=sys.stderr)
        return 2
    shutil.rmtree(out / "chapters", ignore_errors=True)  # chapters that were removed; keeps .git
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text(content, encoding="utf-8", newline="\n")
    print(f"{out}: {len(files) - 1} notebooks and their README.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
