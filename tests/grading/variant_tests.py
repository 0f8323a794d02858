"""The test of an assignment's variants: right ones keep all points, wrong ones lose theirs.

Of a variant's notebook only some cells run: of a right one the tests that its answer can affect, of
a wrong one the tests that it must lose, and what they need. Cells before the answer run once for
all of its variants; each variant then goes on in a copy of the process. Each assignment is a file
of its own, so that several workers share them.
"""

import functools

import numpy as np
import pytest
import torch
from harness import apart, can_copy, cells, concerned, execute, fresh, graded, needed, replaced, run

LONGEST = 120  # seconds of a variant


def listed(failed):
    return "\n".join(f"{name}: {error}" for name, error in failed.items())


def said(failed):
    return {name: f"{type(error).__name__}: {error}" for name, error in failed.items()}


@functools.lru_cache(4)
def begun(name, before):
    """Return the namespace after the cells `before` of an assignment, errors, and random states."""
    namespace = fresh()
    chosen = [cell for cell in cells(name) if cell.name in before]
    failed = {cell.name: execute(cell, namespace) for cell in chosen}
    failed = said({cell: error for cell, error in failed.items() if error})
    return namespace, failed, torch.get_rng_state(), np.random.get_state()


def outcome(name, notebook, changed):
    """Run the cells of a notebook in which the cell `changed` is new; returns {cell: error}."""
    if not can_copy():
        return said(run(notebook))
    at = [cell.name for cell in notebook].index(changed)
    namespace, failed, state, other = begun(name, tuple(cell.name for cell in notebook[:at]))

    def rest():
        fresh()
        torch.set_rng_state(state)
        np.random.set_state(other)
        errors = {cell.name: execute(cell, namespace) for cell in notebook[at:]}
        return said({cell: error for cell, error in errors.items() if error})

    found = apart(rest, LONGEST)
    assert found is not None, f"the process ended, or took more than {LONGEST} seconds"
    return failed | found


def variant_tests(name, variants):
    """Return a test with a case for each of the variants of the assignment `name`.

    A variant is a dict: "cell", the answer cell that "code" replaces; "kind", "right" or "wrong"; a
    wrong one's "loses", the test cells that must fail; "what" the answer does.
    """
    cases = [pytest.param(variant, id=f"{variant['cell']}-{variant['kind']}-{i}")
             for i, variant in enumerate(variants)]  # fmt: skip

    @pytest.mark.slow
    @pytest.mark.parametrize("variant", cases)
    def test(variant):
        cell, notebook = variant["cell"], replaced(name, variant["cell"], variant["code"])
        tests = set(graded(notebook))
        if variant["kind"] == "right":
            failed = outcome(name, concerned(notebook, cell), cell)
            lost = {cell: error for cell, error in failed.items() if cell in tests}
            assert not lost, f"{variant['what']}\n{listed(lost)}"
            return
        wanted = set(variant["loses"])
        assert wanted and wanted <= tests, variant["loses"]
        lost = outcome(name, needed(notebook, wanted | {cell}), cell)
        kept = wanted - set(lost)
        assert not kept, f"{variant['what']}\nkept the points of {sorted(kept)}\n{listed(lost)}"

    return test
