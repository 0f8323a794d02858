"""Objectives, one function each: a dict of terms, each (B,), of which "objective" is maximised."""

import math

import torch
from torch.distributions import Independent, kl_divergence
from torch.nn.functional import logsigmoid

from .checks import integer, number, one_of, scalar
from .divergences import log_aggregate_posterior, mmd, permute_dimensions
from .priors import sample

ESTIMATORS = ("standard", "stl", "dreg")


def elbo(model, x, k=1, kl="analytic"):
    """The evidence lower bound, in nats: "objective" = "reconstruction" - "kl", each (B,).

    Equation eq-elbo of the book (chapter 2); Kingma & Welling (2014). k samples of q(z|x) are
    averaged.
    kl: "analytic", or "sampled" for a prior without a closed form. ValueError: k below 1, an
        unknown kl.
    """
    z, q = model.draw(x, integer("elbo", "k", k))
    reconstruction, divergence = _reconstruction_and_kl("elbo", model, x, z, q, kl)
    return {
        "objective": reconstruction - divergence,
        "reconstruction": reconstruction,
        "kl": divergence,
    }


def _reconstruction_and_kl(name, model, x, z, q, kl="analytic"):
    """log p(x|z) averaged over each image's codes z, and KL(q(z|x) ‖ p) or its estimate, (B,)."""
    if one_of(name, "kl", kl, ("analytic", "sampled")) == "sampled":
        reconstruction, log_ratio = (terms.mean(0) for terms in model.log_terms(x, z, q))
        return reconstruction, -log_ratio
    try:
        divergence = kl_divergence(_density(name, model, q), model.prior)
    except NotImplementedError:
        raise ValueError(f'{name}: this model has no closed-form KL; use kl="sampled".') from None
    return model.likelihood(z, x).log_prob(x).mean(0), divergence


def _density(name, model, q):
    """q(z|x) of `draw`. ValueError: the model has none."""
    if q is None:
        raise ValueError(
            f"{name}: model must have a density q(z|x), got {type(model).__name__}, which has none."
        )
    return q


def _one_layer(name, model, x):
    """One code of each image, (1, B, Q), and q(z|x). ValueError: a model with two layers."""
    z, q = model.draw(x, 1)
    if isinstance(z, tuple):
        raise ValueError(f"{name}: model must have one layer of codes, got {type(model).__name__}.")
    return z, q


def info_vae(model, x, alpha, lam, divergence, kl="analytic"):
    """InfoVAE: reconstruction - (1 - alpha) KL(q(z|x) ‖ p) - (alpha + lam - 1) D(q(z), p), in nats.

    Equation eq-info-vae of the book (chapter 8); Zhao et al. (2019).
    divergence: (codes (B, Q), prior samples (B, Q)) -> 0-d; it sees one code of each image of the
        batch.
    alpha = 0, lam = 1 is the ELBO; alpha = 1 leaves out the average KL. Terms as in `elbo`, and
    "divergence", 0-d.
    ValueError: alpha + lam below 1, which would reward a mismatch, or not finite.
    """
    alpha, lam = scalar("info_vae", "alpha", alpha), scalar("info_vae", "lam", lam)
    if not torch.is_tensor(alpha) and not torch.is_tensor(lam):
        number("info_vae", "alpha + lam", round(alpha + lam, 9), least=1)  # -1.8 + 2.8 is below 1
    z, q = _one_layer("info_vae", model, x)
    # The average KL, which some models do not have, is not needed.
    if not torch.is_tensor(alpha) and alpha == 1:
        terms = {"reconstruction": model.likelihood(z, x).log_prob(x)[0]}
        objective = terms["reconstruction"]
    else:
        both = _reconstruction_and_kl("info_vae", model, x, z, q, kl)
        terms = dict(zip(("reconstruction", "kl"), both, strict=True))
        objective = terms["reconstruction"] - (1 - alpha) * terms["kl"]
    terms["divergence"] = divergence(z[0], sample(model.prior, len(x)))
    return {"objective": objective - (alpha + lam - 1) * terms["divergence"], **terms}


def mmd_vae(model, x, lam, kernel, unbiased=True):
    """The MMD-VAE: reconstruction - lam MMD²(q(z), p), the InfoVAE with alpha = 1 (eq-mmd-vae).

    Zhao et al. (2019).
    kernel, unbiased: as in `mmd`, between the batch's codes and as many samples of the model's
        prior.
    The encoder needs no density. Terms: "objective" and "reconstruction", (B,), "divergence", 0-d.
    ValueError: lam below 0.
    """
    lam, z = scalar("mmd_vae", "lam", lam, least=0), _one_layer("mmd_vae", model, x)[0]
    reconstruction = model.likelihood(z, x).log_prob(x)[0]
    mismatch = mmd(z[0], sample(model.prior, len(x)), kernel, unbiased)
    return {
        "objective": reconstruction - lam * mismatch,
        "reconstruction": reconstruction,
        "divergence": mismatch,
    }


def vim(model, x, lam, kernel, unbiased=True):
    """Variational InfoMax: the objective of `mmd_vae`, derived from the capacity of a channel.

    Equation eq-vim of the book (chapter 9); Crescimanna & Graham (2019).
    """
    return mmd_vae(model, x, lam, kernel, unbiased)


def beta_vae(model, x, beta, kl="analytic"):
    """The β-VAE: reconstruction - beta KL(q(z|x) ‖ p), in nats; beta = 1 is the ELBO.

    Equation eq-beta-vae of the book (chapter 6); Higgins et al. (2017). Terms as in `elbo`. beta
    may be 0, as at the start of a warm-up. ValueError: beta below 0.
    """
    scalar("beta_vae", "beta", beta, least=0)
    terms = elbo(model, x, kl=kl)
    return {**terms, "objective": terms["reconstruction"] - beta * terms["kl"]}


def capacity_vae(model, x, gamma, capacity):
    """reconstruction - gamma |average KL - capacity|, in nats: keeps the KL near a target.

    Training can raise the target. Equation eq-capacity-vae of the book (chapter 6); Burgess et al.
    (2018). The average is taken over the batch; terms as in `elbo`. ValueError: gamma not above 0,
    capacity below 0.
    """
    scalar("capacity_vae", "gamma", gamma, above=0)
    scalar("capacity_vae", "capacity", capacity, least=0)
    terms = elbo(model, x)
    return {
        **terms,
        "objective": terms["reconstruction"] - gamma * (terms["kl"].mean() - capacity).abs(),
    }


def free_bits(model, x, floor):
    """Free bits: reconstruction - sum over units j of max(floor, batch mean of KL_j), in nats.

    Equation eq-free-bits of the book (chapter 13); Kingma et al. (2016), each unit a group. KL_j is
    that of unit j, (B,). A unit whose mean KL is below `floor` nats is charged the floor, without a
    gradient. Terms as in `elbo`; on average floor = 0 is the ELBO.
    ValueError: floor below 0, a model or a prior without a closed-form KL for each unit.
    """
    scalar("free_bits", "floor", floor, least=0)
    z, q = _one_layer("free_bits", model, x)
    _density("free_bits", model, q)
    prior = model.prior.base_dist if isinstance(model.prior, Independent) else model.prior
    try:
        each = kl_divergence(q.base_dist, prior)  # (B, Q)
    except NotImplementedError:
        raise ValueError(
            "free_bits: the prior must have a closed-form KL for each unit, "
            f"got {type(prior).__name__}."
        ) from None
    reconstruction = model.likelihood(z, x).log_prob(x)[0]
    charge = each.mean(0).clamp(min=floor).sum()
    return {
        "objective": reconstruction - charge,
        "reconstruction": reconstruction,
        "kl": each.sum(-1),
    }


def tc_vae(model, x, dataset_size, alpha=1.0, beta=1.0, gamma=1.0, estimator="mss"):
    """The β-TCVAE: reconstruction - alpha I(n; z) - beta TC - gamma (dimension-wise KL), in nats.

    Equation eq-tc-vae of the book (chapter 7); Chen et al. (2018). Terms, (B,), each estimated from
    the batch: "reconstruction", "mutual_information", "total_correlation", "dimension_wise_kl".
    estimator: "mss" or "mws", as in `log_aggregate_posterior`. With all weights 1 it is the ELBO
        with a sampled KL.
    ValueError: a weight below 0, a data set smaller than the batch, a batch of one image.
    """
    for name, value in (("alpha", alpha), ("beta", beta), ("gamma", gamma)):
        scalar("tc_vae", name, value, least=0)
    z, q = _one_layer("tc_vae", model, x)
    _density("tc_vae", model, q)
    mean, log_var = q.base_dist.loc, 2 * q.base_dist.scale.log()
    joint, each = log_aggregate_posterior(z[0], mean, log_var, dataset_size, estimator)
    information = q.log_prob(z[0]) - joint
    correlation = joint - each.sum(-1)
    dimension_wise = each.sum(-1) - model.prior.log_prob(z[0])
    reconstruction = model.likelihood(z, x).log_prob(x)[0]
    return {
        "objective": (
            reconstruction - alpha * information - beta * correlation - gamma * dimension_wise
        ),
        "reconstruction": reconstruction,
        "mutual_information": information,
        "total_correlation": correlation,
        "dimension_wise_kl": dimension_wise,
    }


def factor_vae(model, x, gamma):
    """The FactorVAE's first player: ELBO - gamma TC, the TC from a discriminator's logit, in nats.

    Equation eq-factor-vae of the book (chapter 7); Kim & Mnih (2018). `model.discriminator` maps
    codes (B, Q) to one logit, (B, 1). Terms as in `elbo`, and "total_correlation", the logit.
    ValueError: gamma below 0, no discriminator.
    """
    scalar("factor_vae", "gamma", gamma, least=0)
    z, q = _one_layer("factor_vae", model, x)
    reconstruction, divergence = _reconstruction_and_kl("factor_vae", model, x, z, q)
    correlation = discriminator_of("factor_vae", model)(z[0])[..., 0]
    return {
        "objective": reconstruction - divergence - gamma * correlation,
        "reconstruction": reconstruction,
        "kl": divergence,
        "total_correlation": correlation,
    }


def factor_discriminator(model, x):
    """The FactorVAE's second player: tells codes of half of the batch from permuted other codes.

    The permuted codes are those of the other half. The best logit is equation eq-discriminator of
    the book (chapter 7). No gradient reaches the encoder.
    Terms: "objective", minus the cross-entropy in nats, and "accuracy", each (B // 2,).
    ValueError: a batch of one image, no discriminator.
    """
    if len(x) < 2:
        raise ValueError(
            f"factor_discriminator: the batch must have at least 2 images, got {len(x)}."
        )
    net = discriminator_of("factor_discriminator", model)
    with torch.no_grad():
        real, others = model.draw(x, 1)[0][0].split(-(-len(x) // 2))
        permuted = permute_dimensions(others)
    on_real, on_permuted = (net(z)[: len(others), 0] for z in (real, permuted))
    right = 0.5 * ((on_real > 0).float() + (on_permuted < 0).float())
    return {"objective": 0.5 * (logsigmoid(on_real) + logsigmoid(-on_permuted)), "accuracy": right}


def discriminator_of(name, model):
    """model.discriminator. ValueError: there is none."""
    if not hasattr(model, "discriminator"):
        raise ValueError(
            f"{name}: the model has no discriminator; "
            "set model.discriminator to a net, codes to a logit."
        )
    return model.discriminator


def iwae_bound(log_w):
    """The importance-weighted bound from log-weights, (k, B) -> (B,): the log of the mean weight.

    In nats. In expectation it is L_k: equation eq-iwae-bound of the book (chapter 4); Burda et al.
    (2016).
    """
    return torch.logsumexp(log_w, 0) - math.log(len(log_w))


def iwae_surrogate(log_w):
    """The average of log-weights (k, B), weighted by their detached normalised weights, (B,).

    Its gradient is that of `iwae_bound` (equation eq-iwae-gradient of the book, chapter 4). Its
    value is not the bound: it lies log k minus the weights' entropy above it (eq-surrogate-gap).
    """
    return (torch.softmax(log_w.detach(), 0) * log_w).sum(0)


def iwae(model, x, k, estimator="standard"):
    """The importance-weighted bound with k samples, in nats: "objective", "surrogate", each (B,).

    Equation eq-iwae-bound of the book (chapter 4); Burda et al. (2016). "objective" has the bound's
    value whatever the estimator, which decides how the encoder's gradient is estimated: "standard";
    "stl", without the score, biased for k > 1 (Roeder et al., 2017); "dreg", doubly
    reparameterized, unbiased (Tucker et al., 2019; eq-dreg), which decodes twice. "surrogate" is
    `iwae_surrogate`. ValueError: k below 1, an unknown estimator.
    """
    k = integer("iwae", "k", k)
    one_of("iwae", "estimator", estimator, ESTIMATORS)
    z, q = model.draw(x, k)
    if estimator == "dreg":
        with torch.no_grad():
            weights = torch.softmax(sum(model.log_terms(x, z, q)), 0).unsqueeze(-1)
        z = (
            tuple(_scale_gradient(part, weights) for part in z)
            if isinstance(z, tuple)
            else _scale_gradient(z, weights)
        )
    log_w = sum(model.log_terms(x, z, q, score=estimator == "standard"))
    return {"objective": iwae_bound(log_w), "surrogate": iwae_surrogate(log_w)}


def _scale_gradient(z, factor):
    """z itself, with its gradient multiplied by `factor`; unlike a hook, it works under vmap."""
    return z.detach() + factor * (z - z.detach())
