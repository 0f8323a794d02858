"""Importance weighting: the bound, three gradient estimators, two layers, against exact values."""

import math

import pytest
import torch
from torch.distributions import Normal
from trust import mean_and_error, within

import vaelib as vl
from vaelib import oracles

X = 1.5
# Values by quadrature: (mean, std) of q -> {k: L_k} for z ~ N(0, 1), x|z ~ N(z, 1).
BOUNDS = {
    (0.0, 1.0): {1: -2.543939, 5: -1.909696, 50: -1.834921, 500: -1.828693},
    (0.75, 1.0): {1: -1.981439, 5: -1.845075, 50: -1.829573, 500: -1.828167},
    (0.5, 0.6): {1: -1.914764, 5: -1.857007, 50: -1.832003, 500: -1.828446},
    (0.5, math.sqrt(0.6)): {1: -1.899351, 5: -1.839464, 50: -1.829106, 500: -1.828121},
}


@pytest.mark.parametrize("q", BOUNDS)
@pytest.mark.parametrize("k", [1, 5, 50, 500])
def test_the_bound_is_the_oracles(q, k):
    torch.manual_seed(k)
    model, n = oracles.scalar_vae(*q), 400_000 // k
    with torch.no_grad():
        values = vl.iwae(model, torch.full((n, 1), X), k)["objective"]
    assert within(values, BOUNDS[q][k], k=3.5)
    # The test would detect a fiftieth of a nat.
    assert not within(values - 0.02, BOUNDS[q][k], k=3.5)
    assert abs(oracles.scalar_bound(X, *q, k=k) - BOUNDS[q][k]) < 1e-6


def gradients(q, k, estimator, n):
    """n independent single-image estimates of the derivative of L_k in q's mean."""
    model = oracles.scalar_vae(*q)
    each = model.encoder.code.detach().expand(n, 2).clone().requires_grad_()
    model.encoder.forward = lambda x: each
    value = vl.iwae(model, torch.full((n, 1), X), k, estimator)["objective"]
    return torch.autograd.grad(value.sum(), each)[0][:, 0]


def exact_gradient(q, k, step=1e-4):
    up, down = (oracles.scalar_bound(X, q[0] + d, q[1], k=k) for d in (step, -step))
    return (up - down) / (2 * step)


@pytest.mark.parametrize("estimator", ["standard", "dreg"])
@pytest.mark.parametrize(
    ("q", "k"), [((0.0, 1.0), 1), ((0.0, 1.0), 5), ((0.0, 1.0), 50), ((0.5, 0.6), 5)]
)
def test_standard_and_dreg_are_unbiased(estimator, q, k):
    torch.manual_seed(k)
    estimates = gradients(q, k, estimator, 200_000)
    assert within(estimates, exact_gradient(q, k), k=4)


@pytest.mark.parametrize(
    ("q", "k", "mean", "sd"),
    [
        ((0.0, 1.0), 5, 0.859, 0.43),
        ((0.0, 1.0), 50, 0.758, 0.117),
        ((0.5, 0.6), 5, 0.624, 0.285),
    ],
)
def test_stl_is_biased_by_the_stated_amount(q, k, mean, sd):
    torch.manual_seed(k)
    estimates = gradients(q, k, "stl", 200_000)
    measured, error = mean_and_error(estimates)
    assert abs(measured - mean) < 4 * error + 5e-4  # the table has three digits
    assert abs(estimates.std() / sd - 1) < 0.02
    assert abs(exact_gradient(q, k) - measured) > 0.3
    torch.manual_seed(k)
    # With one sample it is unbiased.
    assert within(gradients(q, 1, "stl", 200_000), exact_gradient(q, 1))


@pytest.mark.parametrize(("k", "standard", "dreg"), [(5, 0.86, 0.170), (50, 0.233, 0.0040)])
def test_noise_of_the_estimators(k, standard, dreg):
    torch.manual_seed(0)
    for estimator, sd in (("standard", standard), ("dreg", dreg)):
        assert abs(gradients((0.0, 1.0), k, estimator, 200_000).std() / sd - 1) < 0.03, estimator


@pytest.mark.parametrize("k", [1, 5, 50])
def test_at_the_true_posterior_stl_and_dreg_have_no_noise(k):
    q = (X / 2, math.sqrt(0.5))
    for estimator, noisy in (("standard", True), ("stl", False), ("dreg", False)):
        estimates = gradients(q, k, estimator, 1000).double()
        assert (estimates.abs().max() > 1e-2) == noisy, estimator


def small(seed=0):
    torch.manual_seed(seed)
    return vl.VAE(vl.mlp(12, 16, 6), vl.mlp(3, 16, 12), 3)


def two_layers(seed=0):
    torch.manual_seed(seed)
    return vl.TwoLayerVAE(
        vl.mlp(12, 16, 8), vl.mlp(4, 8, 4), vl.mlp(2, 8, 8), vl.mlp(4, 16, 12), (4, 2)
    )


@pytest.mark.parametrize("make", [small, two_layers])
@pytest.mark.parametrize("k", [1, 7])
def test_the_estimator_changes_no_value(make, k):
    model, x, values = make(), torch.rand(9, 12).round(), {}
    for estimator in ("standard", "stl", "dreg"):
        torch.manual_seed(3)
        values[estimator] = vl.iwae(model, x, k, estimator)
    torch.manual_seed(3)
    log_w = model.log_weights(x, k)
    for value in values.values():
        assert torch.allclose(value["objective"], vl.iwae_bound(log_w), atol=1e-5)
        assert torch.allclose(value["surrogate"], vl.iwae_surrogate(log_w), atol=1e-5)


@pytest.mark.parametrize("make", [small, two_layers])
def test_estimators_agree_on_the_decoder_and_on_average_on_the_encoder(make):
    model, x = make(), torch.rand(1, 12).round().expand(4000, 12)
    models_encoders = [p for name, p in model.named_parameters() if name.startswith("encoder")]
    decoders = [p for name, p in model.named_parameters() if name.startswith("decoder")]
    found = {}
    for estimator in ("standard", "stl", "dreg"):
        torch.manual_seed(5)
        value = vl.iwae(model, x, 6, estimator)["objective"].mean()
        parts = torch.autograd.grad(value, decoders + models_encoders)
        found[estimator] = [torch.cat([g.flatten() for g in parts[: len(decoders)]]),
                            torch.cat([g.flatten() for g in parts[len(decoders) :]])]  # fmt: skip
    for estimator in ("stl", "dreg"):
        assert torch.allclose(found[estimator][0], found["standard"][0], atol=1e-5), estimator
    close = torch.cosine_similarity(found["dreg"][1], found["standard"][1], 0)
    assert close > 0.9
    assert (found["dreg"][1] - found["standard"][1]).norm() < (
        found["stl"][1] - found["standard"][1]
    ).norm()


def test_the_surrogate_has_the_bounds_gradient_and_another_value():
    torch.manual_seed(0)
    log_w = torch.randn(50, 4, dtype=torch.double, requires_grad=True)
    bound, surrogate = vl.iwae_bound(log_w), vl.iwae_surrogate(log_w)
    (a,), (b,) = (
        torch.autograd.grad(v.sum(), log_w, retain_graph=True) for v in (bound, surrogate)
    )
    assert torch.allclose(a, b)
    weights = torch.softmax(log_w, 0)
    entropy = -(weights * weights.log()).sum(0)
    assert torch.allclose(surrogate - bound, math.log(50) - entropy)
    assert (surrogate > bound).all()


def test_the_bound_survives_large_log_weights():
    log_w = torch.tensor([[1000.0], [1001.0]])
    assert abs(vl.iwae_bound(log_w).item() - (1001 + math.log((1 + math.exp(-1)) / 2))) < 1e-3
    assert vl.iwae_bound(torch.full((7, 2), -2000.0)).tolist() == [-2000.0, -2000.0]


def test_a_linear_model_of_two_layers_has_the_likelihood_of_its_marginal():
    """Linear nets, constant variances: z1 ~ N(0, ww + v), and the mean of L_K nears log p(x)."""
    torch.manual_seed(1)
    w, v = 0.8, 0.5
    nets = [torch.nn.Linear(1, 2) for _ in range(3)]
    model = vl.TwoLayerVAE(*nets, torch.nn.Identity(), (1, 1), "gaussian")
    with torch.no_grad():
        model.decoder2.weight.copy_(torch.tensor([[w], [0.0]]))
        model.decoder2.bias.copy_(torch.tensor([0.0, math.log(v)]))
        prior = w**2 + v  # of z1; x|z1 ~ N(z1, 1)
        model.encoder.weight.copy_(torch.tensor([[prior / (prior + 1)], [0.0]]))
        model.encoder.bias.copy_(torch.tensor([0.0, math.log(prior / (prior + 1))]))
        model.encoder2.weight.copy_(torch.tensor([[w / prior], [0.0]]))
        model.encoder2.bias.copy_(torch.tensor([0.0, math.log(v / prior)]))
    x = torch.tensor([[1.3], [-0.4]])
    truth = Normal(0.0, math.sqrt(prior + 1)).log_prob(x)[:, 0]
    exact = model.log_weights(x, 5)  # at the true posterior every weight is p(x)
    assert torch.allclose(exact, truth.expand(5, 2), atol=1e-5)
    with torch.no_grad():
        model.encoder2.bias[1] += 0.7
    values = torch.stack([vl.log_likelihood(model, x, samples=2000) for _ in range(40)])
    assert within(values[:, 0], truth[0] - 1e-4, k=4) and within(values[:, 1], truth[1] - 1e-4, k=4)
    assert vl.elbo(model, x, k=500, kl="sampled")["objective"].mean() < truth.mean() - 0.02


@pytest.mark.parametrize("s", [1e-9, 2.0])
def test_the_activity_of_an_upper_unit_is_that_of_its_averaged_mean(s):
    """Linear nets: z1 ~ N(a x, s²), E[z2|z1] = w z1.

    Averaged over S samples, A = w² (a² var x + s² / S).
    """
    a, w, samples = 0.3, 1.5, 4
    model = vl.TwoLayerVAE(
        vl.mlp(1, 2), vl.mlp(1, 6), vl.mlp(3, 2), vl.mlp(1, 1), (1, 3), "gaussian"
    )
    with torch.no_grad():
        model.encoder[0].weight.copy_(torch.tensor([[a], [0.0]]))
        model.encoder[0].bias[1] = 2 * math.log(s)
        # The third unit is constant.
        model.encoder2[0].weight.copy_(torch.tensor([[w], [-w], [0.0], [7.0], [7.0], [7.0]]))
    torch.manual_seed(0)
    x = torch.randn(5 if s < 1 else 50_000, 1)
    truth = w**2 * (a**2 * x.var(correction=0).item() + s**2 / samples)
    found = vl.activity(model, x, layer=2, samples=samples)
    assert found.tolist() == pytest.approx([truth, truth, 0], rel=1e-5 if s < 1 else 0.02)
    assert [vl.active_units(model, x, threshold=t, layer=2) for t in (0.0, 10.0)] == [2, 0]
    with pytest.raises(ValueError, match="layer must be at most 2 for this model, got 3"):
        vl.activity(model, x, layer=3)
    with pytest.raises(ValueError, match="layer must be at most 1 for this model, got 2"):
        vl.activity(small(), torch.rand(5, 12).round(), layer=2)


def test_two_layers_train_and_count_their_units():
    x = vl.digits("fixed").train

    def build(seed):
        return vl.TwoLayerVAE(
            vl.mlp(64, 32, 16), vl.mlp(8, 16, 8), vl.mlp(4, 16, 16), vl.mlp(8, 32, 64), (8, 4)
        )

    run = vl.fit(build, vl.iwae, x, steps=300, lr=3e-3, hyper={"k": 5}, seeds=(0, 1))
    history = run.history["objective"]
    assert (history[:, -20:].mean(1) > history[:, :20].mean(1) + 10).all()
    assert (
        0 < vl.active_units(run.model, x) <= 8 and 0 <= vl.active_units(run.model, x, layer=2) <= 4
    )


def test_bad_arguments():
    model, x = small(), torch.rand(5, 12).round()
    with pytest.raises(ValueError, match="iwae: k must be a positive integer, got 0"):
        vl.iwae(model, x, 0)
    with pytest.raises(
        ValueError, match="estimator must be 'standard', 'stl' or 'dreg', got 'magic'"
    ):
        vl.iwae(model, x, 2, "magic")
    with pytest.raises(
        ValueError, match="encoder2 returned 6 numbers; with latent_dims=.4, 2. it must return 4"
    ):
        vl.TwoLayerVAE(vl.mlp(12, 8), vl.mlp(4, 6), vl.mlp(2, 8), vl.mlp(4, 12), (4, 2))
    with pytest.raises(
        ValueError, match='elbo: this model has no closed-form KL; use kl="sampled"'
    ):
        vl.elbo(two_layers(), x)


def test_log_weights_that_are_not_finite_are_counted_and_placed():
    model = small()
    x = torch.rand(5, 12).round()
    broken = model.log_weights

    def poisoned(x, k, y=None):
        log_w = broken(x, k)
        log_w[:3, 2] = math.nan
        return log_w

    model.log_weights = poisoned
    with pytest.raises(
        ValueError,
        match="must be finite, got 3 of 100 that are not, the first for image 2",
    ):
        vl.log_likelihood(model, x, samples=20)


def labelled_two_layers():
    torch.manual_seed(0)
    nets = vl.mlp(6, 4), vl.mlp(2, 4), vl.mlp(2, 4), vl.mlp(2 + 3, 6)
    return vl.TwoLayerVAE(*nets, (2, 2)), torch.rand(5, 6).round()


def test_the_terms_of_two_layers_with_labels():
    model, x = labelled_two_layers()
    y = torch.nn.functional.one_hot(torch.tensor([0, 1, 2, 0, 1]), 3).float()
    z, q = model.draw(x, 4)
    reconstruction, rest = model.log_terms(x, z, q, y=y)
    joined = torch.cat([z[0], y.expand(4, 5, 3)], -1)
    expected = torch.distributions.Bernoulli(logits=model.decoder(joined)).log_prob(x).sum(-1)
    assert torch.allclose(reconstruction, expected, atol=1e-5)
    other, same = model.log_terms(x, z, q, y=y.roll(1, 0))
    assert not torch.allclose(other, expected, atol=1e-5) and torch.equal(rest, same)


def test_the_score_of_two_layers_is_kept_unless_it_is_asked_not_to_be():
    model, x = labelled_two_layers()
    y = torch.zeros(5, 3)

    def gradient(**options):
        torch.manual_seed(1)
        z, q = model.draw(x, 4)
        (found,) = torch.autograd.grad(model.log_terms(x, z, q, y=y, **options)[1].sum(),
                                       [model.encoder2[0].weight])  # fmt: skip
        return found

    assert torch.equal(gradient(), gradient(score=True))
    assert not torch.allclose(gradient(), gradient(score=False))


def test_a_decoder_of_one_number_is_not_broadcast_in_two_layers():
    nets = vl.mlp(6, 4), vl.mlp(2, 4), vl.mlp(2, 4), vl.mlp(2, 1)
    model, x = vl.TwoLayerVAE(*nets, (2, 2)), torch.rand(5, 6).round()
    z, q = model.draw(x, 2)
    with pytest.raises(ValueError, match="decoder"):
        model.log_terms(x, z, q)


def test_the_nets_of_two_layers_are_named_and_may_have_no_parameters():
    class Same(torch.nn.Module):
        def forward(self, z):
            return torch.cat([z, 0 * z], -1)

    outer = vl.mlp(6, 4), vl.mlp(2, 6)
    vl.TwoLayerVAE(outer[0], Same(), Same(), outer[1], (2, 2))
    with pytest.raises(ValueError, match="TwoLayerVAE: decoder2 returned 3 numbers"):
        vl.TwoLayerVAE(outer[0], Same(), vl.mlp(2, 3), outer[1], (2, 2))
