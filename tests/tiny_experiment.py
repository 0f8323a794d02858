"""An experiment of a few seconds for tests/test_runner.py; it logs its steps in $TINY_LOG."""

import os
import time

import vaelib as vl
from book.experiments.runner import fingerprint
from vaelib.pages import receipts

VERSION = int(os.environ.get("TINY_VERSION", "1"))
CLAIM = "Three small networks can be trained."
ROWS = [
    {"id": f"row-{i}", "title": f"Seed {i}", "config": {"seeds": [i], "steps": 600},
     "paper": {"elbo": (-20.5, "nobody")}} for i in range(3)
]  # fmt: skip
if os.environ.get("TINY_MANY"):
    ROWS = [{"id": "many", "title": "Three seeds", "config": {"seeds": [0, 1, 2], "steps": 600}}]


def note(row, what):
    with open(os.environ["TINY_LOG"], "a") as log:
        log.write(f"{os.getpid()} {row} {what}\n")


def build(seed):
    return vl.VAE(vl.mlp(64, 16, 4), vl.mlp(2, 16, 64), 2)


def run(config, device, folder):
    seeds = config["seeds"]
    if os.environ.get("TINY_FAILS") in map(str, seeds):
        raise RuntimeError("fails as requested")

    def objective(model, x, step):
        if step % 30 == 0:  # a checkpoint is written every 30 steps
            note(seeds[0], int(step))
            time.sleep(float(os.environ.get("TINY_SLEEP", "0")))
        return vl.elbo(model, x)

    digits = vl.digits("dynamic")
    done = vl.fit(
        build,
        objective,
        digits.train,
        steps=config["steps"],
        seeds=seeds,
        device=device,
        transform=vl.binarize,
        hyper={"step": lambda step: step},
        checkpoint=folder,
    )
    for seed in seeds:
        note(seed, "done")
    value = done.history["objective"][:, -100:].mean(1)
    return {"elbo": receipts.summary(value, "nats")}, {"digits": fingerprint(digits.train)}


def seconds(config, device):
    return 60.0
