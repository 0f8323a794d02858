"""The likelihoods against sums over all values, formulas by hand and quadrature."""

import copy
import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from scipy import stats
from torch.distributions import Independent, Normal
from trust import within

import vaelib as vl
from vaelib import likelihoods, oracles

PROBABILITIES = {  # a likelihood, its decoder's numbers for one value, and all values (or enough)
    "bernoulli": (likelihoods.Bernoulli(), [0.7], range(2)),
    "categorical": (likelihoods.Categorical(4), [0.1, -2.0, 0.5, 1.0], range(4)),
    "poisson": (likelihoods.Poisson(), [1.2], range(60)),
    "negative binomial": (likelihoods.NegativeBinomial(), [1.2], range(400)),
    "bytes": (likelihoods.Discretized(256, scale=0.07), [0.4], [i / 255 for i in range(256)]),
    "two levels": (likelihoods.Discretized(2, scale="head"), [0.9, 1.3], [0.0, 1.0]),
}


@pytest.mark.parametrize("name", PROBABILITIES)
def test_probabilities_sum_to_one(name):
    family, out, values = PROBABILITIES[name]
    x = torch.tensor(list(values), dtype=torch.float64)[:, None]
    p = family(torch.tensor(out, dtype=torch.float64)).log_prob(x).exp()
    assert p.shape == x.shape and p.sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("name", PROBABILITIES)
def test_samples_have_the_stated_frequencies(name):
    torch.manual_seed(0)
    family, out, values = PROBABILITIES[name]
    made = family(torch.tensor(out))
    x = made.sample((40_000,))
    family.check(x, "samples")
    most = max(values, key=lambda v: made.log_prob(torch.tensor([float(v)])).item())
    p = made.log_prob(torch.tensor([float(most)])).exp().item()
    assert within((x[:, 0] - most).abs().lt(1e-4).double(), p)
    assert not within((x[:, 0] - most).abs().lt(1e-4).double(), p + 0.02)  # planted
    if name != "categorical":
        assert within(x[:, 0].double(), made.mean.item())


def test_negative_binomial_moments():
    family = likelihoods.NegativeBinomial()
    with torch.no_grad():
        family.log_r.fill_(math.log(3.0))
        made = family(torch.tensor([math.log(4.0)]))
    assert made.mean.item() == pytest.approx(4, rel=1e-5)
    assert made.variance.item() == pytest.approx(4 + 16 / 3, rel=1e-5)


def test_a_cell_of_the_logistic_is_integrated():
    family = likelihoods.Discretized(11, scale=0.2)
    made = family(torch.tensor([0.35], dtype=torch.float64))
    x = torch.tensor([0.0, 0.3, 0.4, 1.0], dtype=torch.float64)

    def cdf(t):
        return 1 / (1 + math.exp(-(t - 0.35) / 0.2))

    by_hand = [cdf(0.05), cdf(0.35) - cdf(0.25), cdf(0.45) - cdf(0.35), 1 - cdf(0.95)]
    assert made.log_prob(x[:, None]).exp()[:, 0].tolist() == pytest.approx(by_hand, rel=1e-12)


def test_far_means_and_small_scales_stay_finite():
    """In float32, where σ(b) - σ(a) would be 0 and its gradient NaN."""
    out = torch.tensor([[-300.0, -12.0], [300.0, -12.0], [0.5, 9.0]], requires_grad=True)
    value = likelihoods.Discretized(256, scale="head")(out).log_prob(torch.full((3, 1), 100 / 255))
    value.sum().backward()
    assert torch.isfinite(value).all() and torch.isfinite(out.grad).all()
    assert value[2].item() == pytest.approx(math.log(1 / 255 / (0.1 * math.exp(9)) / 4), abs=1e-3)


# A table of three discrete columns and one code: 24 rows, all of them enumerated


def table(missing=False):
    columns = {
        "flag": likelihoods.Bernoulli(),
        "kind": likelihoods.Categorical(3),
        "level": likelihoods.Discretized(4, scale="learned"),
    }
    family = vl.Mixed(columns, missing=missing)
    torch.manual_seed(1)
    encoder = vl.mlp(family.features, 8, 2)
    model = vl.VAE(encoder, vl.mlp(1, 8, family.outputs), 1, family)
    rows = itertools.product(range(2), range(3), (0, 1 / 3, 2 / 3, 1))
    return model, torch.tensor(list(rows), dtype=torch.float32)


def test_features_and_outputs():
    model, rows = table()
    assert (model.likelihood_net.features, model.likelihood_net.outputs) == (1 + 3 + 1, 1 + 3 + 1)
    assert model.likelihood_net.inputs(rows[:1]).tolist() == [[0, 1, 0, 0, 0]]
    seen = vl.Mixed({"n": likelihoods.Poisson(), "c": likelihoods.Categorical(2)}, missing=True)
    x = torch.tensor([[3.0, math.nan], [math.nan, 0.0]])
    expected = [[math.log(4), 0, 0, 0, 1], [0, 1, 0, 1, 0]]
    assert seen.inputs(x).tolist() == [pytest.approx(row) for row in expected]


def test_the_probabilities_of_all_rows_sum_to_one():
    model, rows = table()
    log_p = oracles.log_likelihood_by_quadrature(model, rows)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)


def test_estimates_of_a_mixed_likelihood():
    model, rows = table()
    exact = oracles.log_likelihood_by_quadrature(model, rows)
    torch.manual_seed(0)
    log_w = model.log_weights(rows, 20_000).double()
    for row, log_p in zip(log_w.T, exact, strict=True):
        assert within((row - log_p).exp(), 1.0)
    assert not within((log_w[:, 0] - exact[0] - 0.1).exp(), 1.0)  # planted
    assert torch.allclose(vl.log_likelihood(model, rows, 20_000), exact, atol=0.05)
    bound = vl.elbo(model, rows, k=20_000)["objective"]
    assert (bound < exact + 0.03).all() and (bound - exact).mean() < -0.05


@pytest.mark.parametrize("log_r", [0.0, 8.0, 16.0])
def test_counts_of_a_large_r_are_almost_poisson(log_r):
    counts = likelihoods.NegativeBinomial()
    counts.log_r.data.fill_(log_r)
    x, mean = torch.arange(40.0), torch.tensor(3.0)
    log_p = counts(mean.log().expand(40)).log_prob(x)
    r = math.exp(log_r)
    assert np.allclose(log_p.detach(), stats.nbinom.logpmf(x, r, r / (r + 3.0)), atol=2e-5)
    log_p.sum().backward()
    assert counts.log_r.grad.isfinite()


def test_a_missing_value_is_summed_out():
    """log p of the observed values is that of the sum over all values of the missing one."""
    model, rows = table(missing=True)
    log_p = oracles.log_likelihood_by_quadrature(model, rows).reshape(2, 3, 4)
    for column in range(3):
        x = rows.clone()
        x[:, column] = math.nan
        summed = torch.logsumexp(log_p, column, keepdim=True).expand(2, 3, 4).reshape(-1)
        assert torch.allclose(oracles.log_likelihood_by_quadrature(model, x), summed, atol=1e-6)
    nothing = torch.full((1, 3), math.nan)
    assert oracles.log_likelihood_by_quadrature(model, nothing).item() == pytest.approx(0, abs=1e-6)


def test_a_missing_value_gives_no_nan_to_any_gradient():
    model, rows = table(missing=True)
    x = torch.where(torch.rand(24, 3, generator=torch.Generator().manual_seed(0)) < 0.4,
                    math.nan, rows)  # fmt: skip
    vl.elbo(model, x)["objective"].sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())


def test_columns_with_numbers_are_a_sum_by_hand():
    family = vl.Mixed({"a": likelihoods.Gaussian(0.5), "b": likelihoods.Gaussian("head")})
    out = torch.tensor([[0.2, -1.0, math.log(2.0)]])
    x = torch.tensor([[1.0, 3.0]])
    by_hand = Normal(0.2, 0.5).log_prob(x[:, 0]) + Normal(-1.0, 2.0).log_prob(x[:, 1])
    assert torch.allclose(Independent(family(out), 1).log_prob(x), by_hand)
    assert family(out).point.tolist() == [[pytest.approx(0.2), -1.0]]


def test_a_category_has_a_most_probable_level_and_no_mean():
    model, _ = table()
    made = model.likelihood(torch.zeros(1, 1)).base_dist
    logits = made.columns["kind"].logits
    assert made.point[0, 1] == logits.argmax()
    with pytest.raises(ValueError, match="a category has no mean; use base_dist.point"):
        _ = model.likelihood(torch.zeros(1, 1)).mean


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_table_with_gaps_is_trained(seeds):
    family_seed = torch.Generator().manual_seed(0)
    kind = torch.randint(3, (600, 1), generator=family_seed).float()
    count = torch.poisson(2 + 3 * kind, generator=family_seed)
    size = kind - 1 + 0.3 * torch.randn(600, 1, generator=family_seed)
    x = torch.cat([kind, count, size], 1)
    x[torch.rand(x.shape, generator=family_seed) < 0.2] = math.nan

    def build(seed):
        family = vl.Mixed(
            {
                "kind": likelihoods.Categorical(3),
                "count": likelihoods.NegativeBinomial(),
                "size": likelihoods.Gaussian("learned"),
            },
            missing=True,
        )
        encoder = vl.mlp(family.features, 16, 4)
        return vl.VAE(encoder, vl.mlp(2, 16, family.outputs), 2, family)

    with warnings.catch_warnings():
        warnings.simplefilter("error")  # two seeds are trained together
        run = vl.fit(build, vl.elbo, x, steps=60, batch_size=100, lr=1e-2, seeds=seeds)
    for history in run.history["objective"]:
        assert history[-10:].mean() > history[:10].mean() + 0.5
    assert torch.isfinite(vl.log_likelihood(run.model, x[:50], 100)).all()
    with pytest.raises(ValueError, match="column 'kind': a value must be observed, got none"):
        vl.fit(build, vl.elbo, x * torch.tensor([math.nan, 1, 1]), steps=1)


BAD = [
    (likelihoods.Categorical(3), 3.0, "whole numbers from 0 to 2 for Categorical.3., got 3"),
    (likelihoods.Categorical(3), 0.5, "whole numbers from 0 to 2 for Categorical.3., got 0.5"),
    (likelihoods.Poisson(), -1.0, "counts 0, 1, 2, ... for Poisson, got -1"),
    (likelihoods.NegativeBinomial(), 0.5, "counts 0, 1, 2, ... for NegativeBinomial, got 0.5"),
    (likelihoods.Discretized(256), 7.0, "i / 255 with i = 0 to 255 for Discretized.levels=256.,"),
    (likelihoods.Discretized(5), 0.3, "i / 4 with i = 0 to 4 for Discretized.levels=5., got 0.3"),
    (likelihoods.Bernoulli(), 0.5, "values must be 0 or 1"),
    (likelihoods.CrossEntropy(), -0.5, r"values must lie in \[0, 1\]"),
]


@pytest.mark.parametrize(("family", "value", "message"), BAD)
def test_values_that_are_not_allowed_are_named(family, value, message):
    x = torch.ones(4, 1)
    x[2] = value
    model = vl.VAE(vl.mlp(family.features, 2), vl.mlp(1, family.outputs), 1, family)
    with pytest.raises(ValueError, match=f"data: .*{message}"):
        model.check_targets(x)
    both = vl.Mixed({"good": likelihoods.Gaussian(), "bad": family}, missing=True)
    model = vl.VAE(vl.mlp(both.features, 2), vl.mlp(1, both.outputs), 1, both)
    with pytest.raises(ValueError, match=f"data, column 'bad': .*{message}"):
        model.check_targets(torch.cat([x, x], 1))


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_a_constant_column_with_a_learned_scale_is_refused(floor):
    x = torch.stack([torch.randn(50), torch.full((50,), 3.0)], 1)

    def build(seed):
        gaussians = {n: likelihoods.Gaussian("learned", floor) for n in ("height", "always")}
        family = vl.Mixed(gaussians)
        return vl.VAE(vl.mlp(2, 2), vl.mlp(1, 2), 1, family)

    if floor:
        assert not vl.fit(build, vl.elbo, x, steps=3, batch_size=50).broken[0]
    else:
        with pytest.raises(ValueError, match="data, column 'always': values must differ .* got 3 "):
            vl.fit(build, vl.elbo, x, steps=3, batch_size=50)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: vl.Mixed({}), "columns must be a dict {name: likelihood}, got {}"),
        (lambda: vl.Mixed({"a": "gaussian"}), "column 'a' must have a likelihood such as .* got"),
        (lambda: likelihoods.Categorical(1), "levels must be an integer of at least 2, got 1"),
        (lambda: likelihoods.Discretized(1), "levels must be an integer of at least 2, got 1"),
        (lambda: likelihoods.Gaussian(0), "scale must be a positive finite number, got 0"),
        (lambda: likelihoods.Gaussian("wide"), "scale must be 'learned' or 'head', got 'wide'"),
        (
            lambda: vl.VAE(vl.mlp(2, 2), vl.mlp(1, 1), 1, likelihoods.Poisson(), scale="learned"),
            "scale belongs to the likelihood that is passed",
        ),
        (
            lambda: table()[0].likelihood_net(torch.zeros(2, 4)),
            r"decoder must return 5 numbers for the columns flag, kind, level .* got 4",
        ),
        (
            lambda: table()[0].check_targets(torch.zeros(2, 4)),
            r"data: x must have 3 columns, flag, kind, level, got shape \(1, 4\)",
        ),
        (
            lambda: table()[0].check_targets(torch.full((2, 3), math.nan)),
            r"must be finite, got nan \(NaN as missing: vl.Mixed\(..., missing=True\)\)",
        ),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_one_likelihood_for_two_columns_is_refused():
    one = likelihoods.Gaussian("learned")
    with pytest.raises(ValueError, match="a likelihood of its own, got one twice"):
        vl.Mixed({"a": one, "b": one})


# Bits


def test_bits_of_known_densities():
    dimensions, levels = 12, 256
    uniform = torch.tensor([-dimensions * math.log(levels)])
    assert vl.bits_per_dimension(uniform, dimensions).item() == pytest.approx(8)
    # The density of the uniform distribution on [0, 1]^D is 1: dequantized bytes cost 8 bits each.
    assert vl.bits_per_dimension(torch.zeros(1), dimensions, levels).item() == pytest.approx(8)
    with pytest.raises(ValueError, match="levels must be a positive integer, got 0"):
        vl.bits_per_dimension(uniform, dimensions, 0)


def test_dequantization_bounds_the_probability():
    """E log p(x + u) is at most log P(x), the log of the density's integral over the cell."""
    levels, mean, std = 4, 0.6, 0.2
    x = torch.full((100_000, 1), 2 / 3)
    torch.manual_seed(0)
    noisy = vl.dequantize(x, levels)
    assert 0.5 <= noisy.min() and noisy.max() < 0.75 and within(noisy[:, 0].double(), 0.625)
    density = Normal(mean, std)
    log_p = density.log_prob(noisy).double()
    exact = (density.cdf(torch.tensor(0.75)) - density.cdf(torch.tensor(0.5))).log().item()
    bound = log_p.mean().item() - math.log(levels)
    assert bound < exact < bound + 0.1
    # Exactly: -E (v - m)²/2s² - ln(s √2π), for v uniform on the cell [.5, .75].
    second = (0.625 - mean) ** 2 + 0.25**2 / 12
    assert within(log_p[:, 0], -second / (2 * std**2) - math.log(std * math.sqrt(2 * math.pi)))


def test_bytes_survive_dequantization():
    x = torch.arange(256).float()[None] / 255
    assert torch.equal((vl.dequantize(x) * 256).floor() / 255, x)


def test_bytes_that_were_not_divided_are_refused():
    bytes_ = torch.arange(200).reshape(20, 10)
    with pytest.raises(
        ValueError, match="x must have floats i / 255, got torch.int64; use x.float"
    ):
        vl.dequantize(bytes_)

    def build(seed):
        return vl.VAE(vl.mlp(10, 2), vl.mlp(1, 10), 1, "gaussian")

    with pytest.raises(
        ValueError, match="data after transform: every value must be finite, got nan"
    ):
        vl.fit(build, vl.elbo, bytes_.float(), transform=vl.dequantize, steps=1, batch_size=10)


def test_a_class_is_not_a_likelihood_and_a_model_no_function_of_a_seed():
    with pytest.raises(ValueError, match=r"must be an object such as Poisson\(\), got the class"):
        vl.VAE(vl.mlp(2, 2), vl.mlp(1, 2), 1, likelihoods.Poisson)
    model = vl.VAE(vl.mlp(2, 2), vl.mlp(1, 2), 1, "gaussian")
    with pytest.raises(ValueError, match="build must be a function of a seed .* got a VAE"):
        vl.fit(model, vl.elbo, torch.randn(20, 2), steps=1)


# What training and evaluation ask of every likelihood


@pytest.mark.parametrize("name", PROBABILITIES)
def test_no_value_is_read_on_the_host_and_the_type_of_numbers_is_kept(name):
    family, out, values = PROBABILITIES[name]
    x = torch.tensor(list(values), dtype=torch.float64)[:, None]
    abroad = copy.deepcopy(family).to("meta")
    made = abroad(torch.tensor(out, dtype=torch.float64, device="meta"))
    assert made.log_prob(x.to("meta")).shape == x.shape  # to read a value fails on "meta"
    assert abroad.inputs(x.to("meta")).device.type == "meta"
    assert family.inputs(x).dtype == torch.float64
    made = copy.deepcopy(family).double()(torch.tensor(out, dtype=torch.float64))
    assert made.sample((3,)).dtype == torch.float64


def test_samples_of_bytes_are_drawn_where_the_model_is():
    made = likelihoods.Discretized(256, scale=0.07)(torch.zeros(3, 1, device="meta"))
    assert made.sample((2,)).device.type == "meta"


def test_defaults():
    assert likelihoods.Gaussian().scale == 1.0
    assert likelihoods.Discretized().levels == 256


def test_the_floor_is_added_to_the_scale_of_a_head():
    out = torch.tensor([[0.3, math.log(2.0)]])
    assert likelihoods.Gaussian("head", 0.5)(out).scale.item() == pytest.approx(2.5)
    assert likelihoods.Discretized(4, "head", 0.5)(out).scale.item() == pytest.approx(0.7)


@pytest.mark.parametrize("gap", [[], [math.nan]])
def test_equal_values_and_a_scale_that_would_go_to_zero(gap):
    x = torch.tensor([[2.0], [2.0], *([g] for g in gap)])
    for scale in ("learned", "head"):
        with pytest.raises(ValueError, match="values must differ .* got 2 everywhere"):
            likelihoods.Gaussian(scale).check_spread(x, "fit")
        likelihoods.Gaussian(scale, scale_floor=0.1).check_spread(x, "fit")
        likelihoods.Gaussian(scale).check_spread(torch.cat([x, x + 1]), "fit")
    likelihoods.Gaussian(0.5).check_spread(x, "fit")


def test_a_decoder_with_several_categories():
    family, out = likelihoods.Categorical(3), torch.randn(5, 2 * 3)
    made = family(out)
    assert made.batch_shape == (5, 2)
    by_hand = out.reshape(5, 2, 3).log_softmax(-1)[:, 1, 2]
    assert torch.allclose(made.log_prob(torch.tensor([[0.0, 2.0]]))[:, 1], by_hand)
    assert family.inputs(torch.tensor([[0.0, 2.0]])).tolist() == [[1, 0, 0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: likelihoods.Discretized(1), r"^Discretized: levels must be .*, got 1\.$"),
        (lambda: likelihoods.Categorical(1), r"^Categorical: levels must be .*, got 1\.$"),
        (lambda: likelihoods.Gaussian("free"), "^Gaussian: scale must be .*, got 'free'"),
        (lambda: likelihoods.Gaussian(0), "^Gaussian: scale must be .*, got 0"),
        (lambda: likelihoods.Gaussian(1.0, -0.1), "^Gaussian: scale_floor must be .*, got -0.1"),
        (
            lambda: likelihoods.Bernoulli().check(torch.tensor([[1.5]]), "fit"),
            "^fit: values must lie .* for likelihood='bernoulli', got 1.5",
        ),
        (
            lambda: likelihoods.Bernoulli().check(torch.tensor([[0.0, 1.0, 0.25]]), "fit"),
            "got the grey value 0.25",
        ),
        (
            lambda: likelihoods.CrossEntropy().check(torch.tensor([[1.5]]), "fit"),
            "for likelihood='cross_entropy', got 1.5",
        ),
        (
            lambda: likelihoods.Discretized(11).check(torch.tensor([[0.3], [1.2]]), "fit"),
            r"for Discretized\(levels=11\), got 1.2\.$",
        ),
    ],
)
def test_what_is_wrong_is_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# Tables: more dimensions, samples, values that are missing and must not be


def mixed(missing=False):
    columns = {
        "count": likelihoods.Poisson(),
        "kind": likelihoods.Categorical(3),
        "size": likelihoods.Gaussian("head"),
    }
    x = torch.tensor([[2.0, 1.0, 0.3], [0.0, 2.0, -1.0], [5.0, 0.0, 0.1], [1.0, 1.0, 0.0]])
    return vl.Mixed(columns, missing=missing), x


@pytest.mark.parametrize("missing", [False, True])
def test_a_table_may_have_more_dimensions(missing):
    family, x = mixed(missing)
    torch.manual_seed(0)
    x = torch.stack([x, x.flip(0)])  # (2, 4, 3)
    if missing:
        x[0, 1, 2] = x[1, 0, 1] = math.nan
    out = torch.randn(2, 4, family.outputs)
    alone = torch.cat([family(o).log_prob(v)[None] for o, v in zip(out, x, strict=True)])
    assert torch.equal(family(out).log_prob(x), alone) and torch.isfinite(alone).all()
    assert torch.equal(family.inputs(x), torch.stack([family.inputs(v) for v in x]))
    x[1, 2, 0] = -4.0
    with pytest.raises(ValueError, match="column 'count': values must be counts"):
        family.check(x, "fit")
    family.check(x[..., :2], "fit")  # another number of columns: the model says that one


def test_samples_of_a_table_have_its_columns():
    family, _ = mixed()
    out = torch.tensor([[1.0, -9.0, -9.0, 9.0, 7.0, -3.0]]).expand(5, -1)
    torch.manual_seed(0)
    x = family(out).sample((400,))
    assert x.shape == (400, 5, 3)
    family.check(x, "samples")
    assert within(x[..., 0].reshape(-1).double(), math.e)
    assert (x[..., 1] == 2).float().mean() > 0.99
    assert within(x[..., 2].reshape(-1).double(), 7.0)
    assert torch.isfinite(family(out).log_prob(x)).all()


def test_a_column_without_any_value_has_none_that_is_wrong():
    family = vl.Mixed({"flag": likelihoods.Bernoulli()}, missing=True)
    family.check(torch.full((3, 1), math.nan), "fit")


def test_nan_is_no_missing_value_unless_it_is_declared():
    family, x = mixed()
    x[0, 2] = math.nan
    assert family(torch.zeros(4, family.outputs)).log_prob(x).isnan().nonzero().tolist() == [[0, 2]]
    assert family.inputs(x).isnan().any(1).tolist() == [True, False, False, False]
