"""Figures that move without a kernel: plain HTML with numbers, weights and script inside.

Without scripts each figure shows its initial state.
"""

import base64
import hashlib
import html
import io
import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import torch
from matplotlib.image import imsave
from torch import nn
from torch.distributions import Normal

from .frame import square
from .panels import bars, ground, panel
from .plotting import code_grid

SCRIPT = Path(__file__).with_name("explorer.js")
STYLE = f"<style>{Path(__file__).with_name('explorer.css').read_text(encoding='utf-8')}</style>"
HEAVY = 150_000  # largest size of a page's packed weights, in bytes
STEP = 0.05  # of a slider for a code
ACTIVATIONS = {nn.Tanh: "tanh", nn.ReLU: "relu"}


@dataclass(frozen=True)
class Explorer:
    """HTML that renders the same in a notebook and on the built page."""

    html: str

    def _repr_html_(self):
        return self.html


def curves(panels, sliders, readout=None, compute=None, start=None, climb=False):
    """Drawings that follow sliders; a button plays the first slider.

    panels: made by `panel`, `ground` or `bars`. sliders: label -> its values.
    readout: a function of one value of each slider that gives the line of text below.
    compute: the source of a JavaScript function of the list of values that gives {name of a line:
        its n heights, name of a bar: its two ends, "readout": text}, for answers that the page
        works out itself; lines are then (n,), as they are at the start.
    climb: the button goes uphill instead, in steps of "uphill", a further result of compute.
    start: label -> the value at which that slider starts; default its first.
    ValueError: lines whose shape does not fit, a start that is none of the values.
    """
    start = start or {}
    for label, value in start.items():
        if value not in sliders.get(label, ()):
            raise ValueError(
                f"curves: start[{label!r}] must be one of that slider's values, got {value!r}."
            )
    at = tuple(list(values).index(start.get(label, values[0])) for label, values in sliders.items())
    data, drawings = (
        {"kind": "curves", "sliders": [[str(v) for v in values] for values in sliders.values()]},
        [],
    )
    data |= (
        {"values": [list(values) for values in sliders.values()], "panels": []}
        if compute
        else {"panels": []}
    )
    for draw in panels:
        packed, drawing = draw(tuple(sliders.values()), at, bool(compute))
        data["panels"].append(packed)
        drawings.append(drawing)
    said = (
        ""
        if readout is None
        else readout(*(v[i] for i, v in zip(at, sliders.values(), strict=True)))
    )
    if readout and not compute:
        data["readout"] = [readout(*values) for values in product(*sliders.values())]
    rows = "".join(
        _choice(name, values, i) for i, (name, values) in zip(at, sliders.items(), strict=True)
    )
    inside = f'<div class="panels">{"".join(drawings)}</div>{rows}{CLIMB if climb else PLAY}'
    return _page(data, inside, said, compute)


def planes(members, shape, limit=3.5):
    """One code in the plane, moved by the reader, and what each member's decoder makes of it.

    It is moved by pointer, touch, keys or sliders.
    members: name -> (VAE with a 2-D code, codes (N, 2), their class labels (N,)): the codes are
        drawn as dots.
    shape: (H, W) of the pictures. The decoders are MLPs of `nets.mlp` and answer in the page,
        packed as float16.
    ValueError: codes that are not two-dimensional, a decoder that is no such MLP, more weights than
        a page should contain.
    """
    data, drawings, key = {"kind": "planes", "shape": shape, "limit": limit, "members": []}, [], KEY
    for name, (model, codes, labels) in members.items():
        codes, labels = np.asarray(codes, float), np.asarray(labels)
        if codes.ndim != 2 or codes.shape[1] != 2:
            raise ValueError(
                f"planes: the codes of {name!r} must have shape (N, 2), got {codes.shape}."
            )
        packed = _pack(model)
        frame = square(limit, 200)
        at = f"translate({frame.X(0):.1f} {frame.Y(0):.1f})"
        cross = f'<g class="cross" transform="{at}"><path d="M-9 0H9M0-9V9"/></g>'
        cloud = frame.cloud(codes, labels, draws := _draws(model))
        moves = None if drawings else "code"
        plane = frame.svg(name, "", cloud + cross, ticks=False, focusable=moves)
        key = (
            key if draws is None else KEY.replace("</p>", " Grey dots: draws of another prior.</p>")
        )
        drawings.append(
            f'<div class="member"><div class="title">{html.escape(name)}</div>{plane}'
            f'<canvas width="{shape[1]}" height="{shape[0]}" role="img" '
            f'aria-label="What {html.escape(name)} decodes at this code"></canvas>'
            f'<div class="still">{_map(model, shape, limit, name)}</div></div>'
        )
        packed |= {"name": name, **frame.geometry}
        data["members"].append(
            packed | {"codes": _bytes(127 * codes / limit, np.int8), "labels": labels.tolist()}
        )
    _weigh(data["members"])
    rows = "".join(_slider(name, -limit, limit, STEP, 0, "0.00") for name in ("z₁", "z₂"))
    return _page(data, f'<div class="panels">{"".join(drawings)}</div>{key}{rows}', "")


def traversal(model, codes, shape, limit=3.0, names=None):
    """A slider for each latent and the decoded picture; a menu of codes to start from.

    model: a VAE whose decoder is an MLP of `nets.mlp`. codes: (N, Q), the starting points.
    shape: (H, W). names: of the latents, (Q,).
    ValueError: as in `planes`, or names that are not as many as the latents.
    """
    codes = STEP * np.round(np.asarray(codes, float) / STEP)  # as the sliders have them
    names = [f"z{i + 1}" for i in range(codes.shape[1])] if names is None else list(names)
    if len(names) != codes.shape[1]:
        raise ValueError(
            f"traversal: names must have {codes.shape[1]} entries, "
            f"one per latent, got {len(names)}."
        )
    data = {
        "kind": "traversal",
        "shape": shape,
        "members": [_pack(model)],
        "starts": codes.round(2).tolist(),
    }
    _weigh(data["members"])
    menu = "".join(f"<option>{i + 1}</option>" for i in range(len(codes)))
    rows = "".join(
        _slider(name, -limit, limit, STEP, f"{z:z.2f}", f"{z:z.2f}".replace("-", "\u2212"))
        for name, z in zip(names, codes[0], strict=True)
    )
    sweep = np.repeat(codes[:1], len(names) * 7, 0)
    for j in range(len(names)):
        sweep[7 * j : 7 * j + 7, j] = np.linspace(-limit, limit, 7)
    still = _picture(
        model, sweep, shape, 7, "Each row moves one latent from low to high, the others stay"
    )
    return _page(
        data,
        f'<div class="panels"><canvas width="{shape[1]}" height="{shape[0]}" role="img" '
        f'aria-label="The decoded picture"></canvas><div class="still">{still}</div>'
        f'<div class="knobs"><label><span>Start from picture</span>'
        f"<select>{menu}</select></label>{rows}</div></div>",
        "",
    )


def film(frames, times, labels, limit=3.5):
    """Codes that move: one panel per name, played, paused and scrubbed by the reader.

    frames: name -> codes at each time, (T, N, 2). times: (T,), shown next to the slider.
    labels: (N,) classes. ValueError: frames of another shape.
    """
    labels, data, drawings = (
        np.asarray(labels),
        {"kind": "film", "sliders": [[str(t) for t in times]]},
        [],
    )
    data |= {"limit": limit, "labels": labels.tolist(), "panels": []}
    for name, codes in frames.items():
        codes = np.asarray(codes, float)
        if codes.shape != (len(times), len(labels), 2):
            raise ValueError(
                f"film: the frames of {name!r} must have shape "
                f"{(len(times), len(labels), 2)}, got {codes.shape}."
            )
        frame = square(limit, 240, top=22)
        drawings.append(frame.svg(name, "", frame.cloud(codes[0], labels), ticks=False))
        data["panels"].append({**frame.geometry, "codes": _bytes(127 * codes / limit, np.int8)})
    rows = _choice("step", times, 0)
    return _page(data, f'<div class="panels">{"".join(drawings)}</div>{KEY}{rows}{PLAY}', "")


KEY = "<p>Colours are classes; the rings lie at 1, 2 and 3.</p>"
PLAY = '<button type="button">▶ Play</button>'
CLIMB = '<button type="button" data-climb>▲ Climb</button>'


def _draws(model):
    """Fixed draws of a prior whose shape the rings would not show; None for a standard normal."""
    base = getattr(model.prior, "base_dist", None)
    if isinstance(base, Normal) and (base.loc == 0).all() and (base.scale == 1).all():
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model.prior.rsample((400,)).numpy()


def _bytes(values, kind):
    values = np.asarray(values)
    if kind is not np.float16:
        values = np.clip(np.round(values), np.iinfo(kind).min, np.iinfo(kind).max)
    return base64.b64encode(
        np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
    ).decode()


def _slider(label, low, high, step, at, shown):
    return (
        f"<label><span>{html.escape(label)}</span>"
        f'<input type="range" min="{low}" max="{high}" step="{step}" '
        f'value="{at}" aria-valuetext="{shown}"><span class="value">{shown}</span></label>'
    )


def _choice(label, values, at):
    return _slider(label, 0, len(values) - 1, 1, at, html.escape(str(values[at])))


def _pack(model):
    """The decoder's layers and weights, for the script; "sigmoid" for a Bernoulli likelihood."""
    layers, weights, modules = [], [], list(model.decoder)
    for i, module in enumerate(modules):
        after = modules[i + 1] if i + 1 < len(modules) else None
        if isinstance(module, nn.Linear) and (after is None or type(after) in ACTIVATIONS):
            layers.append(
                [module.in_features, module.out_features, ACTIVATIONS.get(type(after), "")]
            )
            weights += [module.weight.detach().flatten(), module.bias.detach()]
        elif type(module) not in ACTIVATIONS:
            raise ValueError(
                "explorer: the decoder must be Linear layers with Tanh or ReLU between, "
                f"got {module}."
            )
    squash = "sigmoid" if model.likelihood_name == "bernoulli" else ""
    return {
        "layers": layers,
        "squash": squash,
        "weights": _bytes(torch.cat(weights).cpu().numpy(), np.float16),
    }


def _weigh(members):
    total = sum(len(member["weights"]) for member in members)
    if total > HEAVY:
        raise ValueError(
            f"explorer: the decoders must take at most {HEAVY:,} bytes, "
            f"got {total:,}. Show fewer members."
        )


def _picture(model, codes, shape, columns, alt):
    """A static picture of decoded codes, for a page without scripts."""
    device = next(model.decoder.parameters()).device
    with torch.no_grad():
        images = model.likelihood(torch.as_tensor(codes, dtype=torch.float32, device=device)).mean
    tiles = images.clamp(0, 1).cpu().numpy().reshape(-1, columns, *shape)
    canvas = tiles.transpose(0, 2, 1, 3).reshape(len(tiles) * shape[0], -1)
    png = io.BytesIO()
    imsave(png, canvas, cmap="gray_r", vmin=0, vmax=1, format="png")
    source = base64.b64encode(png.getvalue()).decode()
    return f'<img src="data:image/png;base64,{source}" alt="{html.escape(alt)}">'


def _map(model, shape, limit, name):
    alt = f"What {name} decodes on a lattice of codes, each picture where its code lies"
    return _picture(model, code_grid(9, limit), shape, 9, alt)


def _page(data, inside, said, compute=None):
    packed = json.dumps(data, ensure_ascii=False).replace("</", "<\\/")
    name = "explorer-" + hashlib.sha256((packed + (compute or "")).encode()).hexdigest()[:10]
    script = SCRIPT.read_text(encoding="utf-8").strip()
    return Explorer(
        f'{STYLE}<div class="explorer {data["kind"]}" id="{name}">{inside} '
        f"<output>{html.escape(said)}</output>"
        f'<p class="still">With scripts switched on, this figure moves.</p></div>'
        # In a second view of a notebook's output there are two elements with this id.
        f"<script>{script}((document.currentScript || {{}}).previousElementSibling || "
        f'document.getElementById("{name}"), {packed}'
        f"{', ' + compute if compute else ''});</script>"
    )


__all__ = ["Explorer", "bars", "curves", "film", "ground", "panel", "planes", "traversal"]
