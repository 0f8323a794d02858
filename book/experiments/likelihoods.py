"""log p(x) of models that different objectives have trained, all measured in one way.

p(x) depends on prior and decoder only, importance sampling on the encoder as well. So the models of
two other experiments are trained again, with their own settings, and each is given a new encoder,
fitted to the images that are evaluated. An annealed estimate, which uses no encoder, is the second
opinion; it is slow, so a few images must do.
"""

import time

import torch

import vaelib as vl

from . import logdet_size, vim_tables
from .runner import fingerprint, summaries

VERSION = 1
CLAIM = (
    "Objectives that do not charge for information cost likelihood, less than a model's own "
    "encoder makes it seem."
)
TRAINED = {"vim_tables": vim_tables, "logdet_size": logdet_size}
UNITS = {
    "refitted encoder": "nats",
    "own encoder": "nats",
    "annealed less refitted": "nats",
    "k-hat above 0.7": "%",
}


def row(experiment, planned):
    """The row that measures the models of another experiment's row."""
    large = experiment == "vim_tables"  # convolutional networks, ten times as slow
    trained = {name: value for name, value in planned["config"].items() if name != "seeds"}
    return {
        "id": f"{experiment.partition('_')[0]}-{planned['id']}",
        "title": planned["title"],
        "config": {
            "experiment": experiment,
            "trained": trained,
            "seeds": planned["config"]["seeds"],
            "images": 200,
            "samples": 1000,
            "refit": 500 if large else 2000,
            "annealed": 20 if large else 100,
            "temperatures": 200,
            "chains": 8,
        },
        "needs_gpu": planned["needs_gpu"],
    }


ROWS = [
    row(name, planned)
    for name, module in TRAINED.items()
    for planned in module.ROWS
    if not planned["id"].endswith("-fid")
]


def run(config, device, folder):
    settings = config["trained"] | {"seeds": config["seeds"]}
    data, models = TRAINED[config["experiment"]].trained(settings, device, folder)
    images, measured = data.test[: config["images"]], []
    for seed, model in zip(config["seeds"], models, strict=True):
        measured.append(measure(model.cpu(), images, config, seed))
    return summaries(measured, UNITS), {data.name: fingerprint(data.train, data.test)}


def measure(model, x, config, seed):
    """Return the mean log p(x) of images x by a refitted and by the own encoder, and two checks."""
    torch.manual_seed(seed)
    own = vl.log_likelihood(model, x, config["samples"])
    return {"own encoder": own.mean().item()} | refitted(model, x, config, seed)


def refitted(model, x, config, seed):
    """Return the mean log p(x) of images x by an encoder that is fitted to them, and two checks.

    The checks: the share of images whose importance weights have k-hat above 0.7, and how much the
    annealed estimate is above the refitted one, as a mean over the first images.
    """
    twin = vl.refit_encoder(model, x, config["refit"], seed=seed)
    values, k_hat = vl.log_likelihood(twin, x, config["samples"], diagnostics=True)
    n = config["annealed"]
    annealed, _ = vl.annealed_log_likelihood(
        model, x[:n], config["temperatures"], chains=config["chains"]
    )
    return {
        "refitted encoder": values.mean().item(),
        "annealed less refitted": (annealed - values[:n]).mean().item(),
        "k-hat above 0.7": 100 * (k_hat > 0.7).double().mean().item(),
    }


def seconds(config, device):
    """Estimate the seconds of one seed from a few timed steps of each of its parts."""
    module, few, took = TRAINED[config["experiment"]], 10, []
    for steps in (few, 4 * few):
        settings = config["trained"] | {"seeds": [0], "steps": steps}
        began = time.perf_counter()
        data, (model,) = module.trained(settings, device, None)
        took.append(time.perf_counter() - began)
    total = config["trained"]["steps"] * max(0.0, took[1] - took[0]) / (3 * few)
    model, x = model.cpu(), data.test[: config["images"]]
    for function, size, full in (
        (lambda: vl.refit_encoder(model, x, few), few, config["refit"]),
        (lambda: vl.annealed_log_likelihood(model, x[: config["annealed"]], few,
                                            chains=config["chains"]), few, config["temperatures"]),
        (lambda: vl.log_likelihood(model, x[:few], config["samples"]), few, 2 * config["images"]),
    ):  # fmt: skip
        began = time.perf_counter()
        function()
        total += (time.perf_counter() - began) / size * full
    return total
