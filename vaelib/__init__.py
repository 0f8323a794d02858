"""vaelib: the small library that the chapters of the book *The VAE family* share.

Units are nats, per sample, never divided by pixels or latents. `log_var` is log σ². Images are float in [0, 1].
The rooms, in the order in which they build on each other: data (over downloads), nets, models, divergences, objectives,
training (over the engine, with schedules and checkpoints), evaluation; beside them receipts (recorded results), oracles
(models with known answers), plotting, and notebook (what a chapter's cells need).
"""

from . import engine, oracles, plotting, receipts
from .data import Dataset, binarize, digits, mnist, omniglot, two_points
from .divergences import gaussian_kl
from .evaluation import active_units, activity, latent_moments, log_likelihood
from .models import VAE, TwoLayerVAE, standard_normal
from .nets import mlp
from .notebook import claim, glue, profile, sizes
from .objectives import elbo, iwae, iwae_bound, iwae_surrogate
from .schedules import cosine, ramp, staircase
from .training import Player, Run, fit

__version__ = "0.1.0"
__all__ = [
    "Dataset", "Player", "Run", "TwoLayerVAE", "VAE", "active_units", "activity", "binarize", "claim", "cosine",
    "digits", "elbo", "engine", "fit", "gaussian_kl", "glue", "iwae", "iwae_bound", "iwae_surrogate",
    "latent_moments", "log_likelihood", "mlp", "mnist", "omniglot", "oracles", "plotting", "profile", "ramp",
    "receipts", "sizes", "staircase", "standard_normal", "two_points",
]  # fmt: skip
