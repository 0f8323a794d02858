"""Receipts, their tables, and the experiments in a small size."""

import functools
import json
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import keep
import pytest
import torch
from conftest import need, need_data

import vaelib as vl
from book.experiments import chapter_controls, cifar10_jpeg, runner, vim_tables
from vaelib.pages import receipts, tables

ROOT = Path(__file__).resolve().parents[1]

RECEIPT = {
    "experiment": "e", "id": "a", "version": 1, "config": {"k": 5},
    "results": {"nll": receipts.summary([86.5, 87.0, 87.5], "nats")}, "data": {"MNIST": "ab"},
    "device": "CPU", "seconds": 3.5, "versions": {"torch": "2"},
    "commit": "unknown", "command": "python", "date": "2026-01-31",
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
    assert (a["state"], a["receipt"]) == ("run", RECEIPT) and (b["state"], b["receipt"]) == (
        "not run",
        None,
    )
    assert receipts.result("e", "a", "nll", recorded)["mean"] == 87.0
    assert receipts.show(a["receipt"]["results"]["nll"]) == "87.00 ± 0.50"
    assert receipts.show(receipts.summary([86.5])) == "86.50" and receipts.experiments(
        recorded
    ) == ["e"]


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"rows": [PLAN["rows"][0] | {"config": {"k": 6}}]}]
)
def test_a_receipt_of_another_config_or_version_is_stale_and_not_used(change, recorded):
    receipts.write_json(PLAN | change, recorded / "e" / "plan.json")
    assert receipts.rows("e", recorded)[0]["state"] == "stale"
    with pytest.raises(LookupError, match="e, row 'a' is stale; only rows with a valid receipt"):
        receipts.result("e", "a", "nll", recorded)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (("e", "b", "nll"), "row 'b' is not run"),
        (("e", "c", "nll"), "no row 'c'; its rows are a, b"),
        (("e", "a", "fid"), "no 'fid'; it has nll"),
    ],
)
def test_missing_experiments_rows_and_quantities_are_named(asked, message, recorded):
    with pytest.raises(LookupError, match=message):
        receipts.result(*asked, recorded)
    with pytest.raises(ValueError, match="no experiment 'f'; those recorded are e"):
        receipts.rows("f", recorded)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": "3"}, r"\$.seconds must be a number of at least 0, got '3'"),
        ({"version": True}, r"\$.version must be a whole number of at least 1, got True"),
        ({"versions": {}}, r"\$.versions must be an object that is not empty, got {}"),
        ({"data": {"MNIST": ""}}, r"\$.data.MNIST must be a non-empty string, got ''"),
        (
            {"results": {"nll": RECEIPT["results"]["nll"] | {"sd": float("nan")}}},
            r"nll.sd must be a finite .* got nan",
        ),
        ({"date": "yesterday"}, "date"),
        ({"more": 1}, "more"),
        ({"results": {}}, "results"),
        (
            {"results": {"nll": RECEIPT["results"]["nll"] | {"mean": 86.0}}},
            "mean and sd of nll are not those of",
        ),
        (
            {"results": {"nll": RECEIPT["results"]["nll"] | {"sd": 0.1}}},
            "mean and sd of nll are not those of",
        ),
        (
            {"results": {"nll": RECEIPT["results"]["nll"] | {"values": [1.0, float("nan")]}}},
            "finite numbers",
        ),
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
def test_recorded_plans_equal_those_of_the_programs(name):
    assert receipts.plan(name) == runner.plan(name), (
        f"run: python -m book.experiments {name} --list"
    )


@pytest.mark.parametrize("name", receipts.experiments())
def test_recorded_receipts_are_valid_and_of_committed_code(name):
    assert name in runner.names()
    rows = receipts.rows(name)
    files = {p.stem for p in (receipts.folder() / name).glob("*.json")} - {"plan"}
    assert files <= {row["id"] for row in rows}, "a receipt without a row in the plan"
    for row in rows:
        if row["receipt"]:
            text = json.dumps(row["receipt"])
            assert "+changes" not in text and "unknown" not in row["receipt"]["commit"], row["id"]
            assert str(Path.home()) not in text and "/work" not in text and "/tmp" not in text


@pytest.mark.parametrize("name", keep.KEPT)
def test_recordings_for_pages_are_small_and_up_to_date(name):
    values, origin = receipts.kept(name)
    assert origin["cells"] == keep.fingerprint(name), "run: python book/tools/keep.py"
    scope = {
        "vp": SimpleNamespace(
            sizes=lambda **table: SimpleNamespace(**{k: v[1] for k, v in table.items()})
        )
    }
    setup = keep.sources(name)[0]
    exec(setup[setup.index("size = vp.sizes(") :], scope)
    assert values["steps"] == scope["size"].mnist_steps, "run: python book/tools/keep.py"
    assert values["pictures"].shape == (169, 784) and values["codes"].shape == (
        len(values["labels"]),
        2,
    )
    assert (receipts.folder() / "pages" / f"{name}.npz").stat().st_size < 150_000
    assert {
        "date",
        "data",
        "seed",
        "versions",
        "device",
    } <= origin.keys() and "+changes" not in origin["commit"]


def test_a_missing_recording_is_named():
    with pytest.raises(
        ValueError, match=r"no stored page data named 'sprites'; book/tools/keep.py writes it\.$"
    ):
        receipts.kept("sprites")


def test_every_experiment_is_on_the_receipts_page():
    page = (ROOT / "book" / "receipts.md").read_text(encoding="utf-8")
    for name in runner.names():
        assert f"\n## {name}\n" in page and f'experiment_section("{name}"' in page, name


def test_the_table_shows_results_and_names_missing_rows(recorded):
    plan = json.loads(json.dumps(PLAN))
    plan["rows"][0]["paper"] = {"nll": {"value": 86.76, "source": "Somebody (2016)"}}
    receipts.write_json(plan, recorded / "e" / "plan.json")
    lines = tables.receipt_table("e", where=recorded).splitlines()
    assert lines[2] == (
        "| A | nll, nats | 86.76\u00a0<sup>a</sup> | 87.00\u00a0±\u00a00.50 | 3 | run | "
        "CPU; 4 s; 2026-01-31; unknown |"
    )
    assert (
        lines[3] == "| B |  |  |  |  | not run | needs a GPU |"
        and lines[-1] == "<sup>a</sup> Somebody (2016)."
    )
    receipts.write_json(plan | {"version": 2}, recorded / "e" / "plan.json")
    assert "A" not in tables.receipt_table("e", where=recorded, states=["not run"])
    stale = tables.receipt_table("e", where=recorded).splitlines()[2]
    assert "stale" in stale and "87.00" not in stale and "86.76" in stale
    assert [receipts.duration(s) for s in (40, 720, 12600)] == ["40 s", "12 min", "3.5 h"]


@pytest.fixture
def paper(tmp_path):
    """A function that records a plan of three rows and receipts for some: {id: values of nll}."""

    def record(version=1, **values):
        rows = [
            {
                "id": "a",
                "title": "A, k = 5, 1000 epochs",
                "config": {"epochs": 1000},
                "needs_gpu": True,
                "paper_length": "3,280 epochs",
                "paper": {
                    "nll": {"value": 86.7, "sd": 0.15, "source": "Somebody (2016)"},
                    "units": {"value": 19, "source": "from memory"},
                },
            },
            {
                "id": "b",
                "title": "B, 20 + 13 epochs",
                "config": {"epochs": 20, "epochs_then": 13},
                "needs_gpu": False,
                "paper": {"nll": {"value": 85.5, "source": "Somebody (2016)"}},
            },
            {"id": "c", "title": "C", "config": {"steps": 10_000}, "needs_gpu": False, "paper": {}},
        ]
        receipts.write_json(PLAN | {"version": version, "rows": rows}, tmp_path / "e" / "plan.json")
        for row in rows:
            if row["id"] in values:
                results = {
                    "nll": receipts.summary(values[row["id"]], "nats"),
                    "fid": receipts.summary([3.0]),
                }
                receipts.write(
                    RECEIPT | {"id": row["id"], "config": row["config"], "results": results},
                    tmp_path,
                )
        return lambda *options, **more: tables.paper_table("e", *options, where=tmp_path, **more)

    return record


def test_a_papers_table_has_lengths_spreads_and_sources(paper):
    table = paper(a=[86.0, 87.0], b=[90.0], c=[91.0])
    shown = table({"nll": "NLL, nats", "units": "units"}, digits={"nll": 1, "units": 0})
    assert shown.head == ["", "NLL, nats: paper", "ours", "units: paper", "ours"]
    assert [[cell.replace("\u00a0", "~") for cell in row] for row in shown.rows] == [
        ["A, k~=~5<br><small>paper~3,280~epochs; ours~1,000~epochs</small>",
         "86.70~±~0.15~<sup>a</sup>", "86.5~±~0.7~(2)", "19~<sup>b</sup>", ""],
        ["B<br><small>ours~20~+~13~epochs</small>", "85.5~<sup>a</sup>", "90.0~(1)", "", ""],
        ["C<br><small>ours~10,000~steps</small>", "", "91.0~(1)", "", ""],
    ]  # fmt: skip
    assert shown.below == ("Ours: mean ± standard deviation (number of runs).\n\n"
                           "<sup>a</sup> Somebody (2016). <sup>b</sup> from memory.")  # fmt: skip
    assert shown._repr_markdown_().splitlines()[5:] == ["", *shown.below.splitlines()]


def test_a_papers_table_states_common_lengths_once(paper):
    table = paper(a=[86.0, 87.0], b=[90.0, 91.0])
    shown = table({"nll": "NLL"}, {"b": "the second"})
    assert shown.head == [
        "<small>ours\u00a020\u00a0+\u00a013\u00a0epochs</small>",
        "NLL: paper",
        "ours",
    ]
    assert shown.rows == [["the second", "85.5\u00a0<sup>a</sup>", "90.50\u00a0±\u00a00.71"]]
    assert shown.below.startswith("Ours: mean ± standard deviation over 2 runs.\n")
    alone = table({"nll": "NLL"}, ["b"], paper=False)
    assert alone.head == ["<small>20\u00a0+\u00a013\u00a0epochs</small>", "NLL"]
    assert alone.rows == [["B", "90.50\u00a0±\u00a00.71"]]
    # A quantity that the paper does not report.
    assert table({"fid": "FID"}, ["b"]).below == "One run each."


def test_a_papers_table_names_missing_rows(paper):
    table = paper(c=[90.0, 91.0])
    shown = table({"nll": "NLL"}, cannot={"SVHN": "its images are not here"})
    assert [row[0] for row in shown.rows] == ["C"] and "paper" not in " ".join(shown.head)
    assert shown.below == (
        "Mean ± standard deviation over 2 runs. Not run yet (`python` runs them): "
        "B (20 + 13\u00a0epochs); on a GPU: A, k\u00a0=\u00a05 (1,000\u00a0epochs). "
        "Cannot be run here: SVHN (its images are not here)."
    )
    # Nothing to show: no table, only the sentence.
    stale = paper(version=2)({"nll": "NLL"}, ["c"])
    assert (
        stale._repr_markdown_()
        == repr(stale)
        == "Not run yet (`python` runs them): C (10,000\u00a0steps, stale)."
    )


def test_without_results_a_papers_table_shows_the_papers_values(paper):
    # a and b quote the same row of the paper.
    shown = paper()({"nll": "NLL", "fid": "FID"}, {"a": "A", "b": "A", "c": "C"})
    assert shown.head == ["<small>paper\u00a03,280\u00a0epochs</small>", "NLL: paper"]
    assert shown.rows == [["A", "86.70\u00a0±\u00a00.15\u00a0<sup>a</sup>"]]
    listed = "A (20 + 13\u00a0epochs); C (10,000\u00a0steps); on a GPU: A"
    assert shown.below.startswith(f"Not run yet (`python` runs them): {listed}")
    alone = paper()({"nll": "NLL"}, ["a"], paper=False)
    assert alone.rows == [] and alone.below.endswith(
        "on a GPU): A, k\u00a0=\u00a05 (1,000\u00a0epochs)."
    )


def test_a_papers_table_names_unknown_rows_and_quantities(paper):
    table = paper(a=[86.0])
    with pytest.raises(LookupError, match=r"these rows of e have no 'mse', but fid, nll, units\.$"):
        table({"mse": "error"})
    with pytest.raises(LookupError, match=r"e has no row 'd'; its rows are a, b, c\.$"):
        table({"nll": "NLL"}, ["d"])


def test_the_long_table_has_the_papers_spread_and_length(paper, tmp_path):
    paper(a=[86.0, 87.0])
    line = tables.receipt_table("e", ["nll"], where=tmp_path).splitlines()[2]
    assert line.startswith(
        "| A, k = 5, 1000 epochs (paper: 3,280 epochs) | nll, nats | "
        "86.70\u00a0±\u00a00.15\u00a0<sup>a</sup> | 86.50\u00a0±\u00a00.71 |"
    )


def test_a_row_is_reproducible(tmp_path, monkeypatch):
    from book.experiments import burda, iwae_table1

    need_data("mnist")
    config = iwae_table1.ROWS[0]["config"] | {
        "epochs": 2,
        "train_images": 512,
        "test_images": 64,
        "samples": 20,
        "seeds": [0, 1],
    }
    monkeypatch.setattr(burda, "BLOCK", 32)
    results, data = iwae_table1.run(config, torch.device("cpu"), tmp_path / "once")
    assert (
        len(results["nll"]["values"]) == 2
        and 150 < results["nll"]["mean"] < 250
        and len(data["mnist"]) == 64
    )
    # From the cache.
    assert results == iwae_table1.run(config, torch.device("cpu"), tmp_path / "once")[0]
    assert results == iwae_table1.run(config, torch.device("cpu"), tmp_path / "twice")[0]
    kept = sorted((tmp_path / "once").glob("nll-*.json"))
    assert len(kept) == 4  # two seeds, two blocks of test images
    kept[1].unlink()
    # The same draws.
    assert results == iwae_table1.run(config, torch.device("cpu"), tmp_path / "once")[0]
    assert iwae_table1.seconds(config, torch.device("cpu")) > 0


TINY = {
    "train_images": 256,
    "test_images": 64,
    "samples": 25,
    "seeds": [0, 1],
    "epochs": 1,
    "steps": 200,
    "refit": 5,
    "annealed": 4,
    "temperatures": 5,
    "chains": 2,
}


@pytest.fixture(scope="module")
def once():
    """The functions that read data from files, made to read each file once for all rows."""
    names = ((vl, "mnist"), (vl, "omniglot"), (cifar10_jpeg, "load"))
    return [(where, name, functools.cache(getattr(where, name))) for where, name in names]


@pytest.mark.parametrize(("name", "needed", "rows"), [
    ("iwae_table1", ["mnist"], ["vae-1-k5", "iwae-1-k5-paper", "vae-2-k5-32", "iwae-2-k5-long"]),
    ("iwae_table1", ["omniglot"], ["omniglot-small-iwae-1-k5"]),
    ("iwae_table2", ["mnist"], ["vae-iwae-100", "iwae-vae-100"]),
    ("two_point_grid", [], ["elbo-encoder-floor", "mmd-250"]),
    ("logdet_size", ["mnist"], ["digits-mmd-50-1000", "mnist-floor-500"]),
    ("disentanglement_grid", [],
     ["small-tc-4", "small-factor-4", "code-3-8", "beta-4", "factor-11"]),
    ("family_plate", ["mnist"], ["iwae-short", "aae-short", "factor-vae-short", "vim-l-short"]),
    ("vim_tables", ["mnist", "omniglot"], ["mnist-vim-l-short", "omniglot-beta-gt-1-short"]),
    pytest.param("vim_tables", ["cifar10"], ["cifar10-vim-n-short"], marks=pytest.mark.slow),
    pytest.param("likelihoods", ["mnist"], ["vim-mnist-vim-l-short", "logdet-mnist-floor-500"],
                 marks=pytest.mark.slow),
    pytest.param("aae_mnist", ["mnist"],
                 ["prior-8d-short", "regions-short", "style-short", "semi-100-short",
                  "semi-all-short", "clusters-16-short", "embedding-100-short"],
                 marks=pytest.mark.slow),
])  # fmt: skip
def test_every_experiment_runs_in_a_small_size(name, needed, rows, tmp_path, once, monkeypatch):
    need_data(*needed)
    module = runner.load(name)
    for where, function, cached in once:
        monkeypatch.setattr(where, function, cached)
    one_epoch = partial(vim_tables.MLPClassifier, max_iter=1, random_state=0)
    monkeypatch.setattr(vim_tables, "MLPClassifier", lambda hidden, **_: one_epoch(hidden))
    for row in module.ROWS:
        if row["id"] in rows:
            small = {key: TINY.get(key, value) for key, value in row["config"].items()}
            small |= {"epochs_then": 1, "autocast": None} if name == "iwae_table2" else {}
            small |= {"steps": 5, "width": 4} if name in ("vim_tables", "aae_mnist") else {}
            small |= {"steps": 20} if name == "logdet_size" else {}
            small |= {"parzen": 1000} if "parzen" in small else {}
            small |= {"judged": 300, "held_out": 300} if name == "aae_mnist" else {}
            small |= (
                {"judged": 300, "likelihood_images": 50, "steps": 5}
                if name == "family_plate"
                else {}
            )
            if name == "likelihoods":
                small |= {"images": 30, "trained": small["trained"] | {"steps": 5}}
                assert module.seconds(row["config"], torch.device("cpu")) > 60
            if name == "disentanglement_grid":
                few = {"scale": [0, 5], "x": [0, 31], "y": list(range(0, 32, 4))}
                small |= {"steps": 5, "width": 4, "judged": 128, "trees": 3, "batch_size": 16,
                          "sprites": small["sprites"] | few | {"orientation": [0, 5]}}  # fmt: skip
            results, data = module.run(small, torch.device("cpu"), tmp_path / row["id"])
            assert set(row.get("paper", {})) <= set(results) and all(
                len(r["values"]) == 2 for r in results.values()
            )
            assert len(data) == 1 and ("nll" not in results or 80 < results["nll"]["mean"] < 600)
            if name == "iwae_table2":
                assert results["nll"]["values"] != results["nll_before"]["values"]


@pytest.mark.slow
@pytest.mark.parametrize("row", [row["id"] for row in chapter_controls.ROWS])
def test_a_chapters_control_runs_in_the_smoke_profile(row, monkeypatch, tmp_path):
    monkeypatch.setenv("VAELIB_PROFILE", "smoke")  # restored afterwards
    monkeypatch.setattr(chapter_controls, "PROFILE", "smoke")
    (config,) = [r["config"] for r in chapter_controls.ROWS if r["id"] == row]
    if row == "08-mean-image":
        need_data("mnist")
    small = config | {"seeds": [0, 1]}
    results, data = chapter_controls.run(small, torch.device("cpu"), tmp_path)
    assert len(data) == 1 and results and all(len(r["values"]) == 2 for r in results.values())
    differ = any(r["values"][0] != r["values"][1] for r in results.values())
    assert differ == (len(config["seeds"]) > 1)  # one seed is planned where nothing is drawn
    assert set(results) == set(receipts.read("chapter_controls", row)["results"])


def test_a_control_becomes_stale_with_its_code_and_not_with_a_comment(tmp_path, monkeypatch):
    def code(source):
        cells = [{"id": "a", "source": [source]}, {"id": "b", "source": ["other"]}]
        (tmp_path / "chapters/01_x.ipynb").write_text(json.dumps({"cells": cells}))
        return chapter_controls.row("r", "R", "01_x", ["a"], "f", 2)["config"]["code"]

    (tmp_path / "chapters").mkdir()
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    assert code("f = 1") == code("f = (1)  # one") != code("f = 2")
    assert runner.cells("01_x", ["b", "a"]) == ["other", "f = 2"]


def test_the_fid_by_torchmetrics_equals_our_frechet_distance(monkeypatch):
    need(find_spec("torchmetrics"), "torchmetrics (the extra fid)")
    from book.experiments.vim_tables import inception_distance

    class Colours(torch.nn.Module):  # replaces Inception: mean and spread of each channel
        num_features = 6

        def forward(self, x):
            return torch.cat([x.mean((2, 3)), x.std((2, 3))], 1)

    torch.manual_seed(0)
    real, drawn = torch.rand(600, 3, 8, 8), torch.rand(500, 3, 8, 8) ** 1.5
    ours = vl.frechet_distance(Colours()(drawn), Colours()(real)).item()
    assert ours > 0.01 and inception_distance(drawn, real, Colours()) == pytest.approx(
        ours, rel=1e-3
    )
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install -e '.\[fid\]'"):
        inception_distance(drawn, real)


@pytest.mark.slow
def test_the_jpegs_of_cifar10(once):
    need_data("cifar10")
    (load,) = [cached for *_, name, cached in once if name == "load"]
    d = load()
    assert d.train.shape == (50_000, 3072) and d.name == "cifar10 (JPEG)"
    assert torch.bincount(d.test_labels).tolist() == [1000] * 10
    assert d.train.mean().item() == pytest.approx(0.4734, abs=2e-3)  # of the originals
