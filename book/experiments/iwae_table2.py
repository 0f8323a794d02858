"""Table 2 of Burda et al. (2016), MNIST, one layer: a VAE continued as an IWAE, and vice versa."""

from . import burda
from .burda import SIZES, TARGETS, cosine, images, judge, network, train

VERSION = 1
CLAIM = (
    "Trained on as an IWAE, a VAE gains in likelihood and in units; trained on as a VAE, "
    "an IWAE loses: the objective makes the difference more than the path of the optimization."
)
SOURCE = burda.PAPER.format(2)
# (first objective, second objective): NLL and active units at the switch, and at the end
PAPER = {("vae", "iwae"): (86.76, 19, 84.88, 22), ("iwae", "vae"): (84.78, 25, 86.02, 23)}


def row(name, first, then, k, epochs, epochs_then, needs_gpu=False, **more):
    """k: the samples of the IWAE; the VAE uses one, unless k_then is given."""
    ks = {"vae": 1, "iwae": k}
    config = {
        "first": first,
        "then": then,
        "k": ks[first],
        "k_then": ks[then],
        "epochs": epochs,
        "epochs_then": epochs_then,
        "batch_size": 128,
        "lr": 1e-3,
        "lr_end": 1e-4,
        "lr_then": 1e-4,
        "seeds": [0, 1, 2],
        "train_images": SIZES["mnist"][0],
        "test_images": SIZES["mnist"][1],
        "samples": 5000,
        "autocast": None,
        **more,
    }
    quantities = "nll_before", "active_units_before", "nll", "active_units"
    paper = (
        {q: (n, SOURCE) for q, n in zip(quantities, PAPER[first, then], strict=True)}
        if k == 50
        else {}
    )
    samples = f", k = {k}" if "iwae" in (first, then) or "k_then" in more else ""
    title = f"{first.upper()}, then {then.upper()}{samples}, {epochs} + {epochs_then} epochs"
    row = {"id": name, "title": title, "config": config, "paper": paper, "needs_gpu": needs_gpu}
    return row | ({"paper_length": "3,280 + 2,187 epochs"} if paper else {})


# As in the paper, the second phase has two thirds of the epochs of the first.
ROWS = [
    row("vae-iwae", "vae", "iwae", 50, 600, 400, needs_gpu=True, autocast="bfloat16"),
    row("iwae-vae", "iwae", "vae", 50, 600, 400, needs_gpu=True, autocast="bfloat16"),
    row("vae-iwae-100", "vae", "iwae", 5, 100, 67, lr=3e-3),
    row("iwae-vae-100", "iwae", "vae", 5, 100, 67, lr=3e-3),
    # The controls of the two switches: the same training without one; of the first also with the
    # samples that it brings.
    row("vae-vae-100", "vae", "vae", 5, 100, 67, lr=3e-3),
    row("vae-vae5-100", "vae", "vae", 5, 100, 67, lr=3e-3, k_then=5),
    row("iwae-iwae-100", "iwae", "iwae", 5, 100, 67, lr=3e-3),
]


def run(config, device, folder):
    x, x_test, data = images(config, device)
    models = train(
        network(x),
        TARGETS[config["first"]],
        config,
        x,
        device,
        folder / "first",
        k=config["k"],
        epochs=config["epochs"],
        rate=cosine(config),
    )
    before = judge(models, config, x_test, folder / "first")
    start = dict(zip(config["seeds"], models, strict=True))
    models = train(
        start.get,
        TARGETS[config["then"]],
        config,
        x,
        device,
        folder / "then",
        k=config["k_then"],
        epochs=config["epochs_then"],
        rate=lambda steps: config["lr_then"],
    )
    after = judge(models, config, x_test, folder / "then")
    return {
        "nll_before": before["nll"],
        "active_units_before": before["active_units_1"],
        "nll": after["nll"],
        "active_units": after["active_units_1"],
    }, data


def seconds(config, device):
    parts = [(config["first"], config["k"], config["epochs"]),
             (config["then"], config["k_then"], config["epochs_then"])]  # fmt: skip
    return sum(
        burda.seconds(config, TARGETS[name], 1, k, epochs, device) for name, k, epochs in parts
    )
