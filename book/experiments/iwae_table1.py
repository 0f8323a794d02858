"""Table 1 of Burda et al. (2016) on MNIST: VAE and IWAE, one and two stochastic layers, k = 1, 5, 50."""

import torch

import vaelib as vl
from vaelib import receipts

from .runner import fingerprint, remember
from .vae_mnist import MEMORY, TABLE, nll

VERSION = 1
CLAIM = ("More samples improve the IWAE and leave the VAE where it is; a second stochastic layer improves both; "
         "the IWAE uses more units.")  # fmt: skip
# (objective, layers, k): NLL in nats, active units of the first layer, of the second
PAPER = {
    ("vae", 1, 1): (86.76, 19), ("vae", 1, 5): (86.47, 20), ("vae", 1, 50): (86.35, 20),
    ("iwae", 1, 5): (85.54, 22), ("iwae", 1, 50): (84.78, 25),
    ("vae", 2, 1): (85.33, 16, 5), ("vae", 2, 5): (85.01, 17, 5), ("vae", 2, 50): (84.78, 17, 5),
    ("iwae", 2, 5): (83.89, 21, 5), ("iwae", 2, 50): (82.90, 26, 7),
}  # fmt: skip


def row(name, objective, layers, k, epochs, **more):
    nll, *units = PAPER[objective, layers, k]
    config = {"objective": objective, "layers": layers, "k": k, "epochs": epochs, "batch_size": 128,
              "schedule": "cosine", "lr": 1e-3, "lr_end": 1e-5, "seeds": [0, 1, 2], "train_images": 59_600,
              "test_images": 10_000, "samples": 5000, "autocast": None, **more.pop("config", {})}  # fmt: skip
    paper = {"nll": (nll, TABLE)} | {f"active_units_{i + 1}": (n, MEMORY) for i, n in enumerate(units)}
    title = f"{objective.upper()}, {layers} layer{'s' if layers > 1 else ''}, k = {k}, {epochs} epochs"
    return {"id": name, "title": title + more.pop("title", ""), "config": config, "paper": paper, **more}


def epochs(layers, k):
    return {1: 1000, 5: 800, 50: 600}[k]


HALF = {"autocast": "bfloat16"}
CPU = {"samples": 500, "seeds": [0, 1, 2]}
ROWS = [
    *(row(f"{objective}-{layers}-k{k}", objective, layers, k, epochs(layers, k), needs_gpu=True,
          config=HALF if k == 50 else {}) for objective, layers, k in PAPER),
    row("iwae-1-k5-paper", "iwae", 1, 5, 3280, needs_gpu=True, title=", the paper's schedule",
        config={"schedule": "staircase", "batch_size": 20}),
    row("vae-1-k1-20", "vae", 1, 1, 20, config=CPU),
    row("vae-1-k5-20", "vae", 1, 5, 20, config=CPU),
    row("iwae-1-k5-20", "iwae", 1, 5, 20, config=CPU),
    row("vae-2-k1-20", "vae", 2, 1, 20, config=CPU),
    row("iwae-2-k5-20", "iwae", 2, 5, 20, config=CPU),
]  # fmt: skip


def network(data, layers):
    """The paper's: 784-200-200-50, or 784-200-200-100 and 100-100-100-50, and back; tanh; output biases from data."""
    bias = torch.logit(data.mean(0).clamp(0.001, 0.999))

    def build(seed):
        decoder = vl.mlp(50 if layers == 1 else 100, 200, 200, 784)
        decoder[-1].bias.data = bias.clone()
        if layers == 1:
            return vl.VAE(vl.mlp(784, 200, 200, 100), decoder, 50)
        upper = vl.mlp(100, 100, 100, 100), vl.mlp(50, 100, 100, 200)
        return vl.TwoLayerVAE(vl.mlp(784, 200, 200, 200), *upper, decoder, (100, 50))

    return build


def vae(model, x, k):
    """The paper's VAE with k samples: the mean of the log-weights."""
    return {"objective": model.log_weights(x, k).mean(0)}


def run(config, device, folder):
    mnist = vl.mnist("dynamic")
    train = mnist.train[: config["train_images"]].to(device)
    test = mnist.test[: config["test_images"]].to(device)
    steps = config["epochs"] * (len(train) // config["batch_size"])
    rate = (vl.staircase(config["lr"], steps) if config["schedule"] == "staircase"
            else vl.cosine(config["lr"], steps, config["lr_end"]))  # fmt: skip
    done = vl.fit(network(mnist.train, config["layers"]), vl.iwae if config["objective"] == "iwae" else vae, train,
                  steps=steps, batch_size=config["batch_size"], lr=rate, seeds=config["seeds"],
                  hyper={"k": config["k"]}, transform=vl.binarize, device=device,
                  autocast=getattr(torch, config["autocast"] or "", None), checkpoint=folder)  # fmt: skip
    results = {"nll": [], **{f"active_units_{layer + 1}": [] for layer in range(config["layers"])}}
    for seed, model in zip(config["seeds"], done.models, strict=True):
        torch.manual_seed(seed)
        results["nll"].append(remember(folder, f"nll-{seed}", lambda m=model: nll(m, test, config["samples"])))
        for layer in range(config["layers"]):
            results[f"active_units_{layer + 1}"].append(vl.active_units(model, test, layer=layer + 1))
    units = {"nll": "nats"}
    return ({name: receipts.summary(values, units.get(name, "")) for name, values in results.items()},
            {"MNIST": fingerprint(mnist.train, mnist.test)})  # fmt: skip
