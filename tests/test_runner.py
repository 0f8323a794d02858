"""The runner: parallel seeds, kills, pauses, time limits; nothing is lost or run twice."""

import importlib
import json
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from conftest import need

from book.experiments import __main__ as command
from book.experiments import evening, runner
from tests import tiny_experiment
from vaelib.pages import receipts

ROOT = Path(__file__).resolve().parents[1]

NAME = "tests.tiny_experiment"


@pytest.fixture
def tiny(tmp_path, monkeypatch, capfd):
    """The folder of all files, and functions that start and run the runner on tiny_experiment."""
    common = {
        "TINY_LOG": str(tmp_path / "log"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "TQDM_DISABLE": "1",
        "OMP_NUM_THREADS": "1",
    }
    where = ["--device", "cpu", "--receipts", str(tmp_path / "receipts")]
    where += ["--scratch", str(tmp_path / "scratch")]

    started = []

    def start(*options, **env):
        process = subprocess.Popen(
            [sys.executable, "-m", "book.experiments", NAME, *options, *where],
            cwd=ROOT,
            env=os.environ | common | env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    def go(*options, status=0, **env):
        """The command in this process, which has imported torch; its units have their own."""
        handler = signal.getsignal(signal.SIGTERM)
        with monkeypatch.context() as here:
            for name, value in (common | env).items():
                here.setenv(name, value)
            importlib.reload(tiny_experiment)
            capfd.readouterr()
            try:
                found = command.main([NAME, *options, *where]) or 0
            except SystemExit as stopped:
                found = stopped.code
            finally:
                signal.signal(signal.SIGTERM, handler)
        output = "".join(capfd.readouterr())
        assert found == status, output
        return output

    yield tmp_path, start, go
    for process in started:
        if process.poll() is None:  # its test has failed
            os.killpg(process.pid, signal.SIGKILL)
    importlib.reload(tiny_experiment)


def log(folder):
    """The entries that the rows wrote: (process, row, what)."""
    return [tuple(line.split()) for line in (folder / "log").read_text().splitlines()]


def wait_for(folder, process, *what):
    """Wait until `what` is in the log; returns the number of the process that wrote it."""
    until = time.monotonic() + 600  # Ray takes minutes to start where a build runs beside it
    while process.poll() is None and time.monotonic() < until:
        found = (
            [entry for entry in log(folder) if entry[1:] == what]
            if (folder / "log").exists()
            else []
        )
        if found:
            return int(found[0][0])
        time.sleep(0.02)
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    raise AssertionError(f"{what} is not in the log: {process.communicate(timeout=60)[0]}")


def recorded_rows(folder):
    return receipts.rows("tiny_experiment", folder / "receipts")


def test_rows_with_a_valid_receipt_are_not_run_again(tiny):
    folder, _, go = tiny
    output = go()
    assert all(f"row-{i}, seed {i}: elbo -" in output for i in range(3))
    assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 3
    assert len([entry for entry in log(folder) if entry[2] == "done"]) == 3
    here = folder / "receipts" / "tiny_experiment"
    (here / "row-1.json").write_text("{")
    (here / "seeds" / "row-1.1.json").write_text("{")
    (here / "row-2.json").unlink()
    output = go()
    assert output.count("has a valid receipt") == 1 and "seeds/row-1.1.json is not JSON" in output
    # row-2 is assembled from its seed file.
    assert sorted(entry[1] for entry in log(folder) if entry[2] == "done") == ["0", "1", "1", "2"]
    assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 3
    go("--list", TINY_VERSION="2")  # the author raises the version
    assert [row["state"] for row in recorded_rows(folder)] == ["stale"] * 3
    go("--row", "row-2", TINY_VERSION="2")
    assert [row["state"] for row in recorded_rows(folder)] == ["stale"] * 2 + ["run"]


@pytest.mark.slow
def test_a_failing_row_does_not_stop_the_others(tiny):
    folder, _, go = tiny
    output = go(status=1, TINY_FAILS="1")
    assert "fails as requested" in output and "row-1, seed 1: failed" in output
    assert [row["state"] for row in recorded_rows(folder)] == ["run", "not run", "run"]


@pytest.mark.slow
def test_a_killed_run_resumes_from_its_checkpoint(tiny):
    folder, start, go = tiny
    process = start("--row", "row-0", TINY_SLEEP="0.05")
    wait_for(folder, process, "0", "300")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    go("--row", "row-0")
    steps = [int(entry[2]) for entry in log(folder) if entry[2] != "done"]
    # A resumed fit evaluates step 0 once more.
    again = steps[steps.index(0, 1) :] if 0 in steps[1:] else steps
    assert sum(step == 0 for step in steps) <= 2 and all(
        steps.count(s) == 1 for s in range(30, 300, 30)
    ), steps
    assert 570 in again
    whole = recorded_rows(folder)[0]["receipt"]
    go("--row", "row-0", "--again")
    # Recomputed.
    assert [int(entry[2]) for entry in log(folder) if entry[2] != "done"].count(570) == 2
    # The kill did not change the result.
    assert recorded_rows(folder)[0]["receipt"]["results"] == whole["results"]
    assert whole["seconds"] > 0.5  # includes the killed run: at least ten sleeps of 0.05 s


@pytest.mark.slow
def test_a_time_limit_is_kept_and_the_next_call_resumes(tiny):
    folder, _, go = tiny
    output = go("--minutes", "0.35", TINY_SLEEP="3")  # allows for a slow start on a busy machine
    assert "time is up" in output and output.count("no time left") == 2
    assert [row["state"] for row in recorded_rows(folder)] == ["not run"] * 3
    first = log(folder)
    reached = max(int(entry[2]) for entry in first)
    assert reached < 570
    go("--row", "row-0")
    again = [int(entry[2]) for entry in log(folder)[len(first) :] if entry[2] != "done"]
    # From where it was stopped.
    assert [step for step in again if step] == list(range(max(30, reached), 600, 30))


@pytest.mark.slow
def test_a_receipt_names_every_commit_that_contributed(tiny):
    folder, _, go = tiny
    go("--row", "row-0")
    (kept,) = (folder / "scratch" / "tiny_experiment").glob("row-0-*/0/commits")
    kept.write_text("an-older-commit")
    (folder / "receipts" / "tiny_experiment" / "row-0.json").unlink()
    (folder / "receipts" / "tiny_experiment" / "seeds" / "row-0.0.json").unlink()
    go("--row", "row-0")  # resumes
    first, second = recorded_rows(folder)[0]["receipt"]["commit"].split(", ")
    assert first == "an-older-commit" and second == runner.commit()


def many(where):
    (row,) = receipts.rows("tiny_experiment", where)
    return row


@pytest.mark.slow
def test_parallel_seeds_are_combined_into_one_receipt(tiny):
    folder, _, go = tiny
    go("--jobs", "3", TINY_MANY="1")
    seeds = sorted(p.name for p in (folder / "receipts" / "tiny_experiment" / "seeds").iterdir())
    assert seeds == [f"many.{i}.json" for i in range(3)]
    assert len({entry[0] for entry in log(folder) if entry[2] == "done"}) == 3  # a process each
    receipt = many(folder / "receipts")["receipt"]
    assert (
        receipt["config"]["seeds"] == [0, 1, 2]
        and len(set(receipt["results"]["elbo"]["values"])) == 3
    )
    assert "1 thread:" in receipt["device"] and receipt["device"].count("CPU") == 1


@pytest.mark.slow
def test_a_killed_seed_does_not_affect_finished_ones(tiny):
    folder, start, go = tiny
    process = start(TINY_MANY="1", TINY_SLEEP="0.05")
    wait_for(folder, process, "1", "300")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    first = many(folder / "receipts")  # of one seed: shown, and not finished
    assert first["state"] == "run" and first["receipt"]["config"]["seeds"] == [0]
    assert "many: 1 of 3 seeds" in go("--list", TINY_MANY="1")
    assert [p.name for p in (folder / "receipts" / "tiny_experiment" / "seeds").iterdir()] == [
        "many.0.json"
    ]
    go(TINY_MANY="1")
    steps = [int(entry[2]) for entry in log(folder) if entry[1] == "1" and entry[2] != "done"]
    assert all(steps.count(step) == 1 for step in range(30, 300, 30)), steps
    assert [entry[1] for entry in log(folder) if entry[2] == "done"] == ["0", "1", "2"]


# Without separate processes


@pytest.fixture
def three(tmp_path, monkeypatch):
    """A planned row of three seeds, their results as files, and the folder of these files."""
    config = {"seeds": [0, 1, 2], "steps": 600}
    row = {"id": "many", "title": "Three seeds", "config": config}
    monkeypatch.setattr(tiny_experiment, "ROWS", [row])
    receipts.write_json(runner.plan(NAME), tmp_path / "tiny_experiment" / "plan.json")
    receipt = {
        "experiment": "tiny_experiment", "id": "many", "version": 1, "config": config,
        "results": {"elbo": receipts.summary([-28.0, -27.0, -29.0], "nats")},
        "data": {"digits": "ab"}, "device": "CPU", "seconds": 30.0, "versions": {"torch": "2"},
        "commit": "a, b", "command": "python", "date": "2026-01-31",
    }  # fmt: skip
    # As from a GPU, where the seeds are trained together.
    runner.keep(receipt, (NAME, "many", (0, 1, 2)), tmp_path)
    return tmp_path, row, receipt


def test_seeds_trained_together_are_recorded_separately(three):
    where, _, receipt = three
    parts = [receipts.read("tiny_experiment", f"seeds/many.{seed}", where) for seed in range(3)]
    assert [p["results"]["elbo"]["values"] for p in parts] == [[-28.0], [-27.0], [-29.0]]
    assert [p["seconds"] for p in parts] == [10.0] * 3 and [
        p["config"]["seeds"] for p in parts
    ] == [[0], [1], [2]]
    assert many(where)["receipt"] == receipt
    (where / "tiny_experiment" / "many.json").unlink()
    # Combined from its seeds again.
    assert runner.units(NAME, ["many"], where) == [] and many(where)["receipt"] == receipt
    with pytest.raises(
        ValueError, match="elbo must have one value per seed, got 3 values for 2 seeds"
    ):
        runner.one_seed(receipt | {"config": {"seeds": [0, 1]}}, 0, 0)


def test_outdated_seeds_are_named_and_ignored(three, monkeypatch, capsys):
    where, row, _ = three
    more = row | {"config": row["config"] | {"seeds": [0, 1, 2, 3]}}
    monkeypatch.setattr(tiny_experiment, "ROWS", [more])  # another seed: the others are kept
    assert runner.units(NAME, ["many"], where) == [(NAME, "many", (3,))]
    monkeypatch.setattr(tiny_experiment, "ROWS", [row | {"config": row["config"] | {"steps": 90}}])
    assert runner.units(NAME, ["many"], where, together=True) == [(NAME, "many", (0, 1, 2))]
    assert (
        capsys.readouterr().err.count("is of another steps: it is not used and will be recomputed.")
        == 3
    )
    monkeypatch.setattr(tiny_experiment, "ROWS", [row])
    monkeypatch.setattr(tiny_experiment, "VERSION", 2)
    assert len(runner.units(NAME, ["many"], where)) == 3
    assert "many.0.json is of version 1, now 2: it is not used" in capsys.readouterr().err


def test_a_receipt_of_more_seeds_is_kept(three):
    where, row, _ = three
    whole = receipts.read("tiny_experiment", "many", where)
    (where / "tiny_experiment" / "seeds" / "many.1.json").unlink()
    runner.assemble(NAME, "many", where)  # as after --again, while seeds are recomputed
    assert receipts.read("tiny_experiment", "many", where) == whole
    (where / "tiny_experiment" / "many.json").unlink()
    runner.assemble(NAME, "many", where)
    part = receipts.read("tiny_experiment", "many", where)
    assert part["config"]["seeds"] == [0, 2]
    assert part["results"]["elbo"]["values"] == [-28.0, -29.0]
    assert receipts.state(part, row["config"], 1) == "run"
    assert runner.states(NAME, where) == {"many": "2 of 3 seeds"}
    assert runner.units(NAME, ["many"], where) == [(NAME, "many", (1,))]
    assert receipts.state(part, row["config"] | {"seeds": [0, 1]}, 1) == "stale"


def test_seeds_with_different_data_are_not_combined(three):
    where, _, receipt = three
    (where / "tiny_experiment" / "many.json").unlink()
    other = runner.one_seed(receipt, 2, 2) | {"data": {"digits": "other"}}
    receipts.write(other, where, "seeds/many.2")
    with pytest.raises(SystemExit, match="its seeds have different data or quantities"):
        runner.units(NAME, ["many"], where)
    assert not (where / "tiny_experiment" / "many.json").exists()


def test_a_full_disk_is_reported_in_one_sentence(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device", "nll-0.json")

    monkeypatch.setattr(tiny_experiment, "run", full)
    handlers = [(s, signal.getsignal(s)) for s in (signal.SIGINT, signal.SIGTERM)]
    try:
        with pytest.raises(
            SystemExit,
            match="row-0, seed 0: nll-0.json cannot be written .No space left on device.. "
            "Unfinished work is kept in",
        ):
            command.main([NAME, "--row", "row-0", "--seeds", "0", "--here", "--device", "cpu",
                          "--scratch", str(tmp_path), "--receipts", str(tmp_path)])  # fmt: skip
    finally:
        for number, handler in handlers:
            signal.signal(number, handler)


# make evening


@pytest.mark.slow
def test_make_evening_is_paused_and_resumes(tiny):
    folder, start, go = tiny
    # At low priority the tests beside it could stop it for minutes.
    queue = json.dumps([[NAME, f"row-{i}", [i]] for i in (1, 0)])
    env = {"EVENING": queue, "EVENING_NICE": "0"}
    first = start("--evening", "--jobs", "2", TINY_SLEEP="1.5", **env)
    wait_for(folder, first, "1", "60")
    wait_for(folder, first, "0", "60")  # 27 seconds are left, for two commands on a slow machine
    second = start("--evening", **env)
    assert "make evening is already running, process" in second.communicate(timeout=600)[0]
    assert second.returncode == 1 and "Paused; make evening resumes" in go("--pause")
    output = first.communicate(timeout=600)[0]
    assert output.index("row-1, seed 1: about 1 min") < output.index("row-0, seed 0: about 1 min")
    assert "About 0.0 hours of one thread, 0.0 with 2 at once" in output
    # Its processes have ended.
    assert not [entry for entry in log(folder) if Path(f"/proc/{entry[0]}").exists()]
    assert evening.pause(folder / "scratch") == 0  # none is running
    again = start("--evening", "--jobs", "2", **env)
    output = again.communicate(timeout=600)[0]
    assert again.returncode == 0, output
    assert sorted(entry[1] for entry in log(folder) if entry[2] == "done") == ["0", "1"]
    assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 2 + ["not run"]
    for seed in "10":  # both resumed from their checkpoints
        steps = [int(entry[2]) for entry in log(folder) if entry[1] == seed and entry[2] != "done"]
        assert set(range(0, 600, 30)) <= set(steps), steps
        # The step at which it was paused may run again, and step 0, which sets up the fit.
        assert len(steps) - len(set(steps)) <= 2 and steps.count(30) == 1, steps


def test_the_queue_names_existing_rows():
    for name, row, seeds in evening.QUEUE:
        planned = runner.planned_row(name, row)
        assert set(seeds) <= set(planned["config"]["seeds"]) and not planned["needs_gpu"]
    listed = {(name, row, seed) for name, row, seeds in evening.QUEUE for seed in seeds}
    assert len(listed) == sum(len(seeds) for *_, seeds in evening.QUEUE)  # none twice


def test_two_runners_never_run_the_same_seed(tmp_path, capsys):
    planned = runner.planned_row(NAME, "row-0")
    folder = runner.folder_of(NAME, planned, tmp_path)
    folder.mkdir(parents=True)
    with runner.locked(folder / "lock-0"):  # as held by another process
        receipt = runner.execute(NAME, "row-0", (0,), "cpu", tmp_path)
    runner.keep(receipt, (NAME, "row-0", (0,)), tmp_path)
    assert "row-0, seed 0: another process is already running it" in capsys.readouterr().out
    assert not list(tmp_path.glob("**/*.json"))


def test_unknown_names_are_reported(tiny):
    _, _, go = tiny
    assert "--row must be one of row-0, row-1, row-2 for tiny_experiment, got 'row-9'" in go(
        "--row", "row-9", status=2
    )
    assert "--jobs must be at least 1, got 0" in go("--jobs", "0", status=2)
    command = [sys.executable, "-m", "book.experiments"]
    wrong = subprocess.run([*command, "nothing"], cwd=ROOT, capture_output=True, text=True)
    assert wrong.returncode == 1 and "name must be one of aae_mnist, " in wrong.stderr
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert listed.returncode == 0 and "iwae_table1/vae-1-k1: " in listed.stdout


# Ray


@pytest.mark.slow
def test_on_ray_the_unit_of_a_killed_worker_resumes_once(tiny):
    need(find_spec("ray"), "Ray (the extra ray)")
    folder, start, _ = tiny
    process = start("--engine", "ray", "--workers", "2", TINY_SLEEP="0.05")
    victim = wait_for(folder, process, "1", "300")
    os.kill(victim, signal.SIGKILL)
    output = process.communicate(timeout=600)[0]
    assert process.returncode == 0, output
    assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 3
    # Each once.
    assert sorted(entry[1] for entry in log(folder) if entry[2] == "done") == ["0", "1", "2"]
    steps = [int(entry[2]) for entry in log(folder) if entry[1] == "1" and entry[2] != "done"]
    # The killed row was resumed.
    assert all(steps.count(step) == 1 for step in range(30, 300, 30)), steps
    assert len({entry[0] for entry in log(folder) if entry[1] == "1"}) == 2  # in another process


@pytest.mark.slow
def test_on_a_ray_cluster_of_two_machines(tiny):
    need(find_spec("ray"), "Ray (the extra ray)")
    from ray.cluster_utils import Cluster

    folder, _, go = tiny
    os.environ["TINY_LOG"] = str(folder / "log")
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        cluster.add_node(num_cpus=1)
        output = go("--engine", "ray", RAY_ADDRESS=cluster.address)
        assert all(f"row-{i}, seed {i}: elbo -" in output for i in range(3))
        assert [row["state"] for row in recorded_rows(folder)] == ["run"] * 3
    finally:
        cluster.shutdown()
        del os.environ["TINY_LOG"]
