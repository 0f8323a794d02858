"""The functions that chapter 12 writes for a reader's own files, and its plan of a report."""

import csv
import json
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import vaelib as vl
from vaelib.pages import receipts

ROOT = Path(__file__).resolve().parents[1]
CELLS = {
    cell["id"]: "".join(cell["source"])
    for cell in json.loads((ROOT / "chapters/12_your_data.ipynb").read_text())["cells"]
}


@pytest.fixture(scope="module")
def own():
    """The names that the chapter's cells for files and tables define."""
    names = dict(np=np, torch=torch, vl=vl, math=math, csv=csv, Path=Path, Image=Image,
                 kinds={"age": "number", "sex": ["A", "B"]})  # fmt: skip
    for cell in (
        "read-pictures",
        "split",
        "read-table",
        "as-numbers",
        "mixed-model",
        "fill",
        "slerp",
    ):
        exec(CELLS[cell], names)
    return names


def picture(path, size, colour=(10, 200, 30)):
    path.parent.mkdir(exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def test_pictures_of_an_odd_size(own, tmp_path):
    picture(tmp_path / "a" / "1.png", (21, 13))
    picture(tmp_path / "b" / "2.JPG", (21, 13), (0, 0, 0))
    x, shape = own["read_pictures"](tmp_path)
    assert x.shape == (2, 3 * 13 * 21) and shape == (3, 13, 21) and x.dtype == torch.uint8
    assert x[0].reshape(shape)[:, 5, 7].tolist() == [10, 200, 30]
    grey, shape = own["read_pictures"](tmp_path, mode="L")
    assert shape == (1, 13, 21) and grey.shape == (2, 13 * 21)


def test_a_folder_without_pictures_is_named(own, tmp_path):
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ValueError, match="must hold .png or .jpg files, got none"):
        own["read_pictures"](tmp_path)


def test_pictures_of_several_sizes_are_refused_or_resized(own, tmp_path):
    picture(tmp_path / "1.png", (8, 8))
    picture(tmp_path / "2.png", (9, 8))
    with pytest.raises(ValueError, match=r"one size, got \(8, 8\) to \(9, 8\) .*; pass resize"):
        own["read_pictures"](tmp_path)
    x, shape = own["read_pictures"](tmp_path, resize=(6, 4))
    assert shape == (3, 4, 6) and len(x) == 2


def test_a_table_becomes_numbers_and_gaps(own, tmp_path):
    (tmp_path / "t.csv").write_text("n,c\n1.5,b\n,a\n2,\n")
    x = own["as_numbers"](own["read_table"](tmp_path / "t.csv"), {"n": "number", "c": ["a", "b"]})
    assert torch.equal(x.isnan(), torch.tensor([[0, 0], [1, 0], [0, 1]]).bool())
    assert x[0].tolist() == [1.5, 1] and x[1, 1] == 0 and x.dtype == torch.float32
    frame = {"n": np.array([1.5, np.nan]), "c": np.array(["a", None], dtype=object)}
    assert own["as_numbers"](frame, {"n": "number", "c": ["a", "b"]}).isnan()[1].all()


@pytest.mark.parametrize(
    ("table", "kinds", "message"),
    [
        ({"n": ["1", "two"]}, {"n": "number"}, "row 1 of 'n' must be a number or empty, got 'two'"),
        (
            {"c": ["a", "x"]},
            {"c": ["a", "b"]},
            r"row 1 of 'c' must be one of \['a', 'b'\], got 'x'",
        ),
    ],
)
def test_what_does_not_fit_a_column_is_named(own, table, kinds, message):
    with pytest.raises(ValueError, match=message):
        own["as_numbers"](table, kinds)


def test_a_category_of_one_level_and_a_constant_column_are_refused(own):
    with pytest.raises(ValueError, match="levels must be an integer of at least 2, got 1"):
        vl.likelihoods.Categorical(len(["a"]))
    family = vl.Mixed({"n": vl.likelihoods.Gaussian("learned")})
    with pytest.raises(ValueError, match="column 'n': values must differ"):
        vl.fit(
            lambda seed: vl.VAE(vl.mlp(1, 2), vl.mlp(1, 1), 1, family),
            vl.elbo, torch.ones(20, 1), steps=1, batch_size=10,
        )  # fmt: skip


def test_a_broken_picture_a_missing_column_and_an_unknown_kind_are_named(own, tmp_path):
    (tmp_path / "zz.png").write_text("no picture")
    with pytest.raises(ValueError, match=r"read_pictures: .*zz.png cannot be read"):
        own["read_pictures"](tmp_path)
    with pytest.raises(ValueError, match=r"'b' must be one of the columns \['a'\]"):
        own["as_numbers"]({"a": ["1"]}, {"b": "number"})
    with pytest.raises(ValueError, match="kind of 'a' must be 'number', 'count' or a list"):
        own["as_numbers"]({"a": ["1"]}, {"a": "categorical"})
    (tmp_path / "t.csv").write_text("a,b\n")
    assert own["read_table"](tmp_path / "t.csv") == {"a": [], "b": []}
    (tmp_path / "t.csv").write_text("a,a\n1,2\n")
    with pytest.raises(ValueError, match=r"t.csv must have different names, got \['a', 'a'\]"):
        own["read_table"](tmp_path / "t.csv")
    (tmp_path / "t.csv").write_text("a,b\n1,2\n3,5,4\n")
    with pytest.raises(ValueError, match=r"line 3 of .*t.csv must have 2 cells, got 3"):
        own["read_table"](tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes("ä\n1\n".encode("latin-1"))
    assert own["read_table"](tmp_path / "t.csv", "latin-1") == {"ä": ["1"]}
    assert own["as_numbers"]({"c": ["b", "a"]}, {"c": ["a", "b"]}).dtype == torch.float32
    with pytest.raises(ValueError, match="column 'age' must vary, got 5 in all rows"):
        own["standardizer"](torch.tensor([[5.0, 0.0]] * 20))


def test_the_parts_are_disjoint_and_complete(own):
    parts = own["split"](100)
    assert [len(part) for part in parts] == [70, 15, 15]
    assert torch.equal(torch.cat(parts).sort().values, torch.arange(100))


def test_a_sphere_keeps_the_length(own):
    a, b = torch.randn(2, 50, 30, generator=torch.Generator().manual_seed(0)).double()
    a, b = (z / z.norm(dim=1, keepdim=True) for z in (a, b))
    for t in (0.0, 0.3, 1.0):
        assert torch.allclose(own["spherical"](a, b, t).norm(dim=1), torch.ones(50).double())
    assert torch.allclose(own["spherical"](a, b, 1.0), b, atol=1e-6)


def test_gaps_are_filled_with_the_exact_conditional_mean(own):
    """In a linear-Gaussian model E[x2 | x1] is known."""
    own = own | {"kinds": {"x1": "number", "x2": "number"}}
    exec(CELLS["fill"], own)
    family = vl.Mixed({name: vl.likelihoods.Gaussian(0.5) for name in ("x1", "x2")}, missing=True)
    model = vl.VAE(vl.mlp(family.features, 2), vl.mlp(1, 2), 1, family)
    with torch.no_grad():  # x_j = w_j z + noise; a proposal near the posterior given x1
        model.decoder[0].weight.copy_(torch.tensor([[1.0], [2.0]]))
        model.decoder[0].bias.zero_()
        model.encoder[0].weight.zero_()
        model.encoder[0].weight[0, 0] = 0.8
        model.encoder[0].bias.copy_(torch.tensor([0.0, math.log(0.25)]))
    x = torch.tensor([[1.0, math.nan], [-0.5, math.nan], [0.3, 7.0]])
    torch.manual_seed(0)
    filled = own["fill"](model, x, 20_000)
    exact = 2 * x[:2, 0] / (1 + 0.25)  # w2 E[z | x1], E[z | x1] = x1 / (1 + 0.5²)
    assert torch.allclose(filled[:2, 1], exact, atol=0.02)
    assert torch.equal(filled[2], x[2]) and torch.equal(filled[:, 0], x[:, 0])


def call(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "book.experiments", *map(str, arguments), "--device", "cpu"],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip


@pytest.mark.slow
def test_the_plan_of_the_chapter_makes_its_table_by_one_command():
    (source,) = re.findall(r"(?s)```python\n(.*?)```", CELLS["report"])
    source = source.replace('"steps": 2000, "seeds": [0, 1, 2]', '"steps": 5, "seeds": [0, 1]')
    source = source.replace("1000).mean", "10).mean").replace("(2, 8)]", "SIZES]")
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "my_plan.py"
        (Path(folder) / "beside.py").write_text("SIZES = (2,)\n")
        plan.write_text(source.replace("import vaelib", "from beside import SIZES\nimport vaelib"))
        done = call(plan)
        assert done.returncode == 0, done.stderr
        found = receipts.rows("my_plan", Path(folder) / "receipts")
        assert [row["state"] for row in found] == ["run"]
        assert len(found[0]["receipt"]["results"]["log p(x)"]["values"]) == 2
        table = (Path(folder) / "my_plan.md").read_text()
        assert table in done.stdout and "2 numbers" in table and "| 2 | run |" in table
        # What is there is not run again.
        (Path(folder) / "beside.py").write_text("SIZES = (2, 4)\n")
        changed = call(plan)
        assert changed.stdout.count("has a valid receipt") == 1 and "4 numbers" in changed.stdout


def test_a_plan_that_does_not_exist_is_named(tmp_path):
    done = call(tmp_path / "nothing.py")
    assert done.returncode == 2 and "name must be a file that exists, got" in done.stderr


@pytest.mark.parametrize(
    "word",
    ["BCE", "MSE", "blurry", "NaN", "annealing", "free bits", "slerp", "anomaly", "conditional",
     "saving", "overfitting", "GPU memory", "imputation", "bits per dimension", "early stopping"],
)  # fmt: skip
def test_the_glossary_has_the_words_that_people_type(word):
    """The site's search looks for words; these are the ones of public questions."""
    glossary = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8").lower()
    assert word.lower() in glossary
