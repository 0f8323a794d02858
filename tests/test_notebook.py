"""Profiles, and numbers for the prose."""

import json
import os
import sys

import numpy as np
import pytest
import torch
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

import vaelib.pages as vp
from vaelib.pages.notebook import with_minus


@pytest.mark.parametrize(("name", "steps"), [("smoke", 3), ("default", 1500), ("paper", 20_000)])
def test_sizes_follow_the_profile(name, steps, monkeypatch):
    monkeypatch.setenv("VAELIB_PROFILE", name)
    size = vp.sizes(steps=(3, 1500, 20_000), mark=("a", "b", "c"), data=(False, False, True))
    assert size.steps == steps
    table = size._repr_markdown_()
    assert f"**{name}** (in force)" in table and "| `steps` | 3 | 1,500 | 20,000 |" in table
    assert "| `data` | no | no | yes |" in table


def test_bad_profile_and_sizes(monkeypatch):
    monkeypatch.setenv("VAELIB_PROFILE", "huge")
    with pytest.raises(
        ValueError, match="VAELIB_PROFILE must be one of smoke, default, paper, got 'huge'"
    ):
        vp.profile()
    monkeypatch.delenv("VAELIB_PROFILE")
    assert vp.profile() == "default"
    with pytest.raises(ValueError, match="sizes: steps must be a tuple of three .* got 5"):
        vp.sizes(steps=5)


def test_a_table_keeps_a_value_next_to_its_spread():
    shown = vp.table(["model", "nats"], [["VAE", "1.5 ± 0.2"], ["IWAE", 2]])
    assert (
        shown._repr_markdown_()
        == "| model | nats |\n| --- | --- |\n| VAE | 1.5\u00a0±\u00a00.2 |\n| IWAE | 2 |"
    )
    noted = vp.table(["model"], [["VAE"]], "One run.")
    assert noted._repr_markdown_() == "| model |\n| --- |\n| VAE |\n\nOne run."
    assert repr(noted) == "model\nVAE\nOne run."
    assert (
        vp.table(["model"], [], "None.")._repr_markdown_()
        == repr(vp.table(["model"], [], "None."))
        == "None."
    )
    assert repr(shown) == "model  nats\nVAE  1.5 ± 0.2\nIWAE  2"
    with pytest.raises(
        ValueError, match="table: every row must have 2 cells, as the head has, got 1: .'AAE'."
    ):
        vp.table(["model", "nats"], [["AAE"]])


@pytest.fixture
def reader(monkeypatch):
    """As in a reader's notebook: neither the build nor a test runs it."""
    monkeypatch.delenv("PYTEST_VERSION")
    monkeypatch.delenv("VAELIB_STRICT", raising=False)
    monkeypatch.delenv("VAELIB_PROFILE", raising=False)


def test_a_reader_sees_the_numbers_of_the_prose(reader, monkeypatch, capsys):
    vp.glue("gap", 1.234567)
    vp.glue("units", np.int64(7))
    assert capsys.readouterr().out == "gap = 1.235\nunits = 7\n"
    monkeypatch.setenv("VAELIB_STRICT", "1")
    monkeypatch.setitem(sys.modules, "myst_nb", None)  # where tests run plain notebooks
    vp.glue("gap", 1.234567)
    assert capsys.readouterr().out == "gap = 1.235\n"


def test_a_claim_that_does_not_hold_stops_the_build(monkeypatch, capsys):
    monkeypatch.setenv("VAELIB_PROFILE", "smoke")
    vp.claim("one is one", True)
    with pytest.raises(AssertionError, match="does not hold here: one is two"):
        vp.claim("one is two", False)
    vp.claim("the model has learned", False, trained=True)
    assert capsys.readouterr().out == (
        "Checked: one is one\nNot checked in the smoke profile: the model has learned\n"
    )
    monkeypatch.setenv("VAELIB_PROFILE", "default")
    with pytest.raises(AssertionError):
        vp.claim("the model has learned", False, trained=True)


def test_a_claim_that_does_not_hold_does_not_stop_a_reader(reader, capsys):
    gap = 0.25
    vp.claim("the gap is closed", gap < 0.1)
    vp.claim("the gap is open", gap > 0.1)
    assert capsys.readouterr().out == (
        "\x1b[31mDoes not hold here: the gap is closed (0.250 < 0.100)\x1b[0m\n"
        "Checked: the gap is open (0.250 > 0.100)\n"
    )


def test_a_claim_on_many_shows_the_pair_that_fails(reader, capsys):
    rows = [(1, 2), (9, 3), (4, 4.5)]
    vp.claim("so", all(low < high for low, high in rows))
    vp.claim("so", all(high > low for low, high in rows))
    shown = capsys.readouterr().out
    assert "closest of 3: 9 < 3)" in shown and "closest of 3: 3 > 9)" in shown


def test_strict_is_what_pytest_and_the_build_set(reader, monkeypatch):
    assert not vp.notebook.strict()
    monkeypatch.setenv("VAELIB_STRICT", "1")
    assert vp.notebook.strict()
    monkeypatch.delenv("VAELIB_STRICT")
    monkeypatch.setenv("PYTEST_VERSION", "9")
    assert vp.notebook.strict()


def test_a_claim_names_the_cell_that_trained(tmp_path):
    """In a notebook, a claim that stands from an earlier training can be told."""
    cells = [
        "import vaelib as vl\nimport vaelib.pages as vp\nx = vl.digits('dynamic').train\n"
        "def build(seed):\n    return vl.VAE(vl.mlp(64, 8, 4), vl.mlp(2, 8, 64), 2)",
        "steps = 3\nrun = vl.fit(build, vl.elbo, x, steps=steps, transform=vl.binarize)",
        "vp.claim('the divergence is positive', run.history['kl'][0, -1] > 0, trained=True)",
        "def stop(model, x):\n    raise KeyboardInterrupt\n"
        "vl.fit(build, stop, x, steps=9, transform=vl.binarize)",
        "vl.interrupted_run().model",
        "vp.claim('four is less than three', 4 < 3, trained=True)\nvp.glue('four', 4)",
    ]
    nb = new_notebook(cells=[new_code_cell(source) for source in cells])
    client = NotebookClient(nb, kernel_name="python3", timeout=600, allow_errors=True)
    client.create_kernel_manager()
    leave = ("PYTEST_VERSION", "VAELIB_STRICT", "VAELIB_PROFILE")
    client.execute(env={key: value for key, value in os.environ.items() if key not in leave})
    outputs = [cell.outputs for cell in nb.cells]
    assert "Checked after training in [2], 3 steps: the divergence is" in outputs[2][0].text
    assert outputs[3][-1].ename == "Interrupted" and "step 0 of 9" in outputs[3][-1].evalue
    assert "VAE(" in outputs[4][0].data["text/plain"]
    said = "Does not hold here after training in [4], 0 of 9 steps: four is less than three (4 < 3)"
    assert said in outputs[5][0].text
    assert "four = 4" in outputs[5][0].text


def test_a_claim_shows_what_it_compared(capsys):
    a, b, rows = torch.tensor([1.0, 2.0]), np.array([1.0, 2.0000001]), [(1, 2.5), (2, 2.125)]
    shares, near = {"few": 0.012345, "many": 0.5}, 0.49999
    vp.claim("so", shares["few"] < 0.1)
    vp.claim("so", 0 < a.max() <= 2 and abs(-3.5) > 1)
    vp.claim("so", near < shares["many"])
    vp.claim("so", all(low < high for low, high in rows))
    vp.claim("so", (a > 0.5).all())
    vp.claim("so", np.allclose(a, b))
    vp.claim(
        "so",
        len(rows) == 2,
        trained=False,
    )
    vp.claim("so", 12_345.678 > 1e-7)
    assert capsys.readouterr().out.splitlines() == [
        "Checked: so (0.0123 < 0.100)",
        "Checked: so (0 < 2 ≤ 2, 3.50 > 1)",
        "Checked: so (0.49999 < 0.50000)",
        "Checked: so (closest of 2: 2 < 2.12)",
        "Checked: so (closest of 2: 1 > 0.500)",
        "Checked: so (largest difference 1e-07)",
        "Checked: so (2 = 2)",
        "Checked: so (12,346 > 1e-07)",
    ]


def test_a_claim_evaluates_nothing_that_could_change_something(capsys):
    calls = []

    def drawn():
        calls.append(1)
        return 1

    vp.claim("so", drawn() == 1)
    vp.claim("so", all(drawn() < 2 for _ in range(3)))
    vp.claim("so", "text" == "text")
    eval("vp.claim('so', 1 < 2)")  # no source to read
    max = lambda *values: drawn()  # noqa: A001, E731
    vp.claim("so", max(1, 2) == 1)
    assert len(calls) == 5
    assert capsys.readouterr().out == "Checked: so\n" * 5


def shown(made):
    """What a notebook displays of a claim, and the record that it keeps."""
    data, metadata = made._repr_mimebundle_()
    return data | metadata


def test_a_claim_says_its_kind_and_is_shown_as_a_seal():
    Claim = vp.claims.Claim
    made = Claim("the gap < 1 is open", True, "measured", 3, "0.25 > 0.1")
    assert str(made) == "Checked: the gap < 1 is open (0.25 > 0.1)"
    seal = shown(made)["text/html"]
    assert 'class="seal holds"' in seal and "The gap &lt; 1 is open" in seal
    assert "measured, 3 seeds · 0.25 &gt; 0.1" in seal
    assert "identity</small>" in shown(Claim("so", True, "identity"))["text/html"]
    assert "measured, one run" in shown(Claim("so", True, "measured", 1))["text/html"]
    failed = shown(Claim("so", False, "theorem"))["text/html"]
    assert 'class="seal fails"' in failed and "Does not hold here: So" in failed
    unchecked = shown(Claim("so", None, "measured", 1))
    assert "Not checked in the smoke profile" in unchecked["text/html"]
    judged = Claim("so", True, "theorem", source="Notes, “X”", verdict="does not hold")
    assert "(Notes, “X”: does not hold.)" in shown(judged)["text/html"]
    record = shown(judged)["claim"]
    assert record["verdict"] == "does not hold" and json.dumps(record)


def test_a_claim_of_another_kind_is_named():
    for bad, words in [
        ({"kind": "proof"}, "kind must be one of identity, theorem, measured, recorded"),
        ({"kind": "measured"}, "seeds must be the number of runs of a measured .* got None"),
        ({"kind": "measured", "seeds": 0}, "got 0 for 'measured'"),
        ({"kind": "identity", "seeds": 3}, "got 3 for 'identity'"),
        ({"kind": "theorem", "source": "Notes"}, "a source needs a verdict, .* got None"),
        ({"kind": "theorem", "source": "Notes", "verdict": "wrong"}, "got 'wrong'"),
    ]:
        with pytest.raises(ValueError, match=words):
            vp.claim("so", True, **bad)


def test_a_claim_with_a_kind_is_displayed_in_a_notebook():
    claims = "vp.claim('so', 1 < 2, 'identity')\nvp.claim('too', 2 < 3)"
    cells = ["import vaelib.pages as vp", claims]
    nb = new_notebook(cells=[new_code_cell(source) for source in cells])
    NotebookClient(nb, kernel_name="python3", timeout=600).execute()
    seal, line = nb.cells[1].outputs
    assert seal.metadata["claim"]["kind"] == "identity"
    assert "1 &lt; 2" in seal.data["text/html"] and line.text == "Checked: too (2 < 3)\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-0.3 ± 0.1", "−0.3 ± 0.1"),
        ("| VAE | -86.2 | (-1) |", "| VAE | −86.2 | (−1) |"),
        ("vae-1-k1, 1e-05, 2-3, $10^{-4}$, `x[-1]`", "vae-1-k1, 1e-05, 2-3, $10^{-4}$, `x[-1]`"),
    ],
)
def test_a_hyphen_before_a_number_becomes_a_minus_sign(text, shown):
    assert with_minus(text) == shown


def test_a_table_has_minus_signs():
    made = vp.table(["a", "b"], [["x-1", "-0.5 ± 0.1"]])
    assert "| x-1 | −0.5\u00a0±\u00a00.1 |" in made._repr_markdown_()
