"""Curves that follow sliders: what is packed, and what a browser draws from it without a kernel."""

import base64
import json
import re
from itertools import product

import numpy as np
import pytest
from test_pages import browser, problems, served  # noqa: F401 (browser is a fixture)

import vaelib as vl

X = np.linspace(-1, 1, 41)
SLIDERS = {"slope": (-1, 0, 1), "height": (0.0, 0.5)}
LINES = {"line": np.array([[a * X / 4 + b for b in (0.0, 0.5)] for a in (-1, 0, 1)]), "fixed": X / 2}


def make():
    return vl.explorer.curves([vl.explorer.panel("A", "x", (-1, 1), (-1, 1), LINES)], SLIDERS,
                              lambda slope, height: f"slope {slope}, height {height}")  # fmt: skip


def packed(explorer):
    text = re.search(r"\), (\{.*\})\);</script>", explorer._repr_html_(), re.S)[1]
    return json.loads(text)


def test_what_is_packed_is_what_was_given():
    data = packed(make())
    line, fixed = data["panels"][0]["lines"]
    values = np.frombuffer(base64.b64decode(line["data"]), np.uint8).reshape(3, 2, 41) / 255 * 2 - 1
    assert np.abs(values - LINES["line"]).max() < 1 / 255 + 1e-9 and fixed["fixed"] and not line["fixed"]
    assert data["readout"] == [f"slope {a}, height {b}" for a, b in product(*SLIDERS.values())]
    assert make().html == make().html and len(make().html) < 20_000


def test_lines_that_do_not_fit_are_named():
    for bad in ({"line": np.zeros((2, 2, 41))}, {"line": np.zeros(41), "other": np.zeros(40)}):
        with pytest.raises(ValueError, match=r"line '\w+' has shape .* allowed are \(n,\) and \(3, 2, 'n'\)"):
            vl.explorer.curves([vl.explorer.panel("A", "x", (-1, 1), (-1, 1), bad)], SLIDERS)


def heights(page, line=0):
    """The drawn heights of a line, back from the picture's coordinates to the numbers'."""
    d = page.locator("svg path:not(.axis)").nth(line).get_attribute("d")
    y = np.array([float(p.split()[1]) for p in re.split("[ML]", d)[1:]])
    return 1 - 2 * (y - 40) / (216 - 34 - 40)


def test_a_browser_draws_the_curves_and_the_sliders_move_them(browser, tmp_path):  # noqa: F811
    page_of = '<!doctype html><html lang="en" data-theme="light"><head><title>A page</title></head>'
    page_of += f'<body style="background: #fff"><article><h1>A page</h1>{make().html}</article></body></html>'
    (tmp_path / "index.html").write_text(page_of, encoding="utf-8")
    with served(tmp_path) as site, browser.new_page() as page:
        assert problems(page, site) == []  # and nothing is asked of another site
        assert np.abs(heights(page) - LINES["line"][0, 0]).max() < 0.02
        slope, height = page.locator("input").nth(0), page.locator("input").nth(1)
        slope.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        height.fill("1")
        assert np.abs(heights(page) - LINES["line"][2, 1]).max() < 0.02
        assert page.locator("output").text_content() == "slope 1, height 0.5"
        assert slope.get_attribute("aria-valuetext") == "1"
        assert np.abs(heights(page, 1) - LINES["fixed"]).max() < 0.02
        page.locator("button").click()  # from the end it starts anew, and stops by itself
        page.wait_for_timeout(800)
        assert slope.input_value() == "2" and "Play" in page.locator("button").text_content()
