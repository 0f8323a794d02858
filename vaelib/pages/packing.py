"""What the explorers have in common: packed numbers and networks, sliders, pictures, the page."""

import base64
import hashlib
import html
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from matplotlib.image import imsave
from torch import nn
from torch.distributions import Normal

from ..likelihoods import Bernoulli
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


KEY = "<p>Colours are classes; the rings lie at 1, 2 and 3.</p>"
PLAY = '<button type="button">▶ Play</button>'
CLIMB = '<button type="button" data-climb>▲ Climb</button>'


def prior_draws(model):
    """Fixed draws of a prior whose shape the rings would not show; None for a standard normal."""
    base = getattr(model.prior, "base_dist", None)
    if isinstance(base, Normal) and (base.loc == 0).all() and (base.scale == 1).all():
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model.prior.rsample((400,)).numpy()


def encoded(values, kind):
    """Numbers as base64 of little-endian integers or halves; integers are rounded and clipped."""
    values = np.asarray(values)
    if kind is not np.float16:
        values = np.clip(np.round(values), np.iinfo(kind).min, np.iinfo(kind).max)
    return base64.b64encode(
        np.ascontiguousarray(values, dtype=np.dtype(kind).newbyteorder("<")).tobytes()
    ).decode()


def slider(label, low, high, step, at, shown):
    """A labelled slider at a value, with the text shown beside it."""
    return (
        f"<label><span>{html.escape(label)}</span>"
        f'<input type="range" min="{low}" max="{high}" step="{step}" '
        f'value="{at}" aria-valuetext="{shown}"><span class="value">{shown}</span></label>'
    )


def choice(label, values, at):
    """A slider over named values, at an index."""
    return slider(label, 0, len(values) - 1, 1, at, html.escape(str(values[at])))


def pack(model):
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
    squash = "sigmoid" if isinstance(model.likelihood_net, Bernoulli) else ""
    return {
        "layers": layers,
        "squash": squash,
        "weights": encoded(torch.cat(weights).cpu().numpy(), np.float16),
    }


def weigh(members):
    """ValueError: the networks are too large for a page."""
    total = sum(len(member["weights"]) for member in members)
    if total > HEAVY:
        raise ValueError(
            f"explorer: the decoders must take at most {HEAVY:,} bytes, "
            f"got {total:,}. Show fewer members."
        )


def png(canvas, cmap="gray_r", top=1):
    """A PNG in an address, of numbers from 0 to `top`."""
    file = io.BytesIO()
    imsave(file, canvas, cmap=cmap, vmin=0, vmax=top, format="png")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def picture(model, codes, shape, columns, alt):
    """A static picture of decoded codes (N, Q), row by row, for a page without scripts."""
    device, (h, w) = next(model.decoder.parameters()).device, shape
    with torch.no_grad():
        images = model.likelihood(torch.as_tensor(codes, dtype=torch.float32, device=device)).mean
    tiles = images.clamp(0, 1).cpu().numpy().reshape(-1, columns, h, w)
    source = png(tiles.transpose(0, 2, 1, 3).reshape(-1, columns * w))
    return f'<img src="{source}" alt="{html.escape(alt)}">'


def decoded_map(model, shape, limit, name):
    """A static picture of what a model decodes over the plane."""
    alt = f"What {name} decodes on a lattice of codes, each picture where its code lies"
    return picture(model, code_grid(9, limit), shape, 9, alt)


def page(data, inside, said, compute=None):
    """The explorer: what is inside its box, the line of text below, and its script with data."""
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
