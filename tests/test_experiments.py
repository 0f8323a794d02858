"""Receipts and the runner: nothing that is stale is used, nothing is lost, nothing is done twice."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from conftest import need, need_data

import vaelib as vl
from vaelib import receipts

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
from book.experiments import runner  # noqa: E402

RECEIPT = {
    "experiment": "e", "id": "a", "version": 1, "config": {"k": 5},
    "results": {"nll": receipts.summary([86.5, 87.0, 87.5], "nats")}, "data": {"MNIST": "ab"}, "device": "CPU",
    "seconds": 3.5, "versions": {"torch": "2"}, "commit": "unknown", "command": "python", "date": "2026-01-31",
}  # fmt: skip
PLAN = {
    "experiment": "e", "version": 1, "claim": "c", "command": "python", "rows": [
        {"id": "a", "title": "A", "config": {"k": 5}, "paper": {}, "needs_gpu": False},
        {"id": "b", "title": "B", "config": {"k": 50}, "paper": {}, "needs_gpu": True}],
}  # fmt: skip


@pytest.fixture
def recorded(tmp_path):
    receipts.write_json(PLAN, tmp_path / "e" / "plan.json")
    receipts.write(RECEIPT, tmp_path)
    return tmp_path


# Receipts


def test_a_receipt_is_read_as_it_was_written(recorded):
    a, b = receipts.rows("e", recorded)
    assert (a["state"], a["receipt"]) == ("run", RECEIPT) and (b["state"], b["receipt"]) == ("not run", None)
    assert receipts.result("e", "a", "nll", recorded)["mean"] == 87.0
    assert receipts.show(a["receipt"]["results"]["nll"]) == "87.00 ± 0.50"
    assert receipts.show(receipts.summary([86.5])) == "86.50" and receipts.experiments(recorded) == ["e"]


@pytest.mark.parametrize("change", [{"version": 2}, {"rows": [PLAN["rows"][0] | {"config": {"k": 6}}]}])
def test_what_no_longer_matches_is_stale_and_not_used(change, recorded):
    receipts.write_json(PLAN | change, recorded / "e" / "plan.json")
    assert receipts.rows("e", recorded)[0]["state"] == "stale"
    with pytest.raises(LookupError, match="e, row 'a' is stale; only run ones are used"):
        receipts.result("e", "a", "nll", recorded)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("e", "b", "nll"), "row 'b' is not run"),
        (("e", "c", "nll"), "no row 'c'; its rows are a, b"),
        (("e", "a", "fid"), "no 'fid'; it has nll"),
    ],
)
def test_what_is_not_there_is_named(asked, message, recorded):
    with pytest.raises(LookupError, match=message):
        receipts.result(*asked, recorded)
    with pytest.raises(ValueError, match="no experiment 'f'; those recorded are e"):
        receipts.rows("f", recorded)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": "3"}, "seconds"),
        ({"date": "yesterday"}, "date"),
        ({"more": 1}, "more"),
        ({"results": {}}, "results"),
        ({"results": {"nll": RECEIPT["results"]["nll"] | {"mean": 86.0}}}, "mean and sd of nll are not those of"),
        ({"results": {"nll": RECEIPT["results"]["nll"] | {"sd": 0.1}}}, "mean and sd of nll are not those of"),
        ({"results": {"nll": RECEIPT["results"]["nll"] | {"values": [1.0, float("nan")]}}}, "finite numbers"),
    ],
)
def test_an_invalid_receipt_is_neither_written_nor_read(change, message, recorded):
    before = sorted((p.name, p.read_bytes()) for p in (recorded / "e").iterdir())
    with pytest.raises(ValueError, match=message):
        receipts.write(RECEIPT | change, recorded)
    assert sorted((p.name, p.read_bytes()) for p in (recorded / "e").iterdir()) == before
    (recorded / "e" / "a.json").write_text(json.dumps(RECEIPT | change))
    with pytest.raises(ValueError, match="a.json is not valid"):
        receipts.rows("e", recorded)
    missing = {key: value for key, value in RECEIPT.items() if key != "commit"}
    with pytest.raises(ValueError, match="'commit' is a required property"):
        receipts.write(missing, recorded)


def test_a_failed_write_leaves_the_old_receipt(recorded, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = (recorded / "e" / "a.json").read_bytes()
    monkeypatch.setattr(receipts.os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        receipts.write(RECEIPT, recorded)
    assert (recorded / "e" / "a.json").read_bytes() == before
    assert sorted(p.name for p in (recorded / "e").iterdir()) == ["a.json", "plan.json"]


@pytest.mark.parametrize("name", runner.names())
def test_the_books_plans_are_those_of_its_programs(name):
    assert receipts.plan(name) == runner.plan(name), f"run: python -m book.experiments {name} --list"


@pytest.mark.parametrize("name", receipts.experiments())
def test_the_books_receipts_are_valid_and_clean(name):
    assert name in runner.names()
    rows = receipts.rows(name)
    files = {p.stem for p in (receipts.folder() / name).glob("*.json")} - {"plan"}
    assert files <= {row["id"] for row in rows}, "a receipt without a row in the plan"
    for row in rows:
        if row["receipt"]:
            text = json.dumps(row["receipt"])
            assert "+changes" not in text and "unknown" not in row["receipt"]["commit"], row["id"]
            assert str(Path.home()) not in text and "/work" not in text and "/tmp" not in text


def test_every_experiment_stands_on_the_receipts_page():
    page = (ROOT / "book" / "receipts.md").read_text(encoding="utf-8")
    for name in runner.names():
        assert f"\n## {name}\n" in page and f'told("{name}"' in page, name


def test_the_table_shows_what_is_run_and_names_the_rest(recorded):
    plan = json.loads(json.dumps(PLAN))
    plan["rows"][0]["paper"] = {"nll": {"value": 86.76, "source": "Somebody (2016)"}}
    receipts.write_json(plan, recorded / "e" / "plan.json")
    lines = receipts.table("e", where=recorded).splitlines()
    assert lines[2] == (
        "| A | nll, nats | 86.76 <sup>a</sup> | 87.00\u00a0±\u00a00.50 | 3 | run | CPU; 4 s; 2026-01-31; unknown |"
    )
    assert lines[3] == "| B |  |  |  |  | not run | needs a GPU |" and lines[-1] == "<sup>a</sup> Somebody (2016)."
    receipts.write_json(plan | {"version": 2}, recorded / "e" / "plan.json")
    assert "A" not in receipts.table("e", where=recorded, states=["not run"])
    stale = receipts.table("e", where=recorded).splitlines()[2]
    assert "stale" in stale and "87.00" not in stale and "86.76" in stale
    assert [receipts.duration(s) for s in (40, 720, 12600)] == ["40 s", "12 min", "3.5 h"]


def test_an_installed_vaelib_brings_the_receipts_along(tmp_path):
    """As in Colab: the wheel holds them, and `folder` finds them there."""
    wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(tmp_path), "."]
    copy = tmp_path / "copy"
    keep = shutil.ignore_patterns(".venv", "_build", ".git", "*.egg-info", "build")
    shutil.copytree(ROOT, copy, ignore=keep)
    subprocess.run(wheel, cwd=copy, check=True, capture_output=True)
    (file,) = tmp_path.glob("*.whl")
    subprocess.run([sys.executable, "-m", "zipfile", "-e", str(file), str(tmp_path / "site")], check=True)
    code = "import vaelib; from vaelib import receipts; print(vaelib.__file__, *receipts.experiments())"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True,
                          env=os.environ | {"PYTHONPATH": str(tmp_path / "site")})  # fmt: skip
    where, *found = done.stdout.split()
    assert where.startswith(str(tmp_path / "site")) and found == receipts.experiments() != []


# The runner


@pytest.fixture
def tiny(tmp_path):
    """A function that starts the runner on tests/tiny_experiment.py, and the folder where all of it lies."""

    def start(*options, **env):
        path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
        env = os.environ | {"TINY_LOG": str(tmp_path / "log"), "PYTHONPATH": path, "TQDM_DISABLE": "1",
                            "OMP_NUM_THREADS": "1"} | env  # fmt: skip
        command = [
            sys.executable,
            "-m",
            "book.experiments",
            "tests.tiny_experiment",
            *options,
            "--device",
            "cpu",
            "--receipts",
            str(tmp_path / "receipts"),
            "--scratch",
            str(tmp_path / "scratch"),
        ]
        return subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, start_new_session=True)  # fmt: skip

    def go(*options, status=0, **env):
        process = start(*options, **env)
        said = process.communicate(timeout=240)[0]
        assert process.returncode == status, said
        return said

    return tmp_path, start, go


def log(folder):
    """What the rows wrote down: (process, row, what)."""
    return [tuple(line.split()) for line in (folder / "log").read_text().splitlines()]


def wait_for(folder, *what):
    """The process that wrote `what` into the log, once it has."""
    until = time.monotonic() + 120
    while time.monotonic() < until:
        found = [entry for entry in log(folder) if entry[1:] == what] if (folder / "log").exists() else []
        if found:
            return int(found[0][0])
        time.sleep(0.02)
    raise AssertionError(f"{what} was not seen")


def recorded_rows(folder):
    return receipts.rows("tiny_experiment", folder / "receipts")


def test_what_has_a_valid_receipt_is_not_run_again(tiny):
    folder, _, go = tiny
    said = go()
    assert all(f"row-{i}: elbo -" in said for i in range(3))
    assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 3
    assert len([entry for entry in log(folder) if entry[2] == "done"]) == 3
    (folder / "receipts" / "tiny_experiment" / "row-1.json").write_text("{")
    (folder / "receipts" / "tiny_experiment" / "row-2.json").unlink()
    said = go()
    assert said.count("has a valid receipt") == 1 and "It will be made anew" in said
    assert sorted(entry[1] for entry in log(folder) if entry[2] == "done") == ["0", "1", "1", "2", "2"]
    go("--list", TINY_VERSION="2")  # the author raises the version
    assert [row["state"] for row in recorded_rows(folder)] == ["stale"] * 3
    go("--row", "row-2", TINY_VERSION="2")
    assert [row["state"] for row in recorded_rows(folder)] == ["stale"] * 2 + ["run"]


def test_a_row_that_fails_does_not_stop_the_others(tiny):
    folder, _, go = tiny
    said = go(status=1, TINY_FAILS="1")
    assert "it was told to fail" in said and "row-1: failed" in said
    assert [row["state"] for row in recorded_rows(folder)] == ["run", "not run", "run"]


def test_a_killed_run_goes_on_from_its_checkpoint(tiny):
    folder, start, go = tiny
    process = start("--row", "row-0", TINY_SLEEP="0.05")
    wait_for(folder, "0", "300")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    go("--row", "row-0")
    steps = [int(entry[2]) for entry in log(folder) if entry[2] != "done"]
    again = steps[steps.index(0, 1) :] if 0 in steps[1:] else steps  # fit looks at step 0 once more before it goes on
    assert sum(step == 0 for step in steps) <= 2 and all(steps.count(s) == 1 for s in range(30, 300, 30)), steps
    assert 570 in again
    whole = recorded_rows(folder)[0]["receipt"]
    go("--row", "row-0", "--again")
    assert [int(entry[2]) for entry in log(folder) if entry[2] != "done"].count(570) == 2  # computed anew
    assert recorded_rows(folder)[0]["receipt"]["results"] == whole["results"]  # the kill left no trace in the result
    assert whole["seconds"] > 0.5  # the killed try is counted: ten sleeps of 0.05 s at least


def test_a_time_budget_is_kept_and_the_next_call_goes_on(tiny):
    folder, _, go = tiny
    said = go("--minutes", "0.35", TINY_SLEEP="3")  # room for a slow start on a busy machine
    assert "time is up" in said and said.count("no time left") == 2
    assert [row["state"] for row in recorded_rows(folder)] == ["not run"] * 3
    reached = max(int(entry[2]) for entry in log(folder))
    assert reached < 570
    go("--row", "row-0")
    assert [int(entry[2]) for entry in log(folder) if entry[2] != "done"].count(30) == 1


def test_a_receipt_names_every_commit_that_had_a_hand_in_it(tiny):
    folder, _, go = tiny
    go("--row", "row-0")
    (kept,) = (folder / "scratch" / "tiny_experiment").iterdir()
    (kept / "commits").write_text("an-older-commit")
    (folder / "receipts" / "tiny_experiment" / "row-0.json").unlink()
    go("--row", "row-0")  # goes on from what is there
    first, second = recorded_rows(folder)[0]["receipt"]["commit"].split(", ")
    assert first == "an-older-commit" and second == runner.commit()


def test_two_runners_do_not_do_the_same_row(tiny):
    folder, start, go = tiny
    first = start("--row", "row-0", TINY_SLEEP="0.2")
    process = wait_for(folder, "0", "0")
    os.kill(process, signal.SIGSTOP)  # however slowly the second starts, the first is still at it
    assert "another process is at it" in go("--row", "row-0")
    os.kill(process, signal.SIGCONT)
    first.communicate()
    assert [entry[2] for entry in log(folder)].count("done") == 1


def test_names_that_are_not_there(tiny):
    _, _, go = tiny
    assert "has row-0, row-1, row-2" in go("--row", "row-9", status=2)
    command = [sys.executable, "-m", "book.experiments"]
    wrong = subprocess.run([*command, "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 1 and "no experiment 'nothing'; allowed are" in wrong.stderr
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert listed.returncode == 0 and "vae_mnist/k1: " in listed.stdout


# Ray


def test_on_ray_a_killed_worker_loses_nothing_and_nothing_is_done_twice(tiny):
    need(find_spec("ray"), "Ray (requirements-ray.txt)")
    folder, start, _ = tiny
    process = start("--engine", "ray", "--workers", "2", TINY_SLEEP="0.05")
    victim = wait_for(folder, "1", "300")
    os.kill(victim, signal.SIGKILL)
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 3
    assert sorted(entry[1] for entry in log(folder) if entry[2] == "done") == ["0", "1", "2"]  # each once
    steps = [int(entry[2]) for entry in log(folder) if entry[1] == "1" and entry[2] != "done"]
    assert all(steps.count(step) == 1 for step in range(30, 300, 30)), steps  # and the killed row went on
    assert len({entry[0] for entry in log(folder) if entry[1] == "1"}) == 2  # in another process


def test_on_a_cluster_of_two_machines(tiny):
    need(find_spec("ray"), "Ray (requirements-ray.txt)")
    from ray.cluster_utils import Cluster

    folder, _, go = tiny
    os.environ["TINY_LOG"] = str(folder / "log")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        said = go("--engine", "ray", RAY_ADDRESS=cluster.address)
        assert all(f"row-{i}: elbo -" in said for i in range(3))
        assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 3
    finally:
        cluster.shutdown()
        del os.environ["TINY_LOG"]


def test_vae_mnist_runs(tmp_path):
    from book.experiments import vae_mnist

    need_data("mnist")
    config = vae_mnist.ROWS[0]["config"] | {"epochs": 2, "train_images": 512, "test_images": 64, "samples": 20,
                                            "seeds": [0, 1]}  # fmt: skip
    results, data = vae_mnist.run(config, torch.device("cpu"), tmp_path)
    assert len(results["nll"]["values"]) == 2 and 150 < results["nll"]["mean"] < 250 and len(data["mnist"]) == 64
    assert results == vae_mnist.run(config, torch.device("cpu"), tmp_path)[0]


TINY = {"train_images": 256, "test_images": 64, "samples": 20, "seeds": [0, 1], "epochs": 1, "steps": 200}


@pytest.mark.parametrize(("name", "needed", "wanted"), [
    ("vae_mnist", ["mnist"], ["k5-20"]),
    ("iwae_table1", ["mnist"], ["iwae-1-k5-paper", "vae-2-k5-20", "iwae-2-k5"]),
    ("iwae_table1", ["omniglot"], ["omniglot-small-iwae-1-k5"]),
    ("iwae_table2", ["mnist"], ["vae-iwae-20", "iwae-vae-20"]),
    ("two_point_grid", [], ["elbo-encoder-floor", "mmd-250"]),
    ("logdet_size", ["mnist"], ["digits-mmd-50-1000", "mnist-floor-500"]),
    ("disentanglement_grid", [], ["small-tc-4", "small-factor-4", "code-3-8", "beta-4", "factor-11"]),
    ("aae_mnist", ["mnist"], ["prior-8d-short", "regions-short", "style-short", "semi-100-short", "semi-all-short",
                              "clusters-16-short", "embedding-100-short"]),
    ("family_plate", ["mnist"], ["iwae-short", "aae-short", "factor-vae-short", "vim-l-short"]),
    ("vim_tables", ["mnist", "omniglot"], ["mnist-vim-l-short", "omniglot-beta-gt-1-short"]),
    ("vim_tables", ["cifar10"], ["cifar10-vim-n-short"]),
])  # fmt: skip
def test_the_tables_programs_run_in_small(name, needed, wanted, tmp_path):
    need_data(*needed)
    module = runner.load(name)
    for row in module.ROWS:
        if row["id"] in wanted:
            small = {key: TINY.get(key, value) for key, value in row["config"].items()}
            small |= {"epochs_then": 1, "autocast": None} if name == "iwae_table2" else {}
            small |= {"steps": 5, "width": 4} if name in ("vim_tables", "aae_mnist") else {}
            small |= {"parzen": 1000} if "parzen" in small else {}
            small |= {"judged": 300, "held_out": 1000} if name == "aae_mnist" else {}
            small |= {"judged": 300, "likelihood_images": 50, "steps": 5, "refit": 5} if name == "family_plate" else {}
            if name == "disentanglement_grid":
                few = {"scale": [0, 5], "x": [0, 31], "y": list(range(0, 32, 4))}
                small |= {"steps": 5, "width": 4, "judged": 128, "trees": 3, "batch_size": 16,
                          "sprites": small["sprites"] | few | {"orientation": [0, 5]}}  # fmt: skip
            results, data = module.run(small, torch.device("cpu"), tmp_path / row["id"])
            assert set(row.get("paper", {})) <= set(results) and all(len(r["values"]) == 2 for r in results.values())
            assert len(data) == 1 and ("nll" not in results or 80 < results["nll"]["mean"] < 600)
            if name == "iwae_table2":
                assert results["nll"]["values"] != results["nll_before"]["values"]


def test_the_path_to_inception_is_the_distance_of_the_book_and_says_what_it_lacks(monkeypatch):
    need(find_spec("torchmetrics"), "torchmetrics (requirements-fid.txt)")
    from book.experiments.vim_tables import inception_distance

    class Colours(torch.nn.Module):  # in Inception's place: mean and spread of each channel
        num_features = 6

        def forward(self, x):
            return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)

    torch.manual_seed(0)
    real, drawn = torch.rand(600, 3, 8, 8), torch.rand(500, 3, 8, 8) ** 1.5
    ours = vl.frechet_distance(Colours()(drawn), Colours()(real)).item()
    assert ours > 0.01 and inception_distance(drawn, real, Colours()) == pytest.approx(ours, rel=1e-3)
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    with pytest.raises(ModuleNotFoundError, match="pip install -r requirements-fid.txt"):
        inception_distance(drawn, real)
