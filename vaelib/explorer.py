"""Figures that the reader moves without a kernel: plain HTML with its numbers and its script inside."""

import base64
import hashlib
import html
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).with_name("explorer.js")
STYLE = """<style>
.explorer { max-width: 46rem; color: inherit; font-size: 0.9rem; }
.explorer .panels { display: flex; flex-wrap: wrap; gap: 0.5rem; }
.explorer svg { flex: 1 1 17rem; min-width: 0; max-width: 100%; }
.explorer svg text { font: 11px sans-serif; }
.explorer svg text:not([fill]) { fill: currentColor; }
.explorer svg .title { font-weight: bold; }
.explorer svg .axis { fill: none; stroke: currentColor; }
.explorer label { display: flex; gap: 0.6rem; align-items: center; margin: 0.15rem 0; }
.explorer label span:first-child { flex: 0 0 11rem; }
.explorer label input { flex: 1 1 6rem; min-width: 0; }
.explorer label span:last-child { flex: 0 0 5.5rem; }
.explorer output { display: block; min-height: 1.4em; font-variant-numeric: tabular-nums; }
</style>"""


@dataclass(frozen=True)
class Explorer:
    """HTML that a notebook and a built page show alike."""

    html: str

    def _repr_html_(self):
        return self.html


def panel(title, xlabel, xlim, ylim, lines):
    """One drawing of `curves`. lines: name -> heights at equal steps over xlim, (n,) where the sliders do not matter,
    or (number of values of each slider..., n). Heights outside ylim are cut off."""
    return {"title": title, "xlabel": xlabel, "xlim": xlim, "ylim": ylim, "lines": lines}


def curves(panels, sliders, readout=None):
    """Curves that follow sliders; a button plays the first slider.

    panels: made by `panel`. sliders: label -> its values. readout: a function of one value of each slider that gives
    the line of text below. Keys, pointer and touch work as on any slider. ValueError: lines whose shape does not fit.
    """
    counts = tuple(len(values) for values in sliders.values())
    data = {"sliders": [{"values": [str(v) for v in values]} for values in sliders.values()], "panels": []}
    for one in panels:
        low, high = one["ylim"]
        points, lines = {np.shape(line)[-1] for line in one["lines"].values()}, []
        for name, line in one["lines"].items():
            line = np.asarray(line, float)
            if len(points) != 1 or line.shape[:-1] not in ((), counts):
                raise ValueError(
                    f"curves: line {name!r} has shape {line.shape}; allowed are (n,) and {(*counts, 'n')}, "
                    "with the same n in all lines of a panel."
                )
            level = np.clip(np.nan_to_num((line - low) / (high - low)), 0, 1)
            packed = base64.b64encode(np.round(255 * level).astype(np.uint8).tobytes()).decode()
            lines.append({"name": name, "data": packed, "fixed": line.ndim == 1})
        data["panels"].append({**{k: one[k] for k in ("title", "xlabel", "xlim", "ylim")}, "lines": lines,
                               "points": points.pop()})  # fmt: skip
    data["readout"] = [readout(*values) for values in product(*sliders.values())] if readout else []
    packed = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    name = "explorer-" + hashlib.sha256(packed.encode()).hexdigest()[:10]
    rows = "".join(
        f'<label><span>{html.escape(label)}</span><input type="range" min="0" max="{len(values) - 1}" value="0">'
        "<span></span></label>"
        for label, values in sliders.items()
    )
    return Explorer(
        f'{STYLE}<div class="explorer" id="{name}"><div class="panels"></div>{rows}'
        f'<button type="button">▶ Play</button> <output></output></div>'
        f'<script>{SCRIPT.read_text(encoding="utf-8").strip()}(document.getElementById("{name}"), {packed});</script>'
    )
