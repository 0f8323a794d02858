"""Render MyST's roles and boxes as plain Markdown, which any notebook shows.

A `page` describes the current notebook: its name (chapters/04_iwae), its glued values, the works
cited and images attached so far, and the book, with the places and works that all pages share.
"""

import posixpath
import re
from functools import partial
from types import SimpleNamespace

from bs4 import BeautifulSoup
from myst_nb.core.variables import format_plain_text
from pybtex.backends.markdown import Backend
from pybtex.plugin import find_plugin
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

from vaelib.pages.notebook import with_minus

ROLE = re.compile(r"\{([a-z][\w:.-]*)\}`([^`]+)`")
EQUATION = re.compile(r"(?s)\$\$(.*?)\$\$(?:[ \t]*\(([^)\s]+)\))?")
# fence, directive, argument, options, body; a box within another has a shorter fence
BOX = re.compile(
    r"(?ms)^(:{3,}|`{3,})\{([\w:-]+)\}[ \t]*([^\n]*)\n((?:[ \t]*:[\w-]+:[^\n]*\n)*)(.*?)^\1[ \t]*$"
)
LINK = re.compile(r"\]\((?!\w+:)([^()\s#]*)(#[^()\s]*)?\)")
RAW = re.compile(
    r"(?m)\{[a-z][\w:.-]*\}`|^[ \t>]*(?::::|[`~]{3,}\{)|\$\$[ \t]*\([\w-]+\)$|^\([\w-]+\)=$|^\+\+\+"
)
ADMONITIONS = ("admonition", "note", "tip", "hint", "important", "warning", "caution", "seealso")


def read_places(html):
    """Return {label: place} of all numbered or named parts of the built pages.

    A page's label is its name.
    """
    places = {}
    for path in sorted(html.glob("[!_]*/**/*.html")):
        page = path.relative_to(html).with_suffix("").as_posix()
        article = BeautifulSoup(path.read_bytes(), "html.parser").find("article")
        named = [
            (mark.parent, mark["href"][1:], mark.extract())
            for mark in article.select("a.headerlink")
        ]
        named += [
            (title, title.parent["id"], 0)
            for title in article.select(".admonition[id] > .admonition-title")
        ]
        named += [
            (mark.parent.find(re.compile("h[1-6]")), mark["id"], 0)  # (label)= before a heading
            for mark in article.select("section > span[id]")
        ]
        for thing, anchor, _ in named:
            name = (thing.select_one(".caption-number") or thing).get_text().strip()
            label = {"h1": page, "dt": f"term {name.lower()}"}.get(
                thing.name, anchor.removeprefix("equation-")
            )
            places[label] = SimpleNamespace(page=page, anchor=anchor, name=name)
    return places


def find(label, page):
    """Return the place of a label. ValueError: no built page has it."""
    if label not in page.book.places:
        raise ValueError(
            f"{page.name} refers to {label!r}, which is on no built page; run `make book` again."
        )
    return page.book.places[label]


def cite(style, keys, page):
    """Return works by author and year, as on the pages: textual (t) or in brackets."""
    keys, works, names = (
        keys.replace(" ", "").split(","),
        page.book.works.entries,
        AuthorYearReferenceStyle(),
    )
    if lost := [key for key in keys if key not in works]:
        raise ValueError(f"{page.name} cites {lost[0]!r}, which is not in book/references.bib.")
    page.cited.update(keys)
    who, shown = names.person.author_or_editor_or_title(full=False), []
    for entry in find_plugin("pybtex.style.sorting", "author_year_title")().sort(
        works[key] for key in keys
    ):
        by = who.format_data({"entry": entry, "style": names}).render(Unescaped())
        shown.append(
            ("{} [{}]" if style == "t" else "{}, {}").format(by, entry.fields.get("year", "n.d."))
        )
    return ", ".join(shown) if style == "t" else f"[{', '.join(shown)}]"


def works_cited(page):
    """Return the works that the page has cited as a Markdown list, or an empty string."""
    style = find_plugin("pybtex.style.formatting", "alpha")()
    entries = style.format_bibliography(page.book.works, sorted(page.cited))
    return "\n".join("- " + " ".join(entry.text.render(Unescaped()).split()) for entry in entries)


def role(match, page):
    name, content = match.groups()
    if name in ("cite", "cite:t", "cite:p"):
        return cite(name[-1], content, page)
    if name in ("glue:", "glue:text"):
        key, _, spec = content.partition(":")
        if key not in page.glued:
            raise ValueError(
                f"{page.name} shows {key!r}, which no cell of the build glued; "
                "run `make book` again."
            )
        return with_minus(format_plain_text(page.glued[key]["data"]["text/plain"], spec or "s"))
    titled = re.fullmatch(r"(?s)(.+?)\s*<(.+)>", content)
    shown, target = titled.groups() if titled else (None, content)
    if name == "doc":
        target = posixpath.normpath(posixpath.join("/", posixpath.dirname(page.name), target))[1:]
        shown = shown or re.sub(r"^[\d.]+ ", "", find(target, page).name)
        suffix = ".ipynb" if target in page.book.notebooks else ".md"
        return f"[{shown}]({posixpath.relpath(target, posixpath.dirname(page.name))}{suffix})"
    if name not in ("eq", "numref", "ref", "prf:ref", "term"):
        raise ValueError(
            f"{page.name}: {match[0]} has no plain form; add one to book/tools/plain.py."
        )
    place = find(f"term {target.lower()}" if name == "term" else target, page)
    if name == "numref" and shown:
        shown = re.sub(r"%s|\{number\}", place.name.split()[-1], shown)
    shown = shown or (target if name == "term" else place.name)
    if place.page == page.name:
        return shown
    if not page.book.published and place.page in page.book.notebooks:
        path = posixpath.relpath(place.page, posixpath.dirname(page.name))
        return f"[{shown}]({path}.ipynb)"
    return f"[{shown}]({page.book.site}{place.page}.html#{place.anchor})"


def equation(match, page):
    body, label = match.groups()
    return (
        f"$${body.rstrip()}\n\\tag{{{find(label, page).name.strip('()')}}}\n$$"
        if label
        else match[0]
    )


def box(match, page):
    _, name, title, options, body = match.groups()
    options, body = dict(re.findall(r":([\w-]+):[ \t]*(.*)", options)), body.strip()
    label, kind = options.get("label") or options.get("name"), name.removeprefix("prf:")
    if kind == "exercise-end":
        return ""
    if kind == "solution":
        return (
            f"<details><summary>Solution to {find(title, page).name}</summary>\n\n"
            f"{body}\n\n</details>"
        )
    if kind in ("exercise", "exercise-start") or kind != name:
        number = find(label, page).name if label else kind.capitalize()
        return f"**{number}**{title and f' ({title})'}\n\n{body}"
    if kind == "figure":
        image = posixpath.basename(title)
        at = f"{page.book.site}_images/{image}"
        if not page.book.published:
            at = f"attachment:{image}"
            page.attached[image] = (page.book.images / image).read_bytes()
        return f"![{options.get('alt', '')}]({at})\n\n**{find(label, page).name}.** {body}"
    if kind in ADMONITIONS:  # between rules: ">" would break formulas
        return f"***\n\n**{title or kind.capitalize()}**\n\n{body}\n\n***"
    raise ValueError(
        f"{page.name}: the box {{{name}}} has no plain form; add one to book/tools/plain.py."
    )


def link(match, page):
    """Return a chapter's link, pointing to a notebook, a published page or the repository."""
    target, fragment = match[1], match[2] or ""
    path = (
        posixpath.normpath(posixpath.join(posixpath.dirname(page.name), target))
        if target
        else f"{page.name}.md"
    )
    stem, suffix = posixpath.splitext(path)
    if suffix == ".ipynb" and stem in page.book.notebooks:
        return f"]({target})"
    return (
        f"]({page.book.site}{stem}.html{fragment})"
        if suffix == ".md"
        else f"]({page.book.url}/blob/main/{path})"
    )


def plain(source, page):
    """Return a cell's Markdown without MyST. ValueError: something has no plain form."""
    given, source = source, EQUATION.sub(partial(equation, page=page), source)
    while (flat := BOX.sub(lambda found: f"\n{box(found, page)}\n", source)) != source:
        source = flat
    source = LINK.sub(partial(link, page=page), ROLE.sub(partial(role, page=page), source))
    source = re.sub(r"(?m)^\*\*\*\s+^\*\*\*$", "***", source)  # one rule between two boxes
    if left := RAW.search(source):
        raise ValueError(f"{page.name}: {source[left.start() :][:40]!r} would be shown raw.")
    if not page.book.published:  # the addresses lead nowhere yet
        source = re.sub(
            rf"(?<!!)\[([^\[\]]+)\]\((?:{page.book.site}|{page.book.url}/)[^)]*\)", r"\1", source
        )
    return source if source == given else re.sub(r"\n{3,}", "\n\n", source).strip()


class Unescaped(Backend):
    """pybtex's Markdown without escapes, which names and titles do not need."""

    def format_str(self, text):
        return text
