"""What a chapter's cells need around the mathematics: the size of the run, and numbers for the
prose."""

import os
from types import SimpleNamespace

PROFILES = ("smoke", "default", "paper")


def profile():
    """The profile in force, from the environment variable VAELIB_PROFILE: "smoke", "default" or
    "paper"."""
    name = os.environ.get("VAELIB_PROFILE", "default")
    if name not in PROFILES:
        raise ValueError(f"VAELIB_PROFILE must be one of {', '.join(PROFILES)}, got {name!r}.")
    return name


class Table(SimpleNamespace):
    """Rows of text under a head, and a text below: Markdown in a notebook, columns of text
    elsewhere."""

    def _repr_markdown_(self):
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines) if self.rows else ""
        text = text.replace(" ± ", "\u00a0±\u00a0")  # a value and its spread stay on one line
        return "\n\n".join(part for part in (text, self.below) if part)

    def __repr__(self):
        lines = ["  ".join(line) for line in [self.head, *self.rows]] if self.rows else []
        return "\n".join([*lines, *([self.below] if self.below else [])])


def table(head, rows, below=""):
    """Lay out `rows`, each a list with one text or number for each name in `head`, as a table of
    the page.

    below: Markdown to stand under the table; without rows it stands alone. ValueError: a row of
        another length.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(
                f"table: every row must have {len(head)} cells, as the head has, got {len(row)}: {row}."
            )
    return Table(head=list(head), rows=rows, below=below)


class Sizes(SimpleNamespace):
    """The sizes of the profile in force as attributes; shown in a notebook as the table of all
    three profiles."""

    def _repr_markdown_(self):
        head = ["size"] + [f"**{p}** (in force)" if p == self._profile else p for p in PROFILES]
        rows = [[f"`{name}`", *(f"{v:,}" if isinstance(v, int) else str(v) for v in values)]
                for name, values in self._table.items()]  # fmt: skip
        return table(head, rows)._repr_markdown_()

    def __repr__(self):
        return "\n".join(f"{name}: {values}" for name, values in self._table.items())


def sizes(**table):
    """Choose sizes by profile: `sizes(steps=(30, 1500, 20_000))` gives `.steps` for (smoke,
    default, paper).

    ValueError: an entry that does not hold three values.
    """
    for name, values in table.items():
        if not isinstance(values, tuple) or len(values) != 3:
            raise ValueError(
                f"sizes: {name} must be a tuple of three (smoke, default, paper), got {values!r}."
            )
    chosen = {name: values[PROFILES.index(profile())] for name, values in table.items()}
    return Sizes(_profile=profile(), _table=table, **chosen)


def glue(name, value):
    """Make a value available to the page's prose under a name; without myst_nb, print it.

    The prose refers to it as {glue:text}`name:.2f`, so that no measured number is ever typed.
    """
    # NumPy and torch scalars are shown as plain numbers.
    value = value.item() if hasattr(value, "item") else value
    try:
        from myst_nb import glue as keep
    except ImportError:
        print(f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}")
    else:
        keep(name, value, display=False)


def claim(text, holds, trained=False):
    """Print a claim of the chapter and check it. AssertionError: it does not hold.

    trained=True marks a claim about a trained model: the smoke profile trains too briefly to judge
    it, and prints so.
    """
    if trained and profile() == "smoke":
        print(f"Not judged in the smoke profile: {text}")
    elif bool(holds):
        print(f"Checked: {text}")
    else:
        raise AssertionError(f"This claim does not hold here: {text}")
