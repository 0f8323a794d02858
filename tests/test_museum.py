"""The bugs of chapter 11, put into vaelib: the library's own tests must see each of them."""

import ast
import importlib
import math
import sys
from types import SimpleNamespace

import pytest
import torch
from test_chapters import SOURCES

import vaelib as vl
from vaelib import divergences


def exhibit(cell, name, **scope):
    """A wrong function as the chapter writes it, over the right vaelib."""
    (source,) = [source for id_, kind, source in SOURCES["11_bug_museum"] if kind == "code" and id_ == cell]
    definitions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    scope = {"torch": torch, "math": math, "vl": SimpleNamespace(**vars(vl)), **scope}
    exec(compile(ast.Module(definitions, []), cell, "exec"), scope)
    return scope[name]


def leaking():
    """The discriminator's turn without its torch.no_grad()."""

    def wrong(model, x, gamma=None):
        real, others = model.draw(x, 1)[0][0].split(-(-len(x) // 2))
        said = model.discriminator(real)[: len(others), 0]
        other = model.discriminator(divergences.permute_dimensions(others))[:, 0]
        right_ = torch.nn.functional.logsigmoid
        return {"objective": 0.5 * (right_(said) + right_(-other)), "accuracy": (said > 0).float()}

    return wrong


def column(z, mean, log_var, dataset_size, estimator):
    """Stratified sampling with the exhibit's weights; the other estimators as they are."""
    if estimator != "mss":
        return RIGHT(z, mean, log_var, dataset_size, estimator)
    down_column = exhibit("column-wrong", "down_column")
    weight = down_column(len(z), dataset_size).to(z.dtype)
    pairs = divergences._log_normal(z[:, None], mean, log_var)
    return torch.logsumexp(pairs.sum(-1) + weight, 1), torch.logsumexp(pairs + weight[..., None], 1)


def weighted(z, mean, log_var, dataset_size, estimator):
    return RIGHT(z, mean, log_var, dataset_size, "mws" if estimator == "mss" else estimator)


def mmd_cross(x, y, kernel, unbiased=True):
    """Exhibit 10 with any kernel."""
    return exhibit("cross-wrong", "mmd_cross_diagonal", rbf=kernel)(x, y)


def light(model, x, **more):
    """Exhibit 4 in the place of the ELBO."""
    return {**ELBO(model, x, **more), "objective": exhibit("price-wrong", "elbo_light")(model, x)}


RIGHT, ELBO = divergences.log_aggregate_posterior, vl.elbo
CAUGHT = {  # exhibit: (the function that is replaced, the bug, the test that sees it)
    "1, a mean for a sum": ("gaussian_kl", lambda: exhibit("kl-wrong", "kl_mean"),
                            ("test_oracles", "test_gaussian_kl_agrees_with_torch_and_with_samples", None)),
    "4, a light price": ("elbo", lambda: light,
                         ("test_oracles", "test_elbo_and_importance_sampling_estimate_the_bounds", "BOUNDS")),
    "7, the surrogate reported": ("iwae_bound", lambda: exhibit("report-wrong", "reported"),
                                  ("test_iwae", "test_the_surrogate_has_the_bounds_gradient_and_another_value", None)),
    "8, exp first": ("iwae_bound", lambda: exhibit("overflow-wrong", "bound_by_exp"),
                     ("test_iwae", "test_the_bound_survives_large_log_weights", None)),
    "10, a diagonal too many": ("mmd", lambda: mmd_cross,
                                ("test_mmd", "test_under_the_null_bias_and_spread_are_as_predicted", "CASES")),
    "12, down a column": ("log_aggregate_posterior", lambda: column,
                          ("test_total_correlation",
                           "test_stratified_sampling_averaged_over_all_subsets_is_exact", None)),
    "13, a constant": ("log_aggregate_posterior", lambda: weighted,
                       ("test_total_correlation",
                        "test_stratified_sampling_averaged_over_all_subsets_is_exact", None)),
    "14, a leak": ("factor_discriminator", lambda: leaking(),
                   ("test_total_correlation", "test_no_gradient_leaks_between_the_players", None)),
}  # fmt: skip


def replace_everywhere(monkeypatch, name, wrong):
    right = getattr(vl, name)
    for module in [m for key, m in sys.modules.items() if key == "vaelib" or key.startswith("vaelib.")]:
        if getattr(module, name, None) is right:
            monkeypatch.setattr(module, name, wrong)


@pytest.mark.parametrize("number", CAUGHT)
def test_the_librarys_tests_see_the_museums_bugs(number, monkeypatch):
    name, bug, (module, test, arguments) = CAUGHT[number]
    tests = importlib.import_module(module)
    case = list(getattr(tests, arguments))[-1] if arguments else ()  # the last has a KL that is not 0
    arguments = case if arguments == "CASES" else [case] if arguments else ()
    run = getattr(tests, test)
    run(*arguments)  # the truth passes
    wrong = bug()
    monkeypatch.setattr(sys.modules[__name__], "vl", SimpleNamespace(**vars(vl)))  # exhibits call the right vaelib
    replace_everywhere(monkeypatch, name, wrong)
    with pytest.raises((AssertionError, RuntimeError, ValueError, TypeError)) as caught:
        run(*arguments)
    assert caught.type is AssertionError, caught.value  # seen by what it computes, not by a crash
