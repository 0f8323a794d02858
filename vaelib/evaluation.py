"""Evaluation of a trained model: log-likelihood, active units, latent moments, sample quality.

Functions that take a model evaluate it in eval mode and leave its mode and buffers as they were.
"""

import math

import numpy as np
import torch

from .checks import integer, number, one_of, out_of_memory
from .marginal import evaluating, pareto_k, tail_length


@torch.no_grad()
def log_likelihood(model, x, samples=5000, memory=None, *, diagnostics=False):
    """An importance-sampling estimate of log p(x) of each image, (N,), float64, in nats.

    Its expectation is the bound L_K with K = samples, which is at most log p(x) (equation
    eq-is-bound of the book, chapter 2; Burda et al., 2016). The model's encoder is the proposal:
    one that is too narrow gives values that are far too low. With diagnostics=True the result is a
    pair: the values, and the Pareto k-hat of each image's importance weights, (N,) (Vehtari et al.,
    2024); above 0.7 a value cannot be trusted: use `refit_encoder`. Evaluated in eval mode, in
    chunks of about `memory` bytes (default: 256 MB, on a GPU 4 GB); one that does not fit is
    halved. The noise of an image depends on the size of the chunks.
    ValueError: samples below 1 (diagnostics: 25), values of x that the likelihood does not allow
    (such as grey ones under "bernoulli"), log-weights that are not finite.
    """
    samples = integer("log_likelihood", "samples", samples, 25 if diagnostics else 1)
    if memory is not None:
        number("log_likelihood", "memory", memory, above=0)
    k = min(samples, 100)
    tail = tail_length(samples) + 1 if diagnostics else 0
    parts, shapes, at = [], [], 0
    with evaluating("log_likelihood", model):
        model.check_targets(x)
        # Not by the free memory: with a fixed seed the chunks decide which noise an image gets.
        memory = memory or (2**32 if x.is_cuda else 2**28)
        rows = max(1, int(memory / (32 * k * max(256, x[0].numel()))))
        while at < len(x):
            try:
                some = slice(at, at + rows)
                part, bad, largest = _log_mean_weight(model.rows(some), x[some], samples, k, tail)
                _check_weights(bad, at, samples)
                if diagnostics:
                    shapes.append(pareto_k(largest))
                parts.append(part)
                at += rows
            except RuntimeError as error:
                if not out_of_memory(error) or rows == k == 1:
                    raise
                rows, k = (rows // 2, k) if rows > 1 else (1, k // 2)
    return (torch.cat(parts), torch.cat(shapes)) if diagnostics else torch.cat(parts)


def _log_mean_weight(model, x, samples, k, tail):
    """The log of each image's mean weight, (B,), in float64.

    Also how many of its log-weights are not finite, (B,), and the `tail` largest log-weights in
    descending order, (tail, B).
    """
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    bad, largest = 0, None
    for done in range(0, samples, k):
        log_w = model.log_weights(x, min(k, samples - done)).double()
        bad = bad + (~torch.isfinite(log_w)).sum(0)
        total = torch.logaddexp(total, torch.logsumexp(log_w, 0))
        if tail:
            largest = log_w if largest is None else torch.cat([largest, log_w])
            largest = largest.topk(min(tail, len(largest)), 0).values
    return total - math.log(samples), bad, largest


def _check_weights(bad, first, samples):
    if bad.any():
        at = int(bad.nonzero()[0])
        raise ValueError(
            f"log_likelihood: every log-weight must be finite, got {int(bad.sum())} of "
            f"{samples * len(bad)} that are not, the first for image {first + at}."
        )


def _codes(where, model, x):
    """Mean and log_var of q(z|x) for all x, each (N, Q), in chunks; the caller is in eval mode."""
    if hasattr(model, "class_discriminator"):
        raise ValueError(f"{where}: a ClassAAE has no q(z|x): it encodes to logits and a style.")
    starts = range(0, len(x), 4096)
    parts = [model.rows(slice(i, i + 4096)).encode(x[i : i + 4096]) for i in starts]
    mean, log_var = (torch.cat(part) for part in zip(*parts, strict=True))
    bad = ~torch.isfinite(mean + log_var).all(1)
    if not bad.is_meta and bad.any():  # "meta" tensors have shapes and no values
        raise ValueError(
            f"{where}: every mean and log_var of q(z|x) must be finite, got {int(bad.sum())} of "
            f"{len(x)} images for which they are not, the first is image {int(bad.nonzero()[0])}."
        )
    return mean, log_var


@torch.no_grad()
def activity(model, x, layer=1, samples=10):
    """A_j, the variance over x of the posterior mean of each latent unit, (Q,), in eval mode.

    Equation eq-activity of the book (chapter 2); Burda et al. (2016). layer=2: the upper units of a
    `TwoLayerVAE`, their posterior means averaged over samples of the layer below, which leaves
    1/samples of that layer's noise in A_j, also for an inactive unit (as in the paper's code, with
    one sample). ValueError: a layer that the model does not have, codes that are not finite.
    """
    samples = integer("activity", "samples", samples)
    layers = 1 + hasattr(model, "encoder2")
    if integer("activity", "layer", layer) > layers:
        raise ValueError(f"activity: layer must be at most {layers} for this model, got {layer!r}.")
    with evaluating("activity", model):
        model.check_targets(x)
        mean, log_var = _codes("activity", model, x)
        if layer == 2:
            noise = (torch.randn_like(mean) for _ in range(samples))
            z = (mean + (0.5 * log_var).exp() * eps for eps in noise)
            mean = torch.stack([model.encoder2(sample).chunk(2, -1)[0] for sample in z]).mean(0)
    return mean.var(0, correction=0)


def active_units(model, x, threshold=0.01, layer=1):
    """How many latent units have an activity A_j above the threshold, an int.

    The threshold 0.01 is a convention: look at `activity` too. ValueError: as `activity`.
    """
    number("active_units", "threshold", threshold)
    return int((activity(model, x, layer) > threshold).sum())


@torch.no_grad()
def latent_moments(model, x):
    """E[z_j] and E[z_j²] under the aggregated posterior, a dict "mean", "second", each (Q,).

    At a stationary point of the ELBO, if the encoder is free to shift and rescale, they are 0
    and 1 (the moment identity, equation eq-moment of the book, chapter 2). In eval mode.
    ValueError: codes that are not finite.
    """
    with evaluating("latent_moments", model):
        model.check_targets(x)
        mean, log_var = _codes("latent_moments", model, x)
    return {"mean": mean.mean(0), "second": (mean**2 + log_var.exp()).mean(0)}


def disturb(x, kind, amount):
    """Images x, (N, D) in [0, 1], with noise.

    kind: "gaussian", of standard deviation `amount`, clipped to [0, 1]; or "mask", each pixel set
    to 0 with probability `amount`. ValueError: another kind, or an amount out of range.
    """
    one_of("disturb", "kind", kind, ("gaussian", "mask"))
    amount = number("disturb", "amount", amount, least=0)
    if kind == "gaussian":
        return (x + amount * torch.randn_like(x)).clamp(0, 1)
    if amount > 1:
        raise ValueError(f'disturb: amount must be a probability for "mask", got {amount!r}.')
    return x * (torch.rand_like(x) >= amount)


@torch.no_grad()
def parzen_log_density(centres, x, scale, block=2**24):
    """The log of the mean of N(x; centre, scale² I) over centres, (n, D), (N, D) -> (N,), in nats.

    Equation eq-parzen of the book (chapter 5), which shows why not to trust it; `block` distances
    are kept in memory at once. Computed in float64. ValueError: shapes that do not fit, a scale
    that is not positive.
    """
    centres, x = torch.as_tensor(centres), torch.as_tensor(x)
    if centres.dim() != 2 or x.dim() != 2 or centres.shape[1] != x.shape[1] or not len(centres):
        raise ValueError(
            "parzen_log_density: centres and x must have shapes (n, D) and (N, D), "
            f"got {tuple(centres.shape)} and {tuple(x.shape)}."
        )
    scale = number("parzen_log_density", "scale", scale, above=0)
    centres, parts = centres.double(), []
    for rows in x.double().split(max(1, block // len(centres))):
        squared = torch.cdist(rows, centres, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        parts.append(torch.logsumexp(-0.5 * squared / scale**2, 1))
    log_normalizer = math.log(len(centres)) + x.shape[1] * math.log(scale * math.sqrt(2 * math.pi))
    return torch.cat(parts) - log_normalizer


def parzen(centres, validation, x, scales=tuple(10 ** (i / 9 - 1) for i in range(10))):
    """The Parzen estimate of log p(x), (N,), in nats, and the scale, the best one on `validation`.

    scales: by default those of Goodfellow's script, ten from 0.1 to 1. The ± that papers report is
    the standard error of the mean over test images, not a spread over seeds. ValueError: as
    `parzen_log_density`.
    """
    means = [parzen_log_density(centres, validation, scale).mean().item() for scale in scales]
    best = scales[max(range(len(scales)), key=means.__getitem__)]
    return parzen_log_density(centres, x, best), best


def frechet_distance(a, b):
    """The squared Fréchet distance of Gaussians fitted to features a, (n, F), and b, (m, F), 0-d.

    |mean difference|² + tr(A + B - 2 (A B)^½) in float64, by the eigenvalues of A^½ B A^½, which
    are real (equation eq-frechet of the book, chapter 9; Heusel et al., 2017). It is called FID
    only with the features of the Inception network. ValueError: features of unequal width, not
    finite, or fewer than two of either.
    """
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    if a.dim() != 2 or b.dim() != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(
            "frechet_distance: a and b must have shapes (n, F) and (m, F) with n, m >= 2, "
            f"got {tuple(a.shape)} and {tuple(b.shape)}."
        )
    a, b = a.double(), b.double()
    bad = ~torch.isfinite(a.sum() + b.sum())
    if not bad.is_meta and bad:
        raise ValueError("frechet_distance: a and b must be finite.")
    cov_a, cov_b = _covariance(a), _covariance(b)
    values, vectors = torch.linalg.eigh(cov_a)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ cov_b @ root).clamp(min=0).sqrt().sum()
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + cov_a.trace() + cov_b.trace() - 2 * overlap


def _covariance(features):
    """Like torch.cov, which cannot be used here: it reads values of the features on the host."""
    centred = features - features.mean(0)
    return centred.T @ centred / (len(features) - 1)


def bits_per_dimension(log_likelihood, dimensions, levels=1):
    """Bits per value of x, from log p(x) in nats: -log2 p / dimensions.

    Equation eq-bits of the book (chapter 12).
    levels: 1 if p is a probability, as of `vl.likelihoods.Discretized`. If it is the density of
        values in [0, 1] that `vl.dequantize` has made from so many levels, a cell is 1 / levels
        wide, which adds log2(levels) bits.
    """
    dimensions = integer("bits_per_dimension", "dimensions", dimensions)
    levels = integer("bits_per_dimension", "levels", levels)
    return -log_likelihood / (dimensions * math.log(2)) + math.log2(levels)


def mean_and_error(values):
    """The mean of independent values, (N,), and its standard error. ValueError: another shape."""
    values = np.asarray(values.detach().cpu() if torch.is_tensor(values) else values, dtype=float)
    if values.ndim != 1:
        raise ValueError(f"mean_and_error: values must have shape (N,), got {values.shape}.")
    return values.mean(), values.std(ddof=1) / np.sqrt(len(values))
