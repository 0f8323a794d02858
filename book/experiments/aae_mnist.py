"""The adversarial autoencoder on MNIST: unsupervised, supervised, semi-supervised, clustering."""

import math
from functools import partial

import torch
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from torch import nn

import vaelib as vl

from .runner import fingerprint, summaries

VERSION = 1
CLAIM = (
    "Adversarial autoencoders generate well by the Parzen estimate, separate style from content, "
    "and classify from few labels or none."
)
SOURCES = {
    "xref": "Makhzani et al. (2016), as later papers quote it",
    "mem": "Makhzani et al. (2016), from memory",
    "sd mem": "Makhzani et al. (2016), as later papers quote it; the ± from memory",
}
# The paper trains with momentum and a stepwise rate, for 5,000 epochs (from memory); here Adam with
# a cosine schedule.
LONG = {"steps": 200_000, "width": 1000, "needs_gpu": True}
SHORT = {"steps": 10_000, "width": 256}
GAME = {"lr": 1e-3, "lr_end": 1e-4, "discriminator_lr": 1e-3, "encoder_lr": 5e-4}
# With classes, both discriminators win at once unless they are slowed down (chapter 5).
CLASSES = {"lr": 1e-3, "lr_end": 1e-4, "discriminator_lr": 1e-4, "encoder_lr": 3e-4, "noise": 0.3}


def row(name, title, kind, paper=None, needs_gpu=False, **more):
    config = {
        "kind": kind,
        "data": "mnist",
        "batch_size": 100,
        "seeds": [0, 1, 2],
        "scale": 0.2,
        "held_out": 10_000,
        "judged": 10_000,
        **(CLASSES if kind in ("classes", "heads") else GAME),
        **more,
    }
    paper = {
        quantity: (value, SOURCES[source], *sd)
        for quantity, (value, source, *sd) in (paper or {}).items()
    }
    return {
        "id": name,
        "title": f"{title}, {more['steps']:,} steps",
        "config": config,
        "needs_gpu": needs_gpu,
        "paper": paper,
    }


def both(name, title, kind, paper=None, **more):
    """Return the row at the paper's scale and one for a CPU, three times as long without labels."""
    short = SHORT | ({"steps": 30_000} if more.get("labels") == 0 else {})
    return [
        row(f"{name}{end}", title, kind, paper, **more, **size)
        for end, size in (("", LONG), ("-short", short))
    ]


def error(value, sd=None, source="xref"):
    return {"error": (value, source) if sd is None else (value, source, sd)}


ROWS = [
    *both("prior-8d", "MNIST, 8 latents, N(0, 25 I)", "plain", {"Parzen": (340.0, "xref", 2.0)},
          latents=8, prior=5.0, parzen=10_000),
    # As in chapter 5: noise in the encoder, high initial rates. Without noise more codes miss their
    # blade.
    *both("regions", "MNIST, ten blades, 10,000 labels for the discriminator", "regions",
          latents=2, labels=10_000,
          encoder="gaussian", discriminator_lr=6e-3, encoder_lr=3e-3, slow_down=True),
    *both("style", "MNIST, label to the decoder", "style", latents=10),
    *both("semi-100", "MNIST, 100 labels", "classes", error(1.90, 0.10),
          classes=10, latents=10, labels=100, seeds=[0, 1, 2, 3, 4]),
    *both("semi-1000", "MNIST, 1,000 labels", "classes", error(1.60, 0.08, "mem"),
          classes=10, latents=10, labels=1000),
    *both("semi-all", "MNIST, all labels", "classes", error(0.85, 0.02, "sd mem"),
          classes=10, latents=10, labels=50_000),
    *both("clusters-16", "MNIST, 16 clusters", "classes", error(9.55, 2.05),
          classes=16, latents=5, labels=0),
    *both("clusters-30", "MNIST, 30 clusters", "classes", error(4.10, 1.13),
          classes=30, latents=5, labels=0),
    # Heads as far apart as in chapter 5, and low rates: otherwise only two or three of twenty were
    # used.
    *both("embedding", "MNIST, 2-D embedding, 20 clusters", "heads", error(13.5, source="mem"),
          classes=20, latents=2, labels=0, distance=6.0, discriminator_lr=3e-5, encoder_lr=1e-4),
    *both("embedding-100", "MNIST, 2-D embedding, 100 labels", "heads", error(6.08, source="mem"),
          classes=10, latents=2, labels=100, distance=6.0),
    row("svhn-1000", "SVHN, 1,000 labels", "classes", error(17.70, 0.30, "sd mem"),
        classes=10, latents=20, labels=1000, data="svhn", **LONG),
]  # fmt: skip


def network(config, pixels):
    """Return seed -> model: ReLU networks, linear codes, a fixed standard deviation of pixels."""
    q, width = config["latents"], config["width"]
    net = lambda n_in, n_out: vl.mlp(n_in, width, width, n_out, activation=nn.ReLU)  # noqa: E731
    if config["kind"] in ("classes", "heads"):
        k, heads = config["classes"], config["kind"] == "heads"
        return lambda seed: vl.ClassAAE(
            net(pixels, k + q),
            net(q if heads else k + q, pixels),
            k,
            q,
            net(q, 1),
            net(k, 1),
            "gaussian",
            scale=config["scale"],
            heads=heads,
            noise=config["noise"],
            distance=config.get("distance", 2.0),
        )
    prior = vl.pinwheel if config["kind"] == "regions" else vl.normal(config.get("prior", 1.0))

    def build(seed):
        labels = 10 if config["kind"] == "style" else 0
        gaussian = config.get("encoder") == "gaussian"
        family, out = (vl.VAE, 2 * q) if gaussian else (vl.ImplicitVAE, q)
        model = family(
            net(pixels, out),
            net(q + labels, pixels),
            q,
            "gaussian",
            scale=config["scale"],
            prior=prior,
        )
        model.discriminator = net(q + (11 if config["kind"] == "regions" else 0), 1)
        return model

    return build


def turns(config):
    rates = [vl.cosine(config["lr"], config["steps"], config["lr_end"]), config["discriminator_lr"],
             config["encoder_lr"]]  # fmt: skip
    if config.get("slow_down"):
        rates[1:] = [vl.cosine(rate, config["steps"], rate / 10) for rate in rates[1:]]
    if config["kind"] in ("classes", "heads"):
        return vl.class_players(*rates, supervised=config["labels"] > 0, betas=(0.5, 0.9))
    players = vl.aae_players(*rates, betas=(0.5, 0.9))
    if config["kind"] == "style":
        players[0] = vl.Player(players[0].parameters, vl.style_reconstruction, rates[0])
    return players


def streams(config, x, y, seed):
    """Return the images, with labels if this kind uses them.

    Few labelled images are drawn for each seed.
    """
    if config["kind"] not in ("classes", "heads"):
        known = torch.arange(len(y)) < config.get("labels", len(y))
        return {"x": (x, torch.where(known, y, torch.full_like(y, 10)))}
    if not config["labels"]:
        return {"x": x}
    if config["labels"] >= len(y):
        return {"x": x, "labelled": (x, y)}
    few = vl.few_labels(y, config["labels"] // 10, torch.Generator().manual_seed(seed))
    return {"x": x, "labelled": (x[few], y[few])}


def run(config, device, folder):
    data = {"mnist": vl.mnist, "svhn": vl.svhn}[config["data"]]()
    sizes = [len(data.train) - config["held_out"], config["held_out"]]
    # The held-out images choose the Parzen width and name the clusters; nothing trains on them.
    (x, x_held), (y, y_held) = data.train.split(sizes), data.train_labels.split(sizes)
    judge = partial(
        JUDGES[config["kind"]], config=config, train=(x, y), held=(x_held, y_held), data=data
    )
    measured = []
    for seed in config["seeds"]:  # in sequence, since each has its own labelled images
        parts = streams(config, x, y, seed)
        train = partial(vl.fit, network(config, x.shape[1]), data=parts, steps=config["steps"],
                        batch_size=config["batch_size"], seeds=(seed,), device=device)  # fmt: skip
        model = train(turns(config), checkpoint=folder / f"{seed}").model
        torch.manual_seed(seed)
        quantities = judge(model.eval().cpu())
        if "labelled" in parts:  # the same encoder, trained on the labels only
            plain = train(turns(config)[3:], checkpoint=folder / f"{seed}-plain").model
            quantities["error, labels only"] = judge(plain.eval().cpu())["error"]
            quantities["difference"] = quantities["error, labels only"] - quantities["error"]
        measured.append(quantities)
    return summaries(measured, UNITS, "%"), {data.name: fingerprint(data.train, data.test)}


UNITS = {
    "Parzen": "nats",
    "Parzen, standard error": "nats",
    "Parzen width": "",
    "squared error": "",
    "clusters used": "",
}


@torch.no_grad()
def codes(model, x):
    return torch.cat([model.draw(part, 1)[0][0] for part in x.split(2000)])


@torch.no_grad()
def judge_plain(model, config, train, held, data):
    """Return the Parzen estimate, its width chosen on held-out images, and the squared error."""
    drawn = torch.cat(
        [
            model.likelihood(model.prior.sample((1000,))).mean
            for _ in range(config["parzen"] // 1000)
        ]
    )
    log_p, width = vl.parzen(drawn, held[0][:1000], data.test[: config["judged"]])
    mean, standard_error = vl.mean_and_error(log_p)
    decoded = model.likelihood(codes(model, data.test)).mean
    return {"Parzen": mean, "Parzen, standard error": standard_error, "Parzen width": width,
            "squared error": ((decoded - data.test) ** 2).sum(1).mean().item()}  # fmt: skip


def judge_regions(model, config, train, held, data):
    z = codes(model, data.test)
    blade = (torch.atan2(z[:, 1], z[:, 0]) / (2 * math.pi / 10)).round().long() % 10
    return {"on the wrong blade": 100 * (blade != data.test_labels).float().mean().item()}


@torch.no_grad()
def judge_style(model, config, train, held, data):
    """Return accuracies: of the label read from the style, and of samples of a given label."""
    reads = LogisticRegression(max_iter=1000).fit(codes(model, held[0]), held[1])
    n = config["judged"]
    real = LogisticRegression(max_iter=200).fit(train[0][:n], train[1][:n])
    labels = torch.arange(1000) % 10
    drawn = model.likelihood(
        model.prior.sample((1000,)), y=nn.functional.one_hot(labels, 10).float()
    ).mean
    return {
        "label read from the style": 100 * reads.score(codes(model, data.test), data.test_labels),
        "drawn as asked": 100 * real.score(drawn, labels),
        "real images read right": 100 * real.score(data.test, data.test_labels),
    }


@torch.no_grad()
def judge_classes(model, config, train, held, data):
    """Return the classification error.

    Without labels, clusters are first named by the paper's rule.
    """
    log_p = [
        torch.cat([model.encode(part)[0] for part in x.split(2000)]).log_softmax(1)
        for x in (held[0], data.test)
    ]
    chosen = log_p[1].argmax(1)
    if config["labels"]:
        return {"error": 100 * (chosen != data.test_labels).float().mean().item()}
    means = MiniBatchKMeans(config["classes"], n_init=10, random_state=0).fit(
        train[0][: config["judged"]]
    )
    nearest = torch.from_numpy(means.predict(data.test)).long()
    nearness = -torch.from_numpy(means.transform(held[0]))
    wrong = {"error": vl.cluster_labels(log_p[0], held[1])[chosen],
             "error, k-means": vl.cluster_labels(nearness, held[1])[nearest]}  # fmt: skip
    return {
        **{
            name: 100 * (label != data.test_labels).float().mean().item()
            for name, label in wrong.items()
        },
        "clusters used": float(len(chosen.unique())),
    }


JUDGES = {
    "plain": judge_plain,
    "regions": judge_regions,
    "style": judge_style,
    "classes": judge_classes,
    "heads": judge_classes,
}
