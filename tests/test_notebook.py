"""Profiles, and numbers for the prose."""

import sys

import pytest

import vaelib.pages as vp


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


def test_glue_works_where_myst_nb_is_absent(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "myst_nb", None)
    vp.glue("gap", 1.234567)
    vp.glue("units", 7)
    assert capsys.readouterr().out == "gap = 1.235\nunits = 7\n"


def test_a_claim_that_does_not_hold_stops_the_chapter(monkeypatch, capsys):
    monkeypatch.setenv("VAELIB_PROFILE", "smoke")
    vp.claim("one is one", 1 == 1)
    with pytest.raises(AssertionError, match="does not hold here: one is two"):
        vp.claim("one is two", 1 == 2)
    vp.claim("the model has learned", False, trained=True)
    assert capsys.readouterr().out == (
        "Checked: one is one\nNot checked in the smoke profile: the model has learned\n"
    )
    monkeypatch.setenv("VAELIB_PROFILE", "default")
    with pytest.raises(AssertionError):
        vp.claim("the model has learned", False, trained=True)
