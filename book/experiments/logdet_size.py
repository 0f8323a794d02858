"""Width of the codes, log det Cov[q(z)], by training set size, for ELBO and MMD-VAE."""

from functools import partial

import torch
from torch import nn

import vaelib as vl

from .runner import fingerprint, remember, summaries

VERSION = 1
CLAIM = (
    "With the ELBO the codes spread wider than the prior the fewer the images, as long as training "
    "has not converged or a floor holds the encoder's scale; with the MMD they stay."
)
PLOT = "InfoVAE authors' plot, read off to 0.1"
SIZES = {"digits": (64, 100, 5), "mnist": (784, 400, 10)}  # pixels, hidden units, latents


def row(name, title, data, n, steps, objective="elbo", floor=0.0, paper=None, needs_gpu=False):
    config = {
        "data": data,
        "images": n,
        "steps": steps,
        "objective": objective,
        "lam": 200.0,
        "encoder_floor": floor,
        "decoder_floor": 0.05,
        "lr": 1e-3,
        "batch_size": 100 if n >= 100 else n,
        "seeds": [0, 1, 2],
        "samples": 500,
    }
    return {"id": name, "title": title, "config": config, "needs_gpu": needs_gpu,
            "paper": {"log det, train": (paper, PLOT)} if paper is not None else {}}  # fmt: skip


GOALS = {
    "elbo": ("ELBO", {}),
    "mmd": ("MMD", {"objective": "mmd"}),
    "floor": ("ELBO, floor 0.05", {"floor": 0.05}),
}
AUTHORS = {
    ("elbo", 500): 9.0, ("elbo", 5000): 5.8, ("elbo", 50_000): 2.2,
    ("mmd", 500): -0.1, ("mmd", 5000): 0.05, ("mmd", 50_000): -0.05,
}  # fmt: skip
ROWS = [
    *(row(f"digits-{goal}-{n}-{steps}", f"digits, {n} images, {label}, {steps:,} steps",
          "digits", n, steps, **more)
      for goal, (label, more) in GOALS.items() if goal != "floor"
      for n in (50, 1437) for steps in (1000, 20_000)),
    *(row(f"mnist-{goal}-{n}", f"MNIST, {n:,} images, {label}",
          "mnist", n, 10_000, paper=AUTHORS.get((goal, n)), **more)
      for goal, (label, more) in GOALS.items() for n in (500, 5000, 50_000)),
]  # fmt: skip


class Encoder(nn.Module):
    """x -> mean and log_var; the standard deviation is a softplus plus a floor."""

    def __init__(self, pixels, hidden, latent, floor):
        super().__init__()
        self.net, self.floor = vl.mlp(pixels, hidden, hidden, 2 * latent), floor

    def forward(self, x):
        mean, raw = self.net(x).chunk(2, -1)
        return torch.cat([mean, 2 * (nn.functional.softplus(raw) + self.floor).log()], -1)


def network(config):
    pixels, hidden, latent = SIZES[config["data"]]
    return lambda seed: vl.VAE(
        Encoder(pixels, hidden, latent, config["encoder_floor"]),
        vl.mlp(latent, hidden, hidden, pixels),
        latent,
        "gaussian",
        scale="learned",
        scale_floor=config["decoder_floor"],
    )


@torch.no_grad()
def log_det(model, x):
    mean, log_var = model.encode(x)
    return torch.logdet(torch.cov(mean.T, correction=0) + log_var.exp().mean(0).diag()).item()


def trained(config, device, folder):
    """Return the data and the models of a row, one per seed."""
    data = vl.digits() if config["data"] == "digits" else vl.mnist()
    kernel = partial(vl.imq_kernel, scale=2.0 * SIZES[config["data"]][2])
    goal = (
        vl.elbo
        if config["objective"] == "elbo"
        else partial(vl.mmd_vae, lam=config["lam"], kernel=kernel)
    )
    models = vl.fit(
        network(config),
        goal,
        data.train[: config["images"]].to(device),
        steps=config["steps"],
        batch_size=config["batch_size"],
        lr=config["lr"],
        seeds=config["seeds"],
        device=device,
        checkpoint=folder,
    ).models
    return data, models


def run(config, device, folder):
    data, models = trained(config, device, folder)
    x, x_test = data.train[: config["images"]].to(device), data.test[:2000].to(device)
    measured = []
    for seed, model in zip(config["seeds"], models, strict=True):
        torch.manual_seed(seed)
        quantities = {
            "log det, train": log_det(model, x),
            "log det, test": log_det(model, x_test),
            "second moment": vl.latent_moments(model, x)["second"].mean().item(),
        }
        quantities["log-likelihood, test"] = remember(
            folder,
            f"ll-{seed}",
            lambda m=model: vl.log_likelihood(m, x_test, config["samples"]).mean().item(),
        )
        measured.append(quantities)
    results = summaries(measured, {"log-likelihood, test": "nats"})
    return results, {data.name: fingerprint(data.train, data.test)}
