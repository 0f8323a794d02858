"""Sphinx extension: no links to the book's public address while it is the placeholder.

Removes the buttons to the repository, its issues and Colab, and each paragraph that links there
(the last of each chapter). `:::{only} published` does the same for other text. `make repository
URL=...` restores all of it.
"""

from docutils import nodes
from repository import PLACEHOLDER
from sphinx.transforms.post_transforms import SphinxPostTransform


def leave_out_buttons(app, config):
    """Remove the buttons, or set the tag `published` for the pages."""
    options = config.html_theme_options
    if PLACEHOLDER in options.get("repository_url", ""):
        none = {"use_repository_button": False, "use_issues_button": False, "launch_buttons": {}}
        config.html_theme_options = options | none
    else:
        app.tags.add("published")


class LeaveOutParagraphs(SphinxPostTransform):
    default_priority = 100  # before `make links` collects the addresses

    def run(self, **kwargs):
        for paragraph in list(self.document.findall(nodes.paragraph)):
            if any(
                PLACEHOLDER in link.get("refuri", "") for link in paragraph.findall(nodes.reference)
            ):
                paragraph.parent.remove(paragraph)


def setup(app):
    app.connect("config-inited", leave_out_buttons)
    app.add_post_transform(LeaveOutParagraphs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
