"""Sphinx extension: each page ends with the licences, the library's version and how to cite.

The theme would say who wrote the book once more.
"""

import tomllib

from repository import ROOT


def version():
    """Return vaelib's version."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return tomllib.loads(project)["project"]["version"]


def only_ours(app, config):
    config.html_theme_options["footer_content_items"] = ["extra-footer.html"]


def fill(app, pagename, templatename, context, doctree):
    context["theme_extra_footer"] = (
        '<p>Text and figures: <a href="https://creativecommons.org/licenses/by/4.0/" rel="license">'
        f"CC BY 4.0</a> · Code: MIT · vaelib {version()} · "
        f'<a href="{context["pathto"]("book/intro").rstrip("#")}#how-to-cite">How to cite</a></p>'
    )


def setup(app):
    app.connect("config-inited", only_ours)
    app.connect("html-page-context", fill)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
