"""Sprites: the grid of dSprites, the symmetries of the outlines, and the real file's loader."""

import math

import numpy as np
import pytest
import torch
from conftest import peak_memory

import vaelib as vl
from vaelib import factors as room

COUNTS = (3, 6, 40, 32, 32)  # as dSprites publishes them


def test_the_grid_has_the_published_counts_and_values():
    s = vl.sprites()
    assert len(s) == math.prod(COUNTS) == 737_280 and s.shape == (1, 64, 64)
    assert s.names == ("shape", "scale", "orientation", "x", "y")
    assert tuple(s.classes.max(0).values + 1) == COUNTS and not s.classes.min(0).values.any()
    assert len(s.classes[:1024].unique(dim=0)) == 1024 and s.classes[1].tolist() == [0, 0, 0, 0, 1]
    scales, angles, places = (s.values[:, j].unique() for j in (1, 2, 3))
    assert torch.allclose(scales, torch.tensor([0.5, 0.6, 0.7, 0.8, 0.9, 1.0]))
    assert angles[0] == 0 and angles[-1].item() == pytest.approx(2 * math.pi) and len(angles) == 40
    assert torch.allclose(angles.diff(), torch.full((39,), 2 * math.pi / 39), atol=1e-5)
    assert torch.allclose(places, torch.linspace(0, 1, 32))


def test_a_subset_has_the_images_of_the_whole_and_any_size():
    whole, part = (
        vl.sprites(size=32),
        vl.sprites(size=32, shape=(2,), orientation=range(0, 40, 8), x=(0, 31), y=(5,)),
    )
    assert len(part) == 6 * 5 * 2 and part.classes[:, 2].unique().tolist() == [0, 1, 2, 3, 4]
    rows = [
        ((2 * 6 + a) * 40 + 8 * b) * 1024 + 32 * c + 5
        for a in range(6)
        for b in range(5)
        for c in (0, 31)
    ]
    assert torch.equal(part.images(), whole.images(torch.tensor(rows))) and part.images().shape == (
        60,
        1024,
    )
    assert torch.equal(part.values, whole.values[rows])
    assert set(part.images().unique().tolist()) == {0.0, 1.0}


def test_a_square_turned_by_90_degrees_and_an_ellipse_by_180_are_the_same_pixels():
    g = torch.Generator().manual_seed(0)
    values = torch.rand(200, 5, generator=g)
    values[:, 1] = 0.5 + values[:, 1] / 2
    values[:, 2] *= 2 * math.pi
    for shape, turn, same in (
        (1, 90, True),
        (1, 45, False),
        (2, 180, True),
        (2, 90, False),
        (3, 180, False),
    ):
        values[:, 0] = shape
        turned = values.clone()
        turned[:, 2] += math.radians(turn)
        equal = (vl.draw_sprites(values) == vl.draw_sprites(turned)).all(1)
        assert equal.all() if same else not equal.any()


def test_size_and_place_are_what_the_factors_say():
    scales, s = np.linspace(0.5, 1, 6), vl.sprites(size=128, orientation=(0, 7), x=(0, 31), y=(16,))
    pixels = s.images().reshape(3, 6, 2, 2, 128, 128).double()
    area = pixels.sum((4, 5)).mean((2, 3)) / 128**2
    assert np.allclose(area[0], (0.32 * scales) ** 2, rtol=0.03)
    assert np.allclose(area[1], math.pi * 0.23 * 0.115 * scales**2, rtol=0.03)
    assert np.allclose(area[2] / area[2, -1], scales**2, rtol=0.03)
    centre = (pixels.sum(4) * (torch.arange(128) + 0.5) / 128).sum(4) / pixels.sum((4, 5))
    assert np.allclose(centre[:2, ..., 0], 0.25, atol=2e-3) and np.allclose(
        centre[:2, ..., 1], 0.75, atol=2e-3
    )
    lower = vl.draw_sprites(torch.tensor([[1.0, 1, 0, 0.5, 1]])).reshape(64, 64)
    assert lower[:32].sum() == 0 < lower[32:].sum()  # y points down
    upright = vl.draw_sprites(torch.tensor([[3.0, 1, 0, 0.5, 0.5]])).reshape(64, 64)
    assert torch.equal(upright, upright.flip(1)) and upright[:32].sum() > upright[32:].sum()


def test_no_sprite_is_cut_off_by_the_edge():
    for x in (0, 31):
        for y in (0, 31):
            images = vl.sprites(x=(x,), y=(y,)).images().reshape(-1, 64, 64)
            edge = images[:, [0, -1]].sum() + images[:, :, [0, -1]].sum()
            assert edge == 0


@pytest.mark.parametrize("every", [18, pytest.param(1, marks=pytest.mark.slow)])
def test_the_whole_grid_is_drawn_in_blocks_within_2_gb(every):
    printed, peak = peak_memory(
        "import torch, vaelib as vl; s = vl.sprites(); ones = drawn = 0\n"
        f"for at in torch.arange(len(s)).split(4096)[::{every}]:\n"
        "    images = s.images(at); ones += int(images.sum()); drawn += len(at)\n"
        "print(ones, drawn)"
    )
    ones, drawn = map(int, printed.split())
    assert drawn == 737_280 // every and peak < 2e9 and 0.04 < ones / (drawn * 4096) < 0.08


def test_bad_arguments():
    with pytest.raises(ValueError, match="sprites: size must be an integer of at least 4, got 2"):
        vl.sprites(size=2)
    with pytest.raises(
        ValueError, match="sprites: every argument must be a factor .shape, scale.* got 'colour'"
    ):
        vl.sprites(colour=(0,))
    with pytest.raises(
        ValueError, match=r"sprites: scale must be different integers from 0 to 5, got \[6\]"
    ):
        vl.sprites(scale=(6,))
    with pytest.raises(ValueError, match=r"sprites: x must be different integers .* got \[\]"):
        vl.sprites(x=())


def test_the_loader_of_the_real_file(tmp_path, monkeypatch):
    (tmp_path / "dsprites").mkdir()
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    rng = np.random.default_rng(0)
    imgs = rng.integers(0, 2, (12, 64, 64), dtype=np.uint8)
    classes = np.stack([np.zeros(12, int), *rng.integers(0, 3, (5, 12))], 1)
    np.savez_compressed(
        tmp_path / "dsprites" / room.DSPRITES_FILE,
        imgs=imgs,
        latents_classes=classes,
        latents_values=classes / 2,
        metadata=np.array([{"pickled": 1}], dtype=object),
    )
    s = vl.dsprites()
    assert len(s) == 12 and s.shape == (1, 64, 64) and s.name == "dsprites"
    assert np.array_equal(s.images([3, 5]), imgs[[3, 5]].reshape(2, -1)) and np.array_equal(
        s.classes, classes[:, 1:]
    )
    assert torch.equal(s.values, s.classes / 2)
    (tmp_path / "dsprites" / room.DSPRITES_FILE).write_bytes(b"no archive")
    with pytest.raises(ValueError, match="dsprites"):
        vl.dsprites()
