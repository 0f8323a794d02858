"""The helpers behind the figures."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

import vaelib as vl
from vaelib.pages import plotting


def test_image_grid_puts_each_image_in_its_place():
    images = torch.arange(5.0)[:, None].expand(5, 6) / 4
    canvas = (
        plotting.image_grid(plt.figure().gca(), images, (1, 2, 3), columns=3).images[0].get_array()
    )
    assert canvas.shape == (5, 11)  # two rows of 2 and a gap; three columns of 3 and two gaps
    assert canvas[0, 0] == 0 and canvas[0, 4] == 0.25 and canvas[3, 4] == 1
    assert np.isnan(canvas.filled(np.nan)[3, 8]) and np.isnan(canvas.filled(np.nan)[2, 0])
    # The last place stays empty, without a frame.
    images = torch.cat([images, torch.full((1, 6), torch.nan)])
    (frames,) = plotting.image_grid(plt.figure().gca(), images, (1, 2, 3), columns=3).collections
    corners = [tuple(path.vertices.min(0)) for path in frames.get_paths()]
    assert corners == [(-0.5, -0.5), (3.5, -0.5), (7.5, -0.5), (-0.5, 2.5), (3.5, 2.5)]
    with pytest.raises(
        ValueError, match=r"images has shape \(6, 6\); shape=\(1, 2, 2\) has 4 pixels"
    ):
        plotting.image_grid(plt.figure().gca(), images, (1, 2, 2), columns=3)
    plt.close("all")


def test_smooth_and_interval_and_band():
    assert plotting.smooth([1, 2, 3, 4], window=2).tolist() == [[1.5, 2.5, 3.5]]
    assert plotting.smooth([1, 3], window=50).tolist() == [[2.0]]
    mean, error = vl.mean_and_error([1, 2, 3])
    assert mean == 2 and error == pytest.approx(1 / np.sqrt(3))
    ax = plt.figure().gca()
    line = plotting.band(ax, [0, 1], [[0, 2], [2, 4]], label="a")
    assert line.get_ydata().tolist() == [1, 3] and len(ax.collections) == 1
    plt.close("all")


def test_the_style_sheet_is_found_and_transparent():
    with plt.style.context("vaelib.pages.book"):
        assert plt.rcParams["figure.facecolor"] == "none" and plt.rcParams["savefig.transparent"]


def test_the_code_map_draws_each_picture_where_its_code_lies():
    grid = plotting.code_grid(3, 1.5)
    assert grid[0].tolist() == [-1, 1] and grid[4].tolist() == [0, 0] and grid[5].tolist() == [1, 0]
    ax = plotting.code_map(plt.figure().gca(), np.eye(9), (1, 3, 3), 1.5)
    # No frames: they have the coordinates of pixels, not of codes.
    assert not ax.collections
    assert ax.images[0].get_extent() == [-1.5, 1.5, -1.5, 1.5] and ax.get_xlim() == (-1.5, 1.5)
    plt.close("all")
