"""Kernels, MMD, the InfoVAE family, and the two-point problem, against their closed forms."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from trust import within

import vaelib as vl
from vaelib import divergences, oracles


def kernel_of(name, size):
    return (
        partial(vl.gaussian_kernel, bandwidth=size)
        if name == "gaussian"
        else partial(vl.imq_kernel, scale=size)
    )


CASES = [
    (d, name, size)
    for d in (1, 3, 20)
    for name, size in (("gaussian", d / 2**0.5), ("imq", 2.0 * d))
]


def test_kernels_are_their_formulas():
    x, y = torch.randn(4, 3), torch.randn(5, 3)
    squared = ((x[:, None] - y) ** 2).sum(-1)
    assert torch.allclose(
        vl.gaussian_kernel(x, y, 1.3), torch.exp(-squared / (2 * 1.3**2)), atol=1e-6
    )
    assert torch.allclose(vl.imq_kernel(x, y, 6.0), 6 / (6 + squared), atol=1e-6)
    both = vl.imq_kernel(x, y, 2.0) + vl.imq_kernel(x, y, 5.0)
    assert torch.allclose(vl.imq_kernel(x, y, (2.0, 5.0)), both)


def test_mmd_by_hand():
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [2.0], [3.0]])
    kernel = partial(vl.imq_kernel, scale=1.0)
    k = lambda a, b: 1 / (1 + (a - b) ** 2)  # noqa: E731
    cross = sum(k(a, b) for a in (0, 1) for b in (0, 2, 3)) / 6
    u = k(0, 1) + (k(0, 2) + k(0, 3) + k(2, 3)) / 3 - 2 * cross
    v = (2 + 2 * k(0, 1)) / 4 + (3 + 2 * (k(0, 2) + k(0, 3) + k(2, 3))) / 9 - 2 * cross
    assert vl.mmd(x, y, kernel).item() == pytest.approx(u, abs=1e-6)
    assert vl.mmd(x, y, kernel, unbiased=False).item() == pytest.approx(v, abs=1e-6)


@pytest.mark.parametrize(("d", "name", "size"), CASES)
def test_the_u_statistic_agrees_with_the_closed_form(d, name, size):
    torch.manual_seed(0)
    mean, std = torch.linspace(-0.5, 0.5, d), torch.linspace(0.4, 1.3, d)
    exact = oracles.gaussian_mmd(mean.numpy(), std.numpy(), name, size)
    kernel, draws, biased = kernel_of(name, size), [], []
    for _ in range(300):
        x, y = mean + std * torch.randn(100, d), torch.randn(100, d)
        draws.append(vl.mmd(x, y, kernel))
        biased.append(vl.mmd(x, y, kernel, unbiased=False))
    assert within(torch.stack(draws), exact, 3)
    assert not within(torch.stack(biased), exact, 3)


@pytest.mark.parametrize(("d", "name", "size"), CASES)
def test_under_the_null_bias_and_spread_are_as_predicted(d, name, size):
    torch.manual_seed(1)
    n, repeats, kernel = 50, 2000, kernel_of(name, size)
    known = oracles.mmd_under_null(d, n, name, size)
    pairs = [(torch.randn(n, d), torch.randn(n, d)) for _ in range(repeats)]
    u = torch.stack([vl.mmd(x, y, kernel) for x, y in pairs])
    v = torch.stack([vl.mmd(x, y, kernel, unbiased=False) for x, y in pairs])
    assert within(u, 0.0, 4) and within(v, known["bias"], 4) and v.min() >= -1e-6
    kurtosis = ((u - u.mean()) ** 4).mean() / u.var() ** 2
    error = known["sd"] * math.sqrt((kurtosis - 1) / (4 * repeats))
    assert abs(u.std() - known["sd"]) < 4 * error


def test_known_values():
    assert oracles.gaussian_mmd(
        [0.5, -0.2, 0], np.sqrt([0.3, 1, 2]), "gaussian", 1.7**0.5
    ) == pytest.approx(0.044159, abs=1e-6)
    table = {1: (0.4472, 0.00553, 0.00441, 0.2925), 20: (0.9053, 0.00095, 0.00028, 0.0026)}
    for d, (k, bias, sd, point) in table.items():
        known = oracles.mmd_under_null(d, 200, "gaussian", d / 2**0.5)
        found = (
            known["kernel"],
            known["bias"],
            known["sd"],
            oracles.gaussian_mmd([0] * d, [1e-9] * d, "gaussian", d / 2**0.5),
        )
        assert found == pytest.approx((k, bias, sd, point), rel=2e-2)
    for d, k in {1: 0.656, 2: 0.596, 8: 0.529, 64: 0.504}.items():
        assert oracles.mmd_under_null(d, 100, "imq", 2 * d)["kernel"] == pytest.approx(k, abs=6e-4)


def test_blocks_change_nothing_and_keep_memory_small(monkeypatch):
    torch.manual_seed(0)
    x, y, kernel = (
        torch.randn(301, 4),
        torch.randn(257, 4) + 0.3,
        partial(vl.gaussian_kernel, bandwidth=2.0),
    )
    whole = [vl.mmd(x, y, kernel, unbiased) for unbiased in (True, False)]
    largest = []
    monkeypatch.setattr(divergences, "BLOCK", 1000)
    watched = lambda a, b: largest.append(len(a) * len(b)) or kernel(a, b)  # noqa: E731
    for unbiased, value in zip((True, False), whole, strict=True):
        assert vl.mmd(x, y, watched, unbiased).item() == pytest.approx(value.item(), abs=1e-6)
    assert max(largest) <= 1000
    # Bytes of float32, with a handful of temporaries.
    assert 4 * divergences.BLOCK * 8 < 2 * 2**30 and 2**24 * 4 * 8 < 2 * 2**30


@pytest.mark.slow
def test_mmd_of_twenty_thousand_samples():
    torch.manual_seed(0)
    value = vl.mmd(
        torch.randn(20_000, 2), torch.randn(20_000, 2), partial(vl.gaussian_kernel, bandwidth=1.0)
    )
    assert abs(value) < 4 * oracles.mmd_under_null(2, 20_000, "gaussian", 1.0)["sd"]


# Logistic priors


@pytest.mark.parametrize(("prior", "variance", "entropy"), [
    (vl.logistic_unit_variance, 1.0, 1.40458),
    (vl.logistic(1.0), math.pi**2 / 3, 2.0),
])  # fmt: skip
def test_logistic_priors(prior, variance, entropy):
    torch.manual_seed(0)
    p = prior(2).double()()
    z = p.sample((200_000,))
    assert within(z[:, 0] ** 2, variance) and within(z[:, 1], 0.0)
    assert within(-p.log_prob(z), 2 * entropy, 4) and torch.isfinite(p.log_prob(z * 100)).all()
    t = torch.linspace(-60, 60, 200_001, dtype=torch.float64)
    density = prior(1).double()().log_prob(t[:, None]).exp()
    assert (density.sum() * (t[1] - t[0])).item() == pytest.approx(1, abs=1e-6)


def test_a_logistic_prior_has_no_closed_form_and_works_sampled():
    model = vl.VAE(vl.mlp(6, 4), vl.mlp(2, 6), 2, prior=vl.logistic_unit_variance)
    x = torch.rand(5, 6).round()
    with pytest.raises(ValueError, match='no closed-form KL; use kl="sampled"'):
        vl.elbo(model, x)
    assert torch.isfinite(vl.elbo(model, x, kl="sampled")["objective"]).all()


# The family


@pytest.fixture
def model():
    torch.manual_seed(0)
    return vl.VAE(vl.mlp(6, 8, 4), vl.mlp(2, 8, 6), 2)


def terms(model, objective, *arguments):
    torch.manual_seed(1)
    return objective(
        model, torch.rand(7, 6, generator=torch.Generator().manual_seed(2)).round(), *arguments
    )


def test_members_of_the_family_are_special_cases(model):
    """Members of the InfoVAE family for special values of alpha and lam.

    alpha = 0, lam = 1: the ELBO. 1 - alpha = lam = beta: the beta-VAE. alpha = lam = 1 with
    Jensen-Shannon: the AAE. alpha = 1 with MMD: the MMD-VAE.
    """
    kernel = partial(vl.gaussian_kernel, bandwidth=1.0)
    whatever = lambda z, prior: ((z - prior) ** 2).mean()  # noqa: E731
    plain = terms(model, vl.elbo)
    zero = terms(model, vl.info_vae, 0, 1, whatever)
    assert all(
        torch.allclose(zero[name], plain[name]) for name in ("objective", "reconstruction", "kl")
    )
    beta = terms(model, vl.info_vae, -3, 4, whatever)["objective"]
    assert torch.allclose(beta, plain["reconstruction"] - 4 * plain["kl"])
    game = terms(model, vl.info_vae, 1, 1, whatever)
    assert torch.allclose(game["objective"], plain["reconstruction"] - game["divergence"])
    assert "kl" not in game
    ours = terms(model, vl.mmd_vae, 25, kernel)
    assert torch.allclose(
        ours["objective"],
        terms(model, vl.info_vae, 1, 25, partial(vl.mmd, kernel=kernel))["objective"],
    )
    assert torch.equal(ours["objective"], terms(model, vl.vim, 25, kernel)["objective"])
    biased = terms(model, vl.info_vae, 1, 25, partial(vl.mmd, kernel=kernel, unbiased=False))
    assert torch.allclose(terms(model, vl.vim, 25, kernel, False)["objective"], biased["objective"])
    assert ours["divergence"].shape == () and ours["objective"].shape == (7,)


def test_a_beta_vae_is_a_row_of_the_family_whatever_rounding_says():
    assert -1.8 + 2.8 < 1
    model, x = vl.VAE(vl.mlp(4, 8, 4), vl.mlp(2, 8, 4), 2, "gaussian"), torch.rand(6, 4)
    torch.manual_seed(0)
    ours = vl.info_vae(model, x, -1.8, 2.8, lambda *_: torch.tensor(1e9))["objective"]
    torch.manual_seed(0)
    assert torch.allclose(ours, vl.beta_vae(model, x, 2.8)["objective"])


@pytest.mark.parametrize(("call", "message"), [
    (lambda m, x: vl.info_vae(m, x, 0, 1e-3, vl.mmd),
     "alpha . lam must be a finite number of at least 1, got 0.001"),
    (lambda m, x: vl.elbo(m, x.round(), kl=None),
     "elbo: kl must be .analytic. or .sampled., got None"),
    (lambda m, x: vl.info_vae(m, x.round(), 0, 1, vl.mmd, kl="exact"),
     "info_vae: kl must be .* got 'exact'"),
    (lambda m, x: vl.info_vae(m, x, 0, math.nan, vl.mmd), "lam must be a finite number, got nan"),
    (lambda m, x: vl.mmd_vae(m, x, -1, vl.gaussian_kernel),
     "mmd_vae: lam must be .* at least 0, got -1"),
    (lambda m, x: vl.gaussian_kernel(x, x, 0.0),
     "bandwidth must be a positive finite number, got 0.0"),
    (lambda m, x: vl.gaussian_kernel(x, x, math.inf),
     "gaussian_kernel: bandwidth must be .* got inf"),
    (lambda m, x: vl.imq_kernel(x, x, (1.0, -2.0)), "imq_kernel: scale must be .* got -2.0"),
    (lambda m, x: vl.mmd(x, x[:, :3], vl.gaussian_kernel), r"got \(7, 6\) and \(7, 3\)"),
    (lambda m, x: vl.mmd(x[0], x, vl.gaussian_kernel), r"got \(6,\) and \(7, 6\)"),
    (lambda m, x: vl.mmd(x[:1], x, partial(vl.gaussian_kernel, bandwidth=1.0)),
     "at least 2 samples, got 1 and 7"),
    (lambda m, x: vl.logistic(0), "scale must be a positive finite number, got 0"),
    (lambda m, x: vl.disturb(x, "blur", 1), "kind must be 'gaussian' or 'mask', got 'blur'"),
    (lambda m, x: vl.disturb(x, "mask", 1.5), "amount must be a probability .* got 1.5"),
    (lambda m, x: vl.frechet_distance(x, x[:, :3]),
     r"must have shapes .* got \(7, 6\) and \(7, 3\)"),
    (lambda m, x: vl.frechet_distance(x[0], x), r"must have shapes .* got \(6,\) and \(7, 6\)"),
    (lambda m, x: vl.frechet_distance(x[:1], x), r"must have shapes .* got \(1, 6\) and \(7, 6\)"),
    (lambda m, x: vl.frechet_distance(x, x / 0), "frechet_distance: a and b must be finite"),
    (lambda m, x: vl.frechet_distance(x[:, :1] * math.nan, x[:, :1]), "a and b must be finite"),
    (lambda m, x: vl.kl_decomposition(x, x[:, :3]), r"one shape .* got \(7, 6\) and \(7, 3\)"),
    (lambda m, x: vl.conv_encoder((1, 8, 3), 2), r"shape must be \(C, H, W\), .* got \(1, 8, 3\)"),
    (lambda m, x: vl.conv_encoder((1, 8, 8), 2.0), "latent_dim must be .* integer, got 2.0"),
    (lambda m, x: vl.conv_decoder(0, (1, 8, 8)), "conv_decoder: latent_dim .* integer, got 0"),
    (lambda m, x: vl.conv_decoder(2, (1, 8, 8), 1.5), "conv_decoder: width .* integer, got 1.5"),
])  # fmt: skip
def test_bad_input_is_named(call, message, model):
    with pytest.raises(ValueError, match=message):
        call(model, torch.rand(7, 6))


def test_whole_numbers_and_arrays_are_samples_too():
    x, y = torch.arange(6).reshape(3, 2), torch.arange(4).reshape(2, 2)
    kernel = partial(vl.gaussian_kernel, bandwidth=2.0)
    assert torch.equal(vl.mmd(x, y, kernel), vl.mmd(x.float(), y.float(), kernel))
    assert torch.equal(kernel(x.numpy(), y.numpy()), kernel(x.float(), y.float()))
    mixed = vl.mmd(x.float(), y.double().numpy(), kernel)
    assert mixed.item() == pytest.approx(vl.mmd(x, y, kernel).item(), abs=1e-6)


def test_one_sample_will_do_for_the_v_statistic():
    assert (
        vl.mmd(
            torch.zeros(1, 2), torch.zeros(1, 2), partial(vl.gaussian_kernel, bandwidth=1.0), False
        )
        == 0
    )


# The two points


@pytest.mark.parametrize(("tau", "a", "mean", "std", "best"), [
    (0.9, 0.585, 0.505, 0.863, -1.416),
    (0.5, 1.861, 0.8809, 0.4733, -1.1620),
    (0.1, 3.285, 0.9566, 0.2912, 0.0713),
    (0.01, 4.537, 0.9766, 0.2153, 2.106),
])  # fmt: skip
def test_two_points_with_a_fixed_decoder_scale(tau, a, mean, std, best):
    found = oracles.two_point_optimum(scale=tau)
    ours = found["mean"] / found["std"], found["mean"], found["std"], found["objective"]
    assert ours == pytest.approx((a, mean, std, best), abs=6e-4) and found[
        "second"
    ] == pytest.approx(1, abs=1e-5)


def test_two_points_with_a_floor():
    found = oracles.two_point_optimum(scale="head", floor=5e-4)
    wanted = {
        "mean": 0.9697,
        "std": 0.2442,
        "objective": 5.206,
        "kl": 1.410,
        "reconstruction": 6.616,
    }
    assert {name: found[name] for name in wanted} == pytest.approx(wanted, abs=5e-4)
    table = {0.1: (0.934, 0.357, 0.232), 0.01: (0.958, 0.288, 2.357), 0.001: (0.968, 0.252, 4.542)}
    for floor, values in table.items():
        found = oracles.two_point_optimum(scale="head", floor=floor)
        assert (found["mean"], found["std"], found["objective"]) == pytest.approx(values, abs=6e-4)


def test_two_points_without_a_floor_diverge():
    a = np.array([0.0, 2, 3, 4, 6, 8])
    learned = oracles.two_point_reconstruction(a, "learned") - 0.5 * np.log1p(a**2)
    assert learned == pytest.approx([-1.4189, -0.884, 0.172, 1.779, 6.575, 13.43], abs=6e-4)
    head = oracles.two_point_reconstruction(a[1:5], "head") - 0.5 * np.log1p(a[1:5] ** 2)
    assert head == pytest.approx([1.144, 5.740, 12.471, 32.082], abs=6e-4)
    mean = np.array([1.0, 2, 5, 10])  # with std fixed at 1
    assert oracles.two_point_reconstruction(mean, "head") - mean**2 / 2 == pytest.approx(
        [-1.256, -0.052, 10.39, 47.9], abs=2e-2
    )


def test_two_points_with_mmd_switch_between_250_and_300():
    table = {
        1: (0.685, 0.133, 6.68),
        100: (0.696, 0.185, 6.55),
        500: (0.638, 0.712, -0.905),
        1000: (0.577, 0.785, -1.09),
    }
    for lam, values in table.items():
        found = oracles.two_point_optimum("mmd", lam=lam)
        assert (found["mean"], found["std"], found["reconstruction"]) == pytest.approx(
            values, abs=6e-3
        )
    before, after = (
        oracles.two_point_optimum("mmd", lam=lam)["reconstruction"] for lam in (250, 300)
    )
    assert before > 6 and after == pytest.approx(-0.55, abs=0.06)


def test_two_point_reconstruction_is_what_the_decoder_would_reach():
    """The best mean is tanh(m z / s²); a Monte Carlo estimate with that decoder agrees."""
    torch.manual_seed(0)
    mean, std, tau = 0.8, 0.6, 0.3
    x = torch.where(torch.rand(100_000) < 0.5, -1.0, 1.0)
    z = mean * x + std * torch.randn(100_000)
    decoded = torch.distributions.Normal(torch.tanh(mean * z / std**2), tau)
    assert within(decoded.log_prob(x), float(oracles.two_point_reconstruction(mean / std, tau)))


# Fréchet distance, disturbances, convolutional nets


def test_frechet_distance_of_known_gaussians():
    torch.manual_seed(0)
    a = torch.randn(200_000, 3, dtype=torch.float64)
    scale, shift = torch.tensor([0.5, 1.0, 2.0]), torch.tensor([1.0, 0.0, -1.0])
    found = vl.frechet_distance(a, torch.randn(200_000, 3, dtype=torch.float64) * scale + shift)
    assert found.item() == pytest.approx(2 + 0.25 + 1.0, rel=0.02)  # |shift|² + Σ (1 - scale)²
    assert abs(vl.frechet_distance(a, a)) < 1e-9
    # Means 1 and 3, variances 2 and 8.
    pairs = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])
    assert vl.frechet_distance(*pairs).item() == pytest.approx(2**2 + (8**0.5 - 2**0.5) ** 2)
    mixed = a @ torch.tensor([[1.0, 0.6, 0], [0, 0.8, 0], [0.3, 0, 1]], dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))[0]
    same = vl.frechet_distance(a * scale @ turn, mixed @ turn)
    # A rotation of both changes nothing.
    assert same.item() == pytest.approx(vl.frechet_distance(a * scale, mixed).item(), rel=1e-6)


def test_disturbances():
    torch.manual_seed(0)
    x = torch.full((200, 500), 0.5)
    masked = vl.disturb(x, "mask", 0.3)
    assert within((masked == 0).float().flatten(), 0.3) and set(masked.unique().tolist()) == {
        0.0,
        0.5,
    }
    noisy = vl.disturb(x, "gaussian", 0.1)
    assert within((noisy - x).flatten() ** 2, 0.01) and noisy.max() <= 1
    assert torch.equal(vl.disturb(x, "gaussian", 0), x) and torch.equal(vl.disturb(x, "mask", 0), x)
    assert vl.disturb(x, "mask", 1).max() == 0
    wild = vl.disturb(x, "gaussian", 5)
    # Φ(-0.1) of the pixels are clipped to 0.
    assert wild.min() == 0 and wild.max() == 1 and within((wild == 0).float().flatten(), 0.460172)


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32), (1, 64, 64)])
def test_convolutional_nets_fit_together(shape):
    model = vl.VAE(
        vl.conv_encoder(shape, 8, width=8),
        vl.conv_decoder(8, shape, width=8),
        8,
        "gaussian",
        scale=0.3,
    )
    x = torch.rand(4, math.prod(shape))
    assert vl.elbo(model, x)["objective"].shape == (4,) and vl.log_likelihood(
        model, x, samples=3
    ).shape == (4,)
    run = vl.fit(lambda seed: model, vl.elbo, x, steps=2, batch_size=2)
    assert np.isfinite(run.history["objective"]).all()
