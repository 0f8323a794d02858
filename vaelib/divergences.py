"""Kullback-Leibler divergences and their parts, in nats, and maximum mean discrepancy."""

import math

import torch

from .checks import integer, one_of, scalar

BLOCK = 2**24  # largest number of pairwise entries in memory
AGGREGATES = ("exact", "mss", "mws")


def gaussian_kl(mean, log_var):
    """KL( N(mean, exp(log_var)) ‖ N(0, I) ) of diagonal Gaussians, (B, Q), (B, Q) -> (B,), in nats.

    Equation eq-gaussian-kl of the book (chapter 2); Kingma & Welling (2014), appendix B.
    ValueError: the two shapes differ.
    """
    if mean.shape != log_var.shape:
        raise ValueError(
            f"gaussian_kl: mean has shape {tuple(mean.shape)} and log_var {tuple(log_var.shape)}; "
            "they must agree."
        )
    return 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)


def log_aggregate_posterior(z, mean, log_var, dataset_size, estimator):
    """log q(z), (B,), and log q(z_j), (B, Q), of codes z, (B, Q), under the aggregated posterior.

    mean, log_var: (M, Q), of the diagonal Gaussians that it is made of: equation eq-aggregate of
        the book (chapter 2); Chen et al. (2018).
    estimator: "exact": the M Gaussians are the whole data set. Otherwise they are a batch, and z[i]
        is drawn from the i-th: "mss" (eq-mss) weighs the own Gaussian with 1/N and each other with
        (N - 1) / (N (B - 1)), N = dataset_size, which is unbiased for q(z); "mws" (eq-mws) weighs
        each with 1/(N B), whose logarithm is off by up to ln N.
    ValueError: an unknown estimator, dataset_size below M, shapes that do not fit, a batch of one
        for "mss".
    """
    one_of("log_aggregate_posterior", "estimator", estimator, AGGREGATES)
    b, m = len(z), len(mean)
    n = integer("log_aggregate_posterior", "dataset_size", dataset_size, least=m)
    if estimator == "exact" and n != m:
        raise ValueError(
            f"log_aggregate_posterior: dataset_size must be the {m} given Gaussians for exact, "
            f"got {n}."
        )
    if (
        mean.shape != log_var.shape
        or z.shape[1:] != mean.shape[1:]
        or (estimator != "exact" and b != m)
    ):
        shapes = ", ".join(str(tuple(t.shape)) for t in (z, mean, log_var))
        raise ValueError(
            f"log_aggregate_posterior: z, mean and log_var must have shapes that fit, got {shapes}."
        )
    if estimator == "mss" and b < 2:
        raise ValueError(
            f"log_aggregate_posterior: the batch must have at least 2 codes for mss, got {b}."
        )
    pairs = _log_normal(z[:, None], mean, log_var)  # (B, M, Q)
    if estimator == "mss":
        weight = torch.full((b, b), math.log((n - 1) / n / (b - 1)), dtype=z.dtype, device=z.device)
        weight.fill_diagonal_(-math.log(n))
    else:
        weight = torch.full(
            (1, m), -math.log(m if estimator == "exact" else n * m), dtype=z.dtype, device=z.device
        )
    return torch.logsumexp(pairs.sum(-1) + weight, 1), torch.logsumexp(pairs + weight[..., None], 1)


def _log_normal(z, mean, log_var):
    return -0.5 * ((z - mean) ** 2 * torch.exp(-log_var) + log_var + math.log(2 * math.pi))


@torch.no_grad()
def kl_decomposition(mean, log_var, samples=10_000):
    """The decomposition of the average KL to N(0, I) of a data set's diagonal Gaussians.

    mean, log_var: (N, Q), of the whole data set. A dict of "mutual_information" I(n; z),
    "total_correlation" of q(z), "dimension_wise_kl" and their sum "kl", each 0-d, in nats: equation
    eq-tc-decomposition of the book (chapter 7); Chen et al. (2018). The logarithms are exact, the
    expectations are averages over the same `samples` codes, drawn as evenly as possible from the
    Gaussians; the parts add up to the last digit. Works in blocks. ValueError:
    samples below 1, or mean and log_var not of one shape (N, Q).
    """
    samples = integer("kl_decomposition", "samples", samples)
    mean, log_var = torch.as_tensor(mean), torch.as_tensor(log_var)
    if mean.dim() != 2 or mean.shape != log_var.shape:
        shapes = f"{tuple(mean.shape)} and {tuple(log_var.shape)}"
        raise ValueError(
            f"kl_decomposition: mean and log_var must have one shape (N, Q), got {shapes}."
        )
    n, q = mean.shape
    whole = torch.arange(n, device=mean.device).repeat(samples // n)
    index = torch.cat([whole, torch.randperm(n, device=mean.device)[: samples % n]])
    total = torch.zeros(3, dtype=torch.float64, device=mean.device)
    for rows in index.split(max(1, BLOCK // (n * q))):
        z = mean[rows] + (0.5 * log_var[rows]).exp() * torch.randn_like(mean[rows])
        joint, each = log_aggregate_posterior(z, mean, log_var, n, "exact")
        own = _log_normal(z, mean[rows], log_var[rows]).sum(-1)
        prior = _log_normal(z, torch.zeros_like(z), torch.zeros_like(z)).sum(-1)
        terms = own - joint, joint - each.sum(-1), each.sum(-1) - prior
        total += torch.stack([term.double().sum() for term in terms])
    information, correlation, dimension_wise = total / samples
    return {"mutual_information": information, "total_correlation": correlation,
            "dimension_wise_kl": dimension_wise, "kl": total.sum() / samples}  # fmt: skip


def permute_dimensions(z):
    """The codes (B, Q) with each column shuffled: almost samples of the product of the q(z_j).

    Equation eq-permuted of the book (chapter 7); Kim & Mnih (2018).
    """
    return z.gather(0, torch.rand_like(z).argsort(0))


def gaussian_kernel(x, y, bandwidth):
    """exp(-|x - y|² / 2 bandwidth²) for all pairs, (n, Q), (m, Q) -> (n, m).

    Equation eq-gaussian-kernel of the book (chapter 8); Gretton et al. (2012). ValueError:
    bandwidth not above 0.
    """
    scalar("gaussian_kernel", "bandwidth", bandwidth, above=0)
    return torch.exp(-_squared_distances(x, y) / (2 * bandwidth**2))


def imq_kernel(x, y, scale):
    """scale / (scale + |x - y|²) for all pairs, (n, Q), (m, Q) -> (n, m).

    The inverse multiquadratic, equation eq-imq of the book (chapter 8); Tolstikhin et al. (2018)
    use scale = 2 Q σ². A tuple of scales gives the sum of their kernels. ValueError: a scale not
    above 0.
    """
    squared = _squared_distances(x, y)
    scales = scale if isinstance(scale, tuple) else (scale,)
    for one in scales:
        scalar("imq_kernel", "scale", one, above=0)
    return sum(one / (one + squared) for one in scales)


def mmd(x, y, kernel, unbiased=True):
    """The squared maximum mean discrepancy of samples x, (n, Q), and y, (m, Q), for a kernel; 0-d.

    kernel: (n, Q), (m, Q) -> (n, m). Equation eq-mmd of the book (chapter 8); Gretton et al.
        (2012).
    unbiased: the U-statistic, whose within-terms leave out the diagonal; it can be negative.
        Otherwise the V-statistic, at least 0 and too large by about 2 (1 - E k) / n if the two
        distributions agree.
    Works in blocks of rows, so that 20,000 samples fit in memory if no gradient is needed. In
    float32 the distances of two samples far from all others, 1,000 widths of the kernel or more,
    are lost in rounding: use x.double().
    ValueError: samples of unequal dimension, or fewer than two of one kind for the U-statistic.
    """
    x, y = torch.as_tensor(x), torch.as_tensor(y)
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1]:
        shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
        raise ValueError(
            f"mmd: x and y must have shapes (n, Q) and (m, Q) with the same Q, got {shapes}."
        )
    n, m = len(x), len(y)
    if min(n, m) < (2 if unbiased else 1):
        raise ValueError(
            f"mmd: with unbiased={unbiased} x and y must have at least {2 if unbiased else 1} "
            f"samples, got {n} and {m}."
        )
    within = _mean_kernel(x, x, kernel, unbiased) + _mean_kernel(y, y, kernel, unbiased)
    return within - 2 * _mean_kernel(x, y, kernel)


def _mean_kernel(x, y, kernel, off_diagonal=False):
    rows, total = max(1, BLOCK // len(y)), 0.0
    for at in range(0, len(x), rows):
        block = kernel(x[at : at + rows], y)
        total = (
            total + block.sum() - (block[:, at : at + rows].diagonal().sum() if off_diagonal else 0)
        )
    return total / (len(x) * (len(y) - off_diagonal))


def _squared_distances(x, y):
    x, y = (t if t.is_floating_point() else t.float() for t in map(torch.as_tensor, (x, y)))
    kind = torch.promote_types(x.dtype, y.dtype)
    x, y = x.to(kind), y.to(kind)
    centre = x.detach().mean(0)  # far from 0 the difference below would cancel
    x, y = x - centre, y - centre
    squared = (x**2).sum(-1)[:, None] + (y**2).sum(-1) - 2 * x @ y.T
    return squared.clamp(min=0)  # rounding can make it negative
