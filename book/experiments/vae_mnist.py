"""The VAE of Burda et al. (2016), Table 1: one stochastic layer, k samples, dynamically binarized MNIST."""

import torch

import vaelib as vl
from vaelib import receipts

from .runner import fingerprint, remember

VERSION = 1
CLAIM = "A VAE with one stochastic layer reaches a test NLL of 86.8 nats on MNIST, and more samples k change it little."
TABLE = "Burda et al. (2016), Table 1, as quoted by a public replication"
MEMORY = "Burda et al. (2016), Table 1, quoted from memory of the paper"
PAPER = {1: (86.76, 19), 5: (86.47, 20), 50: (86.35, 20)}  # k: (NLL in nats, active units)
SEEDS = [0, 1, 2, 3]


def row(name, k, epochs, samples=5000, **more):
    nll, active = PAPER[k]
    config = {"k": k, "epochs": epochs, "batch_size": 128, "lr": 1e-3, "lr_end": 1e-5, "seeds": SEEDS,
              "train_images": 59_600, "test_images": 10_000, "samples": samples,
              "autocast": "bfloat16" if k == 50 and epochs > 20 else None}  # fmt: skip
    paper = {"nll": (nll, TABLE), "active_units": (active, MEMORY)}
    return {"id": name, "title": f"VAE, k = {k}, {epochs} epochs", "config": config, "paper": paper, **more}


ROWS = [
    row("k1", 1, 1000, needs_gpu=True),
    row("k5", 5, 600, needs_gpu=True),
    row("k50", 50, 600, needs_gpu=True),
    row("k1-200", 1, 200),
    row("k1-20", 1, 20, samples=500),
    row("k5-20", 5, 20, samples=500),
    row("k50-20", 50, 20, samples=500),
]


def network(data):
    """The paper's: 784-200-200-50 and back, tanh, output biases from the mean of the training images."""
    bias = torch.logit(data.mean(0).clamp(0.001, 0.999))

    def build(seed):
        decoder = vl.mlp(50, 200, 200, 784)
        decoder[-1].bias.data = bias.clone()
        return vl.VAE(vl.mlp(784, 200, 200, 100), decoder, 50)

    return build


def run(config, device, folder):
    mnist = vl.mnist("dynamic")
    train = mnist.train[: config["train_images"]].to(device)
    test = mnist.test[: config["test_images"]].to(device)
    steps = config["epochs"] * (len(train) // config["batch_size"])
    rate = vl.cosine(config["lr"], steps, config["lr_end"])
    done = vl.fit(network(mnist.train), vl.elbo, train, steps=steps, batch_size=config["batch_size"], lr=rate,
                  seeds=config["seeds"], hyper={"k": config["k"]}, transform=vl.binarize, device=device,
                  autocast=getattr(torch, config["autocast"] or "", None), checkpoint=folder)  # fmt: skip
    values, active = [], []
    for seed, model in zip(config["seeds"], done.models, strict=True):
        torch.manual_seed(seed)
        values.append(remember(folder, f"nll-{seed}", lambda m=model: nll(m, test, config["samples"])))
        active.append(vl.active_units(model, test))
    results = {"nll": receipts.summary(values, "nats"), "active_units": receipts.summary(active)}
    return results, {"MNIST": fingerprint(mnist.train, mnist.test)}


def nll(model, x, samples):
    return -vl.log_likelihood(model, x, samples=samples).mean().item()
