"""The conditional VAE against a conditional linear-Gaussian model, whose every answer is exact."""

import math

import pytest
import torch
from torch import nn
from trust import within

import vaelib as vl
from vaelib import oracles


@pytest.fixture(scope="module")
def known():
    """A model of 5 values, 2 codes and 3 classes, with samples of it."""
    g = torch.Generator().manual_seed(0)
    weight, shift, prior = (
        torch.randn(*size, generator=g, dtype=torch.float64) for size in ((5, 2), (5, 3), (2, 3))
    )
    exact = oracles.ConditionalLinearGaussian(
        weight, shift, prior, torch.arange(5, dtype=torch.float64), 0.3
    )
    y = torch.eye(3, dtype=torch.float64)[torch.randint(3, (400,), generator=g)]
    z = y @ prior.T + torch.randn(400, 2, generator=g, dtype=torch.float64)
    noise = 0.3**0.5 * torch.randn(400, 5, generator=g, dtype=torch.float64)
    return exact, exact.vae(), z @ weight.T + y @ shift.T + exact.mean + noise, y


def test_the_oracle_is_the_gaussian_of_x_given_y(known):
    exact, _, x, y = known
    whole = exact.weight @ exact.weight.T + 0.3 * torch.eye(5, dtype=torch.float64)
    mean = exact.mean + y @ (exact.shift + exact.weight @ exact.prior_weight).T
    by_hand = torch.distributions.MultivariateNormal(mean, whole).log_prob(x)
    assert torch.allclose(exact.log_likelihood(x, y), by_hand)


def test_importance_sampling_reaches_the_likelihood(known):
    exact, model, x, y = known
    torch.manual_seed(0)
    estimate, k_hat = vl.log_likelihood(model.given(y), x, 1000, diagnostics=True)
    assert (k_hat < 0.7).double().mean() > 0.95
    assert torch.allclose(estimate, exact.log_likelihood(x, y), atol=0.2)
    wrong = y.roll(1, 1)  # planted: labels of other samples
    assert (vl.log_likelihood(model.given(wrong), x, 100) - estimate).mean() < -1


def test_the_chunks_of_a_long_evaluation_take_their_own_labels(known):
    exact, model, x, y = known
    torch.manual_seed(0)
    estimate = vl.log_likelihood(model.given(y), x, 200, memory=2**22)  # a few samples at a time
    assert torch.allclose(estimate, exact.log_likelihood(x, y), atol=0.4)


def test_the_bound_is_the_exact_one(known):
    exact, model, x, y = known
    torch.manual_seed(0)
    view = model.given(y)
    mean, log_var = view.encode(x)
    sampled = torch.stack([vl.elbo(view, x)["objective"] for _ in range(300)])
    bound = exact.elbo(x, y, mean, log_var)
    assert within(sampled.mean(1), bound.mean().item())
    assert not within(sampled.mean(1), bound.mean().item() + 0.05)  # planted
    assert (bound < exact.log_likelihood(x, y)).all()
    assert torch.allclose(vl.iwae(view, x, 500)["objective"].mean().double(),
                          exact.log_likelihood(x, y).mean(), atol=0.1)  # fmt: skip


def test_the_encoder_is_the_best_diagonal_one(known):
    exact, model, x, y = known
    mean, log_var = model.given(y).encode(x)
    best = exact.elbo(x, y, mean, log_var).mean()
    for shift, scale in ((0.05, 0), (-0.05, 0), (0, 0.1), (0, -0.1)):
        assert exact.elbo(x, y, mean + shift, log_var + scale).mean() < best


def test_training_reaches_the_conditional_likelihood(known):
    exact, _, x, y = known
    x, y = x.float(), y.float()

    def build(seed):
        nets = vl.mlp(8, 4), vl.mlp(5, 5), 2, 3, "gaussian"
        return vl.ConditionalVAE(*nets, scale="learned", conditional_prior=vl.mlp(3, 4))

    def objective(model, batch):
        return vl.elbo(model.given(batch["x"][1]), batch["x"][0])

    options = {"steps": 1200, "batch_size": 200, "lr": vl.cosine(3e-2, 1200)}
    run = vl.fit(build, objective, {"x": (x, y)}, **options)
    torch.manual_seed(0)
    reached = vl.log_likelihood(run.model.given(y), x, 200).mean()
    assert reached > exact.log_likelihood(x.double(), y.double()).mean() - 0.2
    blind = vl.fit(build, lambda m, b: vl.elbo(m.given(0 * b["x"][1]), b["x"][0]), {"x": (x, y)},
                   **options).model  # fmt: skip
    assert vl.log_likelihood(blind.given(0 * y), x, 200).mean() < reached - 0.5


def test_every_evaluation_takes_a_model_that_is_given_labels(known):
    exact, model, x, y = known
    x, y = x.float()[:60], y.float()[:60]
    model = exact.vae().float()
    view = model.given(y)
    assert vl.activity(view, x).shape == (2,) and vl.latent_moments(view, x)["mean"].shape == (2,)
    log_p = exact.log_likelihood(x.double(), y.double())
    torch.manual_seed(0)
    annealed, accepted = vl.annealed_log_likelihood(view, x, 100, chains=8)
    assert -0.5 < (annealed - log_p).mean() < 0.1 and accepted.min() > 0.3
    narrow = exact.vae().float()
    with torch.no_grad():
        narrow.encoder.bias[2:] = -9.0
    refit = vl.refit_encoder(narrow.given(y), x, 300)
    assert (vl.log_likelihood(refit, x, 300) - log_p).abs().mean() < 0.15
    assert vl.mmd_vae(view, x, 1.0, lambda a, b: vl.gaussian_kernel(a, b, 1.0))[
        "objective"
    ].shape == (60,)


def test_the_annealed_estimate_leaves_a_conditional_prior_alone():
    net = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4))
    model = vl.ConditionalVAE(vl.mlp(6 + 2, 4), vl.mlp(2 + 2, 6), 2, 2, conditional_prior=net)
    before = net[1].running_mean.clone()
    vl.annealed_log_likelihood(model.train().given(torch.eye(2)), torch.ones(2, 6), 4, chains=2)
    assert torch.equal(net[1].running_mean, before) and net.training


def test_the_view_shares_the_parameters():
    model = vl.ConditionalVAE(vl.mlp(6 + 2, 4), vl.mlp(2 + 2, 6), 2, 2)
    view = model.given(torch.eye(2))
    assert all(a is b for a, b in zip(model.parameters(), view.parameters(), strict=True))
    drawn = view.likelihood(view.prior.sample((2,))).sample()
    assert drawn.shape == (2, 6)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (
            torch.zeros(5),
            r"y must be a tensor of floats, \(B, 2\), .* got torch.float32 of shape \(5,\)",
        ),
        (torch.zeros(5, 3), r"one_hot\(labels, 2\).float\(\), got torch.float32 of shape \(5, 3\)"),
        (
            torch.zeros(5, 2).long(),
            r"must be a tensor of floats, .* got torch.int64 of shape \(5, 2\)",
        ),
        ([0, 1], r"y must be a tensor of floats, \(B, 2\), .* got list"),
        (torch.zeros(4, 2), r"x and y must have shapes .* got \(5, 6\) and \(4, 2\)"),
        (None, "y is missing; use model.given"),
    ],
)
def test_labels_that_do_not_fit(y, message):
    model = vl.ConditionalVAE(vl.mlp(6 + 2, 4), vl.mlp(2 + 2, 6), 2, 2)
    with pytest.raises(ValueError, match=message):
        vl.elbo(model if y is None else model.given(y), torch.zeros(5, 6))


def test_labels_are_given_once():
    """They would else be ignored where they are passed in the way of a plain VAE."""
    model = vl.ConditionalVAE(vl.mlp(6 + 2, 4), vl.mlp(2 + 2, 6), 2, 2)
    y = torch.eye(2)[[0, 1, 0]]
    with pytest.raises(ValueError, match="y must be passed to given only"):
        model.given(y).log_weights(torch.zeros(3, 6), 5, y)


def test_a_table_can_be_conditioned():
    family = vl.Mixed({"n": vl.likelihoods.Poisson(), "k": vl.likelihoods.Categorical(3)})
    nets = vl.mlp(family.features + 1, 4), vl.mlp(2 + 1, family.outputs)
    model = vl.ConditionalVAE(*nets, 2, 1, family)
    x = torch.tensor([[3.0, 1], [0, 2]])
    model.check_targets(x)
    assert torch.isfinite(vl.elbo(model.given(torch.randn(2, 1)), x)["objective"]).all()


# Networks for images of any size


@pytest.mark.parametrize(
    "shape",
    [(1, 4, 4), (3, 5, 9), (3, 28, 28), (1, 31, 17), (3, 33, 50), (1, 100, 64), (2, 129, 7)],
)
def test_networks_for_images_of_any_size(shape):
    torch.manual_seed(0)
    pixels = math.prod(shape)
    encoder, decoder = vl.conv_encoder(shape, 3, width=4), vl.conv_decoder(3, shape, width=4)
    x = torch.rand(2, pixels)
    assert encoder(x).shape == (2, 6) and decoder(torch.randn(2, 3)).shape == (2, pixels)
    model = vl.VAE(encoder, decoder, 3, "gaussian")
    vl.elbo(model, x)["objective"].sum().backward()
    assert model.decoder[-2].bias.grad.abs().sum() > 0


def test_the_smallest_map_of_a_large_image_is_small():
    for side in (40, 64, 100, 256):
        maps = [m for m in vl.conv_encoder((3, side, side), 2) if isinstance(m, nn.Linear)]
        assert maps[0].in_features <= 64 * 7 * 7


@pytest.mark.parametrize("shape", [(1, 3, 8), (8, 8), (0, 8, 8)])
def test_images_that_are_too_small(shape):
    with pytest.raises(ValueError, match=r"shape must be \(C, H, W\), with H and W of at least 4"):
        vl.conv_encoder(shape, 2)


def test_the_shell_of_a_gaussian():
    torch.manual_seed(0)
    for dim in (1, 2, 30, 500):
        mean, sd = oracles.shell(dim)
        radius = torch.randn(20_000, dim, dtype=torch.float64).norm(dim=1)
        assert within(radius, mean) and radius.std().item() == pytest.approx(sd, rel=0.03)
    assert oracles.shell(2)[0] == pytest.approx(math.sqrt(math.pi / 2))


def test_what_is_wrong_with_a_conditional_model_is_named(known):
    with pytest.raises(ValueError, match="^ConditionalVAE: condition_dim must be .*, got 0"):
        vl.ConditionalVAE(vl.mlp(7, 4), vl.mlp(4, 5), 2, 0)
    _, model, x, y = known
    with pytest.raises(ValueError, match=r"x has shape \(3, 4\)"):
        model.given(y[:3]).likelihood(torch.zeros(3, 2, dtype=torch.float64), x[:3, :4])


def test_labels_and_samples_of_unequal_number():
    torch.manual_seed(0)
    model = vl.ConditionalVAE(vl.mlp(8, 16, 4), vl.mlp(4, 16, 6), 2, 2)
    x, y = torch.rand(64, 6).round(), torch.eye(2).repeat(32, 1)
    for n, m in ((32, 64), (64, 32)):
        given = model.given(y[:m])
        for call in (
            lambda g=given, n=n: vl.log_likelihood(g, x[:n], 100, memory=8 * 100 * 256 * 32),
            lambda g=given, n=n: vl.refit_encoder(g, x[:n], 2),
            lambda g=given, n=n: vl.annealed_log_likelihood(g, x[:n], 2),
            lambda g=given, n=n: vl.active_units(g, x[:n]),
        ):
            with pytest.raises(ValueError, match=f"a row for each of the {n} samples, got {m}"):
                call()
    assert vl.log_likelihood(model.given(y), x, 10).shape == (64,)
