"""Every estimator against a closed-form answer; each check also fails on a planted error."""

import math

import numpy as np
import pytest
import torch
from trust import within

import vaelib as vl
from vaelib import oracles

LOG_P = -0.5 * math.log(2 * math.pi * 2) - 1.5**2 / 4  # of x = 1.5 under z ~ N(0, 1), x|z ~ N(z, 1)
BOUNDS = {  # (mean, std) of q: L_1, L_2, L_5, L_50, L_500, to six decimals
    (0.0, 1.0): (-2.543939, -2.099515, -1.909696, -1.834921, -1.828693),
    (0.75, 1.0): (-1.981439, -1.879804, -1.845075, -1.829573, -1.828167),
    (0.5, 0.6): (-1.914764, -1.884212, -1.857007, -1.832003, -1.828446),
    (0.5, math.sqrt(0.6)): (-1.899351, -1.859056, -1.839464, -1.829106, -1.828121),
}


# The Gaussian KL


def test_gaussian_kl_value():
    kl = vl.gaussian_kl(torch.tensor([[1.0]]), torch.tensor([[0.25]]).log())
    assert kl.item() == pytest.approx(0.5 * (1 + 0.25 - 1 - math.log(0.25)), abs=1e-7)
    assert kl.item() == pytest.approx(0.8181, abs=1e-4)


def test_gaussian_kl_agrees_with_torch_and_with_samples():
    torch.manual_seed(0)
    mean, log_var = torch.randn(1, 5).double(), torch.randn(1, 5).double()
    q = torch.distributions.Normal(mean, (0.5 * log_var).exp())
    p = torch.distributions.Normal(torch.zeros(5).double(), torch.ones(5).double())
    assert torch.allclose(
        vl.gaussian_kl(mean, log_var), torch.distributions.kl_divergence(q, p).sum(-1)
    )
    z = q.sample((200_000,))
    samples = (q.log_prob(z) - p.log_prob(z)).sum(-1)
    assert within(samples, vl.gaussian_kl(mean, log_var).item())
    # Planted: log std read as log variance.
    assert not within(samples, vl.gaussian_kl(mean, 2 * log_var).item())
    # Planted: a mean over the latents.
    assert not within(samples, vl.gaussian_kl(mean, log_var).item() / 5)


# Probabilistic PCA, a linear VAE whose ELBO is the log-likelihood


@pytest.fixture(scope="module")
def ppca():
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(4000, 6, generator=generator).double() * torch.tensor(
        [3.0, 2, 1.5, 0.5, 0.4, 0.3]
    )
    x = x @ torch.linalg.qr(torch.randn(6, 6, generator=generator).double())[0] + 1.0
    return oracles.LinearGaussian.fit(x, 3), x


def test_ppca_log_likelihood_formula(ppca):
    model, x = ppca
    eigenvalues = torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x)).flip(0)
    assert model.variance == pytest.approx(eigenvalues[3:].mean().item())
    formula = -0.5 * (
        6 * math.log(2 * math.pi) + eigenvalues[:3].log().sum() + 3 * math.log(model.variance) + 6
    )
    assert model.log_likelihood(x).mean().item() == pytest.approx(formula.item(), abs=1e-9)
    direct = torch.distributions.MultivariateNormal(
        model.mean, model.weight @ model.weight.T + model.variance * torch.eye(6).double()
    )
    assert torch.allclose(model.log_likelihood(x), direct.log_prob(x))


def test_ppca_elbo_is_the_log_likelihood_at_the_posterior(ppca):
    model, x = ppca
    mean, log_var = model.vae().encode(x)
    assert torch.allclose(model.elbo(x, mean, log_var), model.log_likelihood(x), atol=1e-9)
    posterior = model.posterior(x)
    assert torch.allclose(posterior.mean, mean, atol=1e-9)
    eigenvalues = torch.linalg.eigvalsh((x - x.mean(0)).T @ (x - x.mean(0)) / len(x)).flip(0)[:3]
    assert torch.allclose(log_var[0].exp(), model.variance / eigenvalues, atol=1e-9)
    assert vl.gaussian_kl(mean, log_var).mean().item() == pytest.approx(
        0.5 * (eigenvalues / model.variance).log().sum().item(), abs=1e-9
    )
    # Planted: a wrong posterior must cost exactly its KL to the true one.
    worse = model.elbo(x, mean + 0.3, log_var)
    gap = torch.distributions.kl_divergence(
        torch.distributions.MultivariateNormal(mean + 0.3, torch.diag_embed(log_var.exp())),
        posterior,
    )
    assert torch.allclose(model.log_likelihood(x) - worse, gap, atol=1e-8) and gap.min() > 0.01


def test_ppca_estimates(ppca):
    model, x = ppca
    torch.manual_seed(0)
    vae, one = model.vae(), x[:1].expand(20_000, -1)
    wrong = oracles.LinearGaussian(model.weight * 1.2, model.mean, model.variance).vae()
    truth = model.log_likelihood(x[:1]).item()
    assert within(vl.elbo(vae, one)["objective"], truth)
    assert within(vl.elbo(vae, one, kl="sampled")["objective"], truth)
    assert not within(vl.elbo(wrong, one)["objective"], truth)
    for samples in (1, 107):
        found = vl.log_likelihood(vae, x[:5], samples=samples)
        assert found == pytest.approx(model.log_likelihood(x[:5]).numpy(), abs=1e-8)


def test_rotated_axes_cost_what_theory_says(ppca):
    model, x = ppca
    rotation = torch.linalg.qr(
        torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double()
    )[0]
    rotated = oracles.LinearGaussian(model.weight @ rotation, model.mean, model.variance)
    precision = torch.linalg.inv(rotated.posterior(x[:1]).covariance_matrix[0])
    loss = 0.5 * (precision.diagonal().log().sum() - torch.logdet(precision))
    mean, log_var = rotated.vae().encode(x)
    assert (
        torch.allclose(rotated.log_likelihood(x) - rotated.elbo(x, mean, log_var), loss, atol=1e-8)
        and loss > 0.01
    )


# The linear VAE's optimum for β = 1, reached by training, and the moment identity


@pytest.fixture(scope="module")
def trained_linear():
    x = torch.randn(4096, 1, generator=torch.Generator().manual_seed(0))
    x = 2 * (x - x.mean()) / x.std(correction=0)  # the variance is 4 exactly

    def build(seed):
        return vl.VAE(vl.mlp(1, 2), vl.mlp(1, 1), 1, "gaussian", scale=1.0)

    run = vl.fit(
        build, vl.elbo, x, steps=3000, batch_size=1024, lr=lambda step: 1e-2 * (1 - step / 3000)
    )
    return run.model, x


def test_linear_vae_values():
    assert oracles.linear_beta_vae(4.0, 1.0) == pytest.approx(
        {
            "weight_squared": 3.0,
            "posterior_variance": 0.25,
            "kl": 0.5 * math.log(4),
            "activity": 0.75,
        }
    )
    activity = [oracles.linear_beta_vae(4.0, 1.0, beta)["activity"] for beta in (2, 3.9, 4, 5)]
    assert activity == pytest.approx([0.5, 0.025, 0, 0])


def test_linear_vae_training_reaches_the_closed_form(trained_linear):
    model, x = trained_linear
    truth = oracles.linear_beta_vae(4.0, 1.0)
    mean, log_var = model.encode(x)
    assert model.decoder[0].weight.item() ** 2 == pytest.approx(truth["weight_squared"], rel=0.02)
    assert log_var.exp().mean().item() == pytest.approx(truth["posterior_variance"], rel=0.02)
    assert vl.gaussian_kl(mean, log_var).mean().item() == pytest.approx(truth["kl"], rel=0.02)
    assert vl.activity(model, x).item() == pytest.approx(truth["activity"], rel=0.02)
    # Planted: another noise variance.
    assert truth["activity"] != pytest.approx(
        oracles.linear_beta_vae(4.0, 1.1)["activity"], rel=0.02
    )


def test_moment_identity_at_the_optimum(trained_linear, ppca):
    model, x = ppca
    moments = vl.latent_moments(model.vae(), x)
    assert torch.allclose(moments["mean"], torch.zeros(3).double(), atol=1e-9)
    assert torch.allclose(moments["second"], torch.ones(3).double(), atol=1e-9)
    # Planted: not a stationary point.
    wrong = oracles.LinearGaussian(model.weight * 1.2, model.mean, model.variance).vae()
    assert not torch.allclose(
        vl.latent_moments(wrong, x)["second"], torch.ones(3).double(), atol=0.05
    )
    trained, data = trained_linear
    moments = vl.latent_moments(trained, data)
    assert abs(moments["mean"].item()) < 0.01 and moments["second"].item() == pytest.approx(
        1, abs=0.01
    )


# The bounds L_k of the scalar model


@pytest.mark.parametrize("q", BOUNDS)
def test_scalar_bounds_agree_with_the_table(q):
    exact = [oracles.scalar_bound(1.5, *q, k) for k in (1, 2, 5, 50, 500)]
    assert exact == pytest.approx(BOUNDS[q], abs=1e-6)
    assert exact == sorted(exact) and exact[-1] < LOG_P


@pytest.mark.parametrize("q", BOUNDS)
def test_elbo_and_importance_sampling_estimate_the_bounds(q):
    torch.manual_seed(1)
    model, x = oracles.scalar_vae(*q), torch.full((50_000, 1), 1.5)
    estimates = {
        "elbo": vl.elbo(model, x)["objective"],
        "sampled": vl.elbo(model, x, kl="sampled")["objective"],
    }
    for name, values in estimates.items():
        assert within(values, BOUNDS[q][0]), name
        assert not within(values, LOG_P), name  # planted: the bound taken for the log-likelihood
    for k, truth in zip((2, 5, 50), BOUNDS[q][1:], strict=False):
        values = vl.log_likelihood(model, x, samples=k)
        assert within(values, truth), k
        # Planted: an average of logs instead of a log of averages.
        assert not within(values, BOUNDS[q][0]), k


def test_importance_sampling_approaches_log_p_at_the_rate_of_chi_squared():
    mean, var = 0.0, 1.0  # q is the prior; the posterior is N(0.75, 0.5)
    chi2 = (
        var / math.sqrt(0.5 * (2 * var - 0.5)) * math.exp((0.75 - mean) ** 2 / (2 * var - 0.5)) - 1
    )
    for k, tolerance in ((50, 0.03), (500, 0.003)):
        assert LOG_P - oracles.scalar_bound(1.5, mean, 1.0, k) == pytest.approx(
            chi2 / (2 * k), rel=tolerance
        )


def test_posterior_gives_zero_variance():
    model = oracles.scalar_vae(0.75, math.sqrt(0.5)).double()
    log_w = model.log_weights(torch.full((100, 1), 1.5).double(), 10)
    assert torch.allclose(log_w, torch.tensor(LOG_P).double(), atol=1e-6)


# Entropies of the priors


def test_entropies():
    assert oracles.normal_entropy() == pytest.approx(1.41894, abs=1e-5)
    unit_variance = math.sqrt(3) / math.pi
    assert oracles.logistic_entropy(unit_variance) == pytest.approx(1.40458, abs=1e-5)
    # At unit scale the entropy is larger than the normal's.
    assert oracles.logistic_entropy(1.0) == pytest.approx(2.0)
    assert oracles.logistic_entropy(0.55930) == pytest.approx(oracles.normal_entropy(), abs=1e-4)
    u = torch.rand(400_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64).clamp(
        1e-12, 1 - 1e-12
    )
    for scale in (1.0, unit_variance):
        z = scale * torch.logit(u)
        # -log density
        surprise = z / scale + 2 * torch.nn.functional.softplus(-z / scale) + math.log(scale)
        assert within(surprise, oracles.logistic_entropy(scale))
        # Planted: the entropy of the normal with equal variance.
        assert not within(surprise, oracles.normal_entropy(z.std().item()))
        assert within(z**2, (math.pi * scale) ** 2 / 3)


# ELBO surgery, and the mutual information of two posteriors


def test_surgery_adds_up_and_is_bounded():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7):
        mean, std = rng.normal(size=n) * 2, rng.uniform(0.2, 1.5, size=n)
        terms = oracles.surgery(mean, std)
        assert terms["kl"] == pytest.approx(
            terms["mutual_information"] + terms["marginal_kl"], abs=1e-8
        )
        assert (
            -1e-9 <= terms["mutual_information"] <= math.log(n) + 1e-9
            and terms["marginal_kl"] >= -1e-9
        )
        # planted: a variance read as a standard deviation breaks the balance
        broken = oracles.surgery(mean, std**2)
        assert abs(terms["kl"] - broken["mutual_information"] - broken["marginal_kl"]) > 1e-3


def test_surgery_against_samples():
    torch.manual_seed(0)
    mean, std = torch.tensor([-0.8, 0.8]), torch.tensor([0.6, 0.6])
    n = torch.randint(2, (400_000,))
    z = mean[n] + std[n] * torch.randn(len(n))
    log_q_given = torch.distributions.Normal(mean, std).log_prob(z[:, None])
    log_q = log_q_given.logsumexp(1) - math.log(2)
    log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z)
    own = log_q_given.gather(1, n[:, None])[:, 0]
    terms = oracles.surgery(mean, std)
    assert within(own - log_p, terms["kl"])
    assert within(own - log_q, terms["mutual_information"])
    assert within(log_q - log_p, terms["marginal_kl"])
    # Planted: the average KL taken for the mutual information.
    assert not within(own - log_q, terms["kl"])


def test_two_gaussian_information():
    values = [oracles.two_gaussian_information(d) for d in (0.5, 1, 2, 3)]
    assert values == pytest.approx([0.11142, 0.33683, 0.63272, 0.68930], abs=1e-5)
    assert oracles.surgery([-2, 2], [1, 1])["mutual_information"] == pytest.approx(
        values[2], abs=1e-8
    )


@pytest.mark.parametrize("x", [12.0, 15.0])
def test_a_bound_far_from_the_data(x):
    """The weights are small as e^-60 or e^-100 there: the quadrature is relative to the largest."""
    torch.manual_seed(0)
    log_w = oracles.scalar_vae(0.0, 1.0).log_weights(torch.full((200_000, 1), x), 5).double()
    value = torch.logsumexp(log_w, 0) - math.log(5)
    assert within(value, oracles.scalar_bound(x, 0.0, 1.0, k=5))
    assert oracles.scalar_bound(x, 0.0, 1.0, k=1) < value.mean()  # planted: without the samples


def test_quadrature_takes_the_models_own_prior_and_eval_mode():
    torch.manual_seed(0)
    decoder = torch.nn.Sequential(vl.mlp(1, 16, 5), torch.nn.Dropout(0.5))
    model = vl.VAE(vl.mlp(5, 16, 2), decoder, 1, prior=vl.normal(1.5))
    x = torch.rand(4, 5).round()
    exact = oracles.log_likelihood_by_quadrature(model, x)
    z = torch.linspace(-12, 12, 4801)[:, None]
    with torch.no_grad():
        log_p = model.eval().likelihood(z[:, None].expand(-1, 4, 1)).log_prob(x)
        log_p = log_p.double() + model.prior.log_prob(z)[:, None]
    model.train()
    assert torch.allclose(exact, log_p.logsumexp(0) + math.log(0.005), atol=1e-4)
    model.prior_net = vl.standard_normal(1)
    assert (exact - oracles.log_likelihood_by_quadrature(model, x)).abs().min() > 1e-3  # planted
    assert model.training


def test_bad_arguments():
    with pytest.raises(ValueError, match="latent_dim must be 1 to 5, got 6"):
        oracles.LinearGaussian.fit(torch.randn(50, 6), 6)
    with pytest.raises(ValueError, match="leave no variance"):
        oracles.LinearGaussian.fit(torch.randn(3, 6).double(), 4)
    with pytest.raises(ValueError, match="nodes must be at most 300, got 400"):
        oracles.log_likelihood_by_quadrature(None, torch.rand(2, 3), nodes=400)
    with pytest.raises(ValueError, match="std must be at least 0.001, .*, got 0.0001"):
        oracles.surgery([-50, 50], [1e-4, 1e-4])
    for matrix in ([[1, 2], [2, 1]], [[4, 1], [1, 4]]):
        with pytest.raises(ValueError, match="a positive definite matrix with a diagonal of ones"):
            oracles.gaussian_total_correlation(matrix)
