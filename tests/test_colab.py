"""Plain notebooks for Colab, the button that opens them, and the first cell, which installs vaelib.

With VAELIB_BOOK (a folder of built pages, `make pages`) the real chapters are converted, and some
are executed; tests/test_colab_env.py executes all in an environment like Colab's.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import nbformat
import notebooks
import plain
import pytest
from bs4 import BeautifulSoup
from conftest import need
from markdown_it import MarkdownIt
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from repository import (
    PLACEHOLDER,
    bootstrap_source,
    colab_address,
    kaggle_address,
    onward_source,
    read_url,
    site_address,
)

ROOT = Path(__file__).resolve().parents[1]
CHAPTERS = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
# What `make pages` executes: every fifth chapter from the first. VAELIB_COLAB=all executes all.
SOME = CHAPTERS if os.environ.get("VAELIB_COLAB") == "all" else CHAPTERS[::5]
URL = "https://github.com/somebody/vae-book"
SITE = "https://somebody.github.io/vae-book/"

PAGES = {
    "chapters/01_one": """
        <h1><span class="section-number">1. </span>First<a class="headerlink"
        href="#first">#</a></h1>
        <div class="math" id="equation-eq-a"><span class="eqno">(1.1)<a class="headerlink"
        href="#equation-eq-a">#</a>
        </span>x</div>
        <figure id="fig-a"><figcaption><p><span
        class="caption-number">Fig. 1.1 </span><span>What is seen.</span>
        <a class="headerlink" href="#fig-a">#</a></p></figcaption></figure>
        <div class="exercise admonition" id="ex-a"><p class="admonition-title">
        <span class="caption-number">Exercise 1.1 </span> (Try)</p></div>
        <div class="exercise admonition" id="ex-b"><p class="admonition-title">
        <span class="caption-number">Exercise 1.2 </span> (Think)</p></div>
        <div class="proof theorem admonition" id="thm-a"><p class="admonition-title">
        <span class="caption-number">Theorem 1.1 </span> (Jensen)</p></div>
        <section id="part"><span id="sec-a"></span><h2>A part<a class="headerlink"
        href="#part">#</a></h2></section>""",
    "chapters/02_two": """
        <h1><span class="section-number">2. </span>Second<a class="headerlink"
        href="#second">#</a></h1>
        <div class="math" id="equation-eq-b"><span class="eqno">(2.1)<a class="headerlink"
        href="#equation-eq-b">#</a>
        </span>x</div>
        <figure id="fig-b"><figcaption><p><span class="caption-number">Fig. 2.1 </span>
        <a class="headerlink" href="#fig-b">#</a></p></figcaption></figure>""",
    "book/glossary": """<h1>Glossary<a class="headerlink" href="#glossary">#</a></h1>
        <dl><dt id="term-Code">Code<a class="headerlink" href="#term-Code">#</a></dt></dl>""",
}  # fmt: skip
BIB = r"""
@article{one2001, author = {{\O}ne, A.}, title = {On codes}, journal = {Codes}, year = {2001}}
@article{two2002, author = {Ab, C. and van Dee, E.}, title = {Two}, journal = {Codes},
  year = {2002}, doi = {10.1/x_y}}
@article{three2003, author = {Ab, C. and Bc, D. and Cd, E.}, title = {Three}, journal = {Codes},
  year = {2003}}
"""
GLUED = {"gap": "-0.7057", "count": "12", "spread": "'0.1 ± 0.2'"}

SELF_TEST = """:::{admonition} Check yourself
:class: self-test

What is $q$?

1. a guess
2. the truth

<details><summary>Answers</summary>

1. Yes: by $x$.
2. No: why not.

</details>
:::"""
PLAIN = {  # source in a chapter: plain form
    "a $x$ by {eq}`eq-a`": "a $x$ by (1.1)",
    "by {eq}`eq-b`, so": f"by [(2.1)]({SITE}chapters/02_two.html#equation-eq-b), so",
    "{numref}`fig-a` and {numref}`Figure %s <fig-a>`": "Fig. 1.1 and Figure 1.1",
    "{numref}`fig-b`": f"[Fig. 2.1]({SITE}chapters/02_two.html#fig-b)",
    "{ref}`ex-a`, {ref}`there <sec-a>`, {ref}`sec-a`": "Exercise 1.1, there, A part",
    "{prf:ref}`thm-a`": "Theorem 1.1",
    "{doc}`02_two` and {doc}`it <02_two>`": "[Second](02_two.ipynb) and [it](02_two.ipynb)",
    "{doc}`words </book/glossary>`": f"[words]({SITE}book/glossary.html)",
    "a {term}`code`": f"a [code]({SITE}book/glossary.html#term-Code)",
    "{term}`codes <Code>`": f"[codes]({SITE}book/glossary.html#term-Code)",
    "{glue:text}`gap:.2f`, {glue:}`count`, {glue:text}`spread`": "−0.71, 12, 0.1 ± 0.2",
    "{cite:t}`one2001` and {cite}`three2003, two2002`":
        "Øne [2001] and [Ab *et al.*, 2003, Ab and van Dee, 2002]",
    "[next](02_two.ipynb), [words](../book/glossary.md#term-Code)":
        f"[next](02_two.ipynb), [words]({SITE}book/glossary.html#term-Code)",
    "[it](#ex-a), [license](../LICENSE), [out](https://a.b/c.md)":
        f"[it]({SITE}chapters/01_one.html#ex-a), [license]({URL}/blob/main/LICENSE), "
        "[out](https://a.b/c.md)",
    "$$\na\n$$\n\n$$\nx\n$$ (eq-a)\n\nso": "$$\na\n$$\n\n$$\nx\n\\tag{1.1}\n$$\n\nso",
    "$$ x $$ (eq-a)": "$$ x\n\\tag{1.1}\n$$",
    ":::{admonition} By {eq}`eq-a`\n:class: erratum\n\nNo.\n:::":
        "***\n\n**By (1.1)**\n\nNo.\n\n***",
    "```{note}\nSo.\n```\nAfter.": "***\n\n**Note**\n\nSo.\n\n***\n\nAfter.",
    "::::{note}\nOut.\n\n:::{tip} Hm\nIn.\n:::\n::::":
        "***\n\n**Note**\n\nOut.\n\n***\n\n**Hm**\n\nIn.\n\n***",
    ":::{exercise} Try\n:label: ex-a\n\nDo.\n:::": "**Exercise 1.1** (Try)\n\nDo.",
    ":::{exercise-start}\n:label: ex-a\n:::\n\nDo.\n\n:::{exercise-end}\n:::\n\nOn.":
        "**Exercise 1.1**\n\nDo.\n\nOn.",
    ":::{solution} ex-a\n:class: dropdown\n\nIt {eq}`eq-a`.\n:::":
        "<details><summary>Solution to Exercise 1.1</summary>\n\nIt (1.1).\n\n</details>",
    ":::{prf:theorem} Jensen\n:label: thm-a\n\nTrue.\n:::": "**Theorem 1.1** (Jensen)\n\nTrue.",
    ":::{prf:proof}\nBy eye.\n:::": "**Proof**\n\nBy eye.",
    "```{figure} ../book/_static/a.svg\n:name: fig-a\n:alt: A line.\n\nSeen in {eq}`eq-a`.\n```":
        f"![A line.]({SITE}_images/a.svg)\n\n**Fig. 1.1.** Seen in (1.1).",
    "```python\nx = {1: 2}\n```\n\n\n": "```python\nx = {1: 2}\n```\n\n\n",
    SELF_TEST: "***\n\n**Check yourself**\n\nWhat is $q$?\n\n1. a guess\n2. the truth\n\n"
               "<details><summary>Answers</summary>\n\n1. Yes: by $x$.\n2. No: why not.\n\n"
               "</details>\n\n***",
}  # fmt: skip
REFUSED = {  # source without a plain form: error message
    "{eq}`eq-lost`": "chapters/01_one refers to 'eq-lost', which is on no built page",
    "x\n\n$$ x $$ (eq-lost)": "refers to 'eq-lost'",
    "{doc}`03_three`": "refers to 'chapters/03_three'",
    "{glue:text}`lost:.1f`": "shows 'lost', which no cell of the build glued",
    "{cite}`nobody1999`": "cites 'nobody1999', which is not in book/references.bib",
    "{abbr}`KL`": "{abbr}`KL` has no plain form",
    ":::{grid} 2\n:::": "the box {grid} has no plain form",
    ":::{note}\nopen": "':::{note}\\nopen' would be shown raw",
    "(there)=\n## Heading": "'(there)=\\n## Heading' would be shown raw",
    "one\n\n+++\n\ntwo": "would be shown raw",
}
RAW = re.compile(  # as strict as LOOK in test_pages.py; applied outside of code and formulas
    r"\$|\\begin\{|\\tag|\\label|\?\?|\{[\w:-]*\}|:::|^\([\w-]+\)=|^\+\+\+|^%|\{\{|\[\^|"
    r"\b(?:src|href)=\"(?!https?:)",
    re.M,
)


@pytest.fixture
def home(tmp_path):
    """A handmade book of two chapters and its build."""
    for name, body in PAGES.items():
        page = tmp_path / "_build/html" / f"{name}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f"<html><body><article>{body}</article></body></html>", encoding="utf-8")
    executed = tmp_path / "_build/jupyter_execute/chapters"
    for folder in (executed, tmp_path / "chapters", tmp_path / "book", tmp_path / "given"):
        folder.mkdir(parents=True)
    (tmp_path / "_config.yml").write_text(f"repository:\n  url: {URL}\n")
    (tmp_path / "_build/html/_images").mkdir()
    (tmp_path / "_build/html/_images/a.svg").write_text("<svg/>")
    (tmp_path / "book/references.bib").write_text(BIB)
    figure = {"figure": {"name": "fig-a", "caption": "What {eq}`eq-a` {glue:}`count` says."}}
    output = nbformat.v4.new_output("stream", text="1\n")
    cells = [
        new_markdown_cell("# First\n\nA {cite:t}`one2001`.", id="title"),
        new_code_cell("1", id="bootstrap", metadata={"tags": ["remove-cell"]}),
        new_code_cell(
            "draw()",
            id="draw",
            metadata={"mystnb": figure, "tags": ["hide-input"]},
            outputs=[output],
        ),
        new_code_cell(
            "slide()", id="slide", metadata={"mystnb": figure, "tags": ["remove-output"]}
        ),
        new_markdown_cell(
            ":::{exercise} Try\n:label: ex-a\nDo.\n:::\n\n:::{solution-start} ex-a\n:::", id="ask"
        ),
        new_code_cell(
            "glue('gap', 2)\nprint(3)",
            id="solve",
            execution_count=4,
            outputs=[
                nbformat.v4.new_output("stream", name="stderr", text="a warning"),
                nbformat.v4.new_output(
                    "display_data",
                    {"application/papermill.record/text/plain": GLUED["gap"] + "123"},
                    metadata={"scrapbook": {"name": "gap"}},
                ),
                nbformat.v4.new_output("stream", text="3\n4\n"),
                nbformat.v4.new_output("stream", text="4\n"),  # as the build leaves it
                nbformat.v4.new_output("display_data", {"text/html": "x" * 2_000_000}),
                nbformat.v4.new_output(
                    "display_data",
                    {"text/plain": "x", "application/vnd.jupyter.widget-view+json": {}},
                ),
            ],
        ),
        new_markdown_cell(
            "So {glue:text}`gap:.1f`.\n\n:::{solution-end}\n:::\n\n" + SELF_TEST, id="solved"
        ),
        new_markdown_cell(
            ":::{exercise} Think\n:label: ex-b\nWhy?\n:::\n\n"
            ":::{solution} ex-b\n:class: dropdown\n\nSo.\n:::\n\nOn.",
            id="think",
        ),
    ]
    for name, content in {
        "01_one": cells,
        "02_two": [new_markdown_cell("# Second", id="title")],
    }.items():
        for folder in (executed, tmp_path / "chapters"):
            nbformat.write(new_notebook(cells=content), folder / f"{name}.ipynb")
    values = {
        key: {"output_type": "display_data", "data": {"text/plain": text}}
        for key, text in GLUED.items()
    }
    (executed / "01_one.glue.json").write_text(json.dumps(values))
    return tmp_path


@pytest.fixture
def page(home):
    """The page that plain() needs for the first chapter."""
    book = SimpleNamespace(url=URL, site=SITE, published=True,
                           images=home / "_build/html/_images",
                           places=plain.read_places(home / "_build/html"),
                           works=notebooks.parse_file(home / "book/references.bib"),
                           notebooks={"chapters/01_one": 0, "chapters/02_two": 0})  # fmt: skip
    glued = json.loads((home / "_build/jupyter_execute/chapters/01_one.glue.json").read_text())
    return SimpleNamespace(name="chapters/01_one", book=book, cited=set(), glued=glued, attached={})


@pytest.mark.parametrize("source", PLAIN)
def test_roles_and_boxes_become_plain(page, source):
    assert plain.plain(source, page) == PLAIN[source]


@pytest.mark.parametrize("source", REFUSED)
def test_markdown_without_a_plain_form_is_refused(page, source):
    with pytest.raises(ValueError, match=re.escape(REFUSED[source])):
        plain.plain(source, page)


def test_a_courses_own_assignments_come_before_the_books(home, capsys):
    """A teacher's public repository shows the notebooks of its private one, in handed_out/."""
    assert notebooks.main([], home) == 0
    assert "run `make assignments` first" in capsys.readouterr().out
    for folder, words in (("_build/assignments/student", "The book's."), ("handed_out", "Ours.")):
        (home / folder).mkdir(parents=True)
        nb = new_notebook(cells=[new_markdown_cell(words, id="title")])
        nbformat.write(nb, home / folder / "01_do.ipynb")
        assert notebooks.main([], home) == 0 and "make assig" not in capsys.readouterr().out
        made = nbformat.read(home / "_build/colab/chapters/assignments/01_do.ipynb", 4)
        assert words in made.cells[0].source


def test_the_branch_colab_of_a_small_book(home, capsys):
    given = new_markdown_cell("# Assignment 1\n\nSee [chapter 2](../02_two.ipynb).", id="title")
    asked = new_code_cell(
        "x = ...", id="ask", metadata={"nbgrader": {"grade": False}, "tags": ["other"]}
    )
    nbformat.write(new_notebook(cells=[given, asked]), home / "given/01_do.ipynb")
    (home / "_build/colab/chapters").mkdir(parents=True)
    for old in (".git", "chapters/00_gone.ipynb"):
        (home / "_build/colab" / old).write_text("old")
    assert notebooks.main(["--assignments", str(home / "given")], home) == 0
    made = {
        path.relative_to(home / "_build/colab").as_posix()
        for path in (home / "_build/colab").rglob("*.*")
    }
    assert made == {".git", "README.md", "chapters/01_one.ipynb", "chapters/02_two.ipynb",
                    "chapters/assignments/01_do.ipynb"}  # fmt: skip
    assert "3 notebooks" in capsys.readouterr().out

    nb = nbformat.read(home / "_build/colab/chapters/01_one.ipynb", 4)
    nbformat.validate(nb)
    assert nb.nbformat_minor == 5 and nb.metadata.colab == {"provenance": []}
    assert nb.metadata.kernelspec.name == "python3" and nb.metadata.language_info == {
        "name": "python"
    }
    cells = {cell.id: cell for cell in nb.cells}
    assert list(cells) == ["title", "bootstrap", "profile", "draw", "draw-caption", "slide", "ask",
                           "ex-a-gap", "ex-a-solution", "solve", "solved", "solved-1",
                           "think", "ex-b-gap", "think-1", "think-2", "works-cited",
                           "onward"]  # fmt: skip
    title = cells["title"].source
    assert title.startswith("# 1. First\n\nA Øne [2001].\n\n*A plain copy of [the book's page]")
    assert (
        f"({SITE}chapters/01_one.html)" in title
        and "%env VAELIB_PROFILE=smoke" in cells["profile"].source
    )
    assert f"[Colab]({colab_address(URL, 'chapters/01_one.ipynb')})" in title
    assert f"src={URL.replace('github.com', 'raw.githubusercontent.com')}/colab/chapters" in title
    assert cells["draw-caption"].source == "**Fig. 1.1.** What (1.1) 12 says."
    assert cells["ask"].source == "**Exercise 1.1** (Try)\n\nDo."
    assert cells["ex-a-gap"].source == "# Your turn: Exercise 1.1"
    assert cells["ex-a-solution"].source.startswith("**Solution to Exercise 1.1.**")
    assert "</summary>\n\nSo −0.7.\n\n</details>" in cells["solved"].source
    assert cells["solved-1"].source.startswith("***\n\n**Check yourself**")
    assert cells["ex-b-gap"].source == "*Your answer to Exercise 1.2: double-click to write.*"
    assert "<summary>Solution to Exercise 1.2</summary>\n\nSo." in cells["think-1"].source
    assert cells["think-2"].source == "On."
    assert cells["works-cited"].source == "### Works cited\n\n- A. Øne. On codes. *Codes*, 2001."
    assert cells["onward"].source == (
        "**Go on** to [2. Second](02_two.ipynb) · "
        f"[this page of the book]({SITE}chapters/01_one.html)"
    )
    folded = {"jupyter": {"source_hidden": True}, "cellView": "form"}
    assert {label for label, cell in cells.items() if cell.metadata == folded} == {
        "bootstrap",
        "draw",
        "solve",
    }
    assert [output.text for output in cells["draw"].outputs] == ["1\n"]
    printed, large = cells["solve"].outputs
    assert printed.text == "gap = -0.7057\n3\n4\n"
    assert large.data == {"text/plain": "(too large to be kept; run the cell)"}
    assert all(cell.get("execution_count") is None for cell in nb.cells)

    task = nbformat.read(home / "_build/colab/chapters/assignments/01_do.ipynb", 4)
    assert task.cells[0].source == given.source and task.cells[1].metadata == {
        "nbgrader": {"grade": False}
    }
    index = (home / "_build/colab/README.md").read_text()
    for name in ("chapters/01_one.ipynb", "chapters/assignments/01_do.ipynb"):
        assert (
            f"(https://colab.research.google.com/github/somebody/vae-book/blob/colab/{name})"
            in index
        )
    assert "| 1. First |" in index and "| Assignment 1 |" in index


def test_the_first_cell_installs_the_commit_of_the_build(home):
    git = ["git", "-C", home, "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["init", "-q"], ["add", "_config.yml"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True).stdout
    made = notebooks.make(home, home / "_build")["chapters/01_one.ipynb"]
    first = nbformat.reads(made, 4).cells[1].source
    assert f'ADDRESS = "git+{URL}@{commit.strip()}"' in first
    assert f"commit {commit[:7]}" in made


def test_what_a_reader_has_is_not_replaced(home, capsys):
    mine = home / "mine"
    assert notebooks.main(["--into", str(mine)], home) == 2 and not mine.exists()
    assert "has no notebooks, so run `make book` first" in capsys.readouterr().err
    notebooks.write(notebooks.make(home, home / "_build"), home / "_build/html/notebooks")
    assert notebooks.main(["--into", str(mine)], home) == 0
    assert {path.name for path in mine.iterdir()} == {"01_one.ipynb", "02_two.ipynb"}
    assert not (home / "_build/colab").exists()
    (mine / "01_one.ipynb").write_text("my own work")
    (mine / "02_two.ipynb").unlink()
    assert notebooks.main(["--into", str(mine)], home) == 0
    assert (mine / "01_one.ipynb").read_text() == "my own work"
    assert nbformat.read(mine / "02_two.ipynb", 4).cells
    said = capsys.readouterr().out
    assert "01_one.ipynb: kept as it is; remove it to get the book's." in said
    assert "02_two" not in said


def test_students_notebooks_lie_where_their_links_lead(home):
    """With captions under figures, and with the tests folded."""
    notebooks.write(notebooks.make(home, home / "_build"), home / "_build/html/notebooks")
    students = home / "_build/assignments/student"
    students.mkdir(parents=True)
    figure = {"mystnb": {"figure": {"caption": "A bound.", "name": "fig-mine"}}}
    test = {"nbgrader": {"grade": True, "solution": False}}
    cells = [
        new_markdown_cell("# Do\n\nSee [1](../01_one.ipynb).", id="title"),
        new_code_cell("plot()", id="plot", metadata=figure),
        new_code_cell("assert True", id="check", metadata=test),
    ]
    nbformat.write(new_notebook(cells=cells), students / "01_do.ipynb")
    assert notebooks.main(["--into", str(home / "mine")], home) == 0
    nb = nbformat.read(home / "mine/assignments/01_do.ipynb", 4)
    made = {cell.id: cell for cell in nb.cells}
    assert made["plot-caption"].source == "A bound."
    assert made["check"].metadata["jupyter"] == {"source_hidden": True}
    assert "[1](../01_one.ipynb)" in made["title"].source


def test_a_smoke_build_says_that_its_numbers_mean_nothing(home):
    for folder in ("_build/jupyter_execute/chapters", "chapters"):
        nb = nbformat.read(home / folder / "01_one.ipynb", 4)
        shown = nbformat.v4.new_output("display_data", {"text/markdown": "| **smoke** (in force)"})
        nb.cells.append(new_code_cell("size", id="sizes", outputs=[shown]))
        nbformat.write(nb, home / folder / "01_one.ipynb")
    made = nbformat.reads(notebooks.make(home, home / "_build")["chapters/01_one.ipynb"], 4)
    assert 'in the size "smoke", which trains for seconds only' in made.cells[0].source


def test_no_address_that_leads_nowhere_is_shown(home):
    """While the book has no address, its references are text, and its images are inside."""
    source = (
        "So {eq}`eq-b`, [it](../book/glossary.md).\n\n```{figure} a.svg\n:name: fig-b\nHm.\n```"
    )
    for folder in ("_build/jupyter_execute/chapters", "chapters"):
        nb = nbformat.read(home / folder / "01_one.ipynb", 4)
        nb.cells[-1].source += f"\n\n{source}"
        nbformat.write(nb, home / folder / "01_one.ipynb")
    made = notebooks.make(home, home / "_build", url=f"https://github.com{PLACEHOLDER}vae-book")
    nb = nbformat.reads(made["chapters/01_one.ipynb"], 4)
    assert not any("OWNER" in cell.source for cell in nb.cells if cell.id != "bootstrap")
    last = next(cell for cell in nb.cells if cell.id == "think-2")
    assert (
        "So [(2.1)](02_two.ipynb), it.\n\n![](attachment:a.svg)\n\n**Fig. 2.1.** Hm." in last.source
    )
    assert last.attachments == {"a.svg": {"image/svg+xml": "PHN2Zy8+"}}
    assert "[2. Second](02_two.ipynb)" in nb.cells[-1].source


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (
            lambda home: shutil.rmtree(home / "_build/html"),
            "html is missing; numbers come from a build, so run",
        ),
        (
            lambda home: (home / "_build/jupyter_execute/chapters/02_two.ipynb").unlink(),
            "02_two.ipynb is missing",
        ),
        (
            lambda home: nbformat.write(
                new_notebook(cells=[new_markdown_cell("# New", id="title")]),
                home / "chapters/02_two.ipynb",
            ),
            "02_two has changed since it was built, in cell",
        ),
        (
            lambda home: (home / "_build/jupyter_execute/chapters/01_one.glue.json").unlink(),
            "shows 'count'",
        ),
    ],
)
def test_nothing_is_written_from_a_missing_or_outdated_build(home, capsys, spoil, said):
    spoil(home)
    assert notebooks.main([], home) == 2
    error = capsys.readouterr().err
    assert (
        said in error and "Nothing was written." in error and not (home / "_build/colab").exists()
    )


def test_addresses_of_site_and_colab():
    assert (
        site_address("https://github.com/OWNER/vae-family") == "https://OWNER.github.io/vae-family/"
    )
    assert (
        site_address("https://github.com/Some-Body/some-body.github.io")
        == "https://Some-Body.github.io/"
    )
    opens = (
        "https://colab.research.google.com/github/OWNER/vae-family/blob/colab/"
        "chapters/04_iwae.ipynb"
    )
    assert colab_address("https://github.com/OWNER/vae-family", "chapters/04_iwae.ipynb") == opens


CONF = """
extensions = ["myst_nb"] + {}
html_theme = "sphinx_book_theme"
nb_execution_mode = "off"
myst_enable_extensions = ["colon_fence"]
html_theme_options = dict(
    repository_url="{}", repository_branch="main", path_to_docs="",
    use_repository_button=True, use_issues_button=True,
    launch_buttons=dict(colab_url="https://colab.research.google.com"))
"""


def small_book(folder, extensions, url, builder="html"):
    """Build a book whose address is url; returns its pages.

    It has a start page, a chapter with its last cell, and a table without a notebook. A page is its
    buttons' links to other places, whether there is a rocket, and all of its text.
    """
    (folder / "chapters").mkdir(exist_ok=True)
    cells = [new_markdown_cell("# A chapter"), new_markdown_cell(onward_source(url, "04_iwae"))]
    nb = new_notebook(cells=cells, metadata={"kernelspec": notebooks.KERNELSPEC})
    nbformat.write(nb, folder / "chapters/04_iwae.ipynb")
    only = ":::{only} published\nPress the rocket.\n:::\n"
    (folder / "index.md").write_text(
        f"# Start\n\nHere.\n\n{only}\n```{{toctree}}\nchapters/04_iwae\ntable\n```\n"
    )
    kernel = "file_format: mystnb\nkernelspec:\n  name: python3\n"
    (folder / "table.md").write_text(f"---\n{kernel}---\n# A table\n\n```{{code-cell}}\n1\n```\n")
    (folder / "conf.py").write_text(CONF.format(extensions, url))
    run = [sys.executable, "-m", "sphinx", "-q", "-b", builder, folder, folder / "out"]
    subprocess.run(run, check=True, env=os.environ | {"PYTHONPATH": str(ROOT / "book/tools")})
    pages = {}
    for name in ("index", "chapters/04_iwae", "table") if builder == "html" else ():
        soup = BeautifulSoup((folder / "out" / f"{name}.html").read_bytes(), "html.parser")
        links = [a["href"] for a in soup.select(".article-header-buttons a[href]")]
        rocket = bool(soup.select(".article-header-buttons .dropdown-launch-buttons"))
        pages[name] = [link for link in links if "#" not in link], rocket, str(soup)
    return pages


def test_the_launch_button_opens_the_plain_notebook(tmp_path):
    """The extension changes only the chapter's Colab button, and removes it from other pages."""
    theirs, ours = (small_book(tmp_path, extensions, URL) for extensions in ([], ["plain_buttons"]))
    opens = (
        "https://colab.research.google.com/github/somebody/vae-book/blob/{}/chapters/04_iwae.ipynb"
    )
    links, rocket, _ = ours["chapters/04_iwae"]
    before = theirs["chapters/04_iwae"][0]
    assert opens.format("main") in before and rocket
    changed = {opens.format("main"), "../_sources/chapters/04_iwae.ipynb"}
    assert changed <= set(before)
    assert set(links) - set(before) == {
        opens.format("colab"),
        kaggle_address(URL, "chapters/04_iwae.ipynb"),
        "../notebooks/chapters/04_iwae.ipynb",
    }
    assert set(before) - set(links) == changed
    assert URL in links and any("/issues/new" in link for link in links)
    assert theirs["table"][1] and not ours["table"][1]
    for page in ("table", "index"):
        assert ours[page][0] == [
            link for link in theirs[page][0] if "colab." not in link and "_sources" not in link
        ]


def test_no_link_leads_to_the_placeholder(tmp_path):
    """Without an address no page has links; with one, all are shown, in the same build folder."""
    extensions, nowhere = ["plain_buttons", "unpublished"], "https://github.com/OWNER/vae-family"
    for name, (links, rocket, page) in small_book(tmp_path, extensions, nowhere).items():
        assert not rocket and not any(link.startswith("http") for link in links), name
        assert not any(
            words in page for words in ("OWNER", "Press the rocket", "Run and change")
        ), name
    small_book(tmp_path, extensions, nowhere, "linkcheck")
    assert "OWNER" not in (tmp_path / "out/output.txt").read_text()  # and the link check skips it
    pages = small_book(tmp_path, extensions, URL)
    links, rocket, page = pages["chapters/04_iwae"]
    assert rocket and URL in links and colab_address(URL, "chapters/04_iwae.ipynb") in links
    assert (
        f'href="{colab_address(URL, "chapters/assignments/02_iwae.ipynb")}"' in page
        and "Run and change" in page
    )
    assert "Press the rocket." in pages["index"][2] and URL in pages["index"][0]


def run_bootstrap(monkeypatch, present, returncode=0, stderr=""):
    """Run the bootstrap cell with vaelib present or not, and a fake pip; returns pip's commands."""
    commands = []
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name: present if name == "vaelib" else None
    )
    answer = SimpleNamespace(returncode=returncode, stderr=stderr)
    monkeypatch.setattr(subprocess, "run", lambda pip, **options: commands.append(pip) or answer)
    monkeypatch.setenv("GIT_TERMINAL_PROMPT", "1")
    exec(bootstrap_source(URL), {})
    return commands


def test_the_bootstrap_skips_an_installed_vaelib(monkeypatch):
    assert run_bootstrap(monkeypatch, present=object()) == []


def test_the_bootstrap_pins_the_preinstalled_versions(monkeypatch):
    (pip,) = run_bootstrap(monkeypatch, present=None)
    assert pip[:6] == [sys.executable, "-m", "pip", "install", "-q", f"git+{URL}"]
    kept = ("matplotlib", "numpy", "scikit-learn", "scipy", "torch")
    assert pip[6:] == [f"{name}=={version(name)}" for name in kept]
    assert os.environ["GIT_TERMINAL_PROMPT"] == "0"


@pytest.mark.parametrize(
    "why", ["fatal: unable to access 'https://x/': Could not resolve host: x", ""]
)
def test_the_bootstrap_reports_a_failed_installation(monkeypatch, why):
    with pytest.raises(SystemExit) as stop:
        run_bootstrap(
            monkeypatch,
            present=None,
            returncode=1,
            stderr=f"  x git clone failed\n      {why}\nnote: more\n",
        )
    expected = (
        f"vaelib could not be installed from git+{URL}. Check the connection (on Kaggle, switch "
        "Internet on in the settings) and run this cell again, or run `make lab` in a clone of "
        "the book. "
    )
    assert str(stop.value) == expected + why


@pytest.fixture(scope="module")
def build():
    """The build that VAELIB_BOOK names by its html/."""
    folder = os.environ.get("VAELIB_BOOK")
    need(folder, "VAELIB_BOOK does not name a folder of built pages: `make book pages`", ci=False)
    return Path(folder).resolve().parent


@pytest.fixture(scope="module")
def branch(build):
    """{path: content} of the branch colab, from the real chapters and their build."""
    return notebooks.make(ROOT, build, url=URL)


def notebook(branch, name):
    return nbformat.reads(branch[f"chapters/{name}.ipynb"], 4)


def texts(nb):
    return [(cell.id, cell.source) for cell in nb.cells if cell.cell_type == "markdown"]


def without_code(source):
    return re.sub(r"(?s)^```.*?^```$|`[^`\n]*`", " ", source, flags=re.M)


def without_formulas(source):
    return re.sub(r"(?s)\$\$.*?\$\$|\$[^$]+\$", " ", source)


@pytest.mark.parametrize("name", CHAPTERS)
def test_no_raw_myst_is_left_in(branch, name):
    nb = notebook(branch, name)
    nbformat.validate(nb)
    assert (nb.nbformat, nb.nbformat_minor) == (4, 5)
    for label, source in texts(nb):
        assert not re.search(r"\{[\w:.-]+\}`", source), label
        found = RAW.search(without_formulas(without_code(source)))
        assert not found, (
            f"{name}, cell {label}: {found[0]!r} in "
            f"{found.string[max(0, found.start() - 40) :][:120]!r}"
        )
        for target in re.findall(r"\]\(([^)\s]*)\)", without_formulas(source)):
            beside = f"chapters/{target}" in branch
            assert beside or re.match(r"https?://[\w.-]+\.\w+/|https?://[\w.-]+$", target), (
                f"{label}: {target}"
            )
    ours, theirs = (
        [c.source for c in cells if c.cell_type == "code" and c.id != "bootstrap"]
        for cells in (nb.cells, nbformat.read(ROOT / f"chapters/{name}.ipynb", 4).cells)
    )
    own = ("# Your turn: ", notebooks.PROFILE)
    assert [source for source in ours if not source.startswith(own)] == theirs


def letters(text):
    return re.sub(r"[\W_]+", "", text)


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_plain_notebook_has_all_text_of_the_page(branch, build, name):
    """All paragraphs, headings, captions and tables, with all numbers and citations."""
    markdown = "\n\n".join(source for _, source in texts(notebook(branch, name)))
    html = MarkdownIt("commonmark").enable("table").render(without_formulas(markdown))
    ours = letters(BeautifulSoup(html, "html.parser").get_text())
    article = BeautifulSoup(
        (build / f"html/chapters/{name}.html").read_bytes(), "html.parser"
    ).find("article")
    # Some captions are inside an output.
    captions = [caption.extract() for caption in article.select("figcaption p")]
    for formula in (formula for caption in captions for formula in caption.select(".math")):
        formula.extract()
    theirs = (
        "a.headerlink, .math, .cell_input, .cell_output, .solution > .admonition-title, "
        "details.hide > summary"
    )
    for other in article.select(f"{theirs}, h2 > .section-number, h3 > .section-number"):
        other.extract()
    blocks = [
        block.get_text()
        for block in captions + article.select("h1, h2, h3, p, td, th, dt, summary")
    ]
    assert len(blocks) > 50
    missing = [block for block in blocks if letters(block) not in ours and "make lab" not in block]
    assert not missing, missing
    for number in re.findall(
        r"\((\w[\d.]*)\)", " ".join(e.get_text() for e in article.select(".eqno"))
    ):
        assert f"\\tag{{{number}}}" in markdown


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_plain_notebook_keeps_the_outputs_of_the_page(branch, name):
    nb = notebook(branch, name)
    for cell, following in zip(nb.cells, nb.cells[1:], strict=False):
        if following.id.endswith("-caption"):
            assert cell.outputs, f"{cell.id}: a caption without its figure"
        for output in cell.get("outputs", []):
            printed = [output.get("text", ""), output.get("data", {}).get("text/plain", "")]
            printed = "\n".join(printed).splitlines()
            claims = [line for line in printed if line.startswith("Checked")]
            assert len(set(claims)) == len(claims) or name == "11_bug_museum", cell.id
            assert len(output.get("data", {}).get("text/plain", "")) < 2000, cell.id


@pytest.mark.parametrize("name", CHAPTERS)
def test_links_to_the_published_pages_exist(branch, build, name):
    site = site_address(URL)
    source = "\n\n".join(source for _, source in texts(notebook(branch, name)))
    found = set(re.findall(rf"\]\({re.escape(site)}([^)#]+)(?:#([^)]*))?\)", source))
    assert (f"chapters/{name}.html", "") in found
    for path, fragment in found:
        assert (build / "html" / path).is_file(), path
        if fragment:
            assert f'id="{fragment}"' in (build / "html" / path).read_text(encoding="utf-8"), (
                path,
                fragment,
            )


@pytest.mark.parametrize("name", CHAPTERS)
def test_the_page_links_to_its_plain_notebook(branch, build, name):
    url, opens = read_url(ROOT / "_config.yml"), set()
    soup = BeautifulSoup((build / f"html/chapters/{name}.html").read_bytes(), "html.parser")
    if PLACEHOLDER not in url:
        opens = {
            address(url, f"chapters/{name}.ipynb") for address in (colab_address, kaggle_address)
        }
    buttons = {a["href"] for a in soup.select(".article-header-buttons a[href]")}
    assert {link for link in buttons if "colab.research" in link or "kaggle.com" in link} == opens
    assert not soup.select(f"a[href*='{PLACEHOLDER}']")
    assert f"../notebooks/chapters/{name}.ipynb" in buttons
    assert not any("_sources" in link for link in buttons)
    nbformat.read(build / f"html/notebooks/chapters/{name}.ipynb", 4)
    assert colab_address(URL, f"chapters/{name}.ipynb") in branch["README.md"]


def execute(nb, folder, python=sys.executable, **environment):
    """Run nb in a folder with some Python's kernel, smoke profile.

    CellExecutionError: a cell fails.
    """
    leave = ("PYTHONPATH", "MPLBACKEND", "VIRTUAL_ENV")
    env = {key: value for key, value in os.environ.items() if key not in leave}
    env |= {"VAELIB_PROFILE": "smoke", "OMP_NUM_THREADS": "1", "TQDM_DISABLE": "1"} | environment
    client = NotebookClient(
        nb, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    # nbclient's output widget sends to the kernel without waiting, which can stall for minutes
    client.comm_open_handlers.clear()
    client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = str(python)
    client.execute(env=env)


@pytest.mark.parametrize("name", SOME)
def test_the_plain_notebook_runs(branch, tmp_path, name):
    execute(notebook(branch, name), tmp_path, PYTHONPATH=str(ROOT))
