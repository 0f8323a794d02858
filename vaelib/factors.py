"""Sprites with known factors of variation on the grid of dSprites; and dSprites."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from .checks import integer
from .downloads import checked, fetch

GRID = {  # the values of dSprites (Matthey et al., 2017), with both orientations 0 and 2π
    "shape": np.arange(1, 4),  # square, ellipse, heart
    "scale": np.linspace(0.5, 1, 6),
    "orientation": np.linspace(0, 2 * np.pi, 40),
    "x": np.linspace(0, 1, 32),
    "y": np.linspace(0, 1, 32),
}
DSPRITES_HOME = ("https://github.com/deepmind/dsprites-dataset/raw/master/",)
DSPRITES_FILE = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
HALF_SIDE, AXES, HEART = 0.16, (0.23, 0.115), 0.15  # at scale 1, as fractions of the image's side
MARGIN = 0.25  # x and y in [0, 1] put the centre between MARGIN and 1 - MARGIN of the image
# Pixels drawn at once; a small block stays in a CPU's cache.
BLOCK = {"cpu": 2**18, "cuda": 2**26}


@dataclass(frozen=True)
class Sprites:
    """Images rendered or looked up on demand, so that the whole grid need not fit in memory.

    classes: (N, 5) integers, the index of each factor's value among those used.
    values: (N, 5), the values.
    shape: (C, H, W). names: of the five factors.
    """

    name: str
    classes: torch.Tensor
    values: torch.Tensor
    shape: tuple
    look_up: Callable
    names: tuple = tuple(GRID)

    def __len__(self):
        return len(self.classes)

    def images(self, index=None):
        """The images with the indices `index` (default: all), (n, H W), each pixel 0 or 1."""
        return self.look_up(
            torch.arange(len(self), device=self.classes.device) if index is None else index
        )


def sprites(size=64, device="cpu", **subset):
    """Squares, ellipses and hearts on the grid of dSprites, 3 x 6 x 40 x 32 x 32 images.

    size: pixels of a side.
    subset: for any of shape, scale, orientation, x, y the indices into its grid, such as
        `orientation=range(0, 40, 4)`; default all. The last factor varies fastest.
    Drawn on `device`. The outlines are this book's own: the factors and their values are those of
    dSprites, the pixels are not.
    ValueError: an unknown factor, indices that are not on its grid, or a size below 4.
    """
    size = integer("sprites", "size", size, least=4)
    grids = []
    for name in [*GRID, *(name for name in subset if name not in GRID)]:
        if name not in GRID:
            raise ValueError(
                f"sprites: every argument must be a factor ({', '.join(GRID)}), got {name!r}."
            )
        n = len(GRID[name])
        chosen = list(subset.get(name, range(n)))
        if not chosen or len(set(chosen)) < len(chosen) or not set(chosen) <= set(range(n)):
            raise ValueError(
                f"sprites: {name} must be different integers from 0 to {n - 1}, got {chosen}."
            )
        grids.append(torch.tensor(GRID[name][chosen], dtype=torch.float32, device=device))
    classes = torch.cartesian_prod(*(torch.arange(len(grid), device=device) for grid in grids))
    values = torch.cartesian_prod(*grids)
    return Sprites(
        "sprites", classes, values, (1, size, size), lambda index: draw_sprites(values[index], size)
    )


def draw_sprites(values, size=64):
    """Draw sprites of any factor values (n, 5), as pixels 0 and 1, (n, size²).

    The factors are shape 1, 2 or 3, scale, orientation, x, y. A pixel is white if its centre lies
    inside the outline. Angles are counterclockwise; y points down.
    """
    rows = max(1, BLOCK.get(values.device.type, 2**18) // size**2)
    return torch.cat([_draw(block, size) for block in values.split(rows)])


def _draw(values, size):
    shape, scale, angle, x, y = values.unsqueeze(-1).unbind(1)
    centres = (torch.arange(size, device=values.device) + 0.5) / size
    across, down = ((centres - MARGIN - (1 - 2 * MARGIN) * place) / scale for place in (x, y))
    cos, sin = angle.double().cos().float(), angle.double().sin().float()
    # The pixel's place in the frame of the shape: a sum of one part by column and one by row.
    u = (cos * across)[:, None, :] - (sin * down)[:, :, None]
    v = (-sin * across)[:, None, :] - (cos * down)[:, :, None]
    square, ellipse = shape == 1, shape == 2
    u = u / _half(square, ellipse, AXES[0])[..., None]
    v = v / _half(square, ellipse, AXES[1])[..., None]
    u2, v2 = u * u, v * v
    circle = u2 + v2
    # All outlines for each sprite: torch.where, because boolean indexing would synchronize with the
    # GPU.
    heart = (circle - 1) ** 3 < u2 * (v2 * v)
    round_or_square = torch.where(square[..., None], torch.maximum(u2, v2), circle) < 1
    white = torch.where((square | ellipse)[..., None], round_or_square, heart)
    return white.flatten(1).float()


def _half(square, ellipse, axis):
    """The length, at scale 1, by which a coordinate in the frame of the shape is measured."""
    return torch.where(square, HALF_SIDE, torch.where(ellipse, axis, HEART))


def dsprites(cache=None, download=True):
    """dSprites itself (Matthey et al., 2017): 737,280 images of 64 x 64 pixels, as `Sprites`.

    The file is looked for as in `mnist`, in $VAELIB_DATA/dsprites. No checksum is published; that
    of the first copy is recorded next to it. Takes 3 GB (uint8). Errors as in `mnist`.
    """
    images, classes, values = fetch(
        "dsprites", DSPRITES_FILE, "dsprites", DSPRITES_HOME, checked(_dsprites), cache, download
    )
    return Sprites("dsprites", classes, values, (1, *images.shape[1:]),
                   lambda index: images[index].flatten(1).float())  # fmt: skip


def _dsprites(path):
    """Images (bytes), classes and values of the file, without its constant first factor, colour."""
    # Its metadata are pickled, not needed.
    with np.load(path, allow_pickle=False) as file:
        images, classes, values = (
            file[name] for name in ("imgs", "latents_classes", "latents_values")
        )
    if images.ndim != 3 or classes.shape != (len(images), 6) or values.shape != classes.shape:
        raise ValueError("not dSprites")
    return (torch.from_numpy(images), torch.from_numpy(classes[:, 1:].copy()),
            torch.from_numpy(values[:, 1:].astype(np.float32)))  # fmt: skip
