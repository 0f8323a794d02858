"""Free bits: a unit below the floor is charged exactly the floor and gets no gradient."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import MixtureSameFamily, MultivariateNormal

import vaelib as vl

MEAN = torch.tensor([[2.0, 0.1], [-2.0, -0.1]])
KL = torch.tensor([2.0, 0.005])  # of each unit with variance 1: half its squared mean
X = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]])


class Known(nn.Module):
    """An encoder with known codes: free means, and log-variances 0."""

    def __init__(self):
        super().__init__()
        self.mean = nn.Parameter(MEAN.clone())

    def forward(self, x):
        return self.mean, torch.zeros_like(self.mean)


def known(prior=vl.standard_normal):
    return vl.VAE(Known(), nn.Linear(2, 3), 2, prior=prior)


def charged(floor, model=None):
    terms = vl.free_bits(model or known(), X, floor)
    return (terms["reconstruction"] - terms["objective"]).mean(), terms


@pytest.mark.parametrize("floor", [0.0, 0.004, 0.3, 5.0])
def test_each_unit_is_charged_its_kl_or_the_floor(floor):
    charge, terms = charged(floor)
    assert charge.item() == pytest.approx(KL.clamp(min=floor).sum().item(), rel=1e-5)
    assert torch.allclose(terms["kl"], 0.5 * (MEAN**2).sum(1))  # the KL itself, without a floor
    assert all(terms[name].shape == (2,) for name in ("objective", "reconstruction", "kl"))


def test_a_unit_below_the_floor_gets_no_gradient_of_the_kl():
    model = known()
    charge, _ = charged(0.3, model)
    (gradient,) = torch.autograd.grad(charge, model.encoder.mean)
    assert torch.allclose(gradient[:, 0], MEAN[:, 0] / 2)
    assert torch.equal(gradient[:, 1], torch.zeros(2))


def test_the_floor_is_compared_with_the_average_over_the_batch():
    model = known()
    with torch.no_grad():
        model.encoder.mean[:] = torch.tensor([[2.0, 0.0], [0.0, 0.0]])  # KL of unit 1: 2 and 0
    charge, _ = charged(0.5, model)
    assert charge.item() == pytest.approx(1.0 + 0.5)  # not (2 + 0.5) / 2 + 0.5


def test_floor_zero_is_the_elbo():
    model, x = vl.VAE(vl.mlp(6, 8, 4), vl.mlp(2, 8, 6), 2), torch.rand(9, 6).round()
    found = []
    for objective in (lambda m, x: vl.free_bits(m, x, 0.0), vl.elbo):
        torch.manual_seed(1)
        value = objective(model, x)["objective"].mean()
        found.append((value, *torch.autograd.grad(value, list(model.parameters()))))
    for ours, theirs in zip(*found, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_kl_is_to_the_models_own_prior():
    charge, _ = charged(0.0, known(vl.normal(2.0)))
    exact = 0.5 * (MEAN**2 / 4 + 0.25 - 1 + math.log(4)).sum(1).mean()
    assert charge.item() == pytest.approx(exact.item(), rel=1e-5)


def test_the_floor_may_follow_the_step():
    def build(seed):
        return vl.VAE(vl.mlp(3, 4), vl.mlp(2, 3), 2)

    for seeds in ((0,), (0, 1)):
        run = vl.fit(
            build, vl.free_bits, X, steps=4, batch_size=2, seeds=seeds,
            hyper={"floor": vl.ramp(1.0, 3)},
        )  # fmt: skip
        charge = run.history["reconstruction"] - run.history["objective"]
        assert (charge[:, 0] >= 2 - 1e-5).all()
        assert charge[:, 3] == pytest.approx(run.history["kl"][:, 3], abs=1e-5)


def mixture(latent_dim):
    parts = MultivariateNormal(torch.zeros(3, latent_dim), torch.eye(latent_dim))
    return MixtureSameFamily(torch.distributions.Categorical(torch.ones(3)), parts)


def correlated(latent_dim):
    return MultivariateNormal(torch.zeros(latent_dim), torch.eye(latent_dim))


@pytest.mark.parametrize("prior", [vl.logistic_unit_variance, mixture, correlated])
def test_a_prior_without_a_closed_form_for_each_unit_is_refused(prior):
    with pytest.raises(ValueError, match="the prior must have a closed-form KL for each unit"):
        vl.free_bits(known(prior), X, 0.1)


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="free_bits: floor must be .* of at least 0, got -0.1"):
        vl.free_bits(known(), X, -0.1)
    with pytest.raises(ValueError, match="free_bits: model must have a density .* got Implicit"):
        vl.free_bits(vl.ImplicitVAE(vl.mlp(3, 2), vl.mlp(2, 3), 2), X, 0.1)
    nets = vl.mlp(3, 4), vl.mlp(2, 4), vl.mlp(2, 4), vl.mlp(2, 3)
    with pytest.raises(ValueError, match="free_bits: model must have one layer"):
        vl.free_bits(vl.TwoLayerVAE(*nets, (2, 2)), X, 0.1)
    narrow = vl.VAE(vl.mlp(3, 4), vl.mlp(2, 1), 2, "gaussian")
    with pytest.raises(ValueError, match="x has shape"):
        vl.free_bits(narrow, X, 0.1)
