"""One large plane of codes over what the decoder draws there, for chapters with 2-D codes."""

import html

import numpy as np

from .frame import square
from .packing import STEP, decoded, encoded, pack, page, png, prior_draws, slider, tiled, weigh
from .plotting import CLASS_COLORS, code_grid

TILES = 11  # pictures along each side of the map


def plane(model, codes, labels, shape, images=None, posteriors=None, limit=3.5, start=(0.0, 0.0)):
    """A plane to move on, the picture decoded there, test images to encode, and a walk.

    model: a VAE with 2-D codes whose decoder is an MLP of `nets.mlp`. codes (N, 2), labels (N,) of
        at most ten classes. shape: (H, W). images: (M, H W) in [0, 1], to choose from.
        posteriors: their means and standard deviations, each (M, 2).
    ValueError: codes that are not two-dimensional, images without posteriors, a decoder that is no
        such MLP, more weights than a page should contain.
    """
    codes, labels = np.asarray(codes, float), np.asarray(labels)
    if codes.ndim != 2 or codes.shape[1] != 2:
        raise ValueError(f"plane: codes must have shape (N, 2), got {codes.shape}.")
    if (images is None) != (posteriors is None):
        raise ValueError("plane: images and posteriors must be given together.")
    frame = square(limit, 340)
    body = _background(model, shape, limit, frame)
    draws = prior_draws(model)
    body += frame.cloud(codes, labels, draws) + '<path class="walk" d=""/>'
    body += '<ellipse class="posterior" rx="0" ry="0"/><ellipse class="posterior" rx="0" ry="0"/>'
    x, y = frame.X(start[0]), frame.Y(start[1])
    body += f'<circle class="grip" cx="{x:.1f}" cy="{y:.1f}" r="7"/>'
    drawing = frame.svg("", "", body, ticks=False, focusable="code")
    data = {
        "kind": "plane",
        "shape": shape,
        "limit": limit,
        "member": pack(model) | frame.geometry,
        "codes": encoded(127 * codes / limit, np.int8),
        "labels": labels.tolist(),
    }
    weigh([data["member"]])
    if draws is not None:
        data["draws"] = encoded(127 * draws / limit, np.int8)
    h, w = shape
    canvas = f'<canvas width="{w}" height="{h}" role="img" aria-label="{{}}"></canvas>'
    side = "<div><p>Bob draws</p>" + canvas.format("The picture decoded at this code") + "</div>"
    strip = ""
    if images is not None:
        means, stds = (np.asarray(part, float).round(3) for part in posteriors)
        data |= {"means": means.tolist(), "stds": stds.tolist()}
        data["images"] = encoded(255 * np.asarray(images), np.uint8)
        side += '<div class="original" hidden><p>of this image</p>'
        side += canvas.format("The test image that is encoded") + "</div>"
        strip = '<div class="strip" role="group" aria-label="Test images to encode">' + "".join(
            f'<button type="button" aria-label="Encode test image {i + 1}">'
            f'<canvas width="{w}" height="{h}"></canvas></button>'
            for i in range(len(means))
        )
        strip = f"<p>Encode one of these:</p>{strip}</div>"
    film = f'<canvas class="film" width="{12 * w}" height="{h}" role="img" hidden></canvas>'
    tools = (
        '<button type="button" data-act="draw">Sample the prior</button> '
        '<button type="button" data-act="walk">Walk from here</button>'
    )
    right = f'<div class="side"><div class="pair">{side}</div>{strip}<p>{tools}</p>{film}</div>'
    rows = "".join(
        slider(name, -limit, limit, STEP, f"{at:g}", f"{at:.2f}")
        for name, at in zip(("z₁", "z₂"), start, strict=True)
    )
    inside = f'<div class="panels"><div>{drawing}{_key(labels)}</div>{right}</div>{rows}'
    return page(data, inside, "")


def _background(model, shape, limit, frame):
    """The decoded map as an image under the cloud; it is also the still without scripts."""
    gap = shape[0] // 8
    tiles = decoded(model, code_grid(TILES, limit), shape)
    source = png(tiled(np.pad(tiles, ((0, 0), (gap, gap), (gap, gap))), TILES))
    x, y = frame.X(-limit), frame.Y(limit)
    side = frame.X(limit) - x
    return (
        f'<image class="map" href="{source}" '
        f'x="{x:.1f}" y="{y:.1f}" width="{side:.1f}" height="{side:.1f}"/>'
    )


def _key(labels):
    """The legend of the classes."""
    names = "".join(
        f'<span style="color:{CLASS_COLORS.colors[int(label) % 10]}">● '
        f"{html.escape(str(label))}</span> "
        for label in np.unique(labels)
    )
    return f'<p class="key">{names}</p>'
