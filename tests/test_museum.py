"""The nineteen bugs of chapter 11, put into vaelib: the library's tests must detect each one."""

import ast
import importlib
import inspect
import math
import sys
from operator import attrgetter
from types import SimpleNamespace

import pytest
import torch
from test_chapters import SOURCES

import vaelib as vl
from vaelib import divergences, evaluation, models, nets, objectives, training
from vaelib.data import digits


def exhibit(cell, name, **scope):
    """A wrong function as the chapter writes it, on top of the unmodified vaelib."""
    (source,) = [
        source for id_, kind, source in SOURCES["11_bug_museum"] if kind == "code" and id_ == cell
    ]
    definitions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    scope = {"torch": torch, "math": math, "vl": SimpleNamespace(**vars(vl)), **scope}
    exec(compile(ast.Module(definitions, []), cell, "exec"), space := dict(scope))
    space.update(scope)  # what is passed replaces the cell's function of that name
    return space[name]


def edited(function, right, wrong):
    """The library's function with one passage changed."""
    source = inspect.getsource(function)
    assert source.count(right) == 1, f"{function.__name__} has changed: find the bug another place"
    scope = dict(vars(sys.modules[function.__module__]))
    exec(source.replace(right, wrong), scope)
    return scope[function.__name__]


def divided_twice(x, y, bandwidth):
    """Exhibit 3 with any bandwidth: |x - y|² is divided by Q once more than it should be."""
    unit = (x.shape[1] / (2 * bandwidth**2)) ** 0.5
    return exhibit("kernel-wrong", "kernel_twice")(unit * x, unit * y)


def of_the_mean(model, x, **more):
    """Exhibit 5 in place of the ELBO."""
    return {**ELBO(model, x, **more), "objective": exhibit("mean-wrong", "elbo_of_mean")(model, x)}


def of_losses(log_w):
    """Exhibit 6 in place of the weights."""
    return (exhibit("loss-wrong", "weights_of_losses")(log_w.detach()) * log_w).sum(0)


def leaking():
    """The discriminator's objective without its torch.no_grad()."""
    return edited(objectives.factor_discriminator, "with torch.no_grad():", "if True:")


def by_samples(delta):
    """Exhibit 17 in place of a quadrature."""
    noise = torch.randn(20_000)
    return math.log(2) - torch.log1p(torch.exp(-2 * delta * (delta + noise))).mean().item()


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
    """Exhibit 4 in place of the ELBO."""
    return {**ELBO(model, x, **more), "objective": exhibit("price-wrong", "elbo_light")(model, x)}


def bad_price(tests):
    """The call that exhibit 11 lets through, for `test_bad_input_is_named`."""

    def call(model, x):
        return tests.vl.info_vae(model, x, 0, 1e-3, lambda z, prior: (z - prior).mean())

    return call, "must be a finite number of at least 1", small()


def small():
    return vl.VAE(vl.mlp(6, 8, 4), vl.mlp(2, 8, 6), 2)


def grey(tests):
    return tests.vl.log_likelihood, torch.full((5, 6), 0.5), "grey value 0.5", small()


def last(name):
    """The last of a test's cases: it has a KL that is not 0."""
    return lambda tests: [list(getattr(tests, name))[-1]]


LEAST = 'number("info_vae", "alpha + lam", round(alpha + lam, 9), least=1)'
SEED, BORN = "torch.manual_seed(seed)", "model = build(seed)"
RIGHT, ELBO = divergences.log_aggregate_posterior, vl.elbo
CAUGHT = {  # exhibit: what is replaced, the bug, the test that sees it, its arguments
    "1, a mean for a sum": (
        "gaussian_kl", lambda: exhibit("kl-wrong", "kl_mean"),
        "test_oracles", "test_gaussian_kl_agrees_with_torch_and_with_samples"),
    "2, log σ or log σ²": (
        "models.gaussian", lambda: edited(models.gaussian, "(0.5 * log_var)", "log_var"),
        "test_oracles", "test_elbo_and_importance_sampling_estimate_the_bounds", last("BOUNDS")),
    "3, divided twice": (
        "gaussian_kernel", lambda: divided_twice,
        "test_mmd", "test_kernels_are_their_formulas"),
    "4, a light price": (
        "elbo", lambda: light,
        "test_oracles", "test_elbo_and_importance_sampling_estimate_the_bounds", last("BOUNDS")),
    "5, the mean code": (
        "elbo", lambda: of_the_mean,
        "test_oracles", "test_elbo_and_importance_sampling_estimate_the_bounds", last("BOUNDS")),
    "6, a softmax over losses": (
        "iwae_surrogate", lambda: of_losses,
        "test_iwae", "test_the_surrogate_has_the_bounds_gradient_and_another_value"),
    "7, the surrogate reported": (
        "iwae_bound", lambda: exhibit("report-wrong", "reported"),
        "test_iwae", "test_the_surrogate_has_the_bounds_gradient_and_another_value"),
    "8, exp first": (
        "iwae_bound", lambda: exhibit("overflow-wrong", "bound_by_exp"),
        "test_iwae", "test_the_bound_survives_large_log_weights"),
    # vaelib has the formula too, as "cross_entropy": what it must not do is call it a likelihood.
    "9, grey pixels": (
        "models.VAE.check_targets", lambda: lambda self, x, where=None: None,
        "test_evaluation", "test_bad_data", grey),
    "10, a divisor for another sum": (
        "mmd", lambda: mmd_cross,
        "test_mmd", "test_under_the_null_bias_and_spread_are_as_predicted",
        lambda tests: tests.CASES[-1]),
    "11, a mismatch rewarded": (
        "info_vae", lambda: edited(objectives.info_vae, LEAST, "pass"),
        "test_mmd", "test_bad_input_is_named", bad_price),
    "12, down a column": (
        "log_aggregate_posterior", lambda: column,
        "test_total_correlation", "test_stratified_sampling_averaged_over_all_subsets_is_exact"),
    "13, a constant": (
        "log_aggregate_posterior", lambda: weighted,
        "test_total_correlation", "test_stratified_sampling_averaged_over_all_subsets_is_exact"),
    "14, a leak": (
        "factor_discriminator", leaking,
        "test_total_correlation", "test_no_gradient_leaks_between_the_players"),
    "15, company": (
        "mlp", lambda: edited(nets.mlp, "[linear, activation()]",
                              "[linear, nn.BatchNorm1d(n_out), activation()]"),
        "test_models", "test_a_code_does_not_depend_on_its_company"),
    "16, the seed after the model": (
        "fit", lambda: edited(training.fit, f"{SEED}\n            {BORN}",
                              f"{BORN}\n            {SEED}"),
        "test_training", "test_the_same_seed_is_bit_identical",
        lambda tests: [vl.digits("dynamic")]),
    "17, a sample called the truth": (
        "oracles.two_gaussian_information", lambda: by_samples,
        "test_oracles", "test_two_gaussian_information"),
    "18, active by noise": (
        "activity", lambda: edited(evaluation.activity, "return mean.var(0, correction=0)",
                                   "return model.draw(x, 1)[0][0].var(0, correction=0)"),
        "test_evaluation", "test_active_units_and_moments", lambda tests: [small()]),
    "19, the test images": (
        "digits", lambda: edited(digits, '("digits", x, ', '("digits", torch.cat([x, x_test]), '),
        "test_data", "test_digits"),
}  # fmt: skip


def replace_everywhere(monkeypatch, name, wrong):
    """Put `wrong` in place of what vaelib calls `name`, in every module or in a method's class."""
    owner = attrgetter(name.rpartition(".")[0])(vl) if "." in name else vl
    name = name.rpartition(".")[2]
    right = getattr(owner, name)
    modules = [
        module
        for key, module in sys.modules.items()
        if key == "vaelib" or key.startswith("vaelib.")
    ]
    for place in [owner] if inspect.isclass(owner) else modules:
        if getattr(place, name, None) is right:
            monkeypatch.setattr(place, name, wrong)


@pytest.mark.parametrize("number", CAUGHT)
def test_the_librarys_tests_see_the_museums_bugs(number, monkeypatch):
    name, bug, module, test, *arguments = CAUGHT[number]
    tests = importlib.import_module(module)
    arguments = arguments[0](tests) if arguments else ()
    run = getattr(tests, test)
    run(*arguments)  # the unmodified library passes
    wrong = bug()
    # The exhibits call the unmodified vaelib.
    monkeypatch.setattr(sys.modules[__name__], "vl", SimpleNamespace(**vars(vl)))
    replace_everywhere(monkeypatch, name, wrong)
    # Detected by a wrong value, not by a crash; or because invalid input is not refused.
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run(*arguments)


def test_every_exhibit_has_its_place():
    headings = [source for _, kind, source in SOURCES["11_bug_museum"] if kind == "markdown"]
    numbers = [
        line.split(".")[0][4:]
        for source in headings
        for line in source.splitlines()
        if line.startswith("### ")
    ]
    assert [name.split(",")[0] for name in CAUGHT] == numbers == [str(i + 1) for i in range(19)]
