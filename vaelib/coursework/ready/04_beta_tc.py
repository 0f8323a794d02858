import math

import numpy as np
import torch
from scipy import stats

import vaelib as vl


def beta_objective(reconstruction, mean, log_var, beta):
    return reconstruction - beta * vl.gaussian_kl(mean, log_var)


def beta_of_program(weight, latents, pixels, reconstruction, kl, variance):
    per_kl = latents if kl == "mean" else 1
    per_error = pixels if reconstruction == "mean" else 1
    half = 1 if variance is None else 2 * variance
    return weight * per_error / (per_kl * half)


def log_aggregate(z, mean, log_var, dataset_size, estimator):
    gap = (z[:, None] - mean) ** 2 * torch.exp(-log_var)
    pairs = -0.5 * (gap + log_var + math.log(2 * math.pi))
    n, m = dataset_size, len(mean)
    if estimator == "mss":
        log_w = torch.full((m, m), math.log((n - 1) / (n * (m - 1))), dtype=z.dtype)
        log_w.fill_diagonal_(-math.log(n))
    else:
        log_w = torch.full((1, m), -math.log(m if estimator == "exact" else n * m), dtype=z.dtype)
    return torch.logsumexp(pairs.sum(-1) + log_w, 1), torch.logsumexp(pairs + log_w[..., None], 1)


def gaussian_tc(covariance):
    return 0.5 * (covariance.diagonal().log().sum() - torch.linalg.slogdet(covariance)[1])


def kl_parts(z, mean, log_var, joint, each):
    def log_normal(mean, log_var):
        gap = (z - mean) ** 2 * torch.exp(-log_var)
        return -0.5 * (gap + log_var + math.log(2 * math.pi)).sum(-1)

    own, prior = log_normal(mean, log_var), log_normal(0 * z, 0 * z)
    product = each.sum(-1)
    return own - joint, joint - product, product - prior


def mig(tables):
    def entropy(p):
        return -(p * np.log(np.where(p > 0, p, 1))).sum((1, 2))

    gaps = []
    for table in tables:
        p = table / table.sum((1, 2), keepdims=True)
        of_values = entropy(p.sum(1, keepdims=True))
        known = np.sort(entropy(p.sum(2, keepdims=True)) + of_values - entropy(p))
        gaps.append((known[-1] - known[-2]) / of_values[0])
    return float(np.mean(gaps))


def vote(batch, everything, floor=0.05):
    share = batch.var(0) / everything.var(0).clamp(min=1e-30)
    return int(torch.where(everything.std(0) >= floor, share, math.inf).argmin())


def paired_interval(a, b, level=0.95):
    if len(a) != len(b) or len(a) < 2:
        raise ValueError(f"a and b must be two or more pairs, got {len(a)} and {len(b)} numbers.")
    d = np.array([float(p) - float(q) for p, q in zip(a, b, strict=True)])
    half = stats.t.ppf(0.5 + level / 2, len(d) - 1) * d.std(ddof=1) / len(d) ** 0.5
    return d.mean(), d.mean() - half, d.mean() + half
