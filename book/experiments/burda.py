"""Shared by the tables of Burda et al. (2016): data, networks, training and evaluation."""

import time

import torch

import vaelib as vl
from vaelib.pages import receipts

from .runner import fingerprint, remember

PAPER = "Burda et al. (2016), arXiv:1509.00519v3, Table {}"
SIZES = {"mnist": (59_600, 10_000), "omniglot": (23_000, 8_070), "omniglot-small": (3_630, 1_210)}
TARGETS = {
    "vae": lambda model, x, k: {"objective": model.log_weights(x, k).mean(0)},
    "vae, KL in closed form": vl.elbo,
    "iwae": vl.iwae,
}
BLOCK = 1000  # test images per cached likelihood estimate, lost at most by a kill


def images(config, device):
    """Return grey training images, binary test images, and the fingerprint of the data set."""
    name = config.get("data", "mnist")
    found = (
        vl.mnist("dynamic")
        if name == "mnist"
        else vl.omniglot("small" if name == "omniglot-small" else "chardata", "dynamic")
    )
    train, test = found.train[: config["train_images"]], found.test[: config["test_images"]]
    return train.to(device), test.to(device), {found.name: fingerprint(found.train, found.test)}


def network(train, layers=1):
    """The paper's networks, with tanh and output biases from the data.

    One layer: 784-200-200-50 and back; two: 784-200-200-100, 100-100-100-50 and back.
    """
    bias = torch.logit(train.mean(0).clamp(0.001, 0.999)).cpu()

    def build(seed):
        decoder = vl.mlp(50 if layers == 1 else 100, 200, 200, 784)
        decoder[-1].bias.data = bias.clone()
        if layers == 1:
            return vl.VAE(vl.mlp(784, 200, 200, 100), decoder, 50)
        upper = vl.mlp(100, 100, 100, 100), vl.mlp(50, 100, 100, 200)
        return vl.TwoLayerVAE(vl.mlp(784, 200, 200, 200), *upper, decoder, (100, 50))

    return build


def train(build, objective, config, x, device, folder, *, k, epochs, rate):
    """Fit `objective` for some epochs; rate: maps the number of steps to a schedule."""
    steps = epochs * (len(x) // config["batch_size"])
    player = vl.Player(torch.nn.Module.parameters, objective, rate(steps), config.get("adam", {}))
    return vl.fit(
        build,
        [player],
        x,
        steps=steps,
        batch_size=config["batch_size"],
        seeds=config["seeds"],
        hyper={"k": k},
        transform=vl.binarize,
        device=device,
        checkpoint=folder,
        autocast=getattr(torch, config["autocast"] or "", None),
    ).models


def cosine(config):
    return lambda steps: vl.cosine(config["lr"], steps, config["lr_end"])


def judge(models, config, x, folder):
    """Return negative log-likelihood and active units of each layer as results of a receipt."""
    layers = range(1, 1 + config.get("layers", 1))
    nll, units = [], {layer: [] for layer in layers}
    for seed, model in zip(config["seeds"], models, strict=True):
        blocks = [
            remember(
                folder,
                f"nll-{seed}-{i}",
                lambda m=model, b=block, s=seed, i=i: block_nll(m, b, config, s, i),
            )
            for i, block in enumerate(x.split(BLOCK))
        ]
        nll.append(sum(blocks) / len(x))
        torch.manual_seed(seed)
        for layer in layers:
            units[layer].append(vl.active_units(model, x, layer=layer))
    counts = {f"active_units_{layer}": receipts.summary(n) for layer, n in units.items()}
    return {"nll": receipts.summary(nll, "nats")} | counts


def block_nll(model, x, config, seed, i):
    """Return the sum of -log p(x) over the i-th block of test images, with the block's own seed."""
    torch.manual_seed(1000 * seed + i)
    return -vl.log_likelihood(model, x, samples=config["samples"]).sum().item()


def seconds(config, objective, layers, k, epochs, device):
    """Estimate the seconds of one seed from a few timed steps and evaluated images."""
    x, x_test = torch.rand(2048, 784, device=device), torch.ones(20, 784, device=device)
    few = max(2, 100 // (k * layers))
    rates = [
        vl.fit(
            network(x, layers),
            objective,
            x,
            steps=steps,
            batch_size=config["batch_size"],
            hyper={"k": k},
            transform=vl.binarize,
            device=device,
        ).seconds
        for steps in (few, 4 * few)
    ]
    steps = epochs * (config["train_images"] // config["batch_size"])
    began = time.perf_counter()
    vl.log_likelihood(network(x, layers)(0).to(device), x_test, samples=config["samples"])
    judged = (time.perf_counter() - began) / len(x_test) * config["test_images"]
    return steps * max(0.0, rates[1] - rates[0]) / (3 * few) + judged
