"""`fit`: the same seed gives the same run, and invalid arguments are refused in one sentence."""

import math

import numpy as np
import pytest
import torch

import vaelib as vl
from vaelib import loop


def build(seed):
    return vl.VAE(vl.mlp(64, 16, 4), vl.mlp(2, 16, 64), 2)


@pytest.fixture(scope="module")
def digits():
    return vl.digits("dynamic")


def run(digits, **options):
    return vl.fit(
        build, vl.elbo, digits.train, **{"steps": 20, "transform": vl.binarize, **options}
    )


def test_the_same_seed_is_bit_identical(digits):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    a = run(digits)
    assert torch.equal(torch.get_rng_state(), before)  # the caller's random numbers are left alone
    torch.manual_seed(6)
    b = run(digits)
    for term in ("objective", "reconstruction", "kl"):
        assert a.history[term].shape == (1, 20) and np.array_equal(a.history[term], b.history[term])
    for p, q in zip(a.model.parameters(), b.model.parameters(), strict=True):
        assert torch.equal(p, q)


def test_seeds_differ_and_one_after_another_they_stand_alone(digits, monkeypatch):
    monkeypatch.setattr(loop, "VMAP_FLOPS", 0)
    both, second = run(digits, seeds=(0, 1)), run(digits, seeds=(1,))
    assert (
        both.history["kl"].shape == (2, 20)
        and len(both.models) == 2
        and both.broken == [None, None]
    )
    assert not np.array_equal(both.history["kl"][0], both.history["kl"][1])
    assert np.array_equal(both.history["kl"][1], second.history["kl"][0])


def test_training_climbs(digits):
    history = run(digits, steps=300, lr=3e-3).history["objective"][0]
    assert history[-50:].mean() > history[:10].mean() + 10
    assert np.allclose(history, run(digits, steps=300, lr=3e-3).history["objective"][0])


def test_every_sample_is_seen_once_an_epoch():
    data, seen = torch.arange(50.0).unsqueeze(1), []

    def objective(model, x):
        seen.append(x[:, 0])
        return {"objective": model(x).squeeze(1)}

    vl.fit(lambda seed: torch.nn.Linear(1, 1), objective, data, steps=10, batch_size=10)
    for epoch in (seen[:5], seen[5:]):
        assert torch.cat(epoch).sort().values.tolist() == data[:, 0].tolist()
    assert not torch.equal(torch.cat(seen[:5]), torch.cat(seen[5:]))


def test_hyper_parameters_and_learning_rates_may_follow_the_step(digits):
    values = []

    def objective(model, x, beta, fixed):
        values.append((beta, fixed))
        return vl.elbo(model, x)

    vl.fit(
        build, objective, digits.test, steps=4, hyper={"beta": lambda step: step / 4, "fixed": 7}
    )
    assert values == [(0.0, 7), (0.25, 7), (0.5, 7), (0.75, 7)]
    frozen = run(digits, steps=5, lr=lambda step: 1e-3 if step == 0 else 0.0)
    once = run(digits, steps=1)
    assert all(
        torch.equal(p, q)
        for p, q in zip(frozen.model.parameters(), once.model.parameters(), strict=True)
    )


def test_a_term_that_breaks_is_named(digits):
    def objective(model, x, step):
        terms = vl.elbo(model, x)
        return {**terms, "kl": terms["kl"] * (math.nan if step == 13 else 1)}

    with pytest.warns(UserWarning, match="seed 4 stopped: 'kl' is not finite at step 13"):
        broken = vl.fit(
            build, objective, digits.test, steps=40, seeds=(4,), hyper={"step": lambda step: step}
        )
    assert broken.broken == [(13, "kl")] and np.isnan(broken.history["kl"][0, 13])
    assert np.isfinite(broken.history["kl"][0, :13]).all()


def test_ctrl_c_keeps_what_was_trained(digits):
    def objective(model, x, step):
        if step == 7:
            raise KeyboardInterrupt
        return vl.elbo(model, x)

    with pytest.raises(
        KeyboardInterrupt, match="interrupted at step 7 of 40; vl.interrupted_run"
    ) as stop:
        vl.fit(build, objective, digits.test, steps=40, hyper={"step": lambda step: step})
    stopped = vl.interrupted_run()
    assert stop.value.run is stopped
    assert not stopped.model.training
    assert (
        np.isfinite(stopped.history["kl"][0, :7]).all()
        and np.isnan(stopped.history["kl"][0, 7:]).all()
    )
    vl.fit(build, vl.elbo, digits.test, steps=1)
    with pytest.raises(ValueError, match="interrupted_run: the last call of fit was not interrupt"):
        vl.interrupted_run()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": -1e-3}, "fit: lr must be a positive finite number, got -0.001"),
        ({"lr": math.inf}, "lr must be a positive finite number, got inf"),
        ({"lr": math.nan}, "lr must be a positive finite number, got nan"),
        ({"lr": "fast"}, "lr must be a positive finite number, got 'fast'"),
        ({"steps": 0}, "fit: steps must be a positive integer, got 0"),
        ({"batch_size": 5000}, "batch_size must be at most the 1437 samples of data, got 5000"),
        ({"batch_size": 0}, "batch_size must be a positive integer, got 0"),
        ({"seeds": ()}, r"seeds must be integers such as \(0, 1, 2\), got \(\)"),
        (
            {"transform": None},
            'values must be 0 or 1 for likelihood="bernoulli", got the grey value .*cross_entropy',
        ),
    ],
)
def test_bad_arguments(change, message, digits):
    with pytest.raises(ValueError, match=message):
        run(digits, **change)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (torch.full((200, 64), math.nan), "data must be finite"),
        (
            torch.full((200, 64), 1.5),
            r"data must lie in \[0, 1\] for transform=binarize, got 1.5 to 1.5",
        ),
        (torch.zeros(0, 64), "batch_size must be at most the 0 samples of data, got 128"),
        ([[0.0] * 64] * 200, "data must be a tensor, such as digits.train, got list"),
        (torch.zeros(200, 32), r"the encoder must take images of shape \(32,\), but fails"),
    ],
)
def test_bad_data(data, message, digits):
    with pytest.raises(ValueError, match=message):
        vl.fit(build, vl.elbo, data, steps=2, transform=vl.binarize)


def test_data_outside_the_unit_interval_without_transform():
    with pytest.raises(
        ValueError, match=r"values must lie in \[0, 1\] for likelihood='bernoulli', got -1 to 1"
    ):
        vl.fit(
            build,
            vl.elbo,
            torch.ones(200, 64) * torch.tensor([-1.0, 1.0]).repeat(100)[:, None],
            steps=2,
        )


def test_grey_targets_can_be_asked_for_by_name(digits):
    def soft(seed):
        return vl.VAE(vl.mlp(64, 4), vl.mlp(2, 64), 2, "cross_entropy")

    assert np.isfinite(vl.fit(soft, vl.elbo, digits.train, steps=3).history["objective"]).all()


def test_parameters_that_the_objective_does_not_use_stay_as_they_are():
    def build(seed):
        model = vl.VAE(vl.mlp(6, 8, 4), vl.mlp(2, 8, 6), 2)
        model.idle = vl.mlp(2, 1)
        return model

    x = (torch.rand(20, 6) < 0.5).float()
    for seeds in ((0,), (0, 1)):
        run = vl.fit(build, vl.elbo, x, steps=3, batch_size=10, seeds=seeds)
        begun = vl.fit(build, vl.elbo, x, steps=1, batch_size=10, seeds=seeds, lr=1e-30)
        assert torch.equal(run.model.idle[0].weight, begun.model.idle[0].weight)
        assert not torch.equal(run.model.decoder[0].weight, begun.model.decoder[0].weight)
