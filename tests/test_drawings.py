"""The drawn heads of the chapters: what is committed, its size, and what it is composed of."""

import re
import xml.etree.ElementTree as ElementTree

import drawings
import heads
import pytest

import vaelib.pages as vp

SVG = "{http://www.w3.org/2000/svg}"
SYMBOLS = {symbol.__name__ for symbol in drawings.SYMBOLS}


def test_every_file_is_the_drawing_of_a_head():
    files = {path.name for path in heads.FOLDER.iterdir()}
    assert files == {f"{name}.svg" for name in heads.HEADS}


@pytest.mark.parametrize("name", heads.HEADS)
def test_committed_file_is_what_the_program_draws(name):
    path = heads.FOLDER / f"{name}.svg"
    assert path.read_bytes() == heads.HEADS[name]().encode()
    assert path.stat().st_size <= 12 * 1024


@pytest.mark.parametrize("name", heads.HEADS)
def test_head_is_composed_of_symbols_lines_and_labels(name):
    root = ElementTree.fromstring(heads.HEADS[name]())
    assert [child.tag.removeprefix(SVG) for child in root] == ["title", "defs", "g"]
    for part in root.find(f"{SVG}g"):
        match part.tag.removeprefix(SVG):
            case "g":
                assert part.get("class") in SYMBOLS
            case "path":
                assert part.get("fill") == "none"
            case tag:
                assert tag == "text"


@pytest.mark.parametrize("name", heads.HEADS)
def test_head_has_the_width_of_a_page_and_letters_for_a_phone(name):
    root = ElementTree.fromstring(heads.HEADS[name]())
    x, y, width, height = map(float, root.get("viewBox").split())
    assert (x, y, width) == (0, 0, 760) and height <= 260
    for group in root.find(f"{SVG}g"):
        scale = (group.get("transform") or "").partition("scale(")[2].rstrip(")") or 1
        for text in group.iter(f"{SVG}text"):
            assert float(text.get("font-size")) * float(scale) >= drawings.SMALLEST


@pytest.mark.parametrize("symbol", drawings.SYMBOLS)
def test_symbol_is_one_group_with_the_symbols_name(symbol):
    for scale in (1, 0.5):
        group = ElementTree.fromstring(symbol(30, 40, scale))
        assert group.tag == "g" and group.get("class") == symbol.__name__
        assert group.get("transform").startswith("translate(30 40)")


def test_blurred_picture_has_the_same_ink_spread_wider():
    dot = [16 * (k == 27) for k in range(64)]
    assert sum(drawings.blur(dot)) == pytest.approx(16, abs=2)
    assert sum(level > 0 for level in drawings.blur(dot)) == 9


def test_label_refuses_letters_too_small_for_a_phone():
    with pytest.raises(ValueError, match="size must be at least 15, got 12"):
        drawings.label("gap", 0, 0, 12)


def test_check_names_a_file_that_differs(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(heads, "FOLDER", tmp_path / "heads")
    assert heads.main([]) == 0
    assert heads.main(["--check"]) == 0 and capsys.readouterr().out == ""
    (tmp_path / "heads" / "02_elbo.svg").write_text("<svg/>")
    assert heads.main(["--check"]) == 1
    assert "02_elbo.svg" in capsys.readouterr().out


def test_the_map_has_the_members_colours():
    source = (heads.FOLDER.parent / "family.svg").read_text(encoding="utf-8")
    strokes = re.findall(r'stroke="(#[0-9A-F]{6})" stroke-width="2.2"', source)
    family = vp.plotting.FAMILY
    assert sorted(strokes) == sorted(family[name] for name in family if name != "FactorVAE")
