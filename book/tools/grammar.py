"""Sphinx extension: the second edition's looks, for the chapters that have had their pass.

tests/test_form.py holds these chapters to the rules of form that CONTRIBUTING.md lists.
"""

PASSED = ("02_elbo", "12_your_data", "13_diagnosis")


def add_looks(app, pagename, templatename, context, doctree):
    if pagename.removeprefix("chapters/") in PASSED:
        app.add_css_file("grammar.css", priority=900)  # after book.css
        app.add_js_file("grammar.js")


def setup(app):
    app.connect("html-page-context", add_looks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
