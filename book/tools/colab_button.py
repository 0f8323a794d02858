"""Sphinx extension: a chapter's rocket button opens its plain notebook, on the branch colab.

The theme's button opens the chapter itself, whose roles and boxes Colab shows raw. Pages that are
not notebooks have no plain version and get no rocket. All other buttons are unchanged.
"""

from repository import colab_address


def open_plain(app, pagename, templatename, context, doctree):
    """Replace the addresses of the launch buttons that the theme has added."""
    buttons = context.get("header_buttons", [])
    for group in [group for group in buttons if group.get("label") == "launch-buttons"]:
        if context.get("page_source_suffix") != ".ipynb":
            buttons.remove(group)
        for button in group["buttons"]:
            if button["text"] == "Colab":
                url = app.config.html_theme_options["repository_url"]
                button["url"] = colab_address(url, f"{pagename}.ipynb")


def setup(app):
    app.connect("html-page-context", open_plain, priority=502)  # the theme adds its buttons at 501
    return {"parallel_read_safe": True, "parallel_write_safe": True}
