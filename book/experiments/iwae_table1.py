"""Table 1 of Burda et al. (2016): VAE and IWAE, one and two layers, MNIST and Omniglot.

With k = 1 the VAE and the IWAE are the same model. Rows without a suffix take about an hour per
seed on one CPU thread; those that end in -32 have 32 epochs, the length of the rows with k = 50, so
that k and layers can be compared at equal length; both use the recipe of iwae_recipe. Those that
end in -long need a GPU.
"""

import vaelib as vl

from . import burda
from .burda import PAPER, SIZES, TARGETS, cosine, images, judge, network, train

VERSION = 1
CLAIM = (
    "More samples improve the IWAE and leave the VAE where it is; "
    "a second stochastic layer improves both; the IWAE uses more units."
)
# (objective, layers, k): NLL in nats, active units of the first layer, of the second
MNIST = {
    ("vae", 1, 1): (86.76, 19), ("vae", 1, 5): (86.47, 20), ("vae", 1, 50): (86.35, 20),
    ("iwae", 1, 5): (85.54, 22), ("iwae", 1, 50): (84.78, 25),
    ("vae", 2, 1): (85.33, 16, 5), ("vae", 2, 5): (85.01, 17, 5), ("vae", 2, 50): (84.78, 17, 5),
    ("iwae", 2, 5): (83.89, 21, 5), ("iwae", 2, 50): (82.90, 26, 7),
}  # fmt: skip
OMNIGLOT = {
    ("vae", 1, 1): (108.11, 28), ("vae", 1, 5): (107.62, 28), ("vae", 1, 50): (107.80, 28),
    ("iwae", 1, 5): (106.12, 34), ("iwae", 1, 50): (104.67, 41),
    ("vae", 2, 1): (107.58, 28, 4), ("vae", 2, 5): (106.31, 30, 5), ("vae", 2, 50): (106.30, 30, 5),
    ("iwae", 2, 5): (104.79, 38, 6), ("iwae", 2, 50): (103.38, 44, 7),
}  # fmt: skip
# {layers: {k: epochs that take about an hour on one thread}}
HOUR = {1: {1: 600, 5: 240, 50: 32}, 2: {1: 300, 5: 150, 50: 32}}
SHORT = 32
RECIPE = {"batch_size": 128, "lr": 3e-3, "lr_end": 1e-5}
NAMES = {"mnist": "", "omniglot": "Omniglot: ", "omniglot-small": "8 alphabets of Omniglot: "}


def row(
    name, objective, layers, k, epochs, data="mnist", paper=None, title="", needs_gpu=False, **more
):
    train_images, test_images = SIZES[data]
    config = {
        "data": data,
        "objective": objective,
        "layers": layers,
        "k": k,
        "epochs": epochs,
        "batch_size": 128,
        "schedule": "cosine",
        "lr": 1e-3,
        "lr_end": 1e-5,
        "seeds": [0, 1, 2],
        "train_images": train_images,
        "test_images": test_images,
        "samples": 5000,
        "autocast": None,
        **more,
    }
    if paper:
        quantities = "nll", "active_units_1", "active_units_2"
        paper = {q: (n, PAPER.format(1)) for q, n in zip(quantities, paper, strict=False)}
    title = (
        f"{NAMES[data]}{objective.upper()}, {layers} layer{'s' * (layers > 1)}, k = {k}, "
        f"{epochs} epochs{title}"
    )
    row = {
        "id": name,
        "title": title,
        "config": config,
        "paper": paper or {},
        "needs_gpu": needs_gpu,
    }
    return row | ({"paper_length": "3,280 epochs"} if paper else {})


def kl(objective, layers):
    """A one-layer VAE uses the KL in closed form; rows of other lengths and data sample it."""
    return {"kl": "closed form"} if (objective, layers) == ("vae", 1) else {}


def grid(data, table, prefix=""):
    """Return the full-length rows of one half of the table; bfloat16 for 50 samples."""
    return [
        row(
            f"{prefix}{objective}-{layers}-k{k}-long",
            objective,
            layers,
            k,
            {1: 1000, 5: 800, 50: 600}[k],
            data,
            paper,
            needs_gpu=True,
            autocast="bfloat16" if k == 50 else None,
            **kl(objective, layers),
        )
        for (objective, layers, k), paper in table.items()
    ]


def evening(objective, layers, k, epochs=None):
    """Return a row for one CPU thread, without bfloat16, which is slow on most CPUs."""
    name, more = f"{objective}-{layers}-k{k}", kl(objective, layers) | RECIPE
    seeds = [0, 1, 2] if layers == 1 else [0] if k == 50 else [0, 1]
    return row(
        f"{name}-{epochs}" if epochs else name,
        objective,
        layers,
        k,
        epochs or HOUR[layers][k],
        paper=MNIST[objective, layers, k],
        seeds=seeds,
        **more,
    )


ROWS = [
    *(evening(*which) for which in MNIST),
    *(evening(*which, epochs=SHORT) for which in MNIST if which[2] < 50),
    *grid("mnist", MNIST),
    # The authors' Adam settings except beta1 and bias correction. Their eps = 1e-4 applies to the
    # gradient summed over 20 images; for the mean it is 5e-6.
    row("iwae-1-k5-paper", "iwae", 1, 5, 3280, paper=MNIST["iwae", 1, 5],
        title=", the paper's schedule", needs_gpu=True,
        schedule="staircase", batch_size=20, adam={"eps": 5e-6}),
    *grid("omniglot", OMNIGLOT, "omniglot-"),
    *(row(f"omniglot-small-{objective}-1-k{k}", objective, 1, k, 100, "omniglot-small", samples=500)
      for objective, k in [("vae", 1), ("iwae", 5)]),
]  # fmt: skip


def target(config):
    return TARGETS[config["objective"] + (", KL in closed form" if config.get("kl") else "")]


def run(config, device, folder):
    x, x_test, data = images(config, device)
    rate = (
        cosine(config)
        if config["schedule"] == "cosine"
        else lambda steps: vl.staircase(config["lr"], steps)
    )
    models = train(
        network(x, config["layers"]),
        target(config),
        config,
        x,
        device,
        folder,
        k=config["k"],
        epochs=config["epochs"],
        rate=rate,
    )
    return judge(models, config, x_test, folder), data


def seconds(config, device):
    return burda.seconds(
        config, target(config), config["layers"], config["k"], config["epochs"], device
    )
