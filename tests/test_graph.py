"""The GPU code path of `fit`, on the CPU with emulated graphs (fake_graph.py).

test_gpu.py runs real ones.
"""

import random

import numpy as np
import pytest
import torch
from fake_graph import put_in_place

import vaelib as vl
from vaelib import checkpoints, graph, loop

X = vl.digits("dynamic").train
PLAIN = vl.digits("fixed").train


@pytest.fixture
def compare(monkeypatch):
    """A function that trains by the same call eagerly and with an emulated graph: the two runs."""
    monkeypatch.setattr(loop, "VMAP_FLOPS", float("inf"))

    def both(*arguments, **options):
        runs = []
        for played in (False, True):
            random.seed(0)
            with monkeypatch.context() as patch:
                if played:
                    put_in_place(patch)
                runs.append(vl.fit(*arguments, **options))
        return runs

    return both


@pytest.fixture
def played(monkeypatch):
    put_in_place(monkeypatch)


def build(seed):
    return vl.VAE(vl.mlp(64, 16, 4), vl.mlp(2, 16, 64), 2)


def assert_same(eager, recorded):
    for term in eager.history:
        assert np.allclose(eager.history[term], recorded.history[term], rtol=1e-5, atol=1e-4), term
    for one, other in zip(eager.models, recorded.models, strict=True):
        for name, tensor in one.state_dict().items():
            assert torch.allclose(tensor.float(), other.state_dict()[name].float(), atol=1e-5), name


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
def test_a_graph_takes_the_steps_of_the_eager_loop(seeds, compare):
    """Over two epochs, binarized inside the graph, with a learning rate and a weight that vary."""
    options = {
        "transform": vl.binarize,
        "lr": lambda step: 1e-2 / (1 + step),
        "hyper": {"beta": lambda step: step / 9},
    }
    assert_same(*compare(build, vl.beta_vae, X, steps=30, seeds=seeds, **options))


def test_what_is_recorded_is_frozen():
    """The emulation shows the mistakes of a real graph: a branch in Python is taken once."""
    monkeypatch, calls = pytest.MonkeyPatch(), []

    def objective(model, x):
        calls.append(len(calls))
        return {**vl.elbo(model, x), "call": torch.zeros(()) + len(calls)}

    with monkeypatch.context() as patch:
        put_in_place(patch)
        run = vl.fit(build, objective, PLAIN, steps=5)
        # Three calls warm up, one is recorded.
        assert len(calls) == 4 and run.history["call"].tolist() == [[4.0] * 5]

        def asks(model, x):
            return {"objective": vl.elbo(model, x)["objective"] * float(x.mean())}

        with pytest.raises(RuntimeError, match="operation not permitted when stream is capturing"):
            vl.fit(build, asks, PLAIN, steps=5)


def flip(x):
    return x.flip(-1) if random.random() < 0.5 else x


def two_parts(x):
    return {"images": x, "parts": (x[:, :32], x[:, 32:])}


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
def test_a_branch_in_a_transform_is_taken_again_at_each_step(seeds, compare):
    seen = lambda model, x: {**vl.elbo(model, x), "left": x[:, :8].mean(1)}  # noqa: E731
    eager, recorded = compare(build, seen, PLAIN, steps=30, seeds=seeds, transform=flip)
    assert_same(eager, recorded)
    again = lambda x: vl.binarize(flip(x))  # noqa: E731  random numbers of torch's as well
    assert_same(*compare(build, seen, X, steps=30, seeds=seeds, transform=again))


def test_a_transform_runs_once_a_step(played):
    calls = []

    def transform(x):
        calls.append(1)
        return x

    vl.fit(build, vl.elbo, PLAIN, steps=7, transform=transform)
    assert len(calls) == 1 + 7  # the first: `fit` looks at what it returns


def test_a_transform_may_return_tuples_and_dicts(compare):
    objective = lambda model, x: {  # noqa: E731
        **vl.elbo(model, x["images"]),
        "right": x["parts"][1].mean(1),
    }
    assert_same(
        *compare(build, objective, {"x": PLAIN}, steps=20, transform=lambda x: two_parts(x["x"]))
    )


def test_only_the_librarys_own_transform_is_recorded(played, monkeypatch):
    refilled, refill = [], graph.refill
    monkeypatch.setattr(graph, "refill", lambda *given: refilled.append(1) or refill(*given))
    for transform, times in ((None, 0), (vl.binarize, 0), (lambda x: vl.binarize(x), 5)):
        refilled.clear()
        vl.fit(build, vl.elbo, PLAIN, steps=5, transform=transform)
        assert len(refilled) == times


def test_a_transform_whose_shape_changes_is_refused(played):
    sizes = iter([128, 128, 128, 100])
    shapes = r"at first torch.float32 of shape \(128, 64\), got torch.float32 of shape \(100, 64\)"
    with pytest.raises(
        ValueError, match="on a GPU transform must return the same shapes every time, " + shapes
    ):
        vl.fit(build, vl.elbo, PLAIN, steps=9, transform=lambda x: x[: next(sizes)])
    with pytest.raises(
        ValueError, match="fit: on a GPU transform must return tensors, in tuples or dicts, got 3"
    ):
        vl.fit(build, vl.elbo, {"x": PLAIN}, steps=9, transform=lambda x: {"x": x, "n": 3})


def test_refill_writes_in_place_and_holds_its_own():
    batch = {"x": torch.zeros(2, 3), "y": (torch.zeros(2, dtype=torch.long),)}
    held = graph.refill(None, batch)
    assert held["x"] is not batch["x"]
    fresh = {"x": torch.ones(2, 3), "y": (torch.ones(2, dtype=torch.long),)}
    assert graph.refill(held, fresh) is held and held["x"].all() and held["y"][0].all()
    for other in (
        {"x": fresh["x"]},
        {**fresh, "y": (torch.ones(2),)},
        {**fresh, "x": torch.ones(2, 4)},
    ):
        with pytest.raises(ValueError, match="the same shapes every time"):
            graph.refill(held, other)


def test_each_player_has_its_own_learning_rate(compare):
    encoder, decoder = (lambda m: m.encoder.parameters()), (lambda m: m.decoder.parameters())
    players = [
        vl.Player(encoder, vl.elbo, 1e-2),
        vl.Player(decoder, vl.elbo, lambda step: 1e-4 * (step + 1)),
    ]
    assert_same(*compare(build, players, PLAIN, steps=20))


def test_a_schedule_may_begin_with_a_whole_number(compare):
    options = {"hyper": {"beta": lambda step: 1 if step < 3 else 0.5}}
    assert_same(*compare(build, vl.beta_vae, PLAIN, steps=10, **options))


# Buffers: BatchNorm's running mean is changed by the warm-up, too


def normed(seed):
    # No bias below: BatchNorm removes it, so its gradient is rounding noise, which Adam amplifies.
    encoder = torch.nn.Sequential(
        torch.nn.Linear(64, 16, bias=False), torch.nn.BatchNorm1d(16), vl.mlp(16, 4)
    )
    return vl.VAE(encoder, vl.mlp(2, 16, 64), 2)


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
def test_buffers_are_those_of_the_steps(seeds, compare):
    eager, recorded = compare(normed, vl.elbo, PLAIN, steps=20, seeds=seeds)
    assert_same(eager, recorded)
    for model in (*eager.models, *recorded.models):
        assert model.encoder[1].num_batches_tracked == 20


@pytest.mark.parametrize("seeds", [(3,), (3, 1)])
@pytest.mark.parametrize("road", ["eager", "played"])
def test_buffers_are_in_the_checkpoint(seeds, road, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "VMAP_FLOPS", float("inf"))
    if road == "played":
        put_in_place(monkeypatch)
    whole = vl.fit(normed, vl.elbo, PLAIN, steps=20, seeds=seeds)

    with monkeypatch.context() as patch, pytest.raises(vl.Interrupted, match="at step 10"):
        patch.setattr(checkpoints.Keeper, "save", stop_after(10))
        vl.fit(normed, vl.elbo, PLAIN, steps=20, seeds=seeds, checkpoint=tmp_path)
    resumed = vl.fit(normed, vl.elbo, PLAIN, steps=20, seeds=seeds, checkpoint=tmp_path)
    assert_same(whole, resumed)
    for model in resumed.models:
        assert model.encoder[1].num_batches_tracked == 20


def stop_after(step, save=checkpoints.Keeper.save):
    """Saves as `fit` does, and is interrupted at a step."""

    def stopped(keeper):
        save(keeper)
        if keeper.job.step == step:
            raise KeyboardInterrupt

    return stopped


def test_a_recording_that_is_cut_off_leaves_the_model_as_it_was(played):
    calls = []

    def objective(model, x):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return vl.elbo(model, x)

    with pytest.raises(vl.Interrupted, match="at step 0") as stop:
        vl.fit(build, objective, PLAIN, steps=20)
    run = stop.value.run
    torch.manual_seed(0)
    for p, q in zip(run.model.parameters(), build(0).parameters(), strict=True):
        assert torch.equal(p, q)
    assert run.history == {}
