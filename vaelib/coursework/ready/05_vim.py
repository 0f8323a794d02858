import math

import numpy as np
import torch

import vaelib as vl


def log_prior(z):
    s = math.sqrt(3) / math.pi
    t = z.abs() / s
    return (-t - 2 * torch.log1p(torch.exp(-t)) - math.log(s)).sum(-1)


def prior_quantile(u):
    tiny = torch.finfo(u.dtype).eps / 2
    return math.sqrt(3) / math.pi * torch.logit(u, tiny)


def info_vae(model, x, alpha, lam, divergence):
    if alpha + lam < 1 - 1e-9:
        raise ValueError(f"alpha + lam must be at least 1, got {alpha + lam}.")
    mean, log_var = model.encode(x)
    z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
    terms = {
        "reconstruction": model.likelihood(z, x).log_prob(x),
        "divergence": divergence(z, model.prior.rsample((len(x),))),
    }
    kl = vl.gaussian_kl(mean, log_var) if alpha != 1 else 0
    price = alpha + lam - 1
    terms["objective"] = terms["reconstruction"] - (1 - alpha) * kl - price * terms["divergence"]
    return terms


def correct_under_noise(classify, x, labels, levels, draws, seed):
    generator = torch.Generator().manual_seed(seed)
    noise, shares = torch.randn(draws, *x.shape, generator=generator), []
    for level in levels:
        right = [classify((x + level * e).clamp(0, 1)) == labels for e in noise]
        shares.append(torch.stack(right).float().mean(0))
    return torch.stack(shares)


def crossed(d):
    d = np.asarray(d, dtype=float)
    if d.ndim != 2 or min(d.shape) < 2:
        raise ValueError(f"d must have two seeds and two pictures at least, got {d.shape}.")
    r, n = d.shape
    left = d - d.mean(1, keepdims=True) - d.mean(0) + d.mean()
    rest = (left**2).sum() / ((r - 1) * (n - 1))
    seeds, pictures = d.mean(1).var(ddof=1) - rest / n, d.mean(0).var(ddof=1) - rest / r
    error = math.sqrt(max(seeds, 0) / r + max(pictures, 0) / n + rest / (r * n))
    return {"mean": d.mean(), "seeds": seeds, "pictures": pictures, "rest": rest, "error": error}
