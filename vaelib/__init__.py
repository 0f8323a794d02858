"""vaelib: the small library that the chapters of the book *The VAE family* share.

Units are nats, per sample, never divided by pixels or latents. `log_var` is log σ². Images are
floats in [0, 1].

Modules, in dependency order: data and factors (over downloads), nets, priors, likelihoods, mixed,
models, conditional, implicit, divergences, objectives, training (over loop, copies, batches,
checkpoints, graph), adversarial, saving, marginal, evaluation, disentanglement, linear_gaussian,
oracles. checks validates arguments, probes tries a model without changing it, identity describes
what a checkpoint belongs to, schedules are functions of the step. What only the pages need is in
`vaelib.pages`.
"""

from . import likelihoods, loop, oracles, training
from .adversarial import (
    aae_discriminator,
    aae_encoder,
    aae_players,
    aae_reconstruction,
    class_players,
    cluster_labels,
    few_labels,
    style_reconstruction,
)
from .conditional import ConditionalVAE
from .data import Dataset, binarize, cifar10, dequantize, digits, mnist, omniglot, svhn, two_points
from .disentanglement import dci, factor_score, higgins_score, mig, mig_mixture
from .divergences import (
    gaussian_kernel,
    gaussian_kl,
    imq_kernel,
    kl_decomposition,
    log_aggregate_posterior,
    mmd,
)
from .evaluation import (
    active_units,
    activity,
    bits_per_dimension,
    disturb,
    frechet_distance,
    latent_moments,
    log_likelihood,
    mean_and_error,
    parzen,
    parzen_log_density,
)
from .factors import Sprites, draw_sprites, dsprites, sprites
from .implicit import ClassAAE, ImplicitVAE
from .marginal import annealed_log_likelihood, refit_encoder
from .mixed import Mixed
from .models import VAE, TwoLayerVAE
from .nets import conv_decoder, conv_encoder, mlp
from .objectives import (
    beta_vae,
    capacity_vae,
    elbo,
    factor_discriminator,
    factor_vae,
    free_bits,
    info_vae,
    iwae,
    iwae_bound,
    iwae_surrogate,
    mmd_vae,
    tc_vae,
    vim,
)  # fmt: skip
from .priors import logistic, logistic_unit_variance, normal, pinwheel, standard_normal, swiss_roll
from .saving import load, save
from .schedules import cosine, ramp, staircase
from .training import Interrupted, Player, Run, fit, interrupted_run

__version__ = "0.2.0.dev0"
__all__ = [
    "ClassAAE", "ConditionalVAE", "Dataset", "ImplicitVAE", "Interrupted", "Mixed", "Player",
    "Run", "Sprites", "TwoLayerVAE", "VAE", "aae_discriminator", "aae_encoder", "aae_players",
    "aae_reconstruction", "active_units", "activity", "annealed_log_likelihood", "beta_vae",
    "binarize", "bits_per_dimension", "capacity_vae", "cifar10", "class_players",
    "cluster_labels", "conv_decoder", "conv_encoder", "cosine", "dci", "dequantize", "digits",
    "disturb", "draw_sprites", "dsprites", "elbo", "factor_discriminator", "factor_score",
    "factor_vae", "few_labels", "fit", "frechet_distance", "free_bits", "gaussian_kernel",
    "gaussian_kl", "higgins_score", "imq_kernel", "info_vae", "interrupted_run", "iwae",
    "iwae_bound", "iwae_surrogate", "kl_decomposition", "latent_moments", "likelihoods", "load",
    "log_aggregate_posterior", "log_likelihood", "logistic", "logistic_unit_variance", "loop",
    "mean_and_error", "mig", "mig_mixture", "mlp", "mmd", "mmd_vae", "mnist", "normal",
    "omniglot", "oracles", "parzen", "parzen_log_density", "pinwheel", "ramp", "refit_encoder",
    "save", "sprites", "staircase", "standard_normal", "style_reconstruction", "svhn",
    "swiss_roll", "tc_vae", "training", "two_points", "vim",
]  # fmt: skip
