"""Sphinx extension: what an appendix numbers begins with its letter: Fig. A.1, (A.1), Exercise A.1.

Appendices stand in no numbered part, so Sphinx would count on from the introduction: Fig. 2, (2).
The letter is that of the file's name, chapters/A_engine.
"""

import re


def letter_numbers(app, env):
    """Replace the numbers that Sphinx has assigned."""
    for page, kinds in env.toc_fignumbers.items():
        if letter := re.search(r"(?:^|/)([A-Z])_[^/]*$", page):
            for numbers in kinds.values():
                for i, label in enumerate(numbers, 1):
                    numbers[label] = (letter[1], i)
    return []


def setup(app):
    app.connect("env-get-updated", letter_numbers, priority=501)  # Sphinx assigns them at 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
