"""Models and quantities known in closed form, or to any precision by quadrature."""

import math

import numpy as np
import torch
from torch import nn

from .checks import integer
from .linear_gaussian import ConditionalLinearGaussian as ConditionalLinearGaussian
from .linear_gaussian import LinearGaussian as LinearGaussian
from .models import VAE
from .probes import unchanged


class _ConstantEncoder(nn.Module):
    def __init__(self, mean, std):
        super().__init__()
        self.code = nn.Parameter(torch.tensor([mean, 2 * math.log(std)]))

    def forward(self, x):
        return self.code.expand(len(x), 2)


def scalar_vae(mean, std):
    """z ~ N(0, 1), x|z ~ N(z, 1), with q(z|x) = N(mean, std²) whatever x is.

    log p(x) = log N(x; 0, 2) and `scalar_bound` gives the rest.
    """
    return VAE(_ConstantEncoder(mean, std), nn.Identity(), 1, "gaussian", scale=1.0)


def scalar_bound(x, mean, std, k=1):
    """The exact bound L_k(x) of `scalar_vae`, in nats; L_1 is the ELBO (eq-elbo-scalar).

    For k > 1 by quadrature of L_k = -ln k + ∫ (exp(-t) - φ(t)^k) dt/t with φ(t) = E_q exp(-t w).
    """
    if k == 1:
        reconstruction = -0.5 * math.log(2 * math.pi) - 0.5 * ((x - mean) ** 2 + std**2)
        return reconstruction - 0.5 * (mean**2 + std**2 - 1 - 2 * math.log(std))
    nodes, weights = np.polynomial.hermite_e.hermegauss(300)
    z = mean + std * nodes
    log_w = -0.5 * ((x - z) ** 2 + z**2 - nodes**2) - 0.5 * math.log(2 * math.pi) + math.log(std)
    likely = log_w[weights > 1e-18 * weights.sum()]
    # t = exp(u), from far below one over the largest weight to above one over the smallest.
    step = 0.005
    u = np.arange(-40 - max(0, likely.max()), 20 - min(0, likely.min()), step)
    with np.errstate(over="ignore"):
        phi = np.exp(-np.exp(u[:, None] + log_w)) @ (weights / weights.sum())
        return -math.log(k) + step * float(np.sum(np.exp(-np.exp(u)) - phi**k))


@torch.no_grad()
def log_likelihood_by_quadrature(model, x, nodes=200):
    """log p(x) of a model with one latent number, (N,), float64, in nats; in eval mode.

    By Gauss-Hermite quadrature over the code; exact as long as p(x|z) p(z) / N(z; 0, 1) is smooth
    between `nodes` points. Works for every likelihood. ValueError: nodes outside 2 to 300.
    """
    if integer("log_likelihood_by_quadrature", "nodes", nodes, 2) > 300:
        raise ValueError(f"log_likelihood_by_quadrature: nodes must be at most 300, got {nodes}.")
    z, weights = (torch.from_numpy(a).to(x) for a in np.polynomial.hermite_e.hermegauss(nodes))
    with unchanged(model):
        model.eval()
        log_p = model.likelihood(z[:, None, None].expand(-1, len(x), 1), x).log_prob(x)
        ratio = model.prior.log_prob(z[:, None]) + 0.5 * (z**2 + math.log(2 * math.pi))
    weights = (weights / weights.sum()).double().log() + ratio.double()
    return torch.logsumexp(log_p.double() + weights[:, None], 0)


def shell(dim):
    """The mean and the standard deviation of ‖z‖ for z ~ N(0, I) in `dim` dimensions.

    √2 Γ((dim + 1) / 2) / Γ(dim / 2), and the root of dim minus its square (eq-shell).
    """
    mean = math.sqrt(2) * math.exp(math.lgamma((dim + 1) / 2) - math.lgamma(dim / 2))
    return mean, math.sqrt(dim - mean**2)


def linear_beta_vae(variance, noise, beta=1.0):
    """The optimum of a linear β-VAE on scalar data, with decoder N(w z, noise) (eq-linear-beta).

    variance: of the data. A dict: "weight_squared" w², "posterior_variance", "kl" (nats) and
    "activity" A_j. It collapses if beta * noise >= variance (Lucas et al., 2019).
    """
    t = min(1.0, beta * noise / variance)
    return {
        "weight_squared": max(0.0, variance - beta * noise),
        "posterior_variance": t,
        "kl": -0.5 * math.log(t),
        "activity": 1 - t,
    }


def surgery(mean, std):
    """ELBO surgery of posteriors N(mean[n], std[n]²), n = 1..N, by quadrature (eq-surgery).

    A dict, in nats: "kl", the average KL to N(0, 1); "mutual_information" I(n; z); "marginal_kl",
    KL(q(z) ‖ N(0, 1)). ValueError: a std too small for the quadrature's steps.
    """
    mean, std = np.asarray(mean, float)[:, None], np.asarray(std, float)[:, None]
    low, high = (mean - 12 * std).min(), (mean + 12 * std).max()
    z, step = np.linspace(low, high, 200_001, retstep=True)
    if step > std.min() / 2:
        raise ValueError(
            f"surgery: std must be at least {2 * step:.2g}, twice the quadrature's step, "
            f"got {std.min():.2g}."
        )
    log_q = -0.5 * ((z - mean) / std) ** 2 - np.log(std) - 0.5 * math.log(2 * math.pi)
    log_aggregate = np.logaddexp.reduce(log_q, 0) - math.log(len(mean))
    log_p = -0.5 * z**2 - 0.5 * math.log(2 * math.pi)
    information = float((np.exp(log_q) * (log_q - log_aggregate)).sum(1).mean() * step)
    return {
        "kl": float(0.5 * (mean**2 + std**2 - 1 - 2 * np.log(std)).mean()),
        "mutual_information": information,
        "marginal_kl": float((np.exp(log_aggregate) * (log_aggregate - log_p)).sum() * step),
    }


def two_gaussian_information(delta):
    """I(v; z) for a fair sign v = ±1 and z|v ~ N(v delta, 1), in nats.

    It is ln 2 - E ln(1 + exp(-2 delta (delta + ε))).
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(200)
    return math.log(2) - float(
        np.logaddexp(0, -2 * delta * (delta + nodes)) @ weights / weights.sum()
    )


def gaussian_total_correlation(correlation):
    """The total correlation of a Gaussian, -½ ln det of its correlation matrix, in nats.

    Equation eq-gaussian-tc of the book (chapter 7). ValueError: another matrix.
    """
    matrix = np.asarray(correlation, float)
    sign, log_det = np.linalg.slogdet(matrix)
    if sign <= 0 or not np.allclose(np.diagonal(matrix), 1):
        raise ValueError(
            "gaussian_total_correlation: correlation must be a positive definite matrix with a "
            f"diagonal of ones, got determinant {sign * np.exp(log_det):g} and the diagonal "
            f"{np.diagonal(matrix).tolist()}."
        )
    return -0.5 * float(log_det)


def normal_entropy(std=1.0):
    """The entropy of N(m, std²) in nats."""
    return 0.5 * math.log(2 * math.pi * math.e) + math.log(std)


def logistic_entropy(scale=1.0):
    """The entropy of a Logistic distribution in nats.

    Its variance is (π scale)²/3: unit scale is not unit variance.
    """
    return 2 + math.log(scale)


def kernel_mixture(name, size):
    """A kernel as a mixture of Gaussian kernels: squared bandwidths and weights, each (n,).

    name: "gaussian", size its bandwidth; or "imq", size its scale C, by quadrature of
        C / (C + r²) = ∫ exp(-t) exp(-t r² / C) dt.
    ValueError: another name.
    """
    if name == "gaussian":
        return np.array([float(size) ** 2]), np.array([1.0])
    if name != "imq":
        raise ValueError(f'kernel_mixture: name must be "gaussian" or "imq", got {name!r}.')
    t, weights = np.polynomial.laguerre.laggauss(80)
    return size / (2 * t), weights


def gaussian_mmd(mean, std, kernel, size):
    """Squared MMD between N(mean, diag(std²)) and N(0, I), exact (eq-mmd-gaussians).

    mean, std: (Q,). kernel, size: as in `kernel_mixture`.
    """
    mean, std = np.atleast_1d(np.asarray(mean, float)), np.atleast_1d(np.asarray(std, float))
    squared, weights = kernel_mixture(kernel, size)

    def expected(shift, variance):  # E k(x, y) for x - y ~ N(shift, diag(variance))
        spread = squared[:, None] + variance
        return weights @ np.prod(
            np.sqrt(squared[:, None] / spread) * np.exp(-(shift**2) / (2 * spread)), 1
        )

    zero = np.zeros_like(mean)
    return expected(zero, 2 * std**2) + expected(zero, 2 + zero) - 2 * expected(mean, 1 + std**2)


def mmd_under_null(dim, n, kernel, size):
    """Bias and standard deviation of the MMD² estimators under the null (eq-mmd-null).

    Exact, for two samples of n from the same N(0, I). A dict: "kernel" E k(x, y); "bias", the
    V-statistic's mean; "sd", the U-statistic's standard deviation.
    """
    h, w = kernel_mixture(kernel, size)
    pairs = 1 / (1 / h[:, None] + 1 / h)  # the product of two Gaussian kernels is one
    product = w[:, None] * w
    mean = w @ (1 + 2 / h) ** (-dim / 2)
    square = (product * (1 + 2 / pairs) ** (-dim / 2)).sum()
    shared = ((1 + 1 / h[:, None]) * (1 + 1 / h) * (1 + 1 / (h[:, None] + 1) + 1 / (h + 1))) ** (
        -dim / 2
    )
    zeta = square - 2 * (product * shared).sum() + mean**2
    return {
        "kernel": mean,
        "bias": 2 * (1 - mean) / n,
        "sd": math.sqrt(4 * zeta / (n * (n - 1)) + 4 * zeta / n**2),
    }


def two_point_reconstruction(a, scale="head", floor=0.0):
    """E log p(x|z) for x = ±1 with the best decoder, in nats, (...) -> (...) (eq-two-point).

    It depends on a = mean / std alone; q(z|x) = N(x mean, std²).
    scale: a number, the decoder's fixed standard deviation; "learned", the best one for all z;
        "head", the best one for each z; the last two not below `floor`.
    """
    a, e = np.asarray(a, float)[..., None], np.linspace(-10, 10, 4001)
    weight = np.exp(-0.5 * e**2)
    weight /= weight.sum()
    # sech² through exp(-2|u|), so that nothing overflows; log sech² for the scales that follow it
    u = np.abs(a**2 + a * e)
    log_variance = 2 * (math.log(2) - u - np.log1p(np.exp(-2 * u)))
    variance = np.exp(log_variance)
    if scale == "head":
        log_tau = np.maximum(0.5 * log_variance, math.log(floor) if floor else -math.inf)
    elif scale == "learned":
        log_tau = np.maximum(
            0.5 * np.log(variance @ weight), math.log(floor) if floor else -math.inf
        )[..., None]
    else:
        log_tau = np.full_like(u, math.log(scale))
    return (
        -0.5 * math.log(2 * math.pi) - log_tau - 0.5 * np.exp(log_variance - 2 * log_tau)
    ) @ weight


def two_point_mmd(mean, std, bandwidth):
    """Squared MMD between ½N(mean, std²) + ½N(-mean, std²) and N(0, 1), exact; broadcasts.

    The kernel is Gaussian.
    """
    h, mean, std = bandwidth**2, np.asarray(mean, float), np.asarray(std, float)

    def expected(shift, variance):
        return np.sqrt(h / (h + variance)) * np.exp(-(shift**2) / (2 * (h + variance)))

    within = 0.5 * (expected(0.0, 2 * std**2) + expected(2 * mean, 2 * std**2))
    return within + expected(0.0, 2.0) - 2 * expected(mean, 1 + std**2)


def two_point_optimum(
    objective="elbo", scale="head", floor=5e-4, encoder_floor=0.0, lam=500.0, bandwidth=0.5**0.5
):
    """The best q(z|x = ±1) = N(±mean, std²) with the best decoder for it (eq-two-point).

    objective: "elbo", or "mmd": reconstruction - lam MMD².
    Searched on a lattice of a = mean / std and std, then refined. A dict: "mean", "std", "second"
    E z², "reconstruction", "kl", "mmd", "objective".
    """
    from scipy.optimize import minimize

    def terms(log_a, log_std):
        a, std = np.exp(log_a), encoder_floor + np.exp(log_std)
        mean = a * std
        values = {"mean": mean, "std": std, "second": mean**2 + std**2}
        values["reconstruction"] = two_point_reconstruction(a, scale, floor)
        values["kl"] = 0.5 * (mean**2 + std**2 - 1) - np.log(std)
        values["mmd"] = two_point_mmd(mean, std, bandwidth)
        cost = values["kl"] if objective == "elbo" else lam * values["mmd"]
        return values | {"objective": values["reconstruction"] - cost}

    log_a, log_std = np.linspace(-4, 3, 141)[:, None], np.linspace(-4, 1, 101)
    values = terms(log_a, log_std)["objective"]
    i, j = np.unravel_index(np.argmax(values), values.shape)
    best = minimize(
        lambda p: -float(terms(*p)["objective"]),
        (log_a[i, 0], log_std[j]),
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-10, "maxiter": 2000},
    )
    return {name: float(value) for name, value in terms(*best.x).items()}
