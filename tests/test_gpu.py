"""`fit` and evaluation on a GPU, with real CUDA graphs; skipped if there is none.

VAELIB_REHEARSE=1 runs the same tests on the CPU with emulated graphs (fake_graph.py), as far as
that makes sense. If two code paths are compared exactly, the noise is part of the data
(`given_noise`); if it is drawn, both start with the same state of the device's generator, which a
replay advances like an eager step.
"""

import os
import random
import shutil

import family
import numpy as np
import pytest
import torch
from conftest import need
from fake_graph import put_in_place
from test_graph import build, flip, normed, stop_after
from torch import nn

import vaelib as vl
from vaelib import checkpoints, graph, loop

pytestmark = pytest.mark.gpu
GPU, REHEARSE = torch.cuda.is_available(), os.environ.get("VAELIB_REHEARSE", "") not in ("", "0")
GREY, BINARY = vl.digits("dynamic").train, vl.digits("fixed").train
WITH_NOISE = {
    "x": (BINARY, torch.randn(len(BINARY), 2, generator=torch.Generator().manual_seed(0)))
}


@pytest.fixture
def device(monkeypatch):
    need(GPU or REHEARSE, "needs a GPU", ci=False)
    if GPU:
        return torch.device("cuda")
    put_in_place(monkeypatch)
    monkeypatch.setattr(loop, "VMAP_FLOPS", float("inf"))  # copies as one program, as on a GPU
    return torch.device("cpu")


@pytest.fixture
def eagerly(device, monkeypatch):
    """A function that calls another with graphs switched off, on the same device."""

    def call(function, *arguments, **options):
        with monkeypatch.context() as patch:
            patch.setattr(graph, "used_on", lambda device: False)
            return function(*arguments, **options)

    return call


def given_noise(model, x, beta=1.0):
    """The ELBO with its noise given in the data."""
    images, noise = x["x"]
    mean, log_var = model.encode(images)
    z = mean + noise * (0.5 * log_var).exp()
    kl = vl.gaussian_kl(mean, log_var)
    return {"objective": model.likelihood(z).log_prob(images) - beta * kl, "kl": kl}


def assert_close(a, b, atol=1e-3):
    for term in a.history:
        assert np.allclose(a.history[term], b.history[term], rtol=1e-4, atol=10 * atol), term
    for one, other in zip(a.models, b.models, strict=True):
        for name, tensor in one.state_dict().items():
            assert torch.allclose(tensor.float(), other.state_dict()[name].float(), atol=atol), name


# The graph takes the steps of the eager loop


@pytest.mark.parametrize("seeds", [(3,), (3, 1, 4)])
def test_graph_and_eager_steps_agree(seeds, device, eagerly):
    """The noise is given; the learning rate and the KL's weight follow the step."""
    options = {
        "steps": 40,
        "seeds": seeds,
        "lr": vl.cosine(1e-2, 40),
        "hyper": {"beta": vl.ramp(0, 30, 1)},
    }
    recorded = vl.fit(build, given_noise, WITH_NOISE, device=device, **options)
    assert_close(
        recorded, eagerly(vl.fit, build, given_noise, WITH_NOISE, device=device, **options)
    )
    still = vl.fit(
        build, given_noise, WITH_NOISE, device=device, **{**options, "hyper": {"beta": 0.0}}
    )
    # The weight does matter.
    assert np.abs(still.history["kl"] - recorded.history["kl"]).max() > 0.1


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
def test_the_noise_of_a_replay_is_that_of_an_eager_step(seeds, device, eagerly):
    options = {"steps": 20, "seeds": seeds, "transform": vl.binarize, "device": device}
    recorded = vl.fit(build, vl.elbo, GREY, **options)
    assert_close(recorded, eagerly(vl.fit, build, vl.elbo, GREY, **options))
    # The same seed gives the same run.
    assert_close(recorded, vl.fit(build, vl.elbo, GREY, **options), atol=1e-5)


def test_copies_equal_each_model_alone(device):
    options = {"steps": 30, "lr": 1e-2, "device": device}
    together = vl.fit(
        build, given_noise, WITH_NOISE, seeds=(3, 3, 1), hyper={"beta": (0.5, 4.0, 4.0)}, **options
    )
    for copy, (seed, beta) in enumerate(((3, 0.5), (3, 4.0), (1, 4.0))):
        alone = vl.fit(
            build, given_noise, WITH_NOISE, seeds=(seed,), hyper={"beta": beta}, **options
        )
        assert np.allclose(together.history["kl"][copy], alone.history["kl"][0], atol=1e-2)
        for p, q in zip(together.models[copy].parameters(), alone.model.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-3)


def test_learning_rates_are_read_at_each_replay(device):
    """After step 4 nothing moves: the parameters are those of five steps."""
    rate = lambda step: 1e-2 if step < 5 else 0.0  # noqa: E731
    long = vl.fit(build, given_noise, WITH_NOISE, steps=20, lr=rate, device=device)
    short = vl.fit(build, given_noise, WITH_NOISE, steps=5, lr=rate, device=device)
    for p, q in zip(long.model.parameters(), short.model.parameters(), strict=True):
        assert torch.allclose(p, q, atol=1e-6)


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
def test_each_player_has_its_own_rate(seeds, device, eagerly):
    players = [
        vl.Player(lambda m: m.encoder.parameters(), given_noise, 1e-2),
        vl.Player(lambda m: m.decoder.parameters(), given_noise, lambda step: 1e-4 * (step + 1)),
    ]
    options = {"steps": 20, "seeds": seeds, "device": device}
    recorded = vl.fit(build, players, WITH_NOISE, **options)
    assert_close(recorded, eagerly(vl.fit, build, players, WITH_NOISE, **options))


def test_hyper_parameters_are_read_at_each_replay(device):
    said = lambda model, x, step, own: {  # noqa: E731
        **given_noise(model, x),
        "step": step,
        "own": own,
    }
    hyper = {"step": lambda step: step if step < 3 else step / 2, "own": (1.5, 2.5)}
    run = vl.fit(build, said, WITH_NOISE, steps=6, seeds=(0, 1), hyper=hyper, device=device)
    assert run.history["step"].tolist() == [[0, 1, 2, 1.5, 2, 2.5]] * 2
    assert run.history["own"].tolist() == [[1.5] * 6, [2.5] * 6]


def test_every_sample_is_seen_once_an_epoch(device):
    data = torch.arange(50.0)[:, None]
    objective = lambda model, x: {  # noqa: E731
        "objective": model(x)[:, 0],
        "first": x[0, 0],
        "sum": x.sum(),
    }
    run = vl.fit(
        lambda seed: nn.Linear(1, 1), objective, data, steps=20, batch_size=10, device=device
    )
    assert run.history["sum"].reshape(4, 5).sum(1).tolist() == [data.sum().item()] * 4
    assert len(set(run.history["first"][0].tolist())) > 5


# Transforms, buffers


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
def test_a_branch_in_a_transform_is_taken_again(seeds, device, eagerly):
    objective = lambda model, x: {**vl.elbo(model, x), "left": x[:, :8].mean(1)}  # noqa: E731
    runs = []
    for how in (lambda function, *given, **options: function(*given, **options), eagerly):
        random.seed(0)
        transform = lambda x: vl.binarize(flip(x))  # noqa: E731
        runs.append(
            how(
                vl.fit,
                build,
                objective,
                GREY,
                steps=30,
                seeds=seeds,
                transform=transform,
                device=device,
            )
        )
    assert_close(*runs)


def test_a_transform_whose_shape_changes_is_refused(device):
    sizes = iter([128, 128, 100])
    with pytest.raises(
        ValueError,
        match=r"the same shapes every time, at first .* got torch.float32 of shape \(100, 64\)",
    ):
        vl.fit(build, vl.elbo, BINARY, steps=9, transform=lambda x: x[: next(sizes)], device=device)


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
def test_buffers_are_those_of_the_steps(seeds, device, eagerly):
    options = {"steps": 20, "seeds": seeds, "device": device}
    recorded = vl.fit(normed, given_noise, WITH_NOISE, **options)
    assert_close(recorded, eagerly(vl.fit, normed, given_noise, WITH_NOISE, **options))
    assert all(model.encoder[1].num_batches_tracked == 20 for model in recorded.models)


# Checkpoints, interruptions, memory


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
@pytest.mark.parametrize("make", [build, normed])
def test_training_resumes_where_it_was_cut_off(make, seeds, device, tmp_path, monkeypatch):
    options = {
        "steps": 40,
        "seeds": seeds,
        "transform": vl.binarize,
        "lr": vl.cosine(1e-2, 40),
        "device": device,
    }
    whole = vl.fit(make, vl.elbo, GREY, **options)
    with monkeypatch.context() as patch, pytest.raises(vl.Interrupted, match="at step 20 of 40"):
        patch.setattr(checkpoints.Keeper, "save", stop_after(20))
        vl.fit(make, vl.elbo, GREY, checkpoint=tmp_path, **options)
    assert_close(whole, vl.fit(make, vl.elbo, GREY, checkpoint=tmp_path, **options), atol=1e-5)


@pytest.mark.parametrize("at", [2, 4])  # while it warms up, and while it is recorded
def test_a_recording_that_is_cut_off_leaves_the_model_as_it_was(at, device):
    calls = []

    def objective(model, x):
        calls.append(1)
        if len(calls) == at:
            raise KeyboardInterrupt
        return vl.elbo(model, x)

    with pytest.raises(vl.Interrupted, match="at step 0 of 20") as stop:
        vl.fit(build, objective, BINARY, steps=20, device=device)
    torch.manual_seed(0)
    model = stop.value.run.model
    for p, q in zip(model.parameters(), build(0).parameters(), strict=True):
        assert torch.equal(p, q)


def test_one_broken_copy_does_not_stop_the_others(device):
    def objective(model, x, poison):
        terms = given_noise(model, x)
        return {**terms, "objective": terms["objective"] / (1 - poison)}

    options = {"steps": 30, "device": device}
    with pytest.warns(UserWarning, match="seed 1 stopped: 'objective' is not finite at step 0"):
        run = vl.fit(
            build, objective, WITH_NOISE, seeds=(0, 1), hyper={"poison": (0.0, 1.0)}, **options
        )
    alone = vl.fit(build, given_noise, WITH_NOISE, **options)
    assert run.broken == [None, (0, "objective")]
    assert np.allclose(run.history["kl"][0], alone.history["kl"][0], atol=1e-2)


# Every objective, the games


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
@pytest.mark.parametrize("name", family.MEMBERS)
def test_every_objective_is_recorded(name, seeds, device):
    make, objective, data = family.MEMBERS[name]
    run = vl.fit(make, objective, data, steps=6, batch_size=32, seeds=seeds, device=device)
    assert run.broken == [None] * len(seeds) and all(
        np.isfinite(values).all() for values in run.history.values()
    )
    players = (
        objective if isinstance(objective, list) else [vl.Player(nn.Module.parameters, objective)]
    )
    for seed, model in zip(seeds, run.models, strict=True):
        torch.manual_seed(seed)
        born = make(seed)
        for player in players:
            moved = zip(player.parameters(model), player.parameters(born), strict=True)
            assert any(not torch.equal(p, q) for p, q in moved)


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_the_game_brings_the_codes_to_the_prior(seeds, device):
    def make(seed):
        model = vl.ImplicitVAE(
            vl.mlp(2, 32, 2, activation=nn.ReLU), vl.mlp(2, 32, 2), 2, "gaussian", scale=0.3
        )
        model.discriminator = vl.mlp(2, 32, 32, 1, activation=nn.ReLU)
        return model

    x = 2 * torch.randn(2000, 2, generator=torch.Generator().manual_seed(0)) + torch.tensor(
        [3.0, -1.0]
    )
    players = vl.aae_players(1e-3, 3e-3, betas=(0.5, 0.9))
    run = vl.fit(make, players, x, steps=600, batch_size=100, seeds=seeds, device=device)
    for seed, model in zip(seeds, run.models, strict=True):
        torch.manual_seed(seed)
        with torch.no_grad():
            before, after = make(seed).encoder(x), model.encoder(x)
        assert after.mean(0).abs().max() < 0.4 and (after.var(0) - 1).abs().max() < 0.6
        # Before training they do not match.
        assert before.mean(0).abs().max() > 0.4 or (before.var(0) - 1).abs().max() > 0.6


# Options; evaluation


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_autocast_changes_the_speed_not_the_result(seeds, device):
    options = {"steps": 20, "seeds": seeds, "device": device}
    plain = vl.fit(build, given_noise, WITH_NOISE, **options)
    half = vl.fit(build, given_noise, WITH_NOISE, autocast=torch.bfloat16, **options)
    difference = np.abs(half.history["objective"] - plain.history["objective"]).max()
    assert 0 < difference < 0.5 and half.model.decoder[0].weight.dtype == torch.float32


def test_compile_changes_the_speed_not_the_result(device):
    need(GPU, "needs a GPU: a played graph does not see compiled code", ci=False)
    need(shutil.which("cc") or shutil.which("gcc"), "torch.compile needs a C compiler", ci=False)
    options = {"steps": 20, "seeds": (0, 1), "device": device}
    compiled = vl.fit(build, given_noise, WITH_NOISE, compile=True, **options)
    assert_close(compiled, vl.fit(build, given_noise, WITH_NOISE, **options))


def test_evaluation_agrees_with_the_cpu(device):
    torch.manual_seed(0)
    model = vl.VAE(vl.mlp(64, 16, 4), vl.mlp(2, 16, 64), 2)
    x, features = BINARY[:200], torch.randn(300, 5)
    there, x_there = vl.VAE(vl.mlp(64, 16, 4), vl.mlp(2, 16, 64), 2).to(device), x.to(device)
    there.load_state_dict(model.state_dict())
    for function in (vl.activity, lambda m, x: vl.latent_moments(m, x)["second"]):
        assert torch.allclose(function(model, x), function(there, x_there).cpu(), atol=1e-5)
    assert vl.active_units(there, x_there) == vl.active_units(model, x)
    known, found = (
        vl.log_likelihood(*given, samples=2000).cpu() for given in ((model, x), (there, x_there))
    )
    assert (known - found).abs().mean() < 0.05  # the noise of 2,000 samples
    near = vl.frechet_distance(features.to(device), 1 + features.to(device)).cpu()
    assert torch.allclose(near, torch.tensor(5.0, dtype=torch.float64), atol=1e-5)
    values = torch.rand(500, 5) * torch.tensor([0, 0.5, 6.28, 1, 1]) + torch.tensor(
        [1, 0.5, 0, 0, 0]
    )
    values[:, 0] = torch.arange(500) % 3 + 1
    assert (
        vl.draw_sprites(values, 32) != vl.draw_sprites(values.to(device), 32).cpu()
    ).float().mean() < 1e-4


# Last, because of its side effects: memory that runs out while the step warms up, and while it is
# recorded


@pytest.mark.parametrize("at", [1, 4])
def test_out_of_memory_is_one_sentence_and_no_end(at, device):
    calls = []

    def objective(model, x, k):
        calls.append(1)
        if len(calls) == at:
            torch.empty(2**46, device=x.device)
        return vl.elbo(model, x)

    with pytest.raises(
        RuntimeError,
        match="fit: out of memory with batch_size=128, 1 copies and k=50 samples: 6400 ",
    ):
        vl.fit(build, objective, BINARY, steps=5, hyper={"k": 50}, device=device)
    assert np.isfinite(
        vl.fit(build, vl.elbo, BINARY, steps=5, device=device).history["objective"]
    ).all()
