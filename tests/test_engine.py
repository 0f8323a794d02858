"""The engine behind `fit`: copies, players, streams, checkpoints, and failures."""

import math
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import pytest
import torch
from conftest import need
from test_graph import stop_after
from torch.func import functional_call, stack_module_state, vmap
from torch.utils._python_dispatch import TorchDispatchMode
from trust import mean_and_error

import vaelib as vl
from vaelib import batches, checkpoints, copies, loop


@pytest.fixture
def together(monkeypatch):
    """Copies as one program, whatever their size."""
    monkeypatch.setattr(loop, "VMAP_FLOPS", float("inf"))


@pytest.fixture
def apart(monkeypatch):
    """Copies one after another."""
    monkeypatch.setattr(loop, "VMAP_FLOPS", 0)


def build(seed):
    return vl.VAE(vl.mlp(64, 16, 4), vl.mlp(2, 16, 64), 2)


def given_noise(model, x, beta=1.0):
    """The ELBO with its noise in the data, so that two ways of running it can be compared."""
    images, noise = x["x"]
    mean, log_var = model.encode(images)
    z = mean + noise * (0.5 * log_var).exp()
    reconstruction = model.likelihood(z).log_prob(images)
    kl = vl.gaussian_kl(mean, log_var)
    return {"objective": reconstruction - beta * kl, "kl": kl}


@pytest.fixture(scope="module")
def data():
    images = vl.digits("fixed").train
    return {"x": (images, torch.randn(len(images), 2, generator=torch.Generator().manual_seed(0)))}


def train(data, **options):
    return vl.fit(build, given_noise, data, **{"steps": 20, "seeds": (3, 1, 4), **options})


def assert_close(a, b, **tolerance):
    for one, other in zip(a.models, b.models, strict=True):
        for p, q in zip(one.parameters(), other.parameters(), strict=True):
            assert torch.allclose(p, q, **{"atol": 1e-5, **tolerance})


# Copies


def test_copies_equal_each_model_alone(data, monkeypatch):
    monkeypatch.setattr(loop, "VMAP_FLOPS", float("inf"))
    one_program = train(data)
    monkeypatch.setattr(loop, "VMAP_FLOPS", 0)
    alone = train(data)
    assert_close(one_program, alone)
    assert np.allclose(one_program.history["kl"], alone.history["kl"], atol=1e-4)
    # The copies do differ.
    assert np.abs(alone.history["kl"][0] - alone.history["kl"][1]).max() > 1e-3


@pytest.mark.parametrize("flops", [float("inf"), 0], ids=["together", "apart"])
def test_a_hyper_parameter_may_differ_between_copies(data, flops, monkeypatch):
    monkeypatch.setattr(loop, "VMAP_FLOPS", flops)
    grid = train(data, seeds=(0, 0, 1), hyper={"beta": (0.5, 4.0, 4.0)})
    for copy, seed, beta in ((0, 0, 0.5), (1, 0, 4.0), (2, 1, 4.0)):
        alone = train(data, seeds=(seed,), hyper={"beta": beta})
        assert np.allclose(grid.history["kl"][copy], alone.history["kl"][0], atol=1e-4)
    with pytest.raises(ValueError, match="beta must have one value, or 3 for 3 seeds, got 2"):
        train(data, hyper={"beta": (1.0, 2.0)})


@pytest.mark.parametrize("kind", [tuple, list, np.array, torch.tensor])
def test_whole_numbers_of_copies_stay_whole(kind):
    """k cannot be a tensor, so that the copies are trained one after another."""
    images = vl.digits("fixed").train
    options = {"steps": 3, "lr": 1e-3}
    with pytest.warns(UserWarning, match="the copies are trained one after another"):
        both = vl.fit(build, vl.iwae, images, seeds=(0, 0), hyper={"k": kind([1, 5])}, **options)
    alone = vl.fit(build, vl.iwae, images, seeds=(0,), hyper={"k": 5}, **options)
    assert np.array_equal(both.history["objective"][1], alone.history["objective"][0])
    with pytest.raises(ValueError, match="fit: k must be a number for each seed, got 'five'"):
        vl.fit(build, vl.iwae, images, seeds=(0, 0), hyper={"k": (1, "five")}, **options)


def test_a_schedule_reaches_all_copies(data, together):
    warm = train(data, hyper={"beta": lambda step: step / 20})
    alone = train(data, seeds=(1,), hyper={"beta": lambda step: step / 20})
    assert np.allclose(warm.history["objective"][1], alone.history["objective"][0], atol=1e-3)


def test_every_copy_has_an_order_of_its_own():
    images = {"x": [torch.arange(40)]}

    def order(*seeds):
        made = batches.Batches(images, False, 20, None, seeds)
        parts = []
        for _ in range(4):  # two epochs
            made.shuffle()
            parts.append(made.next())
        return torch.cat(parts, -1)

    both = order(5, 6)
    assert torch.equal(both[0], order(5)) and torch.equal(both[1], order(6))
    assert not torch.equal(both[0], both[1]) and not torch.equal(both[0, :40], both[0, 40:])


def test_a_transform_sees_the_images_of_one_copy_and_draws_noise_for_each():
    """Copies trained together: the mean is over a copy's own batch, the noise is not shared."""
    images = {"x": [torch.arange(40.0)[:, None].expand(40, 3)]}
    index = {"x": torch.tensor([[0, 1, 2, 3], [10, 20, 30, 39]])}

    def centred(x):
        assert x.shape == (4, 3)  # images of one copy
        return x - x.mean(0)

    stacked = batches.Batches(images, False, 4, centred, (0, 1)).at(index)
    for i in range(2):
        alone = batches.Batches(images, False, 4, centred, (i,)).at({"x": index["x"][i : i + 1]})
        assert torch.equal(stacked[i], alone)
    grey = {"x": [torch.full((40, 3), 0.5)]}
    drawn = batches.Batches(grey, False, 40, vl.binarize, (0, 1))
    drawn.shuffle()
    one, other = drawn.next()
    assert not torch.equal(one, other) and set(one.unique().tolist()) == {0.0, 1.0}
    both = {"a": [torch.arange(6), torch.arange(6)], "b": [torch.arange(9)]}
    made = batches.Batches(both, True, 2, None, (0,))
    made.shuffle()
    batch = made.next()
    assert batch["a"][0].shape == batch["b"].shape == (2,) and torch.equal(*batch["a"])


def test_without_given_noise_the_spread_over_seeds_agrees(monkeypatch):
    images, last = vl.digits("dynamic").train, {}
    for name, flops in (("together", float("inf")), ("apart", 0)):
        monkeypatch.setattr(loop, "VMAP_FLOPS", flops)
        run = vl.fit(
            build, vl.elbo, images, steps=150, lr=3e-3, seeds=range(12), transform=vl.binarize
        )
        last[name] = run.history["objective"][:, -30:].mean(1)
    (a, sa), (b, sb) = (mean_and_error(values) for values in last.values())
    assert abs(a - b) < 4 * np.hypot(sa, sb)
    assert 1 / 4 < last["together"].std() / last["apart"].std() < 4
    # No two copies share noise or initial weights.
    assert len(set(np.round(last["together"], 6))) == 12


def test_small_models_run_as_one_program_on_a_cpu_and_large_ones_do_not(monkeypatch):
    groups = []
    monkeypatch.setattr(loop.Job, "train", lambda self, resume: groups.append(len(self.models)))
    images = vl.digits("fixed").train
    vl.fit(build, vl.elbo, images, steps=1, seeds=(0, 1), device="cpu")
    wide = lambda seed: vl.VAE(vl.mlp(64, 2000, 4), vl.mlp(2, 2000, 64), 2)  # noqa: E731
    vl.fit(wide, vl.elbo, images, steps=1, seeds=(0, 1), device="cpu")
    vl.fit(build, vl.elbo, images, steps=1, seeds=(0, 1), hyper={"k": 500}, device="cpu")
    assert groups == [2, 1, 1, 1, 1]


# Players and streams


def test_no_player_moves_what_belongs_to_another(data):
    whole = lambda model, x: given_noise(model, x)  # noqa: E731
    idle = lambda model, x: {  # noqa: E731
        "objective": sum((p * 0).sum() for p in model.parameters()),
    }
    players = [
        vl.Player(lambda m: m.decoder.parameters(), whole, lr=1e-2),
        vl.Player(lambda m: m.encoder.parameters(), idle),
    ]
    start = build(torch.manual_seed(0) and 0)
    run = vl.fit(build, players, data, steps=5)
    for name, p in run.model.named_parameters():
        same = torch.equal(p, dict(start.named_parameters())[name])
        assert same == name.startswith("encoder"), name
    assert set(run.history) == {"objective", "kl", "objective/1"}


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_players_take_turns(seeds, data, together):
    """Two players with one objective and together all parameters: not the same as one step."""
    players = [
        vl.Player(lambda m: m.decoder.parameters(), given_noise, lr=1e-2),
        vl.Player(lambda m: m.encoder.parameters(), given_noise, lr=1e-2),
    ]
    game = vl.fit(build, players, data, steps=5, seeds=seeds)
    first = game.history["objective"][:, 0]
    # The encoder's update already sees the decoder's step.
    assert (game.history["objective/1"][:, 0] > first).all()


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_a_player_may_have_an_adam_of_its_own(seeds, data, together):
    wanted = {"betas": (0.5, 0.9), "eps": 1e-2}
    player = vl.Player(torch.nn.Module.parameters, given_noise, 1e-2, wanted)
    size = len(data["x"][0])
    run = vl.fit(build, [player], data, steps=3, batch_size=size, seeds=seeds)
    for seed, model in zip(seeds, run.models, strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            byhand = build(seed)
        adam = torch.optim.Adam(byhand.parameters(), 1e-2, **wanted)
        for _ in range(3):
            adam.zero_grad()
            (-given_noise(byhand, data)["objective"].mean()).backward()
            adam.step()
        for p, q in zip(model.parameters(), byhand.parameters(), strict=True):
            assert torch.allclose(p, q, atol=1e-6)


def test_streams_keep_together_what_belongs_together():
    seen = []

    def objective(model, x):
        images, labels = x["labelled"]
        seen.append((images[:, 0], labels, x["more"][:, 0]))
        return {"objective": model(images).sum(1)}

    n = torch.arange(30.0)
    streams = {"labelled": (n[:, None], n.long()), "more": torch.arange(90.0)[:, None]}
    vl.fit(lambda seed: torch.nn.Linear(1, 1), objective, streams, steps=9, batch_size=10)
    assert all(torch.equal(images.long(), labels) for images, labels, _ in seen)
    assert sorted(torch.cat([more for _, _, more in seen]).tolist()) == list(range(90))
    assert sorted(torch.cat([labels for _, labels, _ in seen[:3]]).tolist()) == list(range(30))
    with pytest.raises(
        ValueError,
        match=r"data\['labelled'\] must contain tensors of equal length, got 30 and 29",
    ):
        vl.fit(lambda seed: None, objective, {"labelled": (n, n[1:])}, steps=1, batch_size=10)


# Failures


def test_ctrl_c_stops_the_copies_that_wait_as_well(data, apart):
    calls = []

    def objective(model, x):
        calls.append(1)
        if len(calls) == 30:
            raise KeyboardInterrupt
        return given_noise(model, x)

    with pytest.raises(vl.Interrupted, match="interrupted at step 8 of 20"):
        vl.fit(build, objective, data, steps=20, seeds=(0, 1, 2))
    run = vl.interrupted_run()
    assert len(run.models) == 2 and run.history["kl"].shape == (2, 20) and len(run.broken) == 2
    assert np.isfinite(run.history["kl"][0]).all() and np.isnan(run.history["kl"][1, 10:]).all()


def test_one_broken_copy_does_not_stop_the_others(data, together):
    def objective(model, x, poison):
        terms = given_noise(model, x)
        return {**terms, "objective": terms["objective"] / (1 - poison)}

    with pytest.warns(UserWarning, match="seed 1 stopped: 'objective' is not finite at step 0"):
        run = vl.fit(
            build, objective, data, steps=20, seeds=(0, 1, 2), hyper={"poison": (0.0, 1.0, 0.0)}
        )
    assert run.broken[1] == (0, "objective") and run.broken[0] is None and run.broken[2] is None
    alone = train(data, seeds=(0,))
    assert np.isfinite(run.history["objective"][[0, 2]]).all()
    assert np.allclose(run.history["kl"][0], alone.history["kl"][0], atol=1e-4)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_out_of_memory_says_what_did_not_fit(error, data):
    def objective(model, x, k):
        raise error

    with pytest.raises(
        RuntimeError, match="of memory with batch_size=128, 1 copies and k=50 samples: 6400 decoded"
    ):
        vl.fit(build, objective, data, steps=1, hyper={"k": 50})


@pytest.mark.parametrize(
    ("hyper", "said"),
    [
        ({}, "2 copies and k=1 samples: 32 decoded images per step"),
        ({"k": 3}, "2 copies and k=3 samples: 96 decoded images per step"),
        ({"k": (3, 5)}, r"2 copies and k=\(3, 5\) samples: 32 decoded images per step"),
    ],
)
def test_out_of_memory_counts_the_decoded_images(hyper, said, monkeypatch):
    def objective(model, x, k=1):
        if torch._C._functorch.is_batchedtensor(next(model.parameters())):
            raise torch.OutOfMemoryError("CUDA out of memory.\nmore lines")
        return vl.elbo(model, x)

    images = vl.digits("fixed").train
    monkeypatch.setattr(loop, "VMAP_FLOPS", math.inf)
    with pytest.raises(RuntimeError, match=rf"batch_size=16, {said}.*\(CUDA out of memory\.\)$"):
        vl.fit(build, objective, images, steps=1, seeds=(0, 1), batch_size=16, hyper=hyper)


# Options


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_autocast_and_compile_change_the_speed_not_the_result(seeds, data, together):
    plain = train(data, seeds=seeds)
    half = train(data, seeds=seeds, autocast=torch.bfloat16)
    assert half.models[0].decoder[0].weight.dtype == torch.float32  # the parameters are unchanged
    difference = np.abs(half.history["objective"] - plain.history["objective"]).max()
    assert 0 < difference < 0.5  # bfloat16 keeps 8 bits: about 1 in 256 of some 40 nats
    need(
        shutil.which("g++") or shutil.which("clang++"),
        "torch.compile needs a C++ compiler",
        ci=False,
    )
    assert_close(train(data, seeds=seeds, compile=True), plain, atol=1e-4)


def test_a_checkpoint_is_written_when_a_minute_has_passed(data, tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(
        checkpoints, "write", lambda file, tensors, state: written.append(state["step"])
    )
    train(data, seeds=(0,), steps=60, checkpoint=tmp_path)
    assert written == list(range(3, 61, 3))
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0)
    written.clear()
    train(data, seeds=(0,), steps=60, checkpoint=tmp_path)
    assert written == list(range(1, 61))


# Checkpoints


@pytest.mark.parametrize("seeds", [(0,), (0, 1)])
def test_training_resumes_where_it_was_cut_off(seeds, tmp_path, together, monkeypatch):
    images = vl.digits("dynamic").train

    def run(**options):
        return vl.fit(
            build, vl.elbo, images, steps=200, seeds=seeds, transform=vl.binarize, **options
        )

    whole = run()
    with monkeypatch.context() as patch, pytest.raises(vl.Interrupted, match="at step 130"):
        patch.setattr(checkpoints.Keeper, "save", stop_after(130))
        run(checkpoint=tmp_path)
    resumed = run(checkpoint=tmp_path)
    for term in whole.history:
        assert np.array_equal(whole.history[term], resumed.history[term])
    assert_close(whole, resumed, atol=0, rtol=0)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}
    with pytest.warns(
        UserWarning, match="already complete and was loaded from .*, nothing was trained"
    ):
        again = run(checkpoint=tmp_path)
    assert_close(whole, again, atol=0, rtol=0)
    assert before == {file: file.stat().st_mtime_ns for file in tmp_path.iterdir()}


SCRIPT = textwrap.dedent("""
    import sys, torch, vaelib as vl
    torch.set_num_threads(1)
    def build(seed):
        return vl.VAE(vl.mlp(64, 32, 8), vl.mlp(4, 32, 64), 4)
    def objective(model, x, step):
        if step % 50 == 0:
            print("step", step, flush=True)
        return vl.elbo(model, x)
    run = vl.fit(build, objective, vl.digits("dynamic").train, steps=1500, transform=vl.binarize,
                 hyper={"step": lambda step: step}, checkpoint=sys.argv[1])
    torch.save([run.history["objective"], [p.detach() for p in run.model.parameters()]],
               sys.argv[2])
""")


@pytest.mark.slow
def test_kill_minus_nine_loses_at_most_one_interval(tmp_path):
    """Kills at random moments; KILLS=20 for a longer soak."""
    random.seed(0)

    def start(folder):
        command = [
            sys.executable,
            "-c",
            SCRIPT,
            str(tmp_path / folder),
            str(tmp_path / f"{folder}.pt"),
        ]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "TQDM_DISABLE": "1"}
        )

    whole = start("whole")
    for _ in range(int(os.environ.get("KILLS", "3"))):
        victim, reached = start("killed"), 0
        stop = random.randrange(100, 1400)
        for line in victim.stdout:
            reached = int(line.split()[1])
            if reached >= stop:
                break
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        files = list((tmp_path / "killed").glob("*.safetensors"))
        # An interval is 75 steps; that the file can be read is checked below.
        assert reached < 75 or len(files) == 1
        for file in files:
            with checkpoints.safe_open(file, "pt") as stored:
                stored.keys()
    assert start("killed").wait() == 0 and whole.wait() == 0
    (history, weights), (history_killed, weights_killed) = (
        torch.load(tmp_path / f"{name}.pt", weights_only=False) for name in ("whole", "killed")
    )
    assert np.array_equal(history, history_killed)
    assert all(torch.equal(p, q) for p, q in zip(weights, weights_killed, strict=True))


def test_a_full_disk_keeps_the_last_good_checkpoint(data, tmp_path, monkeypatch):
    real, calls = checkpoints.save_file, []

    def full(tensors, path, metadata):
        calls.append(path)
        if len(calls) > 3:
            open(path, "wb").close()
            raise OSError(28, "No space left on device")
        return real(tensors, path, metadata)

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(
        RuntimeError, match="written .No space left on device.; the previous file is unchanged"
    ):
        train(data, steps=40, seeds=(0,), checkpoint=tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["copy-0.safetensors"]
    monkeypatch.setattr(checkpoints, "save_file", real)
    assert_close(
        train(data, steps=40, seeds=(0,), checkpoint=tmp_path),
        train(data, steps=40, seeds=(0,)),
        atol=0,
    )


def test_a_folder_that_cannot_be_made(data, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RuntimeError, match="cannot be written .*; no file was written"):
        train(data, seeds=(0,), checkpoint=tmp_path / "file" / "deeper")


def test_a_checkpoint_of_another_run_is_refused(data, tmp_path):
    train(data, seeds=(0,), checkpoint=tmp_path)
    with pytest.raises(
        ValueError, match="was made with steps=20, now steps=30; use resume=False or another folder"
    ):
        train(data, steps=30, seeds=(0,), checkpoint=tmp_path)
    assert train(data, steps=30, seeds=(0,), checkpoint=tmp_path, resume=False).history[
        "kl"
    ].shape == (1, 30)
    (tmp_path / "copy-0.safetensors").write_bytes(b"not a checkpoint")
    with pytest.raises(RuntimeError, match="cannot be read"):
        train(data, steps=30, seeds=(0,), checkpoint=tmp_path)


def test_a_checkpoint_with_other_hyper_parameters_is_refused(data, tmp_path):
    train(data, seeds=(0,), checkpoint=tmp_path, hyper={"beta": lambda step: 1.0 + step})
    # The same hyper-parameters: resumed.
    train(data, seeds=(0,), checkpoint=tmp_path, hyper={"beta": lambda step: 1.0 + step})
    with pytest.raises(ValueError, match="was made with hyper="):
        train(data, seeds=(0,), checkpoint=tmp_path, hyper={"beta": lambda step: 1.0 + 2 * step})
    with pytest.raises(ValueError, match="was made with lr="):
        train(
            data, seeds=(0,), checkpoint=tmp_path, hyper={"beta": lambda step: 1.0 + step}, lr=1e-2
        )


def test_copies_with_the_same_seed_keep_their_own_checkpoints(data, tmp_path, apart):
    grid = {"seeds": (0, 0), "hyper": {"beta": (0.5, 4.0)}}
    kept, plain = train(data, checkpoint=tmp_path, **grid), train(data, **grid)
    assert_close(kept, plain, atol=0, rtol=0)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "copy-0.safetensors",
        "copy-1.safetensors",
    ]
    assert_close(train(data, checkpoint=tmp_path, **grid), plain, atol=0, rtol=0)


# Capturable: no objective may read a value on the host


class NoHostSync(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func in (torch.ops.aten._local_scalar_dense.default, torch.ops.aten.nonzero.default):
            raise AssertionError(f"{func} waits for the device: it cannot be captured in a graph")
        return func(*args, **(kwargs or {}))


OBJECTIVES = {
    "elbo": vl.elbo,
    "elbo, k = 3": lambda model, x: vl.elbo(model, x, k=3),
    "elbo, sampled": lambda model, x: vl.elbo(model, x, kl="sampled"),
    "iwae": lambda model, x: vl.iwae(model, x, 3),
    "iwae, stl": lambda model, x: vl.iwae(model, x, 3, "stl"),
    "iwae, dreg": lambda model, x: vl.iwae(model, x, 3, "dreg"),
    "info_vae": lambda model, x: vl.info_vae(model, x, 0.5, 10, partial(vl.mmd, kernel=imq)),
    "mmd_vae": lambda model, x: vl.mmd_vae(
        model, x, 10, partial(vl.gaussian_kernel, bandwidth=1.0)
    ),
    "vim": lambda model, x: vl.vim(model, x, 10, imq),
    "vim, logistic": lambda model, x: vl.vim(model, x, 10, imq),
}
ONE_LAYER = ("elbo", "elbo, k = 3", "info_vae", "mmd_vae", "vim", "vim, logistic")


def imq(x, y):
    return vl.imq_kernel(x, y, (1.0, 4.0))


def one_layer(likelihood, **options):
    scale = {"scale": "learned"} if likelihood == "gaussian" else {}
    return vl.VAE(vl.mlp(6, 4), vl.mlp(2, 6), 2, likelihood, **scale, **options)


def two_layers(likelihood):
    return vl.TwoLayerVAE(
        vl.mlp(6, 4), vl.mlp(2, 4), vl.mlp(2, 4), vl.mlp(2, 6), (2, 2), likelihood
    )


CASES = [
    (name, make)
    for name in OBJECTIVES
    for make in (one_layer, two_layers)
    if make is one_layer or name not in ONE_LAYER
]  # with two layers there is no analytic KL, and codes are pairs


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
@pytest.mark.parametrize(("name", "make"), CASES)
def test_objectives_can_be_captured(name, make, likelihood):
    options = {"prior": vl.logistic_unit_variance} if "logistic" in name else {}
    models = [make(likelihood, **options) for _ in range(3)]
    x = torch.rand(3, 5, 6).round()
    wrapped = copies.Objective(models[0], OBJECTIVES[name])
    params, buffers = stack_module_state(models)

    def one(params, buffers, x):
        return functional_call(
            wrapped, {f"model.{n}": t for n, t in (params | buffers).items()}, (x, {})
        )

    with NoHostSync():
        alone = wrapped(x[0], {})
        alone["objective"].backward()
        together = vmap(one, randomness="different")(params, buffers, x)
        torch.autograd.grad(together["objective"].sum(), list(params.values()))
    with pytest.raises(AssertionError, match="waits for the device"), NoHostSync():
        alone["objective"].item()
