"""Code for a GPU makes no tensor elsewhere and reads no value: tried on torch's device "meta".

Tensors there have shapes and no values. A tensor on the CPU, `.item()`, a branch on data or a shape
that depends on data then fails.

Some things cannot run there, because they return a value to the host or run on the CPU by design:
- the checks of values, `VAE.check_targets` and the one of log-weights in `log_likelihood`: once per
  call, removed here;
- `active_units`, an integer, and `parzen`, which compares numbers to choose a scale; the functions
  that they call are tried;
- `few_labels`, which looks for the labels of each class;
- the scores of disentanglement, which are computed by numpy and scikit-learn (`mig_mixture` by
  torch, on the CPU).
"""

from functools import partial

import family
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

import vaelib as vl
from vaelib import evaluation


class OnlyMeta(TorchDispatchMode):
    """Fails at any operation that makes a tensor elsewhere, even if torch would accept it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for t in tree_leaves(out):
            assert not torch.is_tensor(t) or t.device.type == "meta", (
                f"{func} made a tensor on the {t.device.type}"
            )
        return out


def to_meta(data):
    return tree_map(lambda t: t.to("meta"), data)


def take_steps(build, objective, data):
    """Each player's terms and gradients on meta; returns the last terms."""
    model, x = build(0).to("meta"), to_meta(data)
    players = (
        objective
        if isinstance(objective, list)
        else [vl.Player(torch.nn.Module.parameters, objective)]
    )
    with OnlyMeta():
        for player in players:
            terms = player.objective(model, x)
            torch.autograd.grad(
                terms["objective"].mean(), list(player.parameters(model)), materialize_grads=True
            )
    return terms


@pytest.mark.parametrize("name", family.MEMBERS)
def test_objectives(name):
    terms = take_steps(*family.MEMBERS[name])
    assert all(term.device.type == "meta" for term in terms.values())
    assert terms["objective"].shape == (len(family.X) // (2 if name == "factor_vae" else 1),)


def on_the_cpu(model, x):
    return {"objective": vl.elbo(model, x)["objective"] + torch.zeros(len(x))}


def of_the_cpu_in_a_product(model, x):
    return {"objective": (x @ torch.ones(family.PIXELS, 1))[:, 0] + vl.elbo(model, x)["objective"]}


def asks(model, x):
    return {"objective": vl.elbo(model, x)["objective"] * x.mean().item()}


def branches(model, x):
    terms = vl.elbo(model, x)
    return {"objective": terms["objective"] * (2 if (terms["kl"] > 1).all() else 1)}


def picks(model, x):
    return {"objective": vl.elbo(model, x[x[:, 0] > 0.5])["objective"]}


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        (on_the_cpu, "made a tensor on the cpu|same device"),
        (of_the_cpu_in_a_product, "made a tensor on the cpu|same device"),
        (asks, "meta tensors"),
        (branches, "meta tensors"),
        (picks, "meta"),
    ],
)
def test_a_fault_is_found(objective, message):
    """The test can fail: planted faults, which go unnoticed on the CPU."""
    assert objective(family.vae(), family.X)["objective"].isfinite().all()
    with pytest.raises((RuntimeError, AssertionError), match=message):
        take_steps(family.vae, objective, family.X)


PRIORS = {
    "standard_normal": vl.standard_normal, "normal": vl.normal(2.0), "logistic": vl.logistic(0.5),
    "logistic_unit_variance": vl.logistic_unit_variance,
    "pinwheel": vl.pinwheel, "swiss_roll": vl.swiss_roll,
}  # fmt: skip


@pytest.mark.parametrize("name", PRIORS)
def test_priors(name):
    module = PRIORS[name](2).to("meta")
    with OnlyMeta():
        prior = module()
        z = prior.rsample((5, 3))
        assert z.shape == (5, 3, 2)
        if name in ("pinwheel", "swiss_roll"):
            assert prior.of_class(torch.zeros(7, dtype=torch.long, device="meta")).shape == (7, 2)
        if name != "swiss_roll":  # it can be sampled but has no density
            assert prior.log_prob(z).shape == (5, 3)


Z = partial(torch.empty, device="meta")


def aggregate(estimator):
    return sum(t.sum() for t in vl.log_aggregate_posterior(Z(8, 2), Z(8, 2), Z(8, 2), 8, estimator))


DIVERGENCES = {
    "gaussian_kl": lambda: vl.gaussian_kl(Z(8, 2), Z(8, 2)),
    **{f"log_aggregate_posterior, {e}": partial(aggregate, e) for e in ("exact", "mss", "mws")},
    "kl_decomposition": lambda: vl.kl_decomposition(Z(30, 2), Z(30, 2), samples=100)["kl"],
    "gaussian_kernel": lambda: vl.gaussian_kernel(Z(8, 2), Z(5, 2), 1.0),
    "imq_kernel": lambda: vl.imq_kernel(Z(8, 2), Z(5, 2), (1.0, 2.0)),
    "mmd": lambda: vl.mmd(Z(8, 2), Z(5, 2), family.imq),
    "mmd, V": lambda: vl.mmd(Z(8, 2), Z(5, 2), family.imq, unbiased=False),
    "permute_dimensions": lambda: vl.divergences.permute_dimensions(Z(8, 2)),
    "iwae_bound": lambda: vl.iwae_bound(Z(5, 8)),
    "binarize": lambda: vl.binarize(Z(8, 6)),
}  # fmt: skip


@pytest.mark.parametrize("name", DIVERGENCES)
def test_divergences(name):
    with OnlyMeta():
        assert DIVERGENCES[name]().device.type == "meta"


@pytest.fixture
def unchecked(monkeypatch):
    """Without the checks of values, which have to read them from the device."""
    monkeypatch.setattr(vl.VAE, "check_targets", lambda model, x: None)
    monkeypatch.setattr(evaluation, "_check_weights", lambda bad, first, samples: None)


SPRITES = vl.sprites(8, "meta", x=(0, 1), y=(0, 1))  # its grid is copied from numpy
EVALUATION = {
    "activity": lambda model, x: vl.activity(model, x),
    "latent_moments": lambda model, x: vl.latent_moments(model, x)["second"],
    "log_likelihood": lambda model, x: vl.log_likelihood(model, x, samples=150),
    "disturb, gaussian": lambda model, x: vl.disturb(x, "gaussian", 0.1),
    "disturb, mask": lambda model, x: vl.disturb(x, "mask", 0.1),
    "parzen_log_density": lambda model, x: vl.parzen_log_density(x, x[:7], 0.5),
    "frechet_distance": lambda model, x: vl.frechet_distance(x, x[:7]),
    "draw_sprites": lambda model, x: vl.draw_sprites(Z(9, 5), 16),
    "cluster_labels": lambda model, x: vl.cluster_labels(Z(9, 3), Z(9, dtype=torch.long)),
    "images of sprites": lambda model, x: SPRITES.images(),
}  # fmt: skip


@pytest.mark.parametrize("name", EVALUATION)
def test_evaluation(name, unchecked):
    model, x = family.vae().to("meta"), family.X.to("meta")
    with OnlyMeta():
        assert EVALUATION[name](model, x).device.type == "meta"


@pytest.mark.parametrize("layer", [1, 2])
def test_evaluation_of_two_layers(layer, unchecked):
    model, x = family.two_layers().to("meta"), family.X.to("meta")
    with OnlyMeta():
        assert vl.activity(model, x, layer).shape == (family.CODE,)
        assert vl.log_likelihood(model, x, samples=10).shape == (len(x),)


def test_what_has_to_ask_does_ask():
    """The list above is complete: these functions cannot run there."""
    model, x, labels = family.vae().to("meta"), family.X.to("meta"), family.LABELS.to("meta")
    for ask in (
        lambda: model.check_targets(x),
        lambda: vl.few_labels(labels, 2),
        lambda: vl.parzen(x, x, x),
        lambda: evaluation._check_weights(labels, 0, 3),
        lambda: vl.activity(model, x),
        lambda: vl.active_units(model, x),
    ):
        with pytest.raises((RuntimeError, NotImplementedError), match="meta"):
            ask()
