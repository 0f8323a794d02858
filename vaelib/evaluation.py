"""What a trained model is worth: log-likelihood, active units, moments of the aggregated posterior."""

import math
import os

import numpy as np
import torch

from .loop import out_of_memory


@torch.no_grad()
def log_likelihood(model, x, samples=5000, memory=None):
    """An importance-sampling estimate of log p(x) for each sample of x, (N,), float64, in nats.

    In expectation it is the bound L_K with K = samples, so on average it lies below log p(x) (equation eq-is-bound
    of the book, chapter 2; Burda et al., 2016). Works in chunks of about `memory` bytes; the default follows what is
    free, and a chunk that does not fit after all is halved.
    ValueError: samples below 1, values of x that the likelihood does not allow (such as grey ones under "bernoulli"),
    log-weights that are not finite (the message says how many, and for which image first).
    """
    if not isinstance(samples, int) or samples < 1:
        raise ValueError(f"log_likelihood: samples is {samples!r}; allowed is a whole number of at least 1.")
    model.check_targets(x)
    k = min(samples, 100)
    memory = memory or _room(x.device)
    rows = max(1, int(memory / (32 * k * max(256, x[0].numel()))))
    parts, at = [], 0
    while at < len(x):
        try:
            part, bad = _log_mean_weight(model, x[at : at + rows], samples, k)
            _check_weights(bad, at, samples)
            parts.append(part)
            at += rows
        except RuntimeError as error:
            if not out_of_memory(error) or rows == k == 1:
                raise
            rows, k = (rows // 2, k) if rows > 1 else (1, k // 2)
    return torch.cat(parts)


def _room(device):
    """Bytes that a chunk may take: a quarter of what is free on a GPU; on a CPU 256 MB, less where memory is short."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] // 4
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # not told on every system
        return 2**28
    return min(2**28, free // 8)


def _log_mean_weight(model, x, samples, k):
    """The logarithm of each image's mean weight, and how many of its log-weights are not finite, each (B,)."""
    total, bad = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device), 0
    for done in range(0, samples, k):
        log_w = model.log_weights(x, min(k, samples - done)).double()
        bad = bad + (~torch.isfinite(log_w)).sum(0)
        total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
    return total - math.log(samples), bad


def _check_weights(bad, first, samples):
    if bad.any():
        at = int(bad.nonzero()[0])
        raise ValueError(
            f"log_likelihood: {int(bad.sum())} of {samples * len(bad)} log-weights are not finite, "
            f"the first for image {first + at}; every log-weight must be finite."
        )


@torch.no_grad()
def _codes(model, x):
    """Mean and log_var of q(z|x) for all x, each (N, Q), in chunks."""
    model.check_targets(x)
    parts = [model.encode(chunk) for chunk in x.split(4096)]
    return torch.cat([mean for mean, _ in parts]), torch.cat([log_var for _, log_var in parts])


@torch.no_grad()
def activity(model, x, layer=1, samples=10):
    """A_j, the variance over x of the posterior mean of each latent unit, (Q,).

    Equation eq-activity of the book (chapter 2); Burda et al. (2016). layer=2: the upper units of a `TwoLayerVAE`,
    their posterior means averaged over samples of the layer below, which leaves 1/samples of that layer's noise in
    A_j: of a silent model too, as in the paper's code, which takes one sample. ValueError: a layer that is not there.
    """
    mean, log_var = _codes(model, x)
    if layer == 1:
        return mean.var(0, correction=0)
    if layer != 2 or not hasattr(model, "encoder2"):
        raise ValueError(f"activity: layer is {layer!r}; this model has {1 + hasattr(model, 'encoder2')}.")
    noise = (torch.randn_like(mean) for _ in range(samples))
    means = [model.encoder2(mean + (0.5 * log_var).exp() * eps).chunk(2, -1)[0] for eps in noise]
    return torch.stack(means).mean(0).var(0, correction=0)


def active_units(model, x, threshold=0.01, layer=1):
    """How many latent units have an activity A_j above the threshold. Look at `activity` too: 0.01 is a convention."""
    return int((activity(model, x, layer) > threshold).sum())


def latent_moments(model, x):
    """E[z_j] and E[z_j²] under the aggregated posterior, a dict "mean", "second", each (Q,).

    At a stationary point of the ELBO, where the encoder is free to shift and rescale, they are 0 and 1
    (the moment identity, equation eq-moment of the book, chapter 2).
    """
    mean, log_var = _codes(model, x)
    return {"mean": mean.mean(0), "second": (mean**2 + log_var.exp()).mean(0)}


def disturb(x, kind, amount):
    """Images x, (N, D) in [0, 1], with noise: "gaussian", of standard deviation `amount`, cut back to [0, 1]; or
    "mask", each pixel set to 0 with probability `amount`. ValueError: another kind, or an amount out of range."""
    allowed = {"gaussian": math.inf, "mask": 1.0}
    if kind not in allowed:
        raise ValueError(f"disturb: kind is {kind!r}; allowed are {', '.join(allowed)}.")
    if not 0 <= amount <= allowed[kind]:
        raise ValueError(f"disturb: amount is {amount!r}; {kind} allows 0 to {allowed[kind]:g}.")
    if kind == "gaussian":
        return (x + amount * torch.randn_like(x)).clamp(0, 1)
    return x * (torch.rand_like(x) >= amount)


@torch.no_grad()
def parzen_log_density(centres, x, scale, block=2**24):
    """log of the mean of N(x; centre, scale² I) over centres, (n, D), (N, D) -> (N,), float64, in nats, in blocks.

    Equation eq-parzen of the book (chapter 5), which shows why not to trust it.
    ValueError: shapes, a scale not above 0.
    """
    if centres.dim() != 2 or x.dim() != 2 or centres.shape[1] != x.shape[1] or not len(centres):
        shapes = f"{tuple(centres.shape)} and {tuple(x.shape)}"
        raise ValueError(f"parzen_log_density: centres and x have shapes {shapes}; allowed are (n, D) and (N, D).")
    if not 0 < scale < math.inf:
        raise ValueError(f"parzen_log_density: scale is {scale!r}; allowed is a positive finite number.")
    centres, parts = centres.double(), []
    for rows in x.double().split(max(1, block // len(centres))):
        squared = torch.cdist(rows, centres, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        parts.append(torch.logsumexp(-0.5 * squared / scale**2, 1))
    return torch.cat(parts) - math.log(len(centres)) - x.shape[1] * math.log(scale * math.sqrt(2 * math.pi))


def parzen(centres, validation, x, scales=tuple(10 ** (i / 9 - 1) for i in range(10))):
    """The Parzen estimate of log p(x), (N,), and the scale, chosen from `scales` by the mean on validation images.

    scales: by default those of Goodfellow's script, ten from 0.1 to 1. What papers report with a ± is the mean and its
    standard error over test images, not a spread over seeds.
    """
    best = max(scales, key=lambda scale: parzen_log_density(centres, validation, scale).mean().item())
    return parzen_log_density(centres, x, best), best


def frechet_distance(a, b):
    """The squared Fréchet distance between Gaussians fitted to features a, (n, F), and b, (m, F), in float64.

    |mean difference|² + tr(A + B - 2 (A B)^½), by way of the eigenvalues of A^½ B A^½, which are real
    (equation eq-frechet of the book, chapter 9; Heusel et al., 2017). With the Inception network's features it is
    called FID; with any other features it is not. ValueError: features of unequal width, or fewer than two of one kind.
    """
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        shapes = f"{tuple(a.shape)} and {tuple(b.shape)}"
        raise ValueError(f"frechet_distance: shapes are {shapes}; allowed are (n, F) and (m, F) with n, m >= 2.")
    a, b = a.double(), b.double()
    cov_a, cov_b = _covariance(a), _covariance(b)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * overlap


def _covariance(features):
    """As torch.cov has it, which asks the device whether there are rows enough."""
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)


def mean_and_error(values):
    """The mean of independent values, (N,), and its standard error."""
    values = np.asarray(values, dtype=float)
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))
