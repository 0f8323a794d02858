"""β-VAE, β-TCVAE and FactorVAE on sprites: all scores by strength and seed; β by code size."""

from functools import partial

import numpy as np
import torch
from torch import nn

import vaelib as vl

from .runner import fingerprint, summaries

VERSION = 1
CLAIM = (
    "Penalizing the total correlation disentangles better than raising the price of the whole KL; "
    "the best β grows with the size of the code."
)
METHODS = {"beta": "β-VAE", "tc": "β-TCVAE", "factor": "FactorVAE"}
# The strength s is β, or γ + 1 for the FactorVAE, so that β-TCVAE and FactorVAE have the same
# objective at equal s.
STRENGTHS = (1, 2, 4, 8, 16)
FULL = {"beta": (1, 2, 4, 6, 10), "tc": (1, 2, 4, 6, 10), "factor": (7, 11, 21, 36, 51)}
# SMALL: three shapes, three sizes, 11 x 11 places, upright: 1,089 different images of 24 x 24
# pixels (with fewer pixels, neighbouring places give equal images). WHOLE: the grid of dSprites.
SMALL = {
    "size": 24,
    "scale": [0, 2, 5],
    "orientation": [0],
    "x": list(range(0, 32, 3)),
    "y": list(range(0, 32, 3)),
}
WHOLE = {"size": 64}


def row(name, title, method, strength, sprites, needs_gpu=False, **more):
    config = {
        "method": method,
        "strength": strength,
        "sprites": sprites,
        "latents": 10,
        "steps": 5000,
        "batch_size": 128,
        "lr": 2e-3,
        "lr_end": 1e-5,
        "seeds": [0, 1, 2],
        "width": 64,
        "judged": 1089,
        "samples": 1000,
        "trees": 100,
        **more,
    }
    return {"id": name, "title": title, "config": config, "needs_gpu": needs_gpu, "paper": {}}


ROWS = [
    *(row(f"{method}-{s}", f"all sprites, 64 x 64, {METHODS[method]}, strength {s}",
          method, s, WHOLE, needs_gpu=True, steps=30_000, batch_size=256, lr=5e-4,
          seeds=[0, 1, 2, 3, 4], width=32, judged=10_000)
      for method in METHODS for s in FULL[method]),
    *(row(f"small-{method}-{s}", f"24 x 24, {METHODS[method]}, strength {s}", method, s, SMALL)
      for method in METHODS for s in STRENGTHS),
    *(row(f"code-{q}-{s}", f"24 x 24, β-VAE, code of {q}, β = {s}", "beta", s, SMALL, latents=q)
      for q in (3, 5, 20) for s in (2, 4, 8, 16)),  # a code of 10: small-beta
]  # fmt: skip


def draw(sprites, device):
    """Return all images as bytes, a quarter of the memory of floats."""
    blocks = torch.arange(len(sprites), device=device).split(4096)
    return torch.cat([sprites.images(block).to(torch.uint8) for block in blocks])


def to_float(x):
    return x.float()


def network(config, shape, bias):
    pixels, q, width = shape[1] * shape[2], config["latents"], config["width"]

    def build(seed):
        if pixels == 64 * 64:
            encoder, decoder = vl.conv_encoder(shape, q, width), vl.conv_decoder(q, shape, width)
        else:
            encoder = vl.mlp(pixels, width, width, 2 * q, activation=nn.ReLU)
            decoder = vl.mlp(q, width, width, pixels, activation=nn.ReLU)
            decoder[-1].bias.data = bias.clone()
        model = vl.VAE(encoder, decoder, q)
        if config["method"] == "factor":
            hidden = 1000 if pixels == 64 * 64 else 64
            model.discriminator = vl.mlp(
                q, hidden, hidden, hidden, 1, activation=partial(nn.LeakyReLU, 0.2)
            )
        return model

    return build


def players(config, n):
    """Return the objective or the players for `fit`, with the row's strength."""
    rate, s = vl.cosine(config["lr"], config["steps"], config["lr_end"]), float(config["strength"])
    if config["method"] == "beta":
        return [vl.Player(nn.Module.parameters, partial(vl.beta_vae, beta=s), rate)]
    if config["method"] == "tc":
        return [vl.Player(nn.Module.parameters, partial(vl.tc_vae, dataset_size=n, beta=s), rate)]
    own = lambda model: [*model.encoder.parameters(), *model.decoder.parameters()]  # noqa: E731
    judge = vl.Player(lambda model: model.discriminator.parameters(), vl.factor_discriminator, 1e-3,
                      {"betas": (0.5, 0.9)})  # fmt: skip
    return [vl.Player(own, partial(vl.factor_vae, gamma=s - 1), rate), judge]


def run(config, device, folder):
    sprites = vl.sprites(device=device, **config["sprites"])
    x = draw(sprites, device)
    bias = torch.logit(x[:: max(1, len(x) // 5000)].float().mean(0).clamp(0.01, 0.99)).cpu()
    models = vl.fit(
        network(config, sprites.shape, bias),
        players(config, len(x)),
        x,
        steps=config["steps"],
        batch_size=config["batch_size"],
        seeds=config["seeds"],
        transform=to_float,
        device=device,
        checkpoint=folder,
    ).models
    chosen = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[
        : config["judged"]
    ].to(device)
    images, classes = x[chosen].float(), sprites.classes[chosen].cpu().numpy()
    classes = classes[:, (classes != classes[0]).any(0)]
    measured = []
    for seed, model in zip(config["seeds"], models, strict=True):
        torch.manual_seed(seed)
        measured.append(judge(model, images, classes, config))
    data = {sprites.name: fingerprint(images.cpu(), torch.from_numpy(classes))}
    nats = ("reconstruction", "mutual information", "total correlation", "dimension-wise KL")
    return summaries(measured, dict.fromkeys(nats, "nats")), data


@torch.no_grad()
def judge(model, images, classes, config):
    """Return the terms of the ELBO on these images, and all scores of the codes."""
    parts = [model.encode(block) for block in images.split(1000)]
    mean, log_var = (torch.cat(part) for part in zip(*parts, strict=True))
    elbo = torch.cat([vl.elbo(model, block)["reconstruction"] for block in images.split(1000)])
    ledger = vl.kl_decomposition(mean, log_var, samples=config["samples"])
    forest = vl.dci(mean, classes, trees=config["trees"])
    return {
        "reconstruction": elbo.mean().item(),
        **{name.replace("dimension_wise_kl", "dimension-wise KL").replace("_", " "): value.item()
           for name, value in ledger.items() if name != "kl"},
        "Higgins' score": vl.higgins_score(mean, classes, train=5000, test=2500),
        "FactorVAE score": vl.factor_score(mean, classes, train=5000, test=2500),
        "MIG": vl.mig(mean, classes),
        "MIG, mixture": vl.mig_mixture(mean, log_var, classes, config["samples"]),
        "DCI": forest["disentanglement"], "completeness": forest["completeness"],
        "informativeness": forest["informativeness"],
        "active units": float(np.sum(mean.var(0, correction=0).cpu().numpy() > 0.01)),
    }  # fmt: skip
