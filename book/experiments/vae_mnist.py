"""The VAE of Burda et al. (2016), Table 1: one stochastic layer, k samples, dynamically binarized MNIST."""

import vaelib as vl

from .burda import MEMORY, TABLE, cosine, images, judge, network, train

VERSION = 1
CLAIM = "A VAE with one stochastic layer reaches a test NLL of 86.8 nats on MNIST, and more samples k change it little."
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


def run(config, device, folder):
    x, x_test, data = images(config, device)
    models = train(network(x), vl.elbo, config, x, device, folder, k=config["k"], epochs=config["epochs"],
                   rate=cosine(config))  # fmt: skip
    results = judge(models, config, x_test, folder)
    return {"nll": results["nll"], "active_units": results["active_units_1"]}, data
