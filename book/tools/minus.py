"""Sphinx extension: negative numbers that cells hand to the prose get a minus sign, no hyphen."""

from docutils import nodes

from vaelib.pages.notebook import with_minus


def replace(app, doctree, name):
    for shown in doctree.findall(nodes.inline):
        if "pasted-text" in shown["classes"]:
            for text in list(shown.findall(nodes.Text)):
                text.parent.replace(text, nodes.Text(with_minus(text.astext())))


def setup(app):
    app.connect("doctree-resolved", replace)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
