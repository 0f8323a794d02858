"""Nine members of the family on MNIST: same networks and seeds, all quantities of chapter 10."""

from functools import partial

import torch
from sklearn.linear_model import LogisticRegression
from torch import nn

import vaelib as vl

from .likelihoods import UNITS, refitted
from .runner import fingerprint, summaries
from .vim_tables import features_of

VERSION = 2
CLAIM = (
    "Members that differ in one term differ in what that term weighs, "
    "and each pays for it elsewhere."
)
Q = 10
# exp(-|x - y|² / Q²), as in the code of Zhao et al.
GAUSSIAN = partial(vl.gaussian_kernel, bandwidth=Q / 2**0.5)
IMQ = partial(vl.imq_kernel, scale=tuple(2.0 * Q * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)))
# A member: its title, and its objective as a function of model and batch (None: a three-player
# game).
MEMBERS = {
    "vae": ("VAE", vl.elbo),
    "iwae": ("IWAE, 5 samples", partial(vl.iwae, k=5)),
    "aae": ("AAE", None),
    "beta-vae": ("β-VAE, β = 4", partial(vl.beta_vae, beta=4.0)),
    "beta-tcvae": ("β-TCVAE, β = 4", partial(vl.tc_vae, dataset_size=60_000, beta=4.0)),
    "factor-vae": ("FactorVAE, γ = 3", partial(vl.factor_vae, gamma=3.0)),
    "mmd-vae": ("MMD-VAE", partial(vl.mmd_vae, lam=1000.0, kernel=GAUSSIAN)),
    "vim-n": ("VIMAE-n", partial(vl.vim, lam=200.0, kernel=IMQ)),
    "vim-l": ("VIMAE-l", partial(vl.vim, lam=200.0, kernel=IMQ)),
}


def row(member, end, needs_gpu, **more):
    config = {
        "member": member,
        "latents": Q,
        "batch_size": 100,
        "lr": 1e-3,
        "lr_end": 1e-4,
        "seeds": [0, 1, 2],
        "judged": 5000,
        "likelihood_images": 1000,
        "samples": 1000,
        "refit": 2000,
        "annealed": 100,
        "temperatures": 200,
        "chains": 8,
        **more,
    }
    title = f"MNIST, {MEMBERS[member][0]}, {more['steps']:,} steps"
    return {
        "id": f"{member}{end}",
        "title": title,
        "config": config,
        "needs_gpu": needs_gpu,
        "paper": {},
    }


ROWS = [
    *(row(member, "", True, steps=200_000, width=500) for member in MEMBERS),
    *(row(member, "-short", False, steps=10_000, width=200) for member in MEMBERS),
]


def network(config, bias):
    member, q, width = config["member"], config["latents"], config["width"]
    net = lambda n_in, n_out: vl.mlp(n_in, width, width, n_out, activation=nn.ReLU)  # noqa: E731

    def build(seed):
        # Built first, so that all members have the same initial weights.
        encoder, decoder = net(784, 2 * q), net(q, 784)
        decoder[-1].bias.data = bias.clone()
        prior = vl.logistic_unit_variance if member == "vim-l" else vl.standard_normal
        model = vl.VAE(encoder, decoder, q, prior=prior)
        if member in ("aae", "factor-vae"):
            model.discriminator = net(q, 1)
        return model

    return build


def players(config):
    rate = vl.cosine(config["lr"], config["steps"], config["lr_end"])
    objective = MEMBERS[config["member"]][1]
    if objective is None:
        return vl.aae_players(
            rate,
            rate,
            encoder_lr=vl.cosine(config["lr"] / 2, config["steps"], config["lr_end"] / 2),
            betas=(0.5, 0.9),
        )
    own = lambda model: [*model.encoder.parameters(), *model.decoder.parameters()]  # noqa: E731
    judge = vl.Player(lambda model: model.discriminator.parameters(), vl.factor_discriminator, rate,
                      {"betas": (0.5, 0.9)})  # fmt: skip
    return [vl.Player(own, objective, rate), *([judge] if config["member"] == "factor-vae" else [])]


def run(config, device, folder):
    data = vl.mnist()
    bias = torch.logit(data.train[:5000].mean(0).clamp(0.01, 0.99))
    done = vl.fit(
        network(config, bias),
        players(config),
        data.train,
        steps=config["steps"],
        device=device,
        batch_size=config["batch_size"],
        seeds=config["seeds"],
        transform=vl.binarize,
        checkpoint=folder,
    )
    features, measured = features_of(data), []
    for seed, model in zip(config["seeds"], done.models, strict=True):
        torch.manual_seed(seed)
        measured.append(judge(model.cpu(), data, config, seed, features))
    units = UNITS | {
        "reconstruction": "nats",
        "log-likelihood": "nats",
        "probe": "%",
        "probe, Gauss 0.4": "%",
    }
    return summaries(measured, units), {data.name: fingerprint(data.train, data.test)}


@torch.no_grad()
def judge(model, data, config, seed, features):
    """Return all quantities of chapter 10 for a member, on test images.

    p(x) does not depend on the encoder, and one that was trained without a KL is no proposal for
    importance sampling: an AAE's posteriors become points, with infinite weights. So log p(x) is
    estimated with a new encoder.
    """
    n = config["judged"]
    x, y, test, labels = data.train[:n], data.train_labels[:n], data.test[:n], data.test_labels[:n]
    binary = vl.binarize(test)
    few = binary[: config["likelihood_images"]]
    z, prior = model.draw(binary, 1)[0][0], model.prior.sample((n,))
    probe = LogisticRegression(max_iter=2000).fit(model.encode(x)[0], y)
    drawn = model.likelihood(prior[:2000]).mean
    checked = refitted(model, few, config, seed)
    return {
        "reconstruction": model.likelihood(z).log_prob(binary).mean().item(),
        "log-likelihood": checked.pop("refitted encoder"),
        "MMD² to the prior": vl.mmd(
            z, prior, partial(vl.imq_kernel, scale=2.0 * config["latents"])
        ).item(),
        "Fréchet distance": vl.frechet_distance(
            features(drawn), features(data.train[:2000])
        ).item(),
        "probe": 100 * probe.score(model.encode(test)[0], labels),
        "probe, Gauss 0.4": (
            100 * probe.score(model.encode(vl.disturb(test, "gaussian", 0.4))[0], labels)
        ),
        "active units": float(vl.active_units(model, few)),
        **checked,
    }
