"""vaelib: the small library that the chapters of the book *The VAE family* share.

Units are nats, per sample, never divided by pixels or latents. `log_var` is log σ². Images are float in [0, 1].
The rooms, in the order in which they build on each other: data (over downloads), nets, models, divergences, objectives,
training (over the engine, with schedules and checkpoints), evaluation; beside them receipts (recorded results), oracles
(models with known answers), plotting and explorer (figures, still and moving), and notebook (what a chapter's cells
need).
"""

from . import engine, explorer, oracles, plotting, receipts
from .data import Dataset, binarize, celeba, cifar10, digits, mnist, omniglot, two_points
from .divergences import gaussian_kernel, gaussian_kl, imq_kernel, mmd
from .evaluation import active_units, activity, disturb, frechet_distance, latent_moments, log_likelihood
from .models import VAE, TwoLayerVAE, logistic, logistic_unit_scale, logistic_unit_variance, standard_normal
from .nets import conv_decoder, conv_encoder, mlp
from .notebook import claim, glue, profile, sizes, table
from .objectives import elbo, info_vae, iwae, iwae_bound, iwae_surrogate, mmd_vae, vim
from .schedules import cosine, ramp, staircase
from .training import Player, Run, fit

__version__ = "0.1.0"
__all__ = [
    "Dataset", "Player", "Run", "TwoLayerVAE", "VAE", "active_units", "activity", "binarize", "celeba", "cifar10",
    "claim", "conv_decoder", "conv_encoder", "cosine", "digits", "disturb", "elbo", "engine", "explorer", "fit",
    "frechet_distance", "gaussian_kernel", "gaussian_kl", "glue", "imq_kernel", "info_vae", "iwae", "iwae_bound",
    "iwae_surrogate", "latent_moments", "log_likelihood", "logistic", "logistic_unit_scale", "logistic_unit_variance",
    "mlp", "mmd", "mmd_vae", "mnist", "omniglot", "oracles", "plotting", "profile", "ramp", "receipts", "sizes",
    "staircase", "standard_normal", "table", "two_points", "vim",
]  # fmt: skip
