"""Figures that move without a kernel: plain HTML with numbers, weights and script inside.

Without scripts each figure shows its initial state.
"""

import html
from itertools import product

import numpy as np

from .frame import square
from .notebook import with_minus
from .packing import (
    CLIMB,
    KEY,
    PLAY,
    STEP,
    Explorer,
    choice,
    decoded_map,
    encoded,
    pack,
    page,
    picture,
    prior_draws,
    slider,
    weigh,
)
from .panels import bars, ground, panel


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
    data = {"kind": "curves", "sliders": [[str(v) for v in values] for values in sliders.values()]}
    if compute:
        data["values"] = [list(values) for values in sliders.values()]
    drawn = [draw(tuple(sliders.values()), at, bool(compute)) for draw in panels]
    data["panels"], drawings = [packed for packed, _ in drawn], [drawing for _, drawing in drawn]
    said = ""
    if readout:
        said = readout(*(values[i] for i, values in zip(at, sliders.values(), strict=True)))
    if readout and not compute:
        data["readout"] = [readout(*values) for values in product(*sliders.values())]
    rows = "".join(
        choice(name, values, i) for i, (name, values) in zip(at, sliders.items(), strict=True)
    )
    inside = f'<div class="panels">{"".join(drawings)}</div>{rows}{CLIMB if climb else PLAY}'
    return page(data, inside, said, compute)


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
        packed = pack(model)
        frame = square(limit, 200)
        at = f"translate({frame.X(0):.1f} {frame.Y(0):.1f})"
        cross = f'<g class="cross" transform="{at}"><path d="M-9 0H9M0-9V9"/></g>'
        cloud = frame.cloud(codes, labels, draws := prior_draws(model))
        moves = None if drawings else "code"
        drawn = frame.svg(name, "", cloud + cross, ticks=False, focusable=moves)
        key = (
            key if draws is None else KEY.replace("</p>", " Grey dots: draws of another prior.</p>")
        )
        drawings.append(
            f'<div class="member"><div class="title">{html.escape(name)}</div>{drawn}'
            f'<canvas width="{shape[1]}" height="{shape[0]}" role="img" '
            f'aria-label="What {html.escape(name)} decodes at this code"></canvas>'
            f'<div class="still">{decoded_map(model, shape, limit, name)}</div></div>'
        )
        packed |= {"name": name, **frame.geometry}
        data["members"].append(
            packed | {"codes": encoded(127 * codes / limit, np.int8), "labels": labels.tolist()}
        )
    weigh(data["members"])
    rows = "".join(slider(name, -limit, limit, STEP, 0, "0.00") for name in ("z₁", "z₂"))
    return page(data, f'<div class="panels">{"".join(drawings)}</div>{key}{rows}', "")


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
        "members": [pack(model)],
        "starts": codes.round(2).tolist(),
    }
    weigh(data["members"])
    menu = "".join(f"<option>{i + 1}</option>" for i in range(len(codes)))
    rows = "".join(
        slider(name, -limit, limit, STEP, f"{z:z.2f}", with_minus(f"{z:z.2f}"))
        for name, z in zip(names, codes[0], strict=True)
    )
    sweep = np.repeat(codes[:1], len(names) * 7, 0)
    for j in range(len(names)):
        sweep[7 * j : 7 * j + 7, j] = np.linspace(-limit, limit, 7)
    still = picture(
        model, sweep, shape, 7, "Each row moves one latent from low to high, the others stay"
    )
    return page(
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
    labels, drawings = np.asarray(labels), []
    data = {"kind": "film", "sliders": [[str(t) for t in times]]}
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
        data["panels"].append({**frame.geometry, "codes": encoded(127 * codes / limit, np.int8)})
    inside = f'<div class="panels">{"".join(drawings)}</div>{KEY}{choice("step", times, 0)}{PLAY}'
    return page(data, inside, "")


__all__ = ["Explorer", "bars", "curves", "film", "ground", "panel", "planes", "traversal"]
