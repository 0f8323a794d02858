"""A small source notebook in the form of an assignment, for tests of the grading."""

import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "book" / "tools"))
from record import strip  # noqa: E402
from repository import bootstrap_source, read_url  # noqa: E402

KL = '''def gaussian_kl(mean, log_var):
    """KL of N(mean, exp(log_var)) from N(0, 1), nats, (B, D) -> (B,)."""
    ### BEGIN SOLUTION
    variance = log_var.exp()
    return 0.5 * (mean.square() + variance - 1 - log_var).sum(1)
    ### END SOLUTION'''
KL_TEST = """import torch

mean, log_var = torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)
kl = gaussian_kl(mean, log_var)
assert kl.shape == (1,), "the KL is a sum over the latent dimensions, shape (B,)"
assert torch.allclose(kl, torch.tensor([0.5])), "half the squared mean, where the variance is 1"
### BEGIN HIDDEN TESTS
large = gaussian_kl(torch.zeros(3, 1), torch.full((3, 1), 2.0))
expected = torch.full((3,), 0.5 * (torch.tensor(2.0).exp().item() - 3))
assert torch.allclose(large, expected), "another variance"
### END HIDDEN TESTS"""
BOUND = '''def iwae_bound(log_w):
    """The bound from log-weights (k, B): the logarithm of the mean weight, (B,)."""
    ### BEGIN SOLUTION
    import math

    return log_w.logsumexp(0) - math.log(len(log_w))
    ### END SOLUTION'''
BOUND_TEST = """import torch

assert torch.allclose(iwae_bound(torch.zeros(5, 2)), torch.zeros(2)), "the mean of equal weights"
### BEGIN HIDDEN TESTS
extreme = iwae_bound(torch.tensor([[-2000.0], [-2000.0]]))
assert torch.isfinite(extreme).all(), "an underflow"
### END HIDDEN TESTS"""
LOSS = '''def gap(mean, log_var, log_w):
    """The bound plus the KL, (B,)."""
    ### BEGIN SOLUTION
    difference = iwae_bound(log_w) + gaussian_kl(mean, log_var)
    return difference
    ### END SOLUTION'''
LOSS_TEST = """import torch

expected = torch.tensor([0.5])
both = gap(torch.ones(1, 1), torch.zeros(1, 1), torch.zeros(3, 1))
assert torch.allclose(both, expected), "0 + 0.5"
"""
WORDS = """### BEGIN SOLUTION
Because Jensen's inequality charges less when the weights scatter less. \
*Rubric*: 1 point for Jensen.
### END SOLUTION"""


def notebook():
    v4 = nbformat.v4

    def meta(name, **metadata):
        fixed = {
            "schema_version": 3,
            "grade_id": name,
            "task": False,
            "grade": False,
            "solution": False,
        }
        return {"nbgrader": fixed | {"locked": False} | metadata}

    def answer(name, source):
        return v4.new_code_cell(
            source, id=name, metadata=meta(name, solution=True, cell_type="code")
        )

    def test(name, source, points):
        data = meta(name, grade=True, locked=True, points=points, cell_type="code")
        return v4.new_code_cell(source, id=name, metadata=data)

    words = meta("why", grade=True, solution=True, points=2, cell_type="markdown")
    bootstrap = bootstrap_source(read_url(ROOT / "_config.yml"))
    cells = [
        v4.new_markdown_cell(
            "# Assignment 0: a sample\n\n**Points** 10: 8 by tests, 2 by reading.", id="title"
        ),
        v4.new_code_cell(bootstrap, id="bootstrap", metadata={"tags": ["remove-cell"]}),
        v4.new_code_cell("import torch\n\nimport vaelib as vl\n\ntorch.manual_seed(0)", id="setup"),
        v4.new_markdown_cell("## Part 1: the KL", id="part-kl"),
        answer("kl", KL),
        test("kl-test", KL_TEST, 3),
        v4.new_markdown_cell("## Part 2: the bound", id="part-bound"),
        answer("bound", BOUND),
        test("bound-test", BOUND_TEST, 3),
        answer("gap", LOSS),
        test("gap-test", LOSS_TEST, 2),
        v4.new_markdown_cell("Why does the bound rise with $K$?", id="question"),
        v4.new_markdown_cell(WORDS, id="why", metadata=words),
        v4.new_markdown_cell(
            "## Last\n\nRestart, run all, save, upload under the same name.", id="last"
        ),
    ]
    return strip(v4.new_notebook(cells=cells))
