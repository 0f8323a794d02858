"""Divergences between distributions: Kullback-Leibler, in nats, and maximum mean discrepancy."""

import math

import torch

BLOCK = 2**24  # entries of a kernel matrix that are held at once


def gaussian_kl(mean, log_var):
    """KL( N(mean, exp(log_var)) ‖ N(0, I) ) of diagonal Gaussians, (B, Q), (B, Q) -> (B,), in nats.

    Equation eq-gaussian-kl of the book (chapter 2); Kingma & Welling (2014), appendix B.
    ValueError: the two shapes differ.
    """
    if mean.shape != log_var.shape:
        raise ValueError(
            f"gaussian_kl: mean has shape {tuple(mean.shape)} and log_var {tuple(log_var.shape)}; they must agree."
        )
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)


def gaussian_kernel(x, y, bandwidth):
    """exp(-|x - y|² / 2 bandwidth²) for all pairs, (n, Q), (m, Q) -> (n, m).

    Equation eq-gaussian-kernel of the book (chapter 8); Gretton et al. (2012). ValueError: bandwidth not above 0.
    """
    _positive("gaussian_kernel", "bandwidth", bandwidth)
    return torch.exp(-_squared_distances(x, y) / (2 * bandwidth**2))


def imq_kernel(x, y, scale):
    """scale / (scale + |x - y|²) for all pairs, (n, Q), (m, Q) -> (n, m): the inverse multiquadratic.

    Equation eq-imq of the book (chapter 8); Tolstikhin et al. (2018) use scale = 2 Q σ². A tuple of scales gives the
    sum of their kernels. ValueError: a scale not above 0.
    """
    squared = _squared_distances(x, y)
    scales = scale if isinstance(scale, tuple) else (scale,)
    for one in scales:
        _positive("imq_kernel", "scale", one)
    return sum(one / (one + squared) for one in scales)


def mmd(x, y, kernel, unbiased=True):
    """The squared maximum mean discrepancy between samples x, (n, Q), and y, (m, Q), under a kernel; 0-d.

    kernel: (n, Q), (m, Q) -> (n, m). Equation eq-mmd of the book (chapter 8); Gretton et al. (2012).
    unbiased: the U-statistic, whose within-terms leave out the diagonal; it can be negative. Otherwise the
    V-statistic, at least 0 and too large by about 2 (1 - E k) / n where the two distributions agree.
    Works in blocks of rows, so that 20,000 samples fit in memory where no gradient is asked for.
    ValueError: samples of unequal dimension, or fewer than two of one kind for the U-statistic.
    """
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(f"mmd: x and y have shapes {shapes}; allowed are (n, Q) and (m, Q) with the same Q.")
    n, m = len(x), len(y)
    if min(n, m) < (2 if unbiased else 1):
        raise ValueError(f"mmd: x and y hold {n} and {m} samples; with unbiased={unbiased} each needs at least two.")
    within = _mean_kernel(x, x, kernel, unbiased) + _mean_kernel(y, y, kernel, unbiased)
    return within - 2 * _mean_kernel(x, y, kernel)


def _mean_kernel(x, y, kernel, off_diagonal=False):
    rows, total = max(1, BLOCK // len(y)), 0.0
    for at in range(0, len(x), rows):
        block = kernel(x[at : at + rows], y)
        total = total + block.sum() - (block[:, at : at + rows].diagonal().sum() if off_diagonal else 0)
    return total / (len(x) * (len(y) - off_diagonal))


def _squared_distances(x, y):
    squared = (x**2).sum(-1)[:, None] + (y**2).sum(-1) - 2 * x @ y.T
    return squared.clamp(min=0)  # rounding can leave it a little below


def _positive(function, name, value):
    if isinstance(value, (int, float)) and not 0 < value < math.inf:
        raise ValueError(f"{function}: {name} is {value!r}; allowed is a positive finite number.")
