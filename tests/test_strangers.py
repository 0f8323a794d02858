"""`fit` with users' own nets, data, priors and habits: correct, or refused in one sentence."""

import copy
import math
import os
import pickle
import warnings
from functools import partial

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributions import (
    AffineTransform,
    Categorical,
    Independent,
    MixtureSameFamily,
    Normal,
    TransformedDistribution,
)
from torch.nn.utils.parametrizations import spectral_norm

import vaelib as vl
from vaelib import checkpoints, loop
from vaelib.identity import describe

DIGITS = vl.digits()
X, LABELS = DIGITS.train, DIGITS.train_labels


@pytest.fixture(params=["together", "apart"])
def how(request, monkeypatch):
    """Copies trained together, and one after another."""
    monkeypatch.setattr(loop, "VMAP_FLOPS", math.inf if request.param == "together" else 0)
    return request.param


def build(seed=0, activation=nn.Tanh, likelihood="cross_entropy", **more):
    return vl.VAE(
        vl.mlp(64, 32, 8, activation=activation), vl.mlp(4, 32, 64), 4, likelihood, **more
    )


def normed(seed):
    encoder = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 8))
    decoder = nn.Sequential(nn.Linear(4, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 64))
    return vl.VAE(encoder, decoder, 4, "cross_entropy")


# A checkpoint is valid for its own run only


OTHERS = {
    "beta in a partial": {"objective": partial(vl.beta_vae, beta=4.0)},
    "a constant in a lambda": {"objective": lambda model, x: vl.beta_vae(model, x, 4.0)},
    "an objective": {"objective": vl.iwae, "hyper": {"k": 3}},
    "other data": {"data": X.flip(1)},
    "one pixel": {"data": torch.cat([X[:1] * 0.5, X[1:]])},
    "an activation": {"build": partial(build, activation=nn.ReLU)},
    "a likelihood": {"build": partial(build, likelihood="gaussian")},
    "a scale": {"build": partial(build, likelihood="gaussian", scale=0.3)},
    "a prior": {"build": partial(build, prior=vl.normal(2.0))},
    "a transform": {"transform": lambda x: 1 - x},
    "autocast": {"autocast": torch.bfloat16},
    "a frozen part": {"build": lambda seed: half_frozen(build(seed))},
    "a part in eval mode": {"build": lambda seed: resting(build(seed))},
    "other first weights": {"build": lambda seed: scaled_down(build(seed))},
}


def half_frozen(model):
    model.decoder.requires_grad_(False)
    return model


def resting(model):
    model.encoder.eval()
    return model


def scaled_down(model):
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(0.5)
    return model


PLAIN = partial(vl.beta_vae, beta=1.0)


def run(checkpoint, objective=PLAIN, build=build, data=X, **more):
    return vl.fit(build, objective, data, steps=30, checkpoint=checkpoint, **more)


@pytest.mark.parametrize("name", OTHERS)
def test_a_folder_of_another_run_is_refused(name, tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match="was made with .*; use resume=False or another folder"):
        run(tmp_path, **OTHERS[name])


def test_what_differs_is_named(tmp_path):
    run(tmp_path)
    with pytest.raises(ValueError, match=r"model=encoder.1: Tanh\(\), now model=encoder.1: ReLU"):
        run(tmp_path, build=partial(build, activation=nn.ReLU))
    with pytest.raises(ValueError, match="likelihood_net: CrossEntropy.*likelihood_net: Gaussian"):
        run(tmp_path, build=partial(build, likelihood="gaussian"))


def test_a_global_of_a_notebook_and_a_closure_belong_to_an_objective(tmp_path):
    namespace = {"vl": vl, "BETA": 1.0}
    exec("def objective(model, x):\n    return vl.beta_vae(model, x, BETA)", namespace)
    run(tmp_path, namespace["objective"])
    namespace["BETA"] = 4.0
    with pytest.raises(ValueError, match="was made with objective="):
        run(tmp_path, namespace["objective"])

    def weighted(beta):
        return lambda model, x: vl.beta_vae(model, x, beta)

    run(tmp_path / "closure", weighted(1.0))
    with pytest.warns(UserWarning, match="nothing was trained"):
        run(tmp_path / "closure", weighted(1.0))
    with pytest.raises(ValueError, match="was made with objective="):
        run(tmp_path / "closure", weighted(4.0))


def test_every_value_of_a_schedule_counts(tmp_path):
    """Two warm-ups that agree at the first, the middle and the last step."""
    for name in ("lr", "beta"):
        start, objective = (1e-3, PLAIN) if name == "lr" else (1.0, vl.beta_vae)
        short, long = vl.ramp(0, 5, start), vl.ramp(0, 12, start)
        first, second = (
            {"lr": value} if name == "lr" else {"hyper": {name: value}} for value in (short, long)
        )
        run(tmp_path / name, objective, **first)
        with pytest.warns(UserWarning, match="nothing was trained"):
            run(tmp_path / name, objective, **first)
        with pytest.raises(ValueError, match="was made with .*; use resume=False or another"):
            run(tmp_path / name, objective, **second)


def test_the_code_of_ones_own_net_belongs_to_a_run(tmp_path):
    def built(function):
        names = {"__name__": "notebook", "vl": vl, "nn": nn, "torch": torch}
        exec(f"""
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(64, 16), nn.Linear(16, 8)

    def forward(self, x):
        return self.b(torch.{function}(self.a(x)))


def build(seed=0):
    return vl.VAE(Net(), vl.mlp(4, 64), 4, "cross_entropy")
""", names)  # fmt: skip
        return names["build"]

    run(tmp_path, build=built("tanh"))
    with pytest.warns(UserWarning, match="nothing was trained"):
        run(tmp_path, build=built("tanh"))
    with pytest.raises(ValueError, match="was made with code of Net="):
        run(tmp_path, build=built("relu"))


def test_models_are_continued_from_a_folder_that_has_some(tmp_path):
    with pytest.raises(ValueError, match='a folder with models for resume="models", got .*typo'):
        run(tmp_path / "typo", resume="models")


def test_checkpoints_are_flushed_as_windows_wants_it(tmp_path, monkeypatch):
    real = os.fsync

    def windows(number):
        import fcntl

        if fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(9, "Bad file descriptor")
        real(number)

    monkeypatch.setattr(os, "fsync", windows)
    run(tmp_path)
    assert (tmp_path / "copy-0.safetensors").exists()


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    run("~/runs")
    assert (tmp_path / "runs" / "copy-0.safetensors").exists() and not (tmp_path / "~").exists()


# A copy that is no longer finite


def poisoned(model, x, step):
    terms = vl.elbo(model, x)
    return {
        **terms,
        "objective": terms["objective"] * torch.where(torch.as_tensor(step) == 37, math.nan, 1.0),
    }


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_the_last_good_checkpoint_is_kept(seeds, tmp_path, how):
    options = {
        "steps": 60,
        "hyper": {"step": lambda step: step},
        "seeds": seeds,
        "checkpoint": tmp_path,
    }
    with pytest.warns(
        UserWarning, match='at step 37. .* contains step 36; continue with resume="models"'
    ):
        run = vl.fit(build, poisoned, X, **options)
    assert run.broken == [(37, "objective")] * len(seeds)
    for file in tmp_path.iterdir():
        tensors, state = checkpoints.read(file, "cpu")
        assert state["step"] == 36 and all(
            torch.isfinite(t).all() for n, t in tensors.items() if n[:5] == "model"
        )


def test_training_starts_again_from_the_last_good_models(tmp_path):
    with pytest.warns(UserWarning, match="contains step 36"):
        vl.fit(build, poisoned, X, steps=60, hyper={"step": lambda step: step}, checkpoint=tmp_path)
    before = vl.fit(build, vl.elbo, X, steps=36)
    with pytest.raises(ValueError, match="was made with steps=60, now steps=20"):
        vl.fit(build, vl.elbo, X, steps=20, lr=1e-4, checkpoint=tmp_path)
    run = vl.fit(build, vl.elbo, X, steps=20, lr=1e-9, checkpoint=tmp_path, resume="models")
    assert torch.allclose(run.model.encoder[0].weight, before.model.encoder[0].weight, atol=1e-6)
    # The folder now contains the second run.
    with pytest.warns(UserWarning, match="nothing was trained"):
        vl.fit(build, vl.elbo, X, steps=20, lr=1e-9, checkpoint=tmp_path, resume="models")


def test_parameters_that_are_not_finite_are_seen(how):
    """The terms are finite, and their gradient is not."""

    def objective(model, x):
        terms = vl.elbo(model, x)
        return {
            **terms,
            "objective": terms["objective"] + (model.decoder[0].bias * 0).abs().sqrt().sum(),
        }

    with pytest.warns(UserWarning, match="parameters are not finite at step|is not finite at step"):
        run = vl.fit(build, objective, X, steps=25, seeds=(0, 1))
    assert all(run.broken)


# State


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_running_statistics_come_back(seeds, how, tmp_path):
    run = vl.fit(normed, vl.elbo, X, steps=50, seeds=seeds, checkpoint=tmp_path)
    with pytest.warns(UserWarning, match="nothing was trained"):
        again = vl.fit(normed, vl.elbo, X, steps=50, seeds=seeds, checkpoint=tmp_path)
    for model, other in zip(run.models, again.models, strict=True):
        norm = model.encoder[1]
        assert norm.num_batches_tracked == 50 and norm.running_mean.abs().max() > 0.01
        assert torch.equal(norm.running_mean, other.encoder[1].running_mean)
        assert not model.training and not norm.training


def test_no_look_moves_a_random_state():
    """The checks before training draw nothing: a generator is advanced by the steps only."""
    generator = torch.Generator().manual_seed(7)
    noisy = lambda x: (  # noqa: E731
        (x + 0.01 * torch.rand(x.shape, generator=generator)).clamp(0, 1)
    )
    vl.fit(build, vl.elbo, X, steps=3, transform=noisy)
    other = torch.Generator().manual_seed(7)
    for _ in range(3):
        torch.rand((128, 64), generator=other)
    assert torch.equal(generator.get_state(), other.get_state())


# Parameters


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_frozen_parameters_stay_frozen(seeds, how):
    def frozen(seed):
        model = build()
        model.encoder.requires_grad_(False)
        return model

    run = vl.fit(frozen, vl.elbo, X, steps=30, seeds=seeds)
    for seed, model in zip(seeds, run.models, strict=True):
        torch.manual_seed(seed)
        born = frozen(seed)
        assert torch.equal(model.encoder[0].weight, born.encoder[0].weight)
        assert not torch.equal(model.decoder[0].weight, born.decoder[0].weight)
        assert not model.encoder[0].weight.requires_grad and model.decoder[0].weight.requires_grad


def test_all_frozen_is_refused():
    with pytest.raises(
        ValueError, match="every player must have a parameter to train, but all are frozen"
    ):
        vl.fit(lambda seed: build().requires_grad_(False), vl.elbo, X, steps=3)


def test_nets_that_seeds_share_are_refused(how):
    encoder, decoder = vl.mlp(64, 32, 8), vl.mlp(4, 32, 64)
    with pytest.raises(
        ValueError,
        match="build must make new nets for every seed, but seeds 0 and 1 share 'encoder.0",
    ):
        vl.fit(
            lambda seed: vl.VAE(encoder, decoder, 4, "cross_entropy"),
            vl.elbo,
            X,
            steps=3,
            seeds=(0, 1),
        )
    # A single seed may use nets made outside of build.
    vl.fit(lambda seed: vl.VAE(encoder, decoder, 4, "cross_entropy"), vl.elbo, X, steps=3)


class Tied(nn.Module):
    """A decoder that is the transpose of the encoder's first layer."""

    def __init__(self, layer):
        super().__init__()
        self.layer, self.into = layer, nn.Linear(4, 32)

    def forward(self, z):
        return torch.tanh(self.into(z)) @ self.layer.weight


def test_a_module_used_twice_works(monkeypatch):
    def tied(seed):
        encoder = vl.mlp(64, 32, 8)
        return vl.VAE(encoder, Tied(encoder[0]), 4, "gaussian", scale=0.3)

    def still(model, x):  # no noise, so that both ways can be compared
        mean, _ = model.encode(x)
        return {"objective": model.likelihood(mean).log_prob(x)}

    runs = []
    for flops in (0, math.inf):
        monkeypatch.setattr(loop, "VMAP_FLOPS", flops)
        runs.append(vl.fit(tied, still, X, steps=20, seeds=(0, 1)))
    for a, b in zip(*(run.models for run in runs), strict=True):
        assert a.decoder.layer is a.encoder[0]
        assert torch.allclose(a.decoder.layer.weight, b.decoder.layer.weight, atol=1e-4)


def test_a_parameter_without_a_gradient_is_named_once(how):
    def idle(seed):
        model = build()
        model.idle = nn.Linear(2, 1)
        return model

    with pytest.warns(
        UserWarning, match="parameters, so they are not trained: idle.bias, idle.weight"
    ) as seen:
        vl.fit(idle, vl.elbo, X, steps=5, seeds=(0, 1))
    assert len(seen) == (1 if how == "together" else 2)  # for each group of copies once


class Learned(nn.Module):
    """A prior whose mean is trained."""

    def __init__(self, latent_dim):
        super().__init__()
        self.mean = nn.Parameter(torch.full((latent_dim,), 3.0))

    def forward(self):
        return Independent(
            vl.priors.Gaussian(self.mean, torch.ones_like(self.mean), validate_args=False), 1
        )


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_prior_with_parameters_is_trained(seeds, how):
    run = vl.fit(lambda seed: build(prior=Learned), vl.elbo, X, steps=50, lr=1e-2, seeds=seeds)
    assert all((model.prior_net.mean - 3).abs().max() > 0.05 for model in run.models)


# Data


def own(model, batch):
    return vl.elbo(model, batch["x"][0])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"x": (X * 255, LABELS)}, r"data\['x'\]: values must lie in \[0, 1\] .* got 0 to 255"),
        (
            {"x": ((X * 255).byte(), LABELS)},
            r"data\['x'\]: images must be a floating-point tensor .* got torch.uint8",
        ),
        (
            {"x": X, "more": (X[:500] - 1, LABELS[:500])},
            r"data\['more'\]: values must lie in \[0, 1\]",
        ),
        (
            {"x": (X.double(), LABELS)},
            r"the model is torch.float32, so images must be, got torch.float64; use .float",
        ),
        ({}, "data is an empty dict"),
    ],
)
def test_streams_are_checked_as_plain_tensors_are(data, message):
    with pytest.raises(ValueError, match=message):
        vl.fit(build, own, data, steps=3)


def test_a_stream_of_other_things_is_left_alone():
    noise = torch.randn(len(X), 4)

    def objective(model, batch):
        return {"objective": vl.elbo(model, batch["x"])["objective"] + batch["noise"].sum(1)}

    assert vl.fit(build, objective, {"x": X, "noise": noise}, steps=3).broken == [None]


@pytest.mark.parametrize("call", [lambda x: vl.fit(build, vl.elbo, x, steps=3),
                                  lambda x: vl.log_likelihood(build(), x, samples=3),
                                  lambda x: vl.activity(build(), x)])  # fmt: skip
@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_another_dtype_is_named(kind, call):
    with pytest.raises(
        ValueError, match=f"the model is torch.float32, so images must be, got {kind}; use .float"
    ):
        call(X.to(kind))


def judged(seed, prior=vl.pinwheel):
    model = vl.VAE(vl.mlp(64, 32, 4), vl.mlp(2, 32, 64), 2, "cross_entropy", prior=prior)
    model.discriminator = vl.mlp(13 if prior is vl.pinwheel else 2, 32, 1)
    return model


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
@pytest.mark.parametrize("label", [11, -1])
def test_labels_outside_the_classes_are_refused(seeds, label, how):
    labels = LABELS.clone()
    labels[700] = label
    with pytest.raises(ValueError, match=r"data\['x'\]: labels must lie in 0 to 10, got .*"):
        vl.fit(judged, vl.aae_players(), {"x": (X, labels)}, steps=3, seeds=seeds)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_mixture_of_torchs_own_is_a_prior(seeds, how):
    means = torch.tensor([[-3.0, 0.0], [3.0, 0.0], [0.0, 3.0]])
    mixture = MixtureSameFamily(
        Categorical(torch.ones(3)), Independent(Normal(means, torch.full((3, 2), 0.5)), 1)
    )
    imq = partial(vl.imq_kernel, scale=4.0)
    for prior in (mixture, lambda latent_dim: mixture):
        run = vl.fit(partial(judged, prior=prior), vl.aae_players(), X, steps=5, seeds=seeds)
        assert run.broken == [None] * len(seeds)
        vl.fit(
            partial(judged, prior=prior),
            partial(vl.mmd_vae, lam=10.0, kernel=imq),
            X,
            steps=5,
            seeds=seeds,
        )


@pytest.mark.parametrize("name", ["Exponential", "Gamma", "Uniform", "HalfNormal", "Dirichlet"])
def test_a_prior_has_no_density_outside_its_support(name):
    """Without its checks torch's formula goes on there: a likelihood without a bound."""
    ones = torch.ones(2)
    arguments = {"Gamma": (ones, ones), "Uniform": (0 * ones, ones)}.get(name, (ones,))
    prior = getattr(torch.distributions, name)(*arguments)
    prior = prior if name == "Dirichlet" else Independent(prior, 1)
    model = judged(0, prior=prior)
    inside = torch.full((1, 2), 0.5)
    assert torch.allclose(model.prior.log_prob(inside), prior.log_prob(inside))
    assert model.prior.log_prob(-inside).item() == -math.inf
    with pytest.raises(ValueError, match="every log-weight must be finite"):
        vl.log_likelihood(model, X[:8], 100)
    with pytest.warns(UserWarning, match="'objective' is not finite"):
        vl.fit(partial(judged, prior=prior), partial(vl.elbo, kl="sampled"), X, steps=2)
    # A game needs no density.
    run = vl.fit(partial(judged, prior=prior), vl.aae_players(), X, steps=2, seeds=(0, 1))
    assert run.broken == [None, None] and copy.deepcopy(run.model).prior.sample().shape == (2,)


def test_a_prior_that_is_none_is_refused():
    with pytest.raises(ValueError, match=r"prior must be over codes of shape \(4,\), got \(2,\)"):
        build(prior=vl.pinwheel())
    with pytest.raises(
        ValueError, match="prior must be, or make, a module that returns a distribution"
    ):
        build(prior=lambda latent_dim: 3)


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.mean, self.log_var = vl.mlp(64, 32), nn.Linear(32, 4), nn.Linear(32, 4)

    def forward(self, x):
        h = self.body(x).relu()
        return self.mean(h), self.log_var(h)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_an_encoder_may_return_a_pair(seeds, how):
    run = vl.fit(
        lambda seed: vl.VAE(TwoHeads(), vl.mlp(4, 32, 64), 4, "cross_entropy"),
        vl.elbo,
        X,
        steps=5,
        seeds=seeds,
    )
    assert run.broken == [None] * len(seeds)
    assert vl.log_likelihood(run.model, X[:5], samples=5).shape == (5,)


# Numbers, and what an objective returns


def test_numpy_numbers_are_numbers():
    assert len(vl.fit(build, vl.elbo, X, steps=np.int64(3), seeds=np.arange(2)).models) == 2
    for beta in (np.float32(4), torch.tensor(4.0), np.array(4.0)):
        assert vl.fit(build, vl.beta_vae, X, steps=3, hyper={"beta": beta}).broken == [None]
    assert vl.fit(build, vl.iwae, X, steps=3, hyper={"k": np.int64(5)}).broken == [None]
    vl.fit(
        build,
        lambda model, x: vl.iwae(model, x, np.arange(1, 6)[-1]),
        X,
        steps=3,
        lr=np.float64(1e-3),
    )
    vl.mlp(np.int64(3), np.int32(2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 3}, r"seeds must be integers such as \(0, 1, 2\), got 3"),
        ({"seeds": (0.5,)}, "seeds must be integers"),
        ({"steps": True}, "steps must be a positive integer, got True"),
        ({"steps": 2.0}, "steps must be a positive integer, got 2.0"),
        (
            {"objective": lambda m, x: -vl.elbo(m, x)["objective"].mean()},
            "must return a dict of terms, .* got Tensor",
        ),
        (
            {"objective": lambda m, x: {"loss": vl.elbo(m, x)["kl"]}},
            "among them 'objective', got a dict with 'loss'",
        ),
        (
            {"objective": lambda m, x: {"objective": x.sum(1)}},
            "objective must depend on the trained parameters",
        ),
        ({"hyper": {"beta": 2.0}}, "hyper must name arguments of the objective, got 'beta'"),
        ({"resume": "weights"}, "resume must be True, False or 'models', got 'weights'"),
    ],
)
def test_wrong_kinds_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        vl.fit(build, **{"objective": vl.elbo, "data": X, "steps": 3, **change})


def test_a_hyper_parameter_goes_to_the_players_that_take_it():
    seen = []

    def first(model, x, lam):
        seen.append(("first", lam))
        return vl.elbo(model, x)

    def second(model, x):
        seen.append(("second", None))
        return vl.elbo(model, x)

    players = [
        vl.Player(lambda m: m.encoder.parameters(), first),
        vl.Player(lambda m: m.decoder.parameters(), second),
    ]
    vl.fit(build, players, X, steps=1, hyper={"lam": 3.0})
    assert seen == [("first", 3.0), ("second", None)]


# What vmap cannot run


def branching(model, x):
    terms = vl.elbo(model, x)
    return {**terms, "objective": terms["objective"] * (2.0 if terms["kl"].mean() > 1 else 1.0)}


def masking(model, x):
    terms = vl.elbo(model, x)
    return {
        **terms,
        "objective": terms["objective"].mean() + 0 * terms["kl"][terms["kl"] > 1.0].sum(),
    }


def test_why_copies_are_trained_one_after_another_is_said_in_one_line(monkeypatch):
    monkeypatch.setattr(loop, "VMAP_FLOPS", math.inf)
    for error, said in ((TypeError("first line\nsecond"), "(first line)."), (KeyError, "KeyError")):

        def objective(model, x, error=error):
            if torch._C._functorch.is_batchedtensor(next(model.parameters())):
                raise error
            return vl.elbo(model, x)

        with pytest.warns(UserWarning, match="one after another") as seen:
            vl.fit(build, objective, X, steps=1, seeds=(0, 1))
        assert said in str(seen[0].message) and "second" not in str(seen[0].message)


@pytest.mark.parametrize("objective", [branching, masking])
def test_what_vmap_cannot_run_is_trained_copy_by_copy(objective, monkeypatch):
    monkeypatch.setattr(loop, "VMAP_FLOPS", math.inf)
    with pytest.warns(
        UserWarning, match="the copies are trained one after another, which is slower: torch.vmap"
    ) as seen:
        both = vl.fit(build, objective, X, steps=10, seeds=(0, 1))
    assert len(seen) == 1
    second = vl.fit(build, objective, X, steps=10, seeds=(1,))
    assert np.array_equal(both.history["objective"][1], second.history["objective"][0])


def test_the_warning_about_slow_copies_points_to_the_caller_of_fit(monkeypatch):
    monkeypatch.setattr(loop, "VMAP_FLOPS", math.inf)
    with pytest.warns(UserWarning, match="one after another") as seen:
        vl.fit(build, branching, X, steps=1, seeds=(0, 1))
    assert seen[0].filename == __file__


# Keeping models


@pytest.mark.parametrize(
    "prior", [vl.standard_normal, vl.normal(2.0), vl.logistic(0.5), vl.logistic_unit_variance]
)
def test_models_can_be_pickled_and_copied(prior):
    model = build(prior=prior)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert torch.equal(other.encode(X)[0], model.encode(X)[0])
        z = torch.randn(5, 4)
        assert torch.equal(other.prior.log_prob(z), model.prior.log_prob(z))


def sized(hidden, likelihood="cross_entropy"):
    return vl.VAE(vl.mlp(64, hidden, 8), vl.mlp(4, hidden, 64), 4, likelihood)


def test_a_model_is_saved_with_its_settings(tmp_path):
    model = vl.fit(lambda seed: sized(16), vl.elbo, X, steps=5).model
    vl.save(model, tmp_path / "model.safetensors", hidden=16)
    back = vl.load(tmp_path / "model.safetensors", sized)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), back.parameters(), strict=True)
    )
    assert not back.training
    with pytest.raises(
        ValueError, match="must make the module that was saved, .*CrossEntropy.* got .*Gaussian"
    ):
        vl.load(tmp_path / "model.safetensors", partial(sized, likelihood="gaussian"))
    with pytest.raises(ValueError, match="must make the module that was saved"):
        vl.load(tmp_path / "model.safetensors", lambda hidden: sized(hidden + 1))
    for name in ("encoder", "decoder"):  # alone
        vl.save(getattr(model, name), tmp_path / f"{name}.safetensors")
        part = vl.load(tmp_path / f"{name}.safetensors", lambda name=name: getattr(sized(16), name))
        assert all(
            torch.equal(a, b)
            for a, b in zip(getattr(model, name).parameters(), part.parameters(), strict=True)
        )
    trained = normed(0)
    trained.encoder[1].running_mean += 1
    vl.save(trained, tmp_path / "normed.safetensors")
    assert (
        vl.load(tmp_path / "normed.safetensors", lambda: normed(0)).encoder[1].running_mean.mean()
        == 1
    )
    with pytest.raises(RuntimeError, match="nothing.safetensors cannot be read"):
        vl.load(tmp_path / "nothing.safetensors", sized)


class Noting(nn.Module):
    """A net that keeps its activations, and counts its calls."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.calls = nn.Linear(64, 16), nn.Linear(16, 8), 0

    def forward(self, x):
        self.calls += 1
        self.hidden = torch.tanh(self.a(x))
        return self.b(self.hidden)


def noting(seed=0):
    return vl.VAE(Noting(), vl.mlp(4, 64), 4, "cross_entropy")


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_net_that_keeps_its_activations(seeds, how, tmp_path):
    models = vl.fit(noting, vl.elbo, X, steps=3, seeds=seeds, checkpoint=tmp_path / "run").models
    assert all(vl.active_units(model, X) >= 0 for model in models)
    vl.save(models[-1], tmp_path / "net")
    with pytest.raises(ValueError, match="calls=0.*; strict=False loads the weights all"):
        vl.load(tmp_path / "net", noting)
    with pytest.warns(UserWarning, match="calls=.* was saved, .*calls=0.* is built"):
        back = vl.load(tmp_path / "net", noting, strict=False)
    assert torch.equal(back.encode(X)[0], models[-1].encode(X)[0])


def test_nets_with_the_older_weight_norm(how, tmp_path):
    def build(seed=0):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            net = nn.utils.weight_norm(nn.Linear(64, 8))
        return vl.VAE(net, vl.mlp(4, 64), 4, "cross_entropy")

    run = vl.fit(build, vl.elbo, X, steps=3, seeds=(0, 1), checkpoint=tmp_path / "run")
    vl.save(run.models[1], tmp_path / "net")
    back = vl.load(tmp_path / "net", build)
    assert torch.equal(back.encode(X)[0], run.models[1].encode(X)[0])


def test_what_cannot_be_saved_or_loaded_is_named(tmp_path):
    model = sized(8)
    vl.save(model, tmp_path / "net", hidden=np.int64(8))
    assert vl.load(tmp_path / "net", sized).latent_dim == model.latent_dim
    with pytest.raises(ValueError, match="save: settings must be JSON values"):
        vl.save(model, tmp_path / "net", shape={1, 2})
    with pytest.raises(ValueError, match="is .*float64.* instead of .*float32"):
        vl.load(tmp_path / "net", lambda hidden: sized(hidden).double())
    (tmp_path / "net.partial").write_text("the user's own")
    vl.save(model, tmp_path / "net", hidden=8)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net", "net.partial"]


def test_a_module_with_more_parts_is_not_the_one_that_was_saved(tmp_path):
    vl.save(nn.Sequential(nn.Linear(2, 2)), tmp_path / "net.safetensors")
    for build in (
        lambda: nn.Sequential(nn.Linear(2, 2), nn.Tanh()),
        lambda: nn.Sequential(),
    ):
        with pytest.raises(ValueError, match="must make the module that was saved"):
            vl.load(tmp_path / "net.safetensors", build)


# What a text of a thing says


def normal(scale, n=4):
    return Independent(Normal(torch.zeros(n), torch.full((n,), float(scale))), 1)


class Weighted:
    def __init__(self, beta):
        self.beta = beta

    def __call__(self, model, x):
        return vl.beta_vae(model, x, self.beta)


def reader(body):
    """A function whose helper is a global of its own, as in a notebook."""
    names = {"__name__": "notebook", "vl": vl}
    exec(
        f"def helper(t):\n    return {body}\ndef objective(model, x):\n    return helper(x)", names
    )
    return names["objective"]


THINGS = {
    "a distribution's tensors": (normal(1), normal(5), normal(1)),
    "an object's attributes": (Weighted(1), Weighted(9), Weighted(1)),
    "a method of an object": (Weighted(1).__call__, Weighted(9).__call__, Weighted(1).__call__),
    "a function that it calls": (reader("t"), reader("2 * t"), reader("t")),
    "a partial": (
        partial(vl.beta_vae, beta=1),
        partial(vl.beta_vae, beta=2),
        partial(vl.beta_vae, beta=1),
    ),
}


@pytest.mark.parametrize("name", THINGS)
def test_a_description_differs_where_the_things_do(name):
    one, other, again = map(describe, THINGS[name])
    assert one == again != other


def test_a_saved_model_does_not_depend_on_the_code_of_its_functions():
    """Python compiles them differently from version to version; what they are given counts."""
    one, other = (partial(reader(body), scale=2) for body in ("t", "2 * t"))
    assert describe(one, code=False) == describe(other, code=False)
    assert describe(one, code=False) != describe(partial(one.func, scale=3), code=False)


@pytest.mark.parametrize(
    "array",
    [np.array(["a", "b"]), np.array([None, 1], object), np.array(3.0), np.zeros((0, 2)),
     torch.tensor(True), torch.zeros(0), torch.ones(2, dtype=torch.bfloat16)],
)  # fmt: skip
def test_any_array_can_be_described(array):
    assert describe(array) == describe(copy.deepcopy(array)) != describe(np.array(["a", "c"]))


def test_a_distribution_is_described_alike_before_and_after_use():
    mixture = MixtureSameFamily(
        Categorical(logits=torch.randn(3)),
        Independent(Normal(torch.randn(3, 2), torch.ones(3, 2)), 1),
    )
    before = describe(mixture)
    mixture.log_prob(mixture.sample((4,)))
    assert describe(mixture) == before


@pytest.mark.parametrize(
    "change",
    [
        {
            "build": lambda seed: vl.VAE(
                vl.mlp(64, 8), vl.mlp(4, 64), 4, "cross_entropy", prior=normal(5)
            )
        },
        {"objective": Weighted(9)},
    ],
)
def test_a_changed_prior_or_object_is_another_run(change, tmp_path):
    settings = {
        "build": lambda seed: vl.VAE(
            vl.mlp(64, 8), vl.mlp(4, 64), 4, "cross_entropy", prior=normal(1)
        ),
        "objective": Weighted(1),
        "data": X,
        "steps": 3,
        "checkpoint": tmp_path,
    }
    vl.fit(**settings)
    with pytest.raises(ValueError, match="was made with"):
        vl.fit(**settings | change)


def test_copies_in_other_groups_are_refused(tmp_path, monkeypatch):
    """As when training goes on without the GPU on which it began: nothing starts again unsaid."""
    train = partial(vl.fit, lambda seed: sized(8), vl.elbo, X, steps=3, checkpoint=tmp_path)
    train(seeds=(0, 1))
    assert [file.name for file in tmp_path.iterdir()] == ["copies-0-1.safetensors"]
    monkeypatch.setattr("vaelib.loop.Plan.together", lambda *_: False)
    with pytest.raises(ValueError, match="copies-0-1.safetensors is of copies .* other groups"):
        train(seeds=(0, 1))
    train(seeds=(0, 1), resume=False)
    (tmp_path / "copy-1.safetensors").unlink()  # as if it had been interrupted
    run = train(seeds=(0, 1))
    assert len(run.models) == 2 and len(list(tmp_path.iterdir())) == 3


# Arguments of models and priors


def test_a_tensor_is_a_number_and_checked_as_one():
    minus = torch.tensor(-1.0)
    for call in (
        lambda: vl.fit(lambda seed: sized(8), vl.elbo, X, steps=1, lr=minus),
        lambda: vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2, "gaussian", scale=minus),
        lambda: vl.normal(minus),
        lambda: vl.logistic(minus),
        lambda: vl.disturb(X, "gaussian", minus),
    ):
        with pytest.raises(ValueError, match=r"must be .*got (tensor\(-1.\)|-1.0)"):
            call()
    assert isinstance(vl.likelihoods.Gaussian(-minus).scale, float)


def test_a_scale_needs_the_gaussian_likelihood():
    for more in ({"scale": "learned"}, {"scale": 0.5}, {"scale_floor": 0.1}):
        with pytest.raises(ValueError, match="need likelihood=\"gaussian\", got 'bernoulli'"):
            vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2, **more)


def test_label_inputs_are_those_of_the_first_layer():
    model = vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2)
    for first in (nn.Linear(2, 16), spectral_norm(nn.Linear(2, 16))):
        model.discriminator = nn.Sequential(first, nn.ReLU(), nn.Linear(16, 1))
        assert model.label_inputs() == 0
    model.discriminator = nn.Sequential(nn.BatchNorm1d(13), spectral_norm(nn.Linear(13, 1)))
    assert model.label_inputs() == 11


def test_a_class_decoder_of_another_width_is_refused():
    model = vl.ClassAAE(vl.mlp(4, 5), vl.mlp(5, 1), 3, 2, vl.mlp(2, 1), vl.mlp(3, 1))
    with pytest.raises(ValueError, match="x has shape"):
        vl.adversarial.class_reconstruction(model, torch.ones(6, 4))


def test_a_distribution_moves_with_its_model():
    for prior in (
        normal(1, 2),
        MixtureSameFamily(
            Categorical(torch.ones(3)), Independent(Normal(torch.zeros(3, 2), torch.ones(3, 2)), 1)
        ),
        Independent(
            TransformedDistribution(
                Normal(torch.zeros(2), torch.ones(2)),
                [AffineTransform(torch.ones(2), torch.ones(2))],
            ),
            1,
        ),
    ):
        model = vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2, prior=prior)
        assert model.double().prior.log_prob(torch.zeros(1, 2).double()).dtype == torch.float64
        assert model.to("meta").prior.log_prob(torch.zeros(1, 2, device="meta")).is_meta
        assert not prior.log_prob(torch.zeros(1, 2)).is_meta  # the caller's own stays


def test_priors_of_the_plane_draw_in_the_models_dtype():
    for make in (vl.pinwheel, vl.swiss_roll):
        assert make().double()().rsample((3,)).dtype == torch.float64
        assert repr(make()())


def test_a_two_layer_vae_looks_at_its_nets_without_a_trace():
    upper = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 4)).double()
    nets = vl.mlp(4, 6), upper, vl.mlp(2, 6).double(), vl.mlp(3, 4)
    before = torch.get_rng_state()
    vl.TwoLayerVAE(*nets, (3, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert upper[0].num_batches_tracked == 0 and upper.training


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda m, x: vl.elbo(m["implicit"], x), "elbo: model must have a density"),
        (lambda m, x: vl.elbo(m["implicit"], x, kl="sampled"),
         "ImplicitVAE: there are no log-weights"),
        (lambda m, x: vl.iwae(m["implicit"], x, 2), "ImplicitVAE: there are no log-weights"),
        (lambda m, x: vl.tc_vae(m["implicit"], x, 9), "tc_vae: model must have a density"),
        (lambda m, x: vl.tc_vae(m["two"], x, 9), "tc_vae: model must have one layer"),
        (lambda m, x: vl.mmd_vae(m["two"], x, 1, vl.imq_kernel),
         "mmd_vae: model must have one layer"),
        (lambda m, x: vl.log_likelihood(m["implicit"], x, 5),
         "ImplicitVAE: there are no log-weights"),
        (lambda m, x: vl.adversarial.aae_discriminator(
            m["labels"], {"x": (x, torch.zeros(6, dtype=torch.long))}),
         "needs a prior with of_class"),
        (lambda m, x: vl.fit(
            lambda seed: m["plain"], lambda m, x: {"objective": 1.0}, x, steps=1, batch_size=2),
         "terms must be tensors, got float for 'objective'"),
        (lambda m, x: vl.active_units(m["classes"], x), "activity: a ClassAAE has no q"),
        (lambda m, x: vl.latent_moments(m["classes"], x), "latent_moments: a ClassAAE has no q"),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_is_said(call, message):
    x = torch.ones(6, 4)
    models = {
        "plain": vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2),
        "implicit": vl.ImplicitVAE(vl.mlp(4, 2), vl.mlp(2, 4), 2),
        "two": vl.TwoLayerVAE(vl.mlp(4, 6), vl.mlp(3, 4), vl.mlp(2, 6), vl.mlp(3, 4), (3, 2)),
        "labels": vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2),
        "classes": vl.ClassAAE(vl.mlp(4, 4), vl.mlp(4, 4), 2, 2, vl.mlp(2, 1), vl.mlp(2, 1)),
    }
    models["labels"].discriminator = vl.mlp(13, 1)
    with pytest.raises(ValueError, match=message):
        call(models, x)


def test_the_noise_of_a_likelihood_does_not_follow_the_free_memory(monkeypatch):
    model, x = vl.VAE(vl.mlp(4, 4), vl.mlp(2, 4), 2), torch.ones(300, 4)
    values = []
    for pages in (2**8, 2**30):
        monkeypatch.setattr("os.sysconf", lambda name, pages=pages: pages)
        torch.manual_seed(0)
        values.append(vl.log_likelihood(model, x, 10))
    assert torch.equal(*values)


def test_mmd_does_not_depend_on_where_the_samples_lie():
    x, y = torch.randn(2, 200, 3).unbind()
    near, far = (
        vl.mmd(x + at, y + at, partial(vl.gaussian_kernel, bandwidth=1.0)).item()
        for at in (0, 4096)
    )
    assert abs(near - far) < 1e-4


# A rate is taken from one place, and may begin at 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"objective": "elbo"}, r"objective must be a function \(model, x\) or a list .*'elbo'"),
        ({"objective": []}, r"a list of Players, got \[\]"),
        ({"build": None}, "build must be a function of a seed .* got a NoneType"),
        ({"build": lambda seed: (1, 2)}, "build must return a model, .* got tuple"),
        ({"hyper": [1]}, r"hyper must be a dict \{name: value\}, got \[1\]"),
        ({"build": lambda seed: vl.VAE(vl.mlp(64, 4), Pair(vl.mlp(2, 64)), 2)},
         "the decoder must return a tensor, got tuple"),
        ({"build": lambda seed: vl.VAE(vl.mlp(64, 4), vl.mlp(2, 65), 2, "gaussian", scale="head")},
         "must return means and log-scales, two numbers for each value, got 65"),
    ],
)  # fmt: skip
def test_arguments_of_a_wrong_kind_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        vl.fit(**{"build": build, "objective": vl.elbo, "data": X.round(), "steps": 1} | arguments)


class Pair(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, z):
        return self.net(z), self.net(z)


def test_fit_needs_gradients_and_takes_a_single_player():
    for off in (torch.no_grad, torch.inference_mode):
        with off(), pytest.raises(ValueError, match="gradients are off"):
            vl.fit(build, vl.elbo, X, steps=1)
    player = vl.Player(nn.Module.parameters, vl.elbo)
    assert vl.fit(build, player, X, steps=2).history["objective"].shape == (1, 2)


def test_arrays_lists_and_single_codes_are_taken():
    x, y = np.random.default_rng(0).standard_normal((2, 30, 3))
    kernel = partial(vl.imq_kernel, scale=6.0)
    for function in (lambda a, b: vl.mmd(a, b, kernel), vl.frechet_distance):
        assert function(x, y) == function(torch.from_numpy(x), torch.from_numpy(y))
    model = vl.VAE(vl.mlp(64, 8), vl.mlp(4, 64), 4, "cross_entropy")
    assert model.likelihood(model.prior.sample()).sample().shape == (64,)
    with pytest.raises(ValueError, match=r"values must have shape \(N,\), got \(3, 2\)"):
        vl.mean_and_error(torch.ones(3, 2, requires_grad=True))
    with pytest.raises(ValueError, match=r"such as nn.ReLU, got the module ReLU\(\)"):
        vl.mlp(4, 4, 2, activation=nn.ReLU())


def test_the_mixture_information_on_another_default_device():
    mean, log_var = np.random.default_rng(0).standard_normal((2, 40, 2))
    score = vl.mig_mixture(mean, log_var, np.arange(40) % 2, samples=100)
    with torch.device("meta"):
        assert vl.mig_mixture(mean, log_var, np.arange(40) % 2, samples=100) == score
    with pytest.raises(ValueError, match="log_var must be of variances that float32 holds"):
        vl.mig_mixture(mean, log_var * 400, np.arange(40) % 2, samples=100)


def test_a_rate_beside_players_is_refused():
    players = [vl.Player(nn.Module.parameters, vl.elbo, 1e-3)]
    with pytest.raises(ValueError, match="fit: lr must be given to each Player, not to fit, got 0"):
        vl.fit(build, players, X, steps=1, lr=0.1)


def test_a_warm_up_of_the_rate_may_start_at_zero():
    first = vl.fit(build, vl.elbo, X, steps=1, lr=vl.ramp(0, 4, 1e-2)).model
    assert torch.equal(first.encoder[0].weight, started().encoder[0].weight)
    later = vl.fit(build, vl.elbo, X, steps=2, lr=vl.ramp(0, 4, 1e-2)).model
    assert not torch.equal(later.encoder[0].weight, first.encoder[0].weight)
    for rate in (0, 0.0, lambda step: -1e-3):
        with pytest.raises(ValueError, match="fit: lr must be"):
            vl.fit(build, vl.elbo, X, steps=1, lr=rate)


def started():
    torch.manual_seed(0)
    return build(0)


def test_a_rate_of_zero_for_the_encoders_turn_is_not_replaced():
    assert vl.aae_players(1e-3, encoder_lr=0)[2].lr == 0
    assert vl.class_players(1e-3, encoder_lr=0)[2].lr == 0
    assert vl.aae_players(2e-3)[2].lr == vl.class_players(2e-3)[2].lr == 2e-3


@pytest.mark.parametrize("body", ["[weight * t for t in x]", "(lambda t: t * weight)(x)"])
def test_a_global_that_an_inner_function_reads_belongs_to_an_objectives_identity(body):
    known = {"__name__": "notebook", "weight": 2.0}
    exec(f"def objective(x):\n    return {body}", known)
    before = describe(known["objective"])
    assert describe(known["objective"]) == before
    known["weight"] = 3.0
    assert describe(known["objective"]) != before
