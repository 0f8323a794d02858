"""Scores: codes that are the factors get 1, noise gets chance, and what is known in closed form is met."""

import math
import warnings

import numpy as np
import pytest
import torch
from trust import within

import vaelib as vl
from vaelib import disentanglement, oracles

SIZES = (3, 4, 5, 6)
GRID = np.stack(np.meshgrid(*map(range, SIZES), indexing="ij"), -1).reshape(-1, 4)  # all 360 combinations
RNG = np.random.default_rng(0)
NOISE = RNG.normal(size=(360, 5))


def test_the_factors_themselves_score_one():
    codes = GRID + 0.0
    assert vl.higgins_score(codes, GRID, train=1000, test=500) == 1
    assert vl.factor_score(codes, GRID, train=1000, test=500) == 1
    assert vl.mig(codes, GRID) == pytest.approx(1)
    sharp = torch.full((360, 4), -9.0)
    assert vl.mig_mixture(torch.tensor(codes), sharp, GRID, samples=360) == pytest.approx(1, abs=1e-3)
    found = vl.dci(np.repeat(codes, 20, 0), np.repeat(GRID, 20, 0))
    assert found["disentanglement"] > 0.97 and found["completeness"] > 0.97 and found["informativeness"] > 0.99


def test_noise_scores_chance():
    factors = np.repeat(GRID, 30, 0)
    noise = RNG.normal(size=(len(factors), 5))
    assert vl.higgins_score(noise, factors) == pytest.approx(0.25, abs=0.04)
    assert vl.factor_score(noise, factors) == pytest.approx(0.25, abs=0.04)
    assert vl.mig(noise, factors) < 0.01
    found = vl.dci(noise, factors, trees=20)
    assert found["disentanglement"] < 0.05
    assert found["informativeness"] == pytest.approx(np.mean([1 / s for s in SIZES]), abs=0.05)


def test_a_rotated_code_serves_classifiers_but_not_the_gap():
    codes = (GRID - GRID.mean(0)) / GRID.std(0)
    rotated = codes @ np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    assert vl.mig(rotated, GRID) < 0.5 < vl.mig(codes, GRID)
    assert vl.dci(np.repeat(rotated, 10, 0), np.repeat(GRID, 10, 0))["disentanglement"] < 0.7


@pytest.mark.parametrize(("delta", "known"), [(0.5, 0.1607), (1.0, 0.4859), (2.0, 0.9128), (3.0, 0.9944)])
def test_the_gap_of_a_noisy_sign_is_what_quadrature_gives(delta, known):
    """MIG in closed form: a binary factor v = ±1, z1|v ~ N(v δ, 1), z2 of its own."""
    assert oracles.two_gaussian_information(delta) / math.log(2) == pytest.approx(known, abs=1e-4)
    factors = np.array([[0], [1]])
    mean = torch.tensor([[-delta, 0.0], [delta, 0.0]])
    runs = [vl.mig_mixture(mean, torch.zeros(2, 2), factors, 4000, seed) for seed in range(20)]
    assert within(runs, known + 5e-5)
    v = np.repeat([0, 1], 200_000)
    codes = RNG.normal(size=(400_000, 2))
    codes[:, 0] += delta * (2 * v - 1)
    assert vl.mig(codes, v[:, None], bins=200) == pytest.approx(known, abs=0.005)


def test_a_copied_latent_leaves_no_gap():
    codes = np.concatenate([GRID, GRID], 1)
    assert vl.mig(codes, GRID) == pytest.approx(0)
    sharp = torch.full((360, 8), -9.0)
    assert vl.mig_mixture(torch.tensor(codes), sharp, GRID, 360) == pytest.approx(0, abs=0.02)


def test_the_mixtures_information_of_unequal_widths_is_what_quadrature_gives():
    """Two images, each a class of its own: I(z; v) is that of `surgery`. The second latent knows nothing."""
    mean, std = torch.tensor([[-0.5, 0.0], [0.7, 0.0]]), torch.tensor([[0.4, 1.0], [1.6, 1.0]])
    runs = [disentanglement.mixture_table(mean, 2 * std.log(), [[0], [1]], 4001, seed) for seed in range(20)]
    truth = oracles.surgery([-0.5, 0.7], [0.4, 1.6])["mutual_information"]
    assert within([table[0, 0] for table, _ in runs], truth, 3) and abs(runs[0][0][1, 0]) < 1e-6
    assert runs[0][1].tolist() == pytest.approx([math.log(2)]) and runs[0][0].dtype == np.float64
    for other in range(6):  # the seed is the argument's, not torch's
        torch.manual_seed(other)
        again = disentanglement.mixture_table(mean, 2 * std.log(), [[0], [1]], 4001, 0)[0]
        assert np.array_equal(again, runs[0][0]) and not np.array_equal(again, runs[1][0])


@pytest.mark.parametrize(("log_var", "block"), [(-9.0, 2**24), (-100.0, 2**24), (-9.0, 1000)])
def test_sharp_codes_name_their_factor_and_no_other(log_var, block, monkeypatch):
    monkeypatch.setattr(disentanglement, "BLOCK", block)
    sharp = torch.full((360, 4), log_var)
    table, entropies = disentanglement.mixture_table(torch.tensor(GRID), sharp, GRID, 360)
    assert entropies == pytest.approx(np.log(SIZES)) and table == pytest.approx(np.diag(entropies), abs=1e-3)
    table, entropies = disentanglement.information_table(GRID, GRID)
    assert entropies == pytest.approx(np.log(SIZES)) and table == pytest.approx(np.diag(entropies), abs=1e-9)


def test_scores_do_not_depend_on_the_latents_scales():
    codes = GRID + 0.1 * NOISE[:, :4]
    scaled = codes * np.array([1e-4, 100, 1e-4, 1e4])
    assert vl.factor_score(scaled, GRID, train=1000, test=500, threshold=0) == 1
    assert vl.higgins_score(scaled, GRID, train=1000, test=500) > 0.99
    assert vl.mig(scaled, GRID) == pytest.approx(vl.mig(codes, GRID))


def test_a_score_is_repeated_by_its_seed_and_judged_on_fresh_examples():
    for score in (vl.higgins_score, vl.factor_score):
        values = [[score(NOISE, GRID, 4, 200, 200, seed=seed) for seed in range(5)] for _ in range(2)]
        assert values[0] == values[1] and len(set(values[0])) > 1
    noises = (np.random.default_rng(seed).normal(size=(360, 5)) for seed in range(200))
    few = [vl.factor_score(noise, GRID, 2, 400, 8, seed=seed) for seed, noise in enumerate(noises)]
    assert within(few, 0.25)  # eight votes in five columns, judged by themselves, would seem to know more
    assert vl.factor_score(GRID[:, :1], GRID[:, :1], train=20, test=10) == 1  # a single factor is always found


def test_the_threshold_of_a_latent_that_moves_is_itself_enough():
    bits = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])  # standard deviations of one half
    assert vl.factor_score(bits, bits, train=200, test=100, threshold=0.5) == 1
    assert vl.factor_score(bits, bits, train=200, test=100, threshold=0.51) == 0


def test_twenty_bins_tell_twenty_values_apart():
    values = np.arange(20)[:, None]
    table, entropies = disentanglement.information_table(values, values)
    assert table[0, 0] == pytest.approx(math.log(20)) == entropies[0]


def test_a_row_of_importances_is_pure_where_one_of_them_is_all():
    pure = disentanglement._pureness
    assert pure(np.array([[2.0, 0, 0], [0, 0, 1]])) == 1 and pure(np.ones((2, 3))) == pytest.approx(0)
    assert pure(np.array([[3.0, 0], [0.5, 0.5]])) == pytest.approx(3 / 4)  # rows weigh what they matter
    assert pure(np.array([[1.0, 1, 0, 0]])) == pytest.approx(1 / 2) and pure(np.zeros((2, 2))) == 0


def test_the_forests_of_dci_are_repeated_by_their_seed_and_judged_on_a_third():
    found = vl.dci(NOISE, GRID, trees=5)
    assert found == vl.dci(NOISE, GRID, trees=5) == vl.dci(NOISE, GRID, train=240, trees=5)
    assert found != vl.dci(NOISE, GRID, trees=5, seed=1)


def test_the_histogram_adds_the_information_that_theory_predicts():
    n, found = 10_000, []
    for seed in range(30):
        rng = np.random.default_rng(seed)
        table, _ = disentanglement.information_table(rng.uniform(size=(n, 1)), rng.integers(40, size=(n, 1)))
        found.append(table[0, 0])
    assert np.mean(found) == pytest.approx(19 * 39 / (2 * n), abs=0.0015)


def test_factors_without_classes_of_their_own_cost_nothing_in_higgins_score():
    """It cannot see that one factor is missing, nor that a factor is spread over several latents."""
    missing = GRID.copy() + 0.0
    missing[:, 3] = 0
    assert vl.higgins_score(missing, GRID, train=2000, test=1000) > 0.97
    spread = np.concatenate([GRID, GRID[:, :1] ** 2, -GRID[:, :1]], 1) + 0.0
    assert vl.higgins_score(spread, GRID, train=2000, test=1000) > 0.99


def test_constant_factors_are_named_and_left_out():
    factors = GRID.copy()
    factors[:, 1] = 2
    for score in (vl.mig, vl.factor_score, vl.higgins_score, vl.dci):
        said = f"{score.__name__}: factors in columns 1 are constant and are left out"
        with pytest.warns(UserWarning, match=said):
            with_constant = score(GRID + 0.0, factors)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert score(GRID + 0.0, factors[:, [0, 2, 3]]) == with_constant
    with pytest.warns(UserWarning, match="mig_mixture: factors in columns 1 are constant"):
        vl.mig_mixture(GRID, torch.zeros(360, 4), factors, 10)
    with pytest.raises(ValueError, match=r"mig: every factor is constant \(columns 0, 1, 2, 3\)"):
        vl.mig(GRID + 0.0, np.zeros_like(GRID))


def test_latents_that_do_not_move_take_no_part():
    codes = np.concatenate([GRID, 1e-3 * NOISE], 1)
    assert vl.factor_score(codes, GRID, train=1000, test=500) == 1
    assert vl.factor_score(0.0 * NOISE, GRID) == 0


def test_a_collapsed_code_scores_nothing_and_breaks_nothing():
    dead = np.zeros((360, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert vl.dci(dead, GRID)["disentanglement"] == vl.dci(dead, GRID)["completeness"] == 0
        assert vl.mig(dead, GRID) == vl.factor_score(dead, GRID) == 0
        assert vl.higgins_score(dead, GRID, train=1000, test=500) < 0.35


def test_bad_input():
    with pytest.raises(ValueError, match=r"mig: codes and factors have shapes \(360, 5\) and \(359, 4\)"):
        vl.mig(NOISE, GRID[1:])
    with pytest.raises(ValueError, match=r"mig: codes and factors have shapes \(360,\) and \(360, 4\)"):
        vl.mig(NOISE[:, 0], GRID)
    with pytest.raises(ValueError, match="higgins_score: factors are float64"):
        vl.higgins_score(NOISE, GRID + 0.0)
    with pytest.raises(ValueError, match="dci: codes hold NaN"):
        vl.dci(NOISE * math.nan, GRID)
    with pytest.raises(ValueError, match="mig: codes have 1 latent; a gap needs at least two"):
        vl.mig(NOISE[:, :1], GRID)
