"""The two-point problem of the InfoVAE tutorial in long runs: scale floors, MMD weight, rate."""

from functools import partial

import torch
from torch import nn

import vaelib as vl
from vaelib.pages import receipts

from .runner import fingerprint

VERSION = 1
CLAIM = (
    "With the decoder's scale floored the latent means overshoot and come back to the closed-form "
    "optimum; the optimum runs away only where the encoder's scale is floored and the decoder's is "
    "not; "
    "between lam = 250 and 300 the MMD-VAE's optimum gives up reconstruction."
)
TIMES = [
    200,
    500,
    1000,
    2000,
    4000,
    7200,
    10_000,
    15_000,
    20_000,
    28_400,
    40_000,
    60_000,
    80_000,
    100_000,
]
QUANTITIES = ["mean", "std", "second", "objective", "reconstruction", "regularizer"]


def row(
    name, title, steps, *, lam=None, lr=1e-4, batch_size=100, decoder_floor=5e-4, encoder_floor=5e-4
):
    config = {
        "lam": lam,
        "lr": lr,
        "steps": steps,
        "decoder_floor": decoder_floor,
        "encoder_floor": encoder_floor,
        "seeds": [0, 1, 2],
        "batch_size": batch_size,
    }
    return {"id": name, "title": title, "config": config}


ROWS = [
    row("elbo", "ELBO, the authors' settings", 100_000, lr=1e-5, batch_size=500),
    row("mmd", "MMD, lam = 500, the authors' settings", 28_400, lam=500.0, lr=1e-5, batch_size=500),
    row("elbo-fast", "ELBO, ten times the rate", 40_000),
    row("elbo-encoder-floor", "ELBO, encoder's floor 0.5, decoder's 1e-6", 20_000,
        encoder_floor=0.5, decoder_floor=1e-6),
    row("elbo-floor-0.1", "ELBO, decoder's floor 0.1", 20_000, decoder_floor=0.1),
    row("elbo-floor-0.01", "ELBO, decoder's floor 0.01", 20_000, decoder_floor=0.01),
    *(row(f"mmd-{lam}", f"MMD, lam = {lam}", 20_000, lam=float(lam))
      for lam in (100, 250, 300, 500)),
]  # fmt: skip


class Encoder(nn.Module):
    """x -> mean and log_var.

    The standard deviation is a sigmoid plus a floor, as in the authors' code.
    """

    def __init__(self, floor):
        super().__init__()
        self.net, self.floor = vl.mlp(1, 200, 200, 2, activation=partial(nn.LeakyReLU, 0.1)), floor

    def forward(self, x):
        mean, raw = self.net(x).chunk(2, -1)
        return torch.cat([mean, 2 * (torch.sigmoid(raw) + self.floor).log()], -1)


class Decoder(nn.Module):
    """z -> mean and log_std of x; the standard deviation is a sigmoid, `VAE` adds its floor."""

    def __init__(self):
        super().__init__()
        self.net = vl.mlp(1, 200, 200, 2, activation=partial(nn.LeakyReLU, 0.1))

    def forward(self, z):
        mean, raw = self.net(z).chunk(2, -1)
        return torch.cat([mean, nn.functional.logsigmoid(raw)], -1)


def network(encoder_floor, decoder_floor):
    return lambda seed: vl.VAE(Encoder(encoder_floor), Decoder(), 1, "gaussian", scale="head",
                               scale_floor=decoder_floor)  # fmt: skip


def objective(lam):
    """The ELBO, or reconstruction - lam MMD² with the authors' kernel, and moments of the codes."""

    def watched(model, x):
        if lam is None:
            terms = vl.elbo(model, x)
            cost = terms["kl"]
        else:
            terms = vl.mmd_vae(
                model, x, lam, partial(vl.gaussian_kernel, bandwidth=0.5**0.5), unbiased=False
            )
            cost = terms["divergence"]
        mean, log_var = (t.detach() for t in model.encode(x))
        return {
            "objective": terms["objective"],
            "reconstruction": terms["reconstruction"],
            "regularizer": cost,
            "mean": mean.abs().mean(-1),
            "std": (0.5 * log_var).exp().mean(-1),
            "second": (mean**2 + log_var.exp()).mean(-1),
        }

    return watched


def run(config, device, folder):
    x = vl.two_points(config["batch_size"])
    done = vl.fit(
        network(config["encoder_floor"], config["decoder_floor"]),
        objective(config["lam"]),
        x.to(device),
        steps=config["steps"],
        batch_size=config["batch_size"],
        lr=config["lr"],
        seeds=config["seeds"],
        device=device,
        checkpoint=folder,
    )
    results = {}
    for time in [t for t in TIMES if t <= config["steps"]]:
        for name in QUANTITIES:  # means over the last hundred steps, since single batches are noisy
            values = done.history[name][:, max(0, time - 100) : time].mean(1)
            results[f"{name} @ {time}"] = receipts.summary(
                values, "nats" if name == "reconstruction" else ""
            )
    return results, {"two points": fingerprint(x)}
