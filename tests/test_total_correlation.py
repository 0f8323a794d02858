"""The decomposition of the KL: estimators against enumeration, objectives against each other."""

import itertools
import math

import pytest
import torch
from torch.distributions import MultivariateNormal
from trust import within

import vaelib as vl
from vaelib import oracles

LN2 = math.log(2)


def codes(n, d, seed=0, spread=1.5, width=0.4):
    g = torch.Generator().manual_seed(seed)
    mean = spread * torch.randn(n, d, generator=g, dtype=torch.float64)
    return mean, torch.full_like(mean, 2 * math.log(width))


def log_q(z, mean, log_var):
    return torch.distributions.Normal(mean, (log_var / 2).exp()).log_prob(z[:, None])  # (S, N, D)


def test_the_exact_aggregate_is_the_mixture():
    mean, log_var = codes(7, 3)
    z = torch.randn(5, 3, dtype=torch.float64)
    joint, each = vl.log_aggregate_posterior(z, mean, log_var, 7, "exact")
    table = log_q(z, mean, log_var)
    assert torch.allclose(joint, table.sum(2).exp().mean(1).log(), rtol=1e-12) and joint.shape == (
        5,
    )
    assert torch.allclose(each, table.exp().mean(1).log(), rtol=1e-12) and each.shape == (5, 3)


def test_stratified_sampling_averaged_over_all_subsets_is_exact():
    n, b = 7, 4
    mean, log_var = codes(n, 2, seed=1)
    for own in range(n):
        z = mean[own : own + 1] + 0.3
        truth, truths = (t.exp() for t in vl.log_aggregate_posterior(z, mean, log_var, n, "exact"))
        joint, each = [], []
        for others in itertools.combinations([i for i in range(n) if i != own], b - 1):
            # The own code at any place: a wrong diagonal can be right in its first row.
            place = len(joint) % b
            rows = torch.tensor([*others[:place], own, *others[place:]])
            batch = torch.cat([mean[list(others[:place])], z, mean[list(others[place:])]])
            found = vl.log_aggregate_posterior(batch, mean[rows], log_var[rows], n, "mss")
            joint.append(found[0][place].exp())
            each.append(found[1][place].exp())
        assert torch.allclose(torch.stack(joint).mean(), truth) and torch.allclose(
            torch.stack(each).mean(0), truths
        )


@pytest.mark.parametrize("n", [2, 6])
def test_with_the_whole_data_set_as_the_batch_stratified_sampling_is_exact(n):
    mean, log_var = codes(n, 2)
    exact = vl.log_aggregate_posterior(mean, mean, log_var, n, "exact")
    for a, b in zip(exact, vl.log_aggregate_posterior(mean, mean, log_var, n, "mss"), strict=True):
        assert torch.allclose(a, b, rtol=1e-12)


def test_codes_far_apart_name_their_image_in_blocks_as_in_one(monkeypatch):
    """Then the information is ln N without noise, whatever is drawn."""
    mean = 100 * torch.arange(4.0)[:, None]
    for block in (2**24, 1):
        monkeypatch.setattr(vl.divergences, "BLOCK", block)
        found = vl.kl_decomposition(mean, torch.zeros(4, 1), samples=7)
        assert found["mutual_information"].item() == pytest.approx(math.log(4), abs=1e-6)
        assert abs(found["total_correlation"]) < 1e-6 and found["kl"].dtype == torch.float64
    assert vl.kl_decomposition(mean[:1], torch.zeros(1, 1), samples=1)["kl"] == 0


def test_everything_stays_on_its_device():
    """The device "meta" has shapes and no values: a tensor made elsewhere would fail."""
    mean = torch.zeros(4, 2, device="meta")
    for estimator in ("exact", "mss", "mws"):
        joint, each = vl.log_aggregate_posterior(
            mean, mean, mean, 9 if estimator == "mws" else 4, estimator
        )
        assert joint.device.type == each.device.type == "meta"
    assert vl.kl_decomposition(mean, mean, samples=7)["kl"].device.type == "meta"


def test_weighted_sampling_of_a_collapsed_posterior_reports_a_total_correlation_that_is_not_there():
    n, b, d = 5000, 32, 5
    mean, log_var = torch.zeros(b, d, dtype=torch.float64), torch.zeros(b, d, dtype=torch.float64)
    z = torch.randn(b, d, dtype=torch.float64)
    found = {e: vl.log_aggregate_posterior(z, mean, log_var, n, e) for e in ("mws", "mss")}
    tc = {e: (joint - each.sum(1)).mean().item() for e, (joint, each) in found.items()}
    assert tc["mws"] == pytest.approx((d - 1) * math.log(n)) and tc["mws"] == pytest.approx(
        34.07, abs=0.01
    )
    assert tc["mss"] == pytest.approx(0, abs=1e-9)


def test_two_codes_have_the_ledger_that_quadrature_gives():
    """The KL decomposition in closed form: two posteriors at ±(0.8, 0.8) with s = 0.6."""
    mu, s = 0.8, 0.6
    mean = torch.tensor([[mu, mu], [-mu, -mu]], dtype=torch.float64)
    log_var = torch.full_like(mean, 2 * math.log(s))
    information = oracles.two_gaussian_information(math.sqrt(2) * mu / s)
    tc = 2 * oracles.two_gaussian_information(mu / s) - information
    kl = vl.gaussian_kl(mean, log_var).mean().item()
    truth = {"mutual_information": information, "total_correlation": tc,
             "dimension_wise_kl": kl - information - tc, "kl": kl}  # fmt: skip
    for value, known in zip(truth.values(), (0.61530, 0.32967, 0.07668, 1.02165), strict=True):
        assert value == pytest.approx(known, abs=1e-5)
    torch.manual_seed(0)
    runs = [vl.kl_decomposition(mean, log_var, samples=20_000) for _ in range(20)]
    for name, known in truth.items():
        assert within([run[name] for run in runs], known)
        assert sum(run[name] for run in runs).item() / 20 == pytest.approx(known, abs=2e-3)
    parts = sum(runs[0][name] for name in list(truth)[:3])
    assert torch.allclose(parts, runs[0]["kl"], atol=1e-12)


def test_a_joint_gaussian_has_the_known_total_correlation():
    for rho, known in ((0.5, 0.14384), (0.8, 0.51083), (0.9, 0.83037)):
        r = torch.tensor([[1, rho], [rho, 1]])
        assert oracles.gaussian_total_correlation(r) == pytest.approx(known, abs=1e-5)
    r = torch.full((10, 10), 0.5) + 0.5 * torch.eye(10)
    assert oracles.gaussian_total_correlation(r) == pytest.approx(2.26679, abs=1e-5)
    # Many codes drawn so that q(z) is that Gaussian; the exact mixture of them must come close to
    # it.
    torch.manual_seed(0)
    s2 = 0.1
    cov = torch.tensor([[1, 0.8], [0.8, 1]], dtype=torch.float64)
    mean = MultivariateNormal(torch.zeros(2, dtype=torch.float64), cov - s2 * torch.eye(2)).sample(
        (4000,)
    )
    found = vl.kl_decomposition(mean, torch.full_like(mean, math.log(s2)), samples=4000)
    assert found["total_correlation"].item() == pytest.approx(0.5108, abs=0.03)


def test_a_quadratic_discriminator_recovers_the_density_ratio():
    """The optimal logit is -½ ln(1-ρ²) - ½(1/(1-ρ²) - 1)(z1² + z2²) + ρ/(1-ρ²) z1 z2.

    Its mean is the total correlation.
    """
    from sklearn.linear_model import LogisticRegression

    torch.manual_seed(0)
    rho = 0.8
    found = []
    for _ in range(8):
        z = MultivariateNormal(torch.zeros(2), torch.tensor([[1, rho], [rho, 1]])).sample((40_000,))
        real, permuted = z[:20_000], vl.divergences.permute_dimensions(z[20_000:])
        x = torch.cat([real, permuted])
        features = torch.stack([x[:, 0] ** 2 + x[:, 1] ** 2, x[:, 0] * x[:, 1]], 1)
        fit = LogisticRegression(C=1e9, max_iter=1000).fit(features, torch.arange(40_000) < 20_000)
        logit = fit.decision_function(features[:20_000])
        found.append([fit.intercept_[0], *fit.coef_[0], logit.mean()])
    for values, known in zip(torch.tensor(found).T, (0.5108, -0.8889, 2.2222, 0.5108), strict=True):
        assert within(values, known)


class TrueLogit(torch.nn.Module):
    """The optimal discriminator of a Gaussian with correlation rho and its permuted codes."""

    def __init__(self, rho):
        super().__init__()
        self.rho = rho

    def forward(self, z):
        rest, product = 1 - self.rho**2, z[..., 0] * z[..., 1]
        logit = (
            -0.5 * math.log(rest)
            - 0.5 * (1 / rest - 1) * (z**2).sum(-1)
            + self.rho / rest * product
        )
        return logit[..., None]


def test_the_best_judge_of_permuted_codes_scores_the_jensen_shannon_divergence():
    """Its objective is JS - ln 2, its accuracy half of 1 + the total variation, by quadrature."""
    rho, n = 0.8, 100_000
    judge = TrueLogit(rho)
    side = torch.linspace(-7, 7, 701, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    apart = torch.exp(-0.5 * (grid**2).sum(-1)) / (2 * math.pi) * (side[1] - side[0]) ** 2
    logit = judge(grid)[..., 0]
    real = apart * logit.exp()
    assert real.sum().item() == pytest.approx(1, abs=1e-9)
    sigmoid = torch.nn.functional.logsigmoid
    value = 0.5 * ((real * sigmoid(logit)).sum() + (apart * sigmoid(-logit)).sum()).item()
    variation = 0.5 * (real - apart).abs().sum().item()
    assert abs(value + LN2) > 0.1 and variation > 0.3  # there is something to find
    torch.manual_seed(0)
    z = MultivariateNormal(torch.zeros(2), torch.tensor([[1, rho], [rho, 1]])).sample((2 * n,))
    model = vl.ImplicitVAE(torch.nn.Identity(), vl.mlp(2, 2), 2, "gaussian")
    model.discriminator = judge
    found = vl.factor_discriminator(model, z)
    assert found["objective"].shape == (n,) and within(found["objective"], value, 3)
    assert within(found["accuracy"], 0.5 * (1 + variation), 3)
    assert vl.factor_discriminator(model, z[:2])["accuracy"].shape == (1,)


def test_permuting_keeps_each_column_and_unties_them():
    z = torch.arange(2000.0)[:, None].expand(-1, 3)
    torch.manual_seed(0)
    p = vl.divergences.permute_dimensions(z)
    assert torch.equal(p.sort(0).values, z) and torch.corrcoef(p.T).triu(1).abs().max() < 0.1


def build(seed=0, d=3):
    torch.manual_seed(seed)
    model = vl.VAE(vl.mlp(8, 16, 2 * d), vl.mlp(d, 16, 8), d)
    model.discriminator = vl.mlp(d, 16, 1)
    return model


def plain(seed):
    model = build(seed)
    del model.discriminator
    return model


X = (torch.rand(12, 8, generator=torch.Generator().manual_seed(3)) < 0.4).float()


def drawn(objective, *args, **kwargs):
    torch.manual_seed(5)
    return objective(build(), X, *args, **kwargs)


def test_the_weighted_objectives_meet_in_the_elbo():
    plain, sampled = drawn(vl.elbo), drawn(vl.elbo, kl="sampled")
    assert torch.equal(drawn(vl.beta_vae, 1.0)["objective"], plain["objective"])
    four = drawn(vl.beta_vae, 4.0)
    assert (
        torch.allclose(four["objective"], plain["reconstruction"] - 4 * plain["kl"])
        and "kl" in four
    )
    loose = drawn(vl.beta_vae, 4.0, kl="sampled")["objective"]
    assert torch.allclose(loose, sampled["reconstruction"] - 4 * sampled["kl"])
    tc = drawn(vl.tc_vae, 100)
    assert torch.allclose(tc["objective"], sampled["objective"], atol=1e-5)
    assert torch.equal(tc["reconstruction"], plain["reconstruction"])
    parts = tc["mutual_information"] + tc["total_correlation"] + tc["dimension_wise_kl"]
    assert torch.allclose(parts, sampled["kl"], atol=1e-5)
    six = drawn(vl.tc_vae, 100, beta=6.0)
    assert torch.allclose(
        six["objective"], tc["objective"] - 5 * tc["total_correlation"], atol=1e-5
    )
    ablated = drawn(vl.tc_vae, 100, alpha=0.0, gamma=2.0)
    expected = tc["objective"] + tc["mutual_information"] - tc["dimension_wise_kl"]
    assert torch.allclose(ablated["objective"], expected, atol=1e-5)
    factor = drawn(vl.factor_vae, 0.0)
    assert torch.allclose(factor["objective"], plain["objective"], atol=1e-6)
    ten = drawn(vl.factor_vae, 10.0)
    assert torch.allclose(
        ten["objective"], plain["objective"] - 10 * ten["total_correlation"], atol=1e-5
    )
    assert all(torch.equal(ten[name], plain[name]) for name in ("reconstruction", "kl"))


def test_the_tc_objective_of_the_whole_data_set_is_the_exact_decomposition():
    model = build()
    torch.manual_seed(0)
    runs = [
        {n: t.mean().item() for n, t in vl.tc_vae(model, X, len(X)).items()} for _ in range(600)
    ]
    mean, log_var = model.encode(X)
    exact = vl.kl_decomposition(mean.detach(), log_var.detach(), samples=60_000)
    for name in ("mutual_information", "total_correlation", "dimension_wise_kl"):
        assert within([run[name] for run in runs], exact[name].item())


def test_capacity_pulls_the_kl_to_its_target_from_both_sides():
    for capacity in (0.5, 6.0):
        model = build()
        torch.manual_seed(5)
        terms = vl.capacity_vae(model, X, 100.0, capacity)
        kl = terms["kl"].mean()
        assert torch.allclose(
            terms["objective"].mean(), terms["reconstruction"].mean() - 100 * (kl - capacity).abs()
        )
        gradients = []
        for value in (terms["objective"].mean() - terms["reconstruction"].mean(), kl):
            gradients.append(
                torch.autograd.grad(value, model.encoder[0].weight, retain_graph=True)[0]
            )
        sign = 1.0 if kl < capacity else -1.0
        assert torch.allclose(gradients[0], sign * 100 * gradients[1], atol=1e-4)
    exact = vl.capacity_vae(model, X, 100.0, vl.elbo(model, X)["kl"].mean().item())
    assert torch.allclose(exact["objective"].mean(), exact["reconstruction"].mean(), atol=1e-3)


def test_no_gradient_leaks_between_the_players():
    model = build()
    vl.factor_discriminator(model, X)["objective"].sum().backward()
    assert all(p.grad is None for p in [*model.encoder.parameters(), *model.decoder.parameters()])
    assert all(p.grad.abs().sum() > 0 for p in model.discriminator.parameters())
    players = [
        vl.Player(lambda m: [*m.encoder.parameters(), *m.decoder.parameters()], vl.factor_vae),
        vl.Player(lambda m: m.discriminator.parameters(), vl.factor_discriminator, 0.0 + 1e-12),
    ]
    run = vl.fit(lambda seed: build(), players, X, steps=3, batch_size=6, hyper={"gamma": 5.0})
    before = build().discriminator
    for a, b in zip(before.parameters(), run.model.discriminator.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-9)
    assert {"total_correlation", "objective/1", "accuracy/1"} <= set(run.history)


def test_the_players_run_as_copies_with_a_strength_each():
    players = [
        vl.Player(lambda m: [*m.encoder.parameters(), *m.decoder.parameters()], vl.factor_vae),
        vl.Player(lambda m: m.discriminator.parameters(), vl.factor_discriminator),
    ]
    run = vl.fit(
        build, players, X, steps=4, batch_size=6, seeds=(0, 1), hyper={"gamma": (0.0, 9.0)}
    )
    assert run.history["objective"].shape == (2, 4) and run.broken == [None, None]
    for objective, hyper in (
        (vl.tc_vae, {"dataset_size": 12, "beta": (1.0, 5.0)}),
        (vl.beta_vae, {"beta": (1.0, 4.0)}),
        (vl.capacity_vae, {"gamma": 3.0, "capacity": vl.ramp(0, 3, 2)}),
    ):
        run = vl.fit(plain, objective, X, steps=3, batch_size=6, seeds=(0, 1), hyper=hyper)
        assert run.broken == [None, None] and run.history["objective"].shape == (2, 3)


@pytest.mark.slow
def test_the_linear_beta_vae_learns_its_exact_solution_or_collapses():
    """Data variance λ, noise σ²: w² = λ - βσ², posterior variance βσ²/λ; collapse if βσ² >= λ."""
    torch.manual_seed(0)
    x = torch.randn(4000, 1)
    x = 2 * (x - x.mean()) / x.std(correction=0)

    def linear(seed):
        return vl.VAE(vl.mlp(1, 2), vl.mlp(1, 1), 1, "gaussian", scale=1.0)

    run = vl.fit(linear, vl.beta_vae, x, steps=3000, batch_size=500, lr=vl.cosine(1e-2, 3000, 1e-5),
                 seeds=(0, 1, 2), hyper={"beta": (1.0, 2.0, 5.0)})  # fmt: skip
    for model, beta in zip(run.models, (1.0, 2.0, 5.0), strict=True):
        truth = oracles.linear_beta_vae(4.0, 1.0, beta)
        active = vl.activity(model, x).item()
        assert active == pytest.approx(max(0, 1 - beta / 4), abs=0.02)
        assert model.decoder[0].weight.item() ** 2 == pytest.approx(max(0, 4 - beta), abs=0.1), (
            truth
        )


def test_bad_arguments():
    model = build()
    mean = torch.zeros(4, 2)
    with pytest.raises(
        ValueError,
        match="log_aggregate_posterior: estimator must be 'exact', 'mss' or 'mws', got 'mis'",
    ):
        vl.log_aggregate_posterior(mean, mean, mean, 10, "mis")
    with pytest.raises(
        ValueError, match="log_aggregate_posterior: dataset_size must be an integer of at least"
    ):
        vl.log_aggregate_posterior(mean, mean, mean, 3, "mss")
    with pytest.raises(
        ValueError,
        match="log_aggregate_posterior: the batch must have at least 2 codes for mss, got 1",
    ):
        vl.log_aggregate_posterior(mean[:1], mean[:1], mean[:1], 3, "mss")
    with pytest.raises(
        ValueError, match=r"must have shapes that fit, got \(2, 2\), \(4, 2\), \(4, 2\)"
    ):
        vl.log_aggregate_posterior(mean[:2], mean, mean, 10, "mss")
    # Shapes that broadcasting would accept.
    for z, log_var in ((mean, mean[:, :1]), (mean[:, :1], mean)):
        with pytest.raises(ValueError, match="z, mean and log_var must have shapes that fit"):
            vl.log_aggregate_posterior(z, mean, log_var, 10, "mss")
    for name in ("alpha", "beta", "gamma"):
        with pytest.raises(
            ValueError, match=f"tc_vae: {name} must be a finite number of at least 0, got -1"
        ):
            vl.tc_vae(model, X, 100, **{name: -1})
    with pytest.raises(ValueError, match="dataset_size must be .* got 5"):
        vl.tc_vae(model, X, 5)
    with pytest.raises(
        ValueError, match="beta_vae: beta must be a finite number of at least 0, got -1"
    ):
        vl.beta_vae(model, X, -1)
    with pytest.raises(ValueError, match="beta_vae: beta must be .* got inf"):
        vl.beta_vae(model, X, math.inf)
    logistic = vl.VAE(vl.mlp(8, 4), vl.mlp(2, 8), 2, prior=vl.logistic_unit_variance)
    with pytest.raises(ValueError, match="factor_vae: this model has no closed-form KL"):
        vl.factor_vae(logistic, X, 1.0)
    with pytest.raises(
        ValueError, match="capacity_vae: gamma must be a positive finite number, got 0"
    ):
        vl.capacity_vae(model, X, 0, 1.0)
    with pytest.raises(ValueError, match="capacity_vae: capacity must be .* got -1"):
        vl.capacity_vae(model, X, 2, -1)
    with pytest.raises(ValueError, match="factor_vae: gamma must be .* got -3"):
        vl.factor_vae(model, X, -3)
    del model.discriminator
    with pytest.raises(ValueError, match="factor_vae: the model has no discriminator"):
        vl.factor_vae(model, X, 3)
    with pytest.raises(ValueError, match="factor_discriminator: the model has no discriminator"):
        vl.factor_discriminator(model, X)
    with pytest.raises(
        ValueError, match="factor_discriminator: the batch must have at least 2 images, got 1"
    ):
        vl.factor_discriminator(build(), X[:1])
    with pytest.raises(
        ValueError, match="kl_decomposition: samples must be a positive integer, got 0"
    ):
        vl.kl_decomposition(mean, mean, samples=0)
