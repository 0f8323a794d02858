"""Every objective of the library with a small model, for tests that go through all of them."""

import math
from functools import partial

import torch

import vaelib as vl
from vaelib.adversarial import class_players

PIXELS, CODE, CLASSES, PARTS = 6, 2, 3, 10
X = (torch.rand(64, PIXELS, generator=torch.Generator().manual_seed(0)) < 0.5).float()
GAPS = torch.where(
    torch.rand(X.shape, generator=torch.Generator().manual_seed(1)) < 0.1, math.nan, X
)
LABELS = torch.arange(64) % CLASSES
LABELLED = {"x": (X, LABELS), "labelled": (X, LABELS)}


def imq(x, y):
    return vl.imq_kernel(x, y, (1.0, 4.0))


def vae(seed=0, **options):
    return vl.VAE(vl.mlp(PIXELS, 8, 2 * CODE), vl.mlp(CODE, 8, PIXELS), CODE, **options)


def gaussian(seed=0):
    return vae(likelihood="gaussian", scale="learned", scale_floor=0.01)


def logistic(seed=0):
    return vae(prior=vl.logistic_unit_variance)


def two_layers(seed=0):
    nets = (
        vl.mlp(PIXELS, 2 * CODE),
        vl.mlp(CODE, 2 * CODE),
        vl.mlp(CODE, 2 * CODE),
        vl.mlp(CODE, PIXELS),
    )
    return vl.TwoLayerVAE(*nets, (CODE, CODE))


def table(seed=0):
    """A model of the six columns of X as categories, counts and bytes, some of them missing."""
    kinds = [vl.likelihoods.Categorical(2), vl.likelihoods.Poisson(), vl.likelihoods.Gaussian(),
             vl.likelihoods.NegativeBinomial(), vl.likelihoods.Discretized(2, "head"),
             vl.likelihoods.Bernoulli()]  # fmt: skip
    family = vl.Mixed({str(i): kind for i, kind in enumerate(kinds)}, missing=True)
    return vl.VAE(vl.mlp(family.features, 2 * CODE), vl.mlp(CODE, family.outputs), CODE, family)


def conditional(seed=0):
    nets = vl.mlp(PIXELS + 1, 8, 2 * CODE), vl.mlp(CODE + 1, 8, PIXELS)
    return vl.ConditionalVAE(*nets, CODE, 1, conditional_prior=vl.mlp(1, 2 * CODE))


def conditional_elbo(model, x):
    """The bound, given the first column."""
    return vl.elbo(model.given(x[:, :1]), x)


def judged(seed=0, room=0, **options):
    """A VAE with a discriminator of codes, and of labels of `room` classes."""
    model = vae(**options)
    model.discriminator = vl.mlp(CODE + room, 8, 1)
    return model


def implicit(seed=0, noise=1):
    model = vl.ImplicitVAE(
        vl.mlp(PIXELS + noise, CODE), vl.mlp(CODE, PIXELS), CODE, noise_dim=noise
    )
    model.discriminator = vl.mlp(CODE, 8, 1)
    return model


def style(seed=0):
    model = vl.VAE(vl.mlp(PIXELS, 2 * CODE), vl.mlp(CODE + CLASSES, PIXELS), CODE)
    model.discriminator = vl.mlp(CODE, 8, 1)
    return model


def classes(seed=0, heads=False):
    decoder = vl.mlp(CODE if heads else CODE + CLASSES, PIXELS)
    nets = (
        vl.mlp(PIXELS, CLASSES + CODE),
        decoder,
        CLASSES,
        CODE,
        vl.mlp(CODE, 8, 1),
        vl.mlp(CLASSES, 8, 1),
    )
    return vl.ClassAAE(*nets, heads=heads, noise=0.1)


def style_players():
    turns = vl.aae_players()
    return [
        vl.Player(turns[0].parameters, partial(vl.style_reconstruction, classes=CLASSES)),
        *turns[1:],
    ]


FACTOR_PLAYERS = [
    vl.Player(
        lambda m: [*m.encoder.parameters(), *m.decoder.parameters()],
        partial(vl.factor_vae, gamma=3.0),
    ),
    vl.Player(lambda m: m.discriminator.parameters(), vl.factor_discriminator),
]
# name -> (a function of the seed that builds the model, an objective or players, data for `fit`)
MEMBERS = {
    "elbo": (vae, vl.elbo, X),
    "elbo, Gaussian": (gaussian, vl.elbo, X),
    "elbo, table": (table, vl.elbo, GAPS),
    "elbo, conditional": (conditional, conditional_elbo, X),
    "elbo, k = 3": (vae, partial(vl.elbo, k=3), X),
    "elbo, sampled": (logistic, partial(vl.elbo, kl="sampled"), X),
    "elbo, two layers": (two_layers, partial(vl.elbo, kl="sampled"), X),
    **{f"iwae, {e}": (vae, partial(vl.iwae, k=3, estimator=e), X)
       for e in ("standard", "stl", "dreg")},
    **{f"iwae, {e}, two layers": (two_layers, partial(vl.iwae, k=3, estimator=e), X)
       for e in ("standard", "stl", "dreg")},
    "beta_vae": (vae, partial(vl.beta_vae, beta=4.0), X),
    "beta_vae, sampled": (logistic, partial(vl.beta_vae, beta=4.0, kl="sampled"), X),
    "capacity_vae": (vae, partial(vl.capacity_vae, gamma=10.0, capacity=1.0), X),
    "free_bits": (vae, partial(vl.free_bits, floor=0.2), X),
    **{f"tc_vae, {e}": (vae, partial(vl.tc_vae, dataset_size=len(X), beta=4.0, estimator=e), X)
       for e in ("mss", "mws")},
    "factor_vae": (judged, FACTOR_PLAYERS, X),
    "info_vae": (
        vae, partial(vl.info_vae, alpha=0.5, lam=10.0, divergence=partial(vl.mmd, kernel=imq)), X),
    "mmd_vae": (
        vae, partial(vl.mmd_vae, lam=10.0, kernel=partial(vl.gaussian_kernel, bandwidth=1.0)), X),
    "mmd_vae, V": (vae, partial(vl.mmd_vae, lam=10.0, kernel=imq, unbiased=False), X),
    "vim": (vae, partial(vl.vim, lam=10.0, kernel=imq), X),
    "vim, logistic": (logistic, partial(vl.vim, lam=10.0, kernel=imq), X),
    "aae": (judged, vl.aae_players(), X),
    "aae, implicit": (implicit, vl.aae_players(), X),
    "aae, deterministic": (partial(implicit, noise=0), vl.aae_players(), X),
    "aae, pinwheel with labels": (
        partial(judged, room=PARTS + 1, prior=vl.pinwheel), vl.aae_players(), LABELLED),
    "aae, swiss roll with labels": (
        partial(judged, room=PARTS + 1, prior=vl.swiss_roll), vl.aae_players(), LABELLED),
    "aae, style": (style, style_players(), LABELLED),
    "classes": (classes, class_players(), LABELLED),
    "classes, heads": (partial(classes, heads=True), class_players(), LABELLED),
    "clusters": (classes, class_players(supervised=False), X),
}  # fmt: skip
