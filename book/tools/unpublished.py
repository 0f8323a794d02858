"""A Sphinx extension: as long as the book's public address is the placeholder, nothing on a page leads there.

The buttons to the repository, its issues and Colab are left out, and so is each paragraph with a link there: the last
of each chapter. `:::{only} published` does the same for other words. `make repository URL=...` brings all back.
"""

from docutils import nodes
from repository import PLACEHOLDER
from sphinx.transforms.post_transforms import SphinxPostTransform


def leave_out_buttons(app, config):
    """Tell the theme of no place to link to, or the pages that there is one."""
    options = config.html_theme_options
    if PLACEHOLDER in options.get("repository_url", ""):
        none = {"use_repository_button": False, "use_issues_button": False, "launch_buttons": {}}
        config.html_theme_options = options | none
    else:
        app.tags.add("published")


class LeaveOutParagraphs(SphinxPostTransform):
    default_priority = 100  # before `make links` collects the addresses that it asks

    def run(self, **kwargs):
        for paragraph in list(self.document.findall(nodes.paragraph)):
            if any(PLACEHOLDER in link.get("refuri", "") for link in paragraph.findall(nodes.reference)):
                paragraph.parent.remove(paragraph)


def setup(app):
    app.connect("config-inited", leave_out_buttons)
    app.add_post_transform(LeaveOutParagraphs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
