"""Sphinx extension: a chapter's buttons open and download its plain notebook.

The theme's buttons open and download the chapter itself, whose roles and boxes notebooks show raw.
Pages that are not notebooks have no plain version and get neither. The plain notebooks are written
beside the pages, in notebooks/, when the build has finished.
"""

from pathlib import Path

import notebooks
from repository import ROOT, colab_address, kaggle_address
from sphinx.util import logging

log = logging.getLogger(__name__)
KAGGLE = {
    "type": "link",
    "text": "Kaggle",
    "tooltip": "Launch on Kaggle",
    "icon": "fas fa-cloud",
    "label": "launch-kaggle-button",
}


def open_plain(app, pagename, templatename, context, doctree):
    """Replace the addresses of the buttons that the theme has added."""
    groups = context.get("header_buttons", [])
    url = app.config.html_theme_options.get("repository_url", "")
    chapter = context.get("page_source_suffix") == ".ipynb"
    for group in [group for group in groups if group.get("label") == "launch-buttons"]:
        if not chapter:
            groups.remove(group)
        for button in group["buttons"]:
            if button["text"] == "Colab":
                button["url"] = colab_address(url, f"{pagename}.ipynb")
        group["buttons"].append(KAGGLE | {"url": kaggle_address(url, f"{pagename}.ipynb")})
    for group in [group for group in groups if group.get("label") == "download-buttons"]:
        group["buttons"] = [
            button
            for button in group["buttons"]
            if button["label"] != "download-notebook-button"
            and (chapter or button["label"] != "download-source-button")
        ]
        for button in group["buttons"]:
            if button["label"] == "download-source-button":
                button["url"] = f"{context['pathto']('notebooks', 1)}/{pagename}.ipynb"
                button["tooltip"] = "Download the notebook"


def write_plain(app, error):
    """Write the plain notebooks beside the pages."""
    if error or app.builder.format != "html" or not Path(app.srcdir, "_config.yml").exists():
        return
    try:
        files = notebooks.make(ROOT, Path(app.outdir).parent)
    except ValueError as lacking:
        log.warning("the plain notebooks were not written: %s", lacking)
        return
    notebooks.write(
        {name: content for name, content in files.items() if name != "README.md"},
        Path(app.outdir) / "notebooks",
    )


def setup(app):
    app.connect("html-page-context", open_plain, priority=502)  # the theme adds its buttons at 501
    app.connect("build-finished", write_plain)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
