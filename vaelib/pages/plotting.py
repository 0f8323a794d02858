"""The book's figures in one style (`plt.style.use("vaelib.pages.book")`), independent of models."""

import builtins

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.collections import PatchCollection
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

# Ten classes: Paul Tol's "muted" colours and a grey, each visible on light and on dark pages.
CLASS_COLORS = ListedColormap(
    [
        "#332288",
        "#44AA99",
        "#CC6677",
        "#117733",
        "#CCAA55",
        "#88AADD",
        "#882255",
        "#999933",
        "#AA4499",
        "#777777",
    ]
)

# One colour for each member of the family and each term, in the map, figures and explorers.
FAMILY = {
    "VAE": "#0072B2", "IWAE": "#56B4E9", "β-VAE": "#E69F00", "β-TCVAE": "#CC79A7",
    "FactorVAE": "#882255", "AAE": "#D55E00", "MMD-VAE": "#009E73", "VIM": "#332288",
}  # fmt: skip
TERMS = {
    "reconstruction": "#009E73", "cost": "#0072B2", "information": "#0072B2",
    "mismatch": "#E69F00", "gap": "#D55E00", "dimension-wise KL": "#F5D28A",
}  # fmt: skip


def figure_style():
    """Draw this notebook's figures in the book's style: as SVG, 672 px wide, with even letters."""
    plt.style.use("vaelib.pages.book")
    letters = {"font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10, "legend.fontsize": 9}
    ticks = {"xtick.labelsize": 9, "ytick.labelsize": 9}
    plt.rcParams |= letters | ticks | {"svg.hashsalt": "vaelib"}
    if getattr(vars(builtins).get("get_ipython", int)(), "kernel", None):
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("svg", bbox_inches=None)


def image_grid(ax, images, shape, columns, gap=1):
    """Draw images, (N, D) or (N, C, H, W) in [0, 1], row by row, in thin frames; ink is dark.

    They share one pair of axes. shape is (C, H, W) with C = 1 or 3. An image of NaN leaves its
    place empty. ValueError: images that do not have that many pixels.
    """
    images = np.asarray(images, dtype=float)
    if images.reshape(len(images), -1).shape[1] != int(np.prod(shape)):
        raise ValueError(
            f"image_grid: images has shape {images.shape}; "
            f"shape={shape} has {np.prod(shape)} pixels."
        )
    c, h, w = shape
    rows = -(-len(images) // columns)
    canvas, frames = np.full((rows * (h + gap) - gap, columns * (w + gap) - gap, c), np.nan), []
    for i, image in enumerate(images.reshape(-1, c, h, w)):
        top, left = i // columns * (h + gap), i % columns * (w + gap)
        canvas[top : top + h, left : left + w] = image.transpose(1, 2, 0)
        if not np.isnan(image).all():
            # The centre of a pixel has integer coordinates.
            frames.append(Rectangle((left - 0.5, top - 0.5), w, h))
    ax.imshow(canvas[..., 0] if c == 1 else canvas, vmin=0, vmax=1)
    ax.add_collection(
        PatchCollection(frames, facecolor="none", edgecolor="0.75", linewidth=0.4, clip_on=False)
    )
    ax.set_axis_off()
    return ax


def code_scatter(ax, codes, labels, size=6):
    """Scatter 2-D codes, (N, 2), coloured by class label, with each class's digit at its median."""
    codes, labels = np.asarray(codes), np.asarray(labels)
    ax.scatter(
        *codes.T, c=labels, cmap=CLASS_COLORS, vmin=0, vmax=9, s=size, linewidths=0, alpha=0.7
    )
    for label in np.unique(labels):
        x, y = np.median(codes[labels == label], 0)
        disc = {
            "boxstyle": "circle,pad=0.15",
            "facecolor": "white",
            "edgecolor": "0.4",
            "linewidth": 0.6,
        }
        ax.text(
            x, y, str(label), fontsize=10, fontweight="bold", ha="center", va="center", bbox=disc
        )
    ax.set_aspect("equal")
    ax.set_xlabel("$z_1$")
    ax.set_ylabel("$z_2$")
    return ax


def code_grid(n, limit):
    """The n x n lattice of 2-D codes in (-limit, limit)², (n², 2), by rows from the top left."""
    z = (np.arange(n) + 0.5) / n * 2 * limit - limit
    return torch.tensor([[a, b] for b in z[::-1] for a in z], dtype=torch.float32)


def code_map(ax, images, shape, limit):
    """Draw the pictures of `code_grid`'s codes, (n², D), each at the position of its code."""
    image_grid(ax, images, shape, columns=round(len(images) ** 0.5), gap=shape[1] // 8)
    ax.collections[0].remove()  # the frames have the coordinates of pixels
    ax.images[0].set_extent((-limit, limit, -limit, limit))
    ax.set_axis_on()
    ax.grid(False)
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), xlabel="$z_1$", aspect="equal")
    return ax


def band(ax, x, curves, label=None, **style):
    """Draw the mean of curves, (R, T), with a band of one standard deviation over the R runs."""
    curves = np.asarray(curves, dtype=float)
    mean = curves.mean(0)
    (line,) = ax.plot(x, mean, label=label, **style)
    if len(curves) > 1:
        sd = curves.std(0, ddof=1)
        ax.fill_between(x, mean - sd, mean + sd, color=line.get_color(), alpha=0.2, linewidth=0)
    return line


def smooth(values, window=50):
    """A running mean over the last axis, for noisy training curves."""
    values = np.atleast_2d(np.asarray(values, dtype=float))
    window = min(window, values.shape[-1])
    kernel = np.ones(window) / window
    return np.stack([np.convolve(row, kernel, mode="valid") for row in values])


__all__ = [
    "CLASS_COLORS", "FAMILY", "TERMS", "band", "code_grid", "code_map", "code_scatter",
    "figure_style", "image_grid", "smooth",
]  # fmt: skip
