"""The test of an assignment's variants: right ones keep all points, wrong ones lose theirs.

Of a variant's notebook only the cells run that its answer can affect, and those that they need.
Each assignment is a file of its own, so that several workers share them.
"""

import pytest
from harness import concerned, graded, replaced, run


def listed(failed):
    return "\n".join(f"{name}: {type(error).__name__}: {error}" for name, error in failed.items())


def variant_tests(name, variants):
    """Return a test with a case for each of the variants of the assignment `name`.

    A variant is a dict: "cell", the answer cell that "code" replaces; "kind", "right" or "wrong"; a
    wrong one's "loses", the test cells that must fail; "what" the answer does.
    """
    cases = [pytest.param(variant, id=f"{variant['cell']}-{variant['kind']}-{i}")
             for i, variant in enumerate(variants)]  # fmt: skip

    @pytest.mark.parametrize("variant", cases)
    def test(variant):
        notebook = replaced(name, variant["cell"], variant["code"])
        failed = run(concerned(notebook, variant["cell"]))
        lost = {cell: error for cell, error in failed.items() if cell in graded(notebook)}
        if variant["kind"] == "right":
            assert not lost, f"{variant['what']}\n{listed(lost)}"
            return
        assert variant["loses"] and set(variant["loses"]) <= set(graded(notebook)), variant["loses"]
        kept = set(variant["loses"]) - set(lost)
        assert not kept, f"{variant['what']}\nkept the points of {sorted(kept)}\n{listed(lost)}"

    return test
