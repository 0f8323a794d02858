"""Log-likelihoods against exact ones: the k-hat, the refitted encoder and the annealed estimate."""

import copy
import math

import pytest
import torch
from torch import nn
from trust import within

import vaelib as vl
from vaelib import oracles
from vaelib.marginal import _hamiltonian_step, _ladder, pareto_k, tail_length


def known_model(seed=0, images=100, dtype=torch.float32):
    """A linear-Gaussian model of 20 pixels and 4 latents, its VAE, and images simulated from it."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(20, 4, generator=generator, dtype=dtype)
    exact = oracles.LinearGaussian(weight, torch.zeros(20, dtype=dtype), 0.25)
    z = torch.randn(images, 4, generator=generator, dtype=dtype)
    x = z @ weight.T + 0.5 * torch.randn(images, 20, generator=generator, dtype=dtype)
    return exact, exact.vae(), x


def too_sharp(model, shift=0.0, log_var=-9.0):
    """The same model with an encoder whose posterior is far too narrow, and shifted."""
    sharp = copy.deepcopy(model)
    with torch.no_grad():
        sharp.encoder.bias[:4] += shift
        sharp.encoder.bias[4:] = log_var
    return sharp


def log_pareto(k, shape, generator):
    """log(1 + k X) / k draws: log-weights whose tail is that of a generalized Pareto of shape k."""
    return -k * torch.rand(shape, generator=generator, dtype=torch.float64).log()


@pytest.mark.parametrize("k", [0.2, 0.5, 0.7, 1.0, 1.5])
def test_the_shape_of_known_pareto_draws(k):
    """Pareto weights u^-k have generalized Pareto exceedances of shape k above every cutoff."""
    tail = 200
    generator = torch.Generator().manual_seed(int(10 * k))
    found = pareto_k(log_pareto(k, (tail + 1, 4000), generator).sort(0, descending=True).values)
    unregularized = (found * (tail + 10) - 5) / tail
    sd = (1 + k) / math.sqrt(tail)  # of the maximum-likelihood estimate
    assert unregularized.std().item() == pytest.approx(sd, rel=0.1)
    assert unregularized.mean().item() == pytest.approx(k, abs=0.02)
    assert abs(unregularized.mean() - k - 0.1) > 0.05


def test_the_shape_of_bounded_and_exponential_tails():
    generator = torch.Generator().manual_seed(0)
    uniform = torch.rand((201, 2000), generator=generator, dtype=torch.float64)
    for weights, k in ((uniform, -1.0), (-uniform.log(), 0.0)):
        found = pareto_k(weights.log().sort(0, descending=True).values)
        assert ((found * 210 - 5) / 200).mean().item() == pytest.approx(k, abs=0.05)


def test_the_shape_of_a_tail_that_is_none():
    # Equal weights: a perfect proposal.
    assert pareto_k(torch.zeros(30, 2)).tolist() == [-math.inf] * 2
    alone = torch.full((30, 1), -2000.0)
    alone[0] = 0
    assert pareto_k(alone).item() == math.inf  # one weight is everything
    shifted = (
        log_pareto(0.7, (50, 3), torch.Generator().manual_seed(0)).sort(0, descending=True).values
    )
    assert torch.allclose(pareto_k(shifted - 1e5), pareto_k(shifted))


@pytest.mark.parametrize(("std", "k"), [(0.45, 0.595), (0.55, 0.395), (0.3, 0.82)])
def test_the_tail_of_a_proposal_that_is_too_narrow_is_what_theory_says(std, k):
    """Posterior N(x / 2, 1/2), q = N(x / 2, std²): the tail of the weights has k = 1 - 2 std².

    Weights exceed w with probability w^(-1/k), up to powers of log w.
    """
    torch.manual_seed(0)
    x = torch.full((400, 1), 1.5)
    values, found = vl.log_likelihood(oracles.scalar_vae(0.75, std), x, diagnostics=True)
    assert 1 - 2 * std**2 == pytest.approx(k, abs=1e-6)
    # The powers of log w lower k-hat at intermediate k.
    assert k - 0.09 < found.mean() < k + 0.02 and found.std() < 0.12
    assert values.shape == found.shape == (400,)
    wide = vl.log_likelihood(oracles.scalar_vae(0.75, 1.0), x[:20], diagnostics=True)[1]
    assert wide.max() < 0.3


def shape_by_loops(log_w):
    """The fit of Zhang & Stephens (2009) to one image's weights, as the paper writes it."""
    w = [math.exp(v - log_w[0]) for v in log_w]
    x = sorted(v - w[-1] for v in w[:-1])
    n, m = len(x), 30 + int(math.sqrt(len(x)))
    quartile = x[int(n / 4 + 0.5) - 1]
    theta = [1 / x[-1] + (1 - math.sqrt(m / (j - 0.5))) / (3 * quartile) for j in range(1, m + 1)]

    def shape(t):
        return sum(math.log1p(-t * v) for v in x) / n

    profile = [n * (math.log(-t / shape(t)) - shape(t) - 1) for t in theta]
    weights = [1 / sum(math.exp(b - a) for b in profile) for a in profile]
    k = shape(sum(t * w for t, w in zip(theta, weights, strict=True)))
    return (n * k + 5) / (n + 10)


@pytest.mark.parametrize("tail", [5, 18, 61])
def test_the_shape_is_that_of_the_papers_formulas(tail):
    generator = torch.Generator().manual_seed(tail)
    log_w = torch.randn(tail + 1, 3, generator=generator, dtype=torch.float64)
    log_w = log_w.mul(torch.tensor([0.5, 1.0, 2.0])).sort(0, descending=True).values
    expected = [shape_by_loops(column.tolist()) for column in log_w.T]
    assert pareto_k(log_w).tolist() == pytest.approx(expected, rel=1e-10)


def test_the_length_of_the_tail():
    assert [tail_length(n) for n in (5, 24, 25, 400, 10_000)] == [1, 5, 5, 60, 300]


def test_diagnostics_change_no_value():
    model = oracles.scalar_vae(0.5, 0.6)
    results = []
    for options in ({}, {"diagnostics": True}, {"diagnostics": True, "memory": 32 * 100 * 256 * 3}):
        torch.manual_seed(0)
        results.append(vl.log_likelihood(model, torch.ones(7, 1), samples=450, **options))
    assert torch.equal(results[0], results[1][0])
    assert results[2][0].shape == results[2][1].shape == (7,)
    with pytest.raises(
        ValueError, match="log_likelihood: samples must be an integer of at least 25, got 24."
    ):
        vl.log_likelihood(model, torch.ones(7, 1), samples=24, diagnostics=True)
    assert (
        vl.log_likelihood(model, torch.ones(7, 1), samples=25, diagnostics=True)[1].isfinite().all()
    )


def test_own_encoder_far_too_sharp_and_both_remedies():
    exact, model, x = known_model()
    truth, sharp = exact.log_likelihood(x).double(), too_sharp(model, 0.3)
    torch.manual_seed(1)
    own, k_own = vl.log_likelihood(sharp, x, diagnostics=True)
    few = vl.log_likelihood(sharp, x, samples=200)
    # 25 times as many samples do not reveal it.
    assert (truth - own).mean() > 15 and (own - few).mean() < 1.5
    assert k_own.min() > 0.7

    refitted = vl.refit_encoder(sharp, x, 1000, lr=2e-2)
    values, k = vl.log_likelihood(refitted, x, 1000, diagnostics=True)
    assert abs((values - truth).mean()) < 0.02 and k.mean() < 0.5 and (k > 0.7).float().mean() < 0.1

    annealed, acceptance = vl.annealed_log_likelihood(sharp, x, 300)
    assert abs((annealed - truth).mean()) < 0.15 and (annealed - truth).mean() < 0.03
    assert annealed.dtype == torch.float64 and annealed.shape == acceptance.shape == (100,)
    assert 0.5 < acceptance.min() and acceptance.max() < 0.8


def test_refitting_lets_everything_else_alone():
    _, model, x = known_model(images=30)
    model = too_sharp(model).train()
    model.encoder.requires_grad_(False)
    before = copy.deepcopy(model.state_dict())
    torch.manual_seed(5)
    state, first = torch.get_rng_state(), vl.refit_encoder(model, x, 20, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(6)
    again, other = vl.refit_encoder(model, x, 20, seed=3), vl.refit_encoder(model, x, 20, seed=4)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        same = torch.equal(first.state_dict()[name], value)
        assert same == (not name.startswith("encoder"))
        assert torch.equal(first.state_dict()[name], again.state_dict()[name])
        assert torch.equal(again.state_dict()[name], other.state_dict()[name]) == same
    assert model.decoder.weight.requires_grad and not model.encoder.weight.requires_grad
    assert model.decoder.weight.grad is None and not first.decoder.weight.requires_grad
    assert first.encoder.weight.requires_grad and first.training


def test_refitting_starts_again_and_does_not_learn_from_the_old_encoder():
    _, model, x = known_model(images=30)
    for samples in (1, 8):
        twins = [
            vl.refit_encoder(m, x, 20, samples=samples) for m in (model, too_sharp(model, 3.0))
        ]
        assert torch.equal(twins[0].encoder.weight, twins[1].encoder.weight)


def test_refitting_with_a_given_encoder():
    _, model, x = known_model(images=50)
    built = []

    def build():
        built.append(vl.mlp(20, 32, 8))
        return built[-1]

    twin = vl.refit_encoder(model, x, 30, build=build)
    assert isinstance(twin.encoder, nn.Sequential) and twin.encoder is not built[0]
    assert torch.equal(
        twin.encoder[0].weight, vl.refit_encoder(model, x, 30, build=build).encoder[0].weight
    )
    fitted = vl.refit_encoder(model, x[:1], 300, build=build)  # one image
    assert vl.log_likelihood(fitted, x[:1], 100).isfinite().all()


def test_refitting_an_encoder_with_batch_norm_and_dropout():
    torch.manual_seed(0)
    encoder = nn.Sequential(
        nn.Linear(20, 32), nn.BatchNorm1d(32), nn.Tanh(), nn.Dropout(), nn.Linear(32, 8)
    )
    exact, model, x = known_model(images=100)
    noisy = vl.VAE(encoder, nn.Sequential(model.decoder, nn.Dropout(0.5)), 4, "gaussian", scale=0.5)
    twin = vl.refit_encoder(noisy, x, 600, lr=2e-2)
    values = vl.log_likelihood(twin, x, 500)
    assert abs((values - exact.log_likelihood(x)).mean()) < 0.1
    assert all(module.training for module in twin.modules())


def test_refitting_two_layers():
    torch.manual_seed(0)  # before the nets: the gap of an untrained encoder depends on them
    nets = vl.mlp(6, 8, 4), vl.mlp(2, 4), vl.mlp(2, 4), vl.mlp(2, 6)
    model, x = vl.TwoLayerVAE(*nets, (2, 2)), torch.rand(40, 6).round()
    twin = vl.refit_encoder(model, x, 300)
    assert not torch.equal(twin.encoder2[0].weight, model.encoder2[0].weight)
    assert torch.equal(twin.decoder2[0].weight, model.decoder2[0].weight)
    with torch.no_grad():  # the truth: the mean of p(x|z1) over many draws from the priors
        z1 = model.decoder2(torch.randn(200_000, 2)).chunk(2, -1)
        z1 = z1[0] + (0.5 * z1[1]).exp() * torch.randn(200_000, 2)
        log_p = model.likelihood(z1[:, None].expand(-1, 40, 2), x).log_prob(x)
    truth = torch.logsumexp(log_p.double(), 0) - math.log(200_000)
    own, refitted = vl.log_likelihood(model, x, 500), vl.log_likelihood(twin, x, 500)
    assert abs((refitted - truth).mean()) < 0.06 < 0.1 < (truth - own).mean()
    again = vl.refit_encoder(model, x, 10, build=lambda: (vl.mlp(6, 4), vl.mlp(2, 3, 4)))
    assert len(again.encoder) == 1 and len(again.encoder2) == 3
    with pytest.raises(
        ValueError,
        match="annealed_log_likelihood: model must have one layer of codes, got TwoLayer",
    ):
        vl.annealed_log_likelihood(model, x)


def test_the_rate_of_a_refit_falls_to_a_fiftieth(monkeypatch):
    _, model, x = known_model(images=5)
    rates, step = [], torch.optim.Adam.step

    def spied(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", spied)
    vl.refit_encoder(model, x, 20, lr=0.01)
    assert rates == [vl.cosine(0.01, 20, 0.01 / 50)(i) for i in range(20)]


def test_a_given_encoder_is_copied_and_takes_the_images_type():
    _, model, x = known_model(images=20)
    given = nn.Linear(20, 8).double()
    before = given.weight.clone()
    twin = vl.refit_encoder(model, x, 5, build=lambda: given)
    assert torch.equal(given.weight, before) and given.weight.requires_grad
    assert twin.encoder.weight.dtype == torch.float32
    nets = vl.mlp(6, 4), vl.mlp(2, 4), vl.mlp(2, 4), vl.mlp(2, 6)
    two = vl.TwoLayerVAE(*nets, (2, 2))
    with pytest.raises(ValueError):
        vl.refit_encoder(two, x[:, :6].sigmoid(), 5, build=lambda: (vl.mlp(6, 4),))


class Tied(nn.Module):
    def __init__(self, linear):
        super().__init__()
        self.linear = linear

    def forward(self, x):
        return torch.cat([x @ self.linear.weight, torch.zeros(len(x), 2)], 1)


def test_encoders_that_cannot_be_initialized_again_are_refused():
    x, decoder = torch.rand(9, 6).round(), nn.Linear(2, 6)
    tied = vl.VAE(Tied(decoder), decoder, 2)
    with pytest.raises(
        ValueError, match=r"got encoder.linear.weight|got decoder.weight shared with the rest"
    ):
        vl.refit_encoder(tied, x, 5)
    twin = vl.refit_encoder(tied, x, 5, build=lambda: vl.mlp(6, 4))
    assert torch.equal(twin.decoder.weight, decoder.weight)
    with pytest.raises(
        ValueError,
        match="refit_encoder: encoder must have parameters .* got a _ConstantEncoder without "
        "reset_parameters; pass build",
    ):
        vl.refit_encoder(oracles.scalar_vae(0.0, 1.0), x[:, :1], 5)
    with pytest.raises(ValueError, match="must have a density q.*, got an ImplicitVAE"):
        vl.refit_encoder(vl.ImplicitVAE(vl.mlp(6, 2), vl.mlp(2, 6), 2), x, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "refit_encoder: steps must be a positive integer, got 0."),
        ({"samples": 1.5}, "refit_encoder: samples must be a positive integer, got 1.5."),
        ({"batch_size": 0}, "refit_encoder: batch_size must be a positive integer, got 0."),
        ({"lr": -1}, "refit_encoder: lr must be a positive finite number, got -1."),
        ({"seed": "a"}, "refit_encoder: seed must be an integer of at least 0, got 'a'."),
        ({"steps": 3, "lr": 1e30}, "refit_encoder: the fit diverged"),
    ],
)
def test_bad_arguments_of_refit_encoder(options, message):
    _, model, x = known_model(images=5)
    with pytest.raises(ValueError, match=message):
        vl.refit_encoder(model, x, **options)


def bernoulli_1d(prior):
    """A VAE with one latent and five pixels, all 32 images, and their log p(x) by quadrature."""
    torch.manual_seed(3)
    model = vl.VAE(vl.mlp(5, 2), vl.mlp(1, 8, 5), 1, prior=prior)
    with torch.no_grad():
        for p in model.decoder.parameters():
            p.mul_(4)
    x = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 5)
    z = torch.linspace(-30, 30, 60_001)[:, None]
    with torch.no_grad():
        log_joint = model.prior.log_prob(z)[:, None] + model.likelihood(
            z[:, None].expand(-1, 32, 1)
        ).log_prob(x)
    return model, x, torch.logsumexp(log_joint.double(), 0) + math.log(60 / 60_000)


@pytest.mark.parametrize(
    "prior",
    [
        pytest.param(vl.standard_normal, id="normal"),
        pytest.param(vl.logistic(1.0), id="logistic", marks=pytest.mark.slow),
    ],
)
def test_the_annealed_estimate_is_unbiased_for_any_prior(prior):
    """Its exp has expectation p(x), with few temperatures as with many; it lies below."""
    model, x, truth = bernoulli_1d(prior)
    assert truth.exp().sum().item() == pytest.approx(1, abs=1e-4)
    torch.manual_seed(0)
    for temperatures in (3, 30):
        runs = torch.stack(
            [vl.annealed_log_likelihood(model, x, temperatures)[0] for _ in range(40)]
        )
        total = (runs - truth).exp().mean(1)
        assert within(total, 1.0) and not within(total * 1.05, 1.0)
        assert (runs - truth).mean() < 0
    assert (runs - truth).mean() > -0.05


def test_the_steps_leave_the_posterior_as_it_is():
    """Codes from the exact posterior stay there: the mean, the variance, the acceptance below 1."""
    exact, model, x = known_model(images=1, dtype=torch.float64)
    posterior = exact.posterior(x)

    def density(z, t):
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            log_lik = model.likelihood(z, x).log_prob(x)
            value = model.prior.log_prob(z) + t * log_lik
            return value.detach(), torch.autograd.grad(value.sum(), z)[0], log_lik.detach()

    torch.manual_seed(0)
    z = posterior.sample((20_000,))
    size = torch.full((1,), 0.15, dtype=torch.float64)
    moved = z
    for _ in range(5):
        moved, log_lik, probability = _hamiltonian_step(density, moved, 1.0, size, 3)
    assert 0.3 < probability.mean() < 0.9 and (moved != z).float().mean() > 0.9
    assert torch.allclose(log_lik, model.likelihood(moved, x).log_prob(x))
    for j in range(4):
        assert within(moved[:, 0, j], posterior.mean[0, j].item())
        squares = (moved[:, 0, j] - posterior.mean[0, j]) ** 2
        assert within(squares, posterior.covariance_matrix[0, j, j].item())


def test_the_ladder():
    ladder = _ladder("f", 100)
    assert ladder[0] == 0 and ladder[-1] == pytest.approx(1) and len(ladder) == 100
    assert _ladder("f", torch.linspace(0, 1, 5)) == [0, 0.25, 0.5, 0.75, 1]
    for bad in (1, 0, 2.5, "100", [0.1, 1], [0, 0.5], [0, 0.5, 0.5, 1], [1, 0], []):
        with pytest.raises(ValueError, match="f: temperatures must"):
            _ladder("f", bad)


def test_what_cannot_be_annealed_is_refused():
    x = torch.rand(9, 6).round()
    swiss = vl.VAE(vl.mlp(6, 4), vl.mlp(2, 6), 2, prior=vl.swiss_roll)
    with pytest.raises(
        ValueError, match="annealed_log_likelihood: the prior must have a density, got SwissRoll"
    ):
        vl.annealed_log_likelihood(swiss, x, 3)
    broken = vl.VAE(vl.mlp(6, 4), vl.mlp(2, 6), 2)
    with torch.no_grad():
        broken.decoder[0].weight.fill_(math.nan)
    with pytest.raises(ValueError, match="every value must be finite, got 9 of 9 that are not"):
        vl.annealed_log_likelihood(broken, x, 3)
    with pytest.raises(
        ValueError, match="annealed_log_likelihood: chains must be a positive integer, got 0."
    ):
        vl.annealed_log_likelihood(broken, x, 3, chains=0)
    implicit = vl.ImplicitVAE(vl.mlp(6, 2), vl.mlp(2, 6), 2)  # no encoder is needed
    assert vl.annealed_log_likelihood(implicit, x[:1], 20)[0].isfinite().all()
