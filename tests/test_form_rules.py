"""The rules of test_form.py: a valid chapter passes all, and each violation is named."""

import re

import nbformat
import pytest
import test_form as form

TITLE = """# A chapter

One paragraph.

```{figure} ../book/_static/heads/01_autoencoding.svg
:name: fig-head
:alt: Alice sends a message to Bob.

A message.
```

:::{admonition} In this chapter
:class: about

**You will be able to** read it. **You need** nothing. **Time** 1 minute.
:::"""
BODY = (
    """## One claim

It stands in {eq}`eq-one` and {numref}`Figure %s <fig-one>`; it is {glue:text}`gap:.2f` nats.

$$ a = b $$ (eq-one)

"""
    + "word " * 2100
)
EXERCISE = """
:::{exercise} A title
:label: ex-N

Do it.
:::

:::{solution} ex-N
:class: dropdown

Done.
:::
"""
SELF_TEST = """:::{admonition} Check yourself
:class: self-test

Question N, $x$?

1. one
2. two
3. three

<details><summary>Answers</summary>

1. A: why
2. B: why
3. C: why

</details>
:::"""
NAME = "01_autoencoding"
CLOSING = (
    "## Summary\n\n## Exercises\n"
    + "".join(EXERCISE.replace("N", str(i)) for i in range(4))
    + "\n## References"
)
FIGURE = {
    "figure": {"caption": "What is seen.", "name": "fig-one"},
    "image": {"alt": "Two curves that meet. " * 3},
}


def chapter():
    """The JSON of a small chapter that satisfies all rules."""
    v4 = nbformat.v4
    asked = [
        re.sub(
            r"\b[ABC]:", "No:", SELF_TEST.replace("ABC"[i % 3] + ":", "Yes:").replace("N", str(i))
        )
        for i in range(5)
    ]
    address = form.bootstrap_source(form.read_url(form.ROOT / "_config.yml"))
    stored = [v4.new_output("stream", name="stdout", text="0.25\n")]
    checked, moving = (
        {"tags": ["nbval-check-output"]},
        {"tags": ["remove-output"], "vaelib": {"static": "fig-one"}},
    )
    folded = {"tags": ["hide-input"]}
    nb = v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        cells=[
            v4.new_markdown_cell(TITLE, id="title"),
            v4.new_code_cell(address, id="bootstrap", metadata={"tags": ["remove-cell"]}),
            v4.new_code_cell("S = vp.sizes(steps=(1, 2, 3))", id="sizes"),
            v4.new_code_cell("vp.glue('gap', 1.0)", id="gap", metadata={"tags": ["hide-cell"]}),
            v4.new_markdown_cell(BODY, id="claim"),
            v4.new_code_cell(
                "print(0.5**2)", id="check", metadata=checked, outputs=stored, execution_count=3
            ),
            v4.new_code_cell("x = 1", id="one"),
            v4.new_code_cell("plt.subplots()", id="draw", metadata={"mystnb": FIGURE} | folded),
            v4.new_code_cell("ipywidgets.Play()", id="move", metadata=moving),
            *[v4.new_markdown_cell(text, id=f"check-{i}") for i, text in enumerate(asked)],
            v4.new_markdown_cell(CLOSING, id="closing"),
            v4.new_markdown_cell(
                form.onward_source(form.read_url(form.ROOT / "_config.yml"), NAME), id="onward"
            ),
        ],
    )
    return v4.writes(nb)


# rule, pattern in the chapter's JSON, its replacement, part of the message
VIOLATIONS = [
    ("format", '"nbformat_minor": 5', '"nbformat_minor": 4', "4.5"),
    ("format", '"id": "gap",', "", "'id' is a required property"),
    ("format", '"execution_count": 3', '"execution_count": "3"', "not valid"),
    ("ids", '"id": "gap",', "", "cell number 4"),
    ("ids", '"id": "gap"', '"id": "claim"', "cell claim"),
    ("ids", '"id": "gap"', '"id": "Gap"', "'Gap'"),
    ("ids", '"id": "gap"', '"id": "1f0c9ae2"', "1f0c9ae2"),
    ("ids", '"id": "gap"', '"id": "1f0c9ae2-55cd-4b1e-9d0a-6b1c33a4e0f1"', "random"),
    ("outputs", '"nbval-check-output"', '"other"', "cell check stores"),
    ("outputs", '"execution_count": null', '"execution_count": 1', "cell sizes"),
    ("outputs", '"execution_count": 3', '"execution_count": null', "cell check"),
    ("outputs", '"0.25', '"none', "a number"),
    ("outputs", '"0.25', '"<f at 0x7f33aa10>', "memory address"),
    ("outputs", '"stdout"', '"stderr"', "stderr"),
    *[
        ("skips", '"tags": \\[', f'"tags": ["{tag}", ', f"cell bootstrap is marked {tag}")
        for tag in form.SKIPS
    ],
    ("skips", "S = vp", "# NBVAL_SKIP", "cell sizes is marked NBVAL_SKIP"),
    ("lengths", "S = vp", "x = 1\\\\n" * 41 + "S", "cell sizes must have at most 40 lines, got 42"),
    ("cut", '"hide-input"', '"other"', "cell move is the fourth open cell"),
    ("cut", '"id": "gap"', '"id": "gap-rest"', "cell gap-rest is named as the rest of another"),
    ("cut", "S = vp", "x = (\\\\n1\\\\n)\\\\n" * 11 + "S", "10 lines may be a bracket or a name"),
    ("figures", "What is seen.", "", "cell draw draws a figure without"),
    ("figures", '"name": "fig-one"', '"name": "one"', "cell draw: mystnb.figure.name"),
    ("figures", "Two curves that meet. ", "Two. ", "cell draw: mystnb.image.alt"),
    ("figures", "What is seen.", "Two curves that meet. " * 3, "differ from the caption"),
    ("figures", "S = vp", "fig = plt.figure(); S = vp", "cell sizes draws"),
    ("figures", "S = vp", "vp.plotting.plt.show(); S = vp", "cell sizes draws"),
    ("static", '"remove-output"', '"other"', "cell move uses ipywidgets"),
    ("static", '"static": "fig-one"', '"static": "fig-two"', "cell move"),
    ("static", '"static": "fig-one"', '"other": 1', "cell move"),
    (
        "static",
        '(?s)"remove-output"(.*?)ipywidgets.Play',
        r'"other"\1widgets.Play',
        "cell move uses ipywidgets",
    ),
    (
        "static",
        '(?s)"static": "fig-one"(.*?)ipywidgets.Play..',
        r'"other": 1\1plt.show()',
        "cell move is not shown",
    ),
    (
        "output_widgets",
        "S = vp",
        "ipywidgets.interact(f); S = vp",
        "cell sizes captures output in a widget",
    ),
    ("output_widgets", "S = vp", "@interact(x=1)", "cell sizes captures output"),
    (
        "output_widgets",
        "S = vp",
        "o = Output(); ipywidgets.Output(); S = vp",
        "cell sizes captures output",
    ),
    ("bootstrap", '"id": "bootstrap"', '"id": "boot"', "first code cell"),
    ("bootstrap", "https://github.com", "https://gitlab.com", "cell bootstrap"),
    ("bootstrap", '"remove-cell"', '"remove-cell", "more"', "cell bootstrap"),
    ("bootstrap", '"name": "python3"', '"name": "conda"', "kernelspec"),
    ("onward", '"id": "onward"', '"id": "end"', "the last cell must be"),
    ("onward", "blob/colab/", "blob/main/", "the last cell must be"),
    ("portable", "S = vp", "!ls; S = vp", "cell sizes"),
    ("portable", "S = vp", "%%time\\\\nS = vp", "cell sizes"),
    ("portable", "S = vp", "# pip install x", "cell sizes"),
    ("portable", "S = vp", "p = '/home/me'", "cell sizes"),
    ("portable", "0.25", "/tmp/25", "cell check"),
    ("portable", "It stands", r"C:\\\\\\\\Users", "cell claim"),
    ("portable", "S = vp", "S" * 101, "cell sizes must have lines of at most 84"),
    ("shown", "plt.subplots", "vp.table([], []); plt.subplots", "cell draw must end with the call"),
    ("reuse", "plt.subplots", "S.append(1); plt.subplots", "cell draw changes 'S'"),
    ("reuse", "plt.subplots", "S[0].pop(); plt.subplots", "cell draw changes 'S'"),
    ("reuse", "plt.subplots", "S[0] += 1; plt.subplots", "cell draw changes 'S'"),
    # The cell `gap` reads S, which `move` sets again.
    (
        "reuse",
        "(?s)'gap', 1.0(.*)ipywidgets.Play",
        r"'gap', S\1S = ipywidgets.Play",
        "cell gap reads 'S'",
    ),
    ("opening", "# A chapter", "A chapter", "title"),
    ("opening", "You need", "You have", "You need"),
    ("opening", "vp.sizes", "sizes", "vp.sizes"),
    ("exercises", ":::{exercise} A title", "nothing", "at least 4 exercises, got 0"),
    ("exercises", ":label: ex-1", ":label: ex-7", "ex-7"),
    ("exercises", ":label: ex-1", ":other: ex-1", ":label:"),
    ("exercises", ":class: dropdown", ":class: other", "ex-0"),
    ("exercises", "## Summary", "## Sum", "Summary"),
    ("exercises", "## References", "## References\\\\n\\\\n## More", "last"),
    ("references", "eq-one", "one", "begin with eq-"),
    ("references", r"\(eq-one\)", "", "'eq-one'"),
    ("references", r"\(eq-one\)", r"(eq-one)\\\\n\\\\n$$ c $$ (eq-one)", "unique"),
    ("references", "<fig-one>", "<fig-two>", "'fig-two'"),
    ("words", "word word ", "word ", "words of prose"),
    ("words", "word word ", "word " * 5, "words of prose"),
    ("self_tests", ":class: self-test", ":class: other", "at least 5 self-tests, got 0"),
    ("self_tests", "<summary>Answers", "<summary>More", "cell check-0 must have the form"),
    ("self_tests", "Yes: why", "Right: why", "cell check-0 must have 3 or 4 options"),
    ("self_tests", "Yes: why", "No: why", "cell check-0 must have exactly one right"),
    ("self_tests", "3. three", "3. three\\\\n4. four", "as many answers"),
    ("self_tests", "Question 1", "See {eq}`eq-one`", "cell check-1 contains a role"),
    (
        "self_tests",
        r"(?s)1\. No: why(.*?)Yes: why",
        r"1. Yes: why\1No: why",
        "too often in one position",
    ),
    ("glue", "'gap'", "'gulf'", "shows 'gap'"),
    ("glue", "S = vp", "vp.glue('gulf', 1); S = vp", "glues 'gulf'"),
    ("glue", "S = vp", "vp.glue(f'gap_{i}', 1); S = vp", "glues 'gap_{i}'"),
    ("glue", "It stands", "{glue:text}`gap_1`", "shows 'gap_1'"),
    ("glue", "S = vp", "vp.glue('gap', 1); S = vp", "two calls glue 'gap'"),
    ("references", "It stands", "See {doc}`this <99_no>`.", "'99_no', which is no page"),
]


def problems(rule, text, **others):
    nb = nbformat.v4.reads(text)
    return list(getattr(form, f"check_{rule}")(nb, NAME, {NAME: nb, **others}))


@pytest.mark.parametrize("rule", form.RULES, ids=lambda rule: rule.__name__)
def test_a_valid_chapter_passes(rule):
    assert problems(rule.__name__.removeprefix("check_"), chapter()) == []


@pytest.mark.parametrize("rule, pattern, new, message", VIOLATIONS)
def test_violations_are_named(rule, pattern, new, message):
    text, count = re.subn(pattern, new, chapter())
    found = problems(rule, text)
    assert count and found, f"{rule}: no problem was reported"
    assert all(problem.startswith(NAME) for problem in found)
    assert any(message in problem for problem in found), found


@pytest.mark.parametrize("rule, message", [("figures", "cell draw"), ("references", "eq-one")])
def test_names_are_unique_in_the_whole_book(rule, message):
    other = nbformat.v4.reads(chapter())
    assert any(message in problem for problem in problems(rule, chapter(), other=other))


def test_glued_names_may_be_f_strings():
    text = chapter().replace("vp.glue('gap'", "vp.glue(f'gap_{i}'").replace("gap:.2f", "gap_1:.2f")
    assert problems("glue", text) == []


def test_assignments_are_exempt_from_rules_for_chapters():
    spared = {
        rule.__name__
        for rule in set(form.rules("01_elbo")) - set(form.rules("assignments/01_elbo"))
    }
    names = (
        "lengths",
        "cut",
        "figures",
        "static",
        "opening",
        "exercises",
        "words",
        "glue",
        "reuse",
        "shown",
        "grammar",
    )
    assert form.rules("01_elbo") == form.RULES
    assert spared == {f"check_{name}" for name in names}


def test_every_rule_has_a_violation():
    assert {rule.__name__.removeprefix("check_") for rule in form.RULES} == {
        planted[0] for planted in VIOLATIONS
    } | {"grammar"}  # below


def cell_of(nb, label):
    (cell,) = [cell for cell in nb.cells if cell.id == label]
    return cell


def without(nb, label, old, new=""):
    cell = cell_of(nb, label)
    assert old in cell.source
    cell.source = cell.source.replace(old, new)


def opened(nb, label):
    cell_of(nb, label).metadata["tags"] = []


def last(nb, label):
    nb.cells.append(nb.cells.pop([cell.id for cell in nb.cells].index(label)))


def four_open(nb):
    nb.cells += [nbformat.v4.new_code_cell("x = 1", id=f"open{i}x") for i in range(4)]


GRAMMAR = [
    (lambda nb: without(nb, "title", "/heads/"), "must come the head drawing"),
    (lambda nb: without(nb, "title", ":class: about"), "a box of class about"),
    (lambda nb: opened(nb, "setup"), "cell setup must be folded by hide-cell"),
    (lambda nb: opened(nb, "em-check"), "cell em-check keeps books"),
    (lambda nb: opened(nb, "day-run"), "cell day-run keeps books"),
    (lambda nb: without(nb, "em-check", ', "identity"'), "a claim must say its kind"),
    (four_open, "is the fourth open cell without a sentence"),
    (lambda nb: cell_of(nb, "em-read").update(id="em-rest"), None),
    (lambda nb: cell_of(nb, "em-bound").update(id="em-rest"), "cell em-rest is named as the rest"),
    (lambda nb: last(nb, "rotated-check"), "cell rotated-read quotes 'gap' before it is glued"),
]


@pytest.mark.parametrize("plant, message", GRAMMAR)
def test_violations_of_the_grammar_are_named(plant, message):
    nb = form.load(form.CHAPTERS["02_elbo"])
    assert list(form.check_grammar(nb, "02_elbo", {})) == []
    plant(nb)
    found = [*form.check_grammar(nb, "02_elbo", {}), *form.check_cut(nb, "02_elbo", {})]
    assert any(message in problem for problem in found) if message else not found, found


def test_figure_makers_are_found(monkeypatch, tmp_path):
    (tmp_path / "vaelib" / "pages").mkdir(parents=True)
    source = "def _new():\n    return plt.subplots()\n\n\ndef grid(x,\n):\n    _new()\n"
    (tmp_path / "vaelib" / "pages" / "plotting.py").write_text(
        source + "\n\ndef draw(ax):\n    ax.plot()\n"
    )
    monkeypatch.setattr(form, "ROOT", tmp_path)
    assert form.figure_makers.__wrapped__() == {"_new", "grid"}
