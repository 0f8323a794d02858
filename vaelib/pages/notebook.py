"""What the cells of a chapter need: the size of the run, and numbers for the prose."""

import contextlib
import os
import re
from types import SimpleNamespace

PROFILES = ("smoke", "default", "paper")


def profile():
    """The current profile, $VAELIB_PROFILE: "smoke", "default" (if unset) or "paper"."""
    name = os.environ.get("VAELIB_PROFILE", "default")
    if name not in PROFILES:
        raise ValueError(f"VAELIB_PROFILE must be one of {', '.join(PROFILES)}, got {name!r}.")
    return name


def with_minus(text):
    """The text with a minus sign, which is as wide as a digit, for the hyphen before a number."""
    return re.sub(r"(?<![\w.,)\]\[{^`/-])-(?=\d)", "\u2212", text)


class Table(SimpleNamespace):
    """Rows under a head, and text below: Markdown in a notebook, columns of text elsewhere."""

    def _repr_markdown_(self):
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        text = "\n".join("| " + " | ".join(line) + " |" for line in lines) if self.rows else ""
        text = with_minus(text).replace(" ± ", "\u00a0±\u00a0")  # stay on one line
        return "\n\n".join(part for part in (text, self.below) if part)

    def __repr__(self):
        lines = ["  ".join(line) for line in [self.head, *self.rows]] if self.rows else []
        return "\n".join([*lines, *([self.below] if self.below else [])])


def table(head, rows, below=""):
    """Lay out `rows`, each a list of one text or number per name in `head`, as a table.

    below: Markdown shown under the table; without rows it is shown alone. ValueError: a row of
        another length.
    """
    rows = [[str(cell) for cell in row] for row in rows]
    for row in rows:
        if len(row) != len(head):
            raise ValueError(
                f"table: every row must have {len(head)} cells, as the head has, "
                f"got {len(row)}: {row}."
            )
    return Table(head=list(head), rows=rows, below=below)


def _shown(value):
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


class Sizes(SimpleNamespace):
    """The sizes of the current profile as attributes; in a notebook a table of all profiles."""

    def _repr_markdown_(self):
        head = ["size"] + [f"**{p}** (in force)" if p == self._profile else p for p in PROFILES]
        rows = [[f"`{name}`", *map(_shown, values)] for name, values in self._table.items()]
        return table(head, rows)._repr_markdown_()

    def __repr__(self):
        return "\n".join(f"{name}: {values}" for name, values in self._table.items())


def sizes(**table):
    """Choose sizes by profile: `sizes(steps=(30, 1500, 20_000))` gives `.steps`.

    The values are for (smoke, default, paper). ValueError: an entry that has not three values.
    """
    for name, values in table.items():
        if not isinstance(values, tuple) or len(values) != 3:
            raise ValueError(
                f"sizes: {name} must be a tuple of three (smoke, default, paper), got {values!r}."
            )
    chosen = {name: values[PROFILES.index(profile())] for name, values in table.items()}
    return Sizes(_profile=profile(), _table=table, **chosen)


def strict():
    """Whether the book's build or a test runs this cell, and not a reader.

    The build and the tools set $VAELIB_STRICT, pytest sets $PYTEST_VERSION.
    """
    return bool(os.environ.get("VAELIB_STRICT") or os.environ.get("PYTEST_VERSION"))


def glue(name, value):
    """Make a value available to the page's prose under a name; outside the book's build, print it.

    The prose refers to it as {glue:text}`name:.2f`, so that no measured number is ever typed.
    """
    # NumPy and torch scalars are shown as plain numbers.
    value = value.item() if hasattr(value, "item") else value
    if strict():
        with contextlib.suppress(ImportError):  # absent where tests run plain notebooks
            from myst_nb import glue as keep

            return keep(name, value, display=False)
    print(f"{name} = {value:.4g}" if isinstance(value, float) else f"{name} = {value}")
