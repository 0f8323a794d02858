"""Time `vl.fit` against three loops on the same network, data and precision (`make bench`)."""

import logging
import os
import statistics
import tempfile
import time
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing import get_context

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

import vaelib as vl
from vaelib.pages import receipts

from .runner import fingerprint

VERSION = 1
CLAIM = (
    "fit trains as fast as a bare loop on a CPU. The aim on a GPU, not measured for this edition: "
    "12 times as fast as the tutorial loop for one model, 150 times for 32 copies."
)
SIZES = {"mnist": (784, 200, 200, 50), "digits": (64, 100, 4)}
LOOPS = ["in-memory loop", "tutorial loop"]
JOBS = ["two fits, a thread each", "one fit, two threads"]
ALL = ["vaelib", *LOOPS, "pythae"]


def row(name, title, steps, **more):
    config = {
        "device": "cpu",
        "data": "mnist",
        "k": 1,
        "copies": 1,
        "batch_size": 128,
        "images": 10_000,
        "rounds": 5,
        "autocast": None,
        "compile": False,
        "steps": steps,
        **more,
    }
    return {"id": name, "title": title, "config": config, "needs_gpu": config["device"] == "cuda"}


def steps(ours, theirs, *contenders):
    """Return the steps per round; loops that train one model at a time are timed on one model."""
    return {"vaelib": ours} | dict.fromkeys(contenders or ALL[1:], theirs)


ROWS = [
    row("cpu-k1", "CPU, k = 1, one model", steps(312, 312)),
    row("cpu-k1-copies", "CPU, k = 1, 32 copies",
        {**steps(60, 312), "vaelib, one program": 60}, copies=32),
    row("cpu-k50", "CPU, k = 50, one model", steps(40, 40), k=50),
    row("cpu-k50-copies", "CPU, k = 50, 32 copies",
        {**steps(5, 40), "vaelib, one program": 2}, k=50, copies=32),
    row("cpu-digits-copies", "CPU, a network of 64-100-4, 32 copies",
        {**steps(100, 1000, "in-memory loop", "tutorial loop"), "vaelib, one after another": 100},
        data="digits", copies=32, images=1437),
    *(row(f"cpu-jobs-k{k}", f"CPU, k = {k}, two fits of one thread vs one of two threads",
          dict.fromkeys(JOBS, n), k=k)
      for k, n in ((1, 600), (5, 150), (50, 20))),
    # Without pythae: a machine with a GPU may have no network to install it from.
    row("gpu-k1", "GPU, k = 1, one model", steps(20_000, 1000, *LOOPS), device="cuda"),
    row("gpu-k1-compiled", "GPU, k = 1, one model, compiled", steps(20_000, 1000, "tutorial loop"),
        device="cuda", compile=True),
    row("gpu-k1-copies", "GPU, k = 1, 32 copies, compiled", steps(5000, 1000, *LOOPS),
        device="cuda", copies=32, compile=True),
    row("gpu-k50", "GPU, k = 50, one model", steps(5000, 500, *LOOPS), device="cuda", k=50),
    row("gpu-k50-copies", "GPU, k = 50, 32 copies, compiled, bfloat16", steps(500, 500, *LOOPS),
        device="cuda", k=50, copies=32, compile=True, autocast="bfloat16"),
]  # fmt: skip


def elbo(encode, decode, x, k):
    """The same objective written by hand: the mean over k samples and the batch."""
    mean, log_var = encode(x).chunk(2, -1)
    z = mean + torch.randn(k, *mean.shape, device=x.device) * (0.5 * log_var).exp()
    logits = decode(z)
    log_lik = (
        -F.binary_cross_entropy_with_logits(logits, x.expand_as(logits), reduction="none")
        .sum(-1)
        .mean(0)
    )
    return (log_lik - 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(-1)).mean()


def networks(config):
    *sizes, latent = SIZES[config["data"]]
    return vl.mlp(*sizes, 2 * latent), vl.mlp(latent, *reversed(sizes)), latent


def ours(x, config, steps):
    build = lambda seed: vl.VAE(*networks(config))  # noqa: E731
    run = vl.fit(
        build,
        vl.elbo,
        x,
        steps=steps,
        batch_size=config["batch_size"],
        seeds=range(config["copies"]),
        hyper={"k": config["k"]},
        device=x.device,
        compile=config["compile"],
        autocast=getattr(torch, config["autocast"] or "", None),
    )
    return config["copies"] * steps * config["batch_size"] / run.seconds


def forced(flops):
    """`vl.fit`, with copies forced into one program (or into a sequence)."""

    def timed(x, config, steps):
        chosen, vl.loop.VMAP_FLOPS = vl.loop.VMAP_FLOPS, flops
        try:
            return ours(x, config, steps)
        finally:
            vl.loop.VMAP_FLOPS = chosen

    return timed


def side_by_side(n, threads):
    """Run n fits in parallel processes with some threads each; returns the sum of their rates."""

    def timed(x, config, steps):
        with get_context("spawn").Pool(n, torch.set_num_threads, (threads,)) as pool:
            pool.starmap(ours, [(x, config, 3)] * n, chunksize=1)  # imports and first allocations
            return sum(pool.starmap(ours, [(x, config, steps)] * n, chunksize=1))

    return timed


def loop(batches, wait):
    """Return a loop over batches(x, config, steps) with eager Adam.

    wait: read the loss at every step, as tutorials do.
    """

    def timed(x, config, steps):
        torch.manual_seed(0)
        encode, decode = (net.to(x.device) for net in networks(config)[:2])
        optimizer = torch.optim.Adam([*encode.parameters(), *decode.parameters()], lr=1e-3)
        dtype, losses = getattr(torch, config["autocast"] or "", None), []
        synchronize(x.device)
        began = time.perf_counter()
        for batch in batches(x, config, steps):
            with torch.autocast(x.device.type, dtype, enabled=dtype is not None):
                loss = -elbo(encode, decode, batch.to(x.device), config["k"])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item() if wait else loss.detach())
        synchronize(x.device)
        return steps * config["batch_size"] / (time.perf_counter() - began)

    return timed


def in_memory(x, config, steps):
    while True:
        order = torch.randperm(len(x), device=x.device)
        for index in order.split(config["batch_size"])[: len(x) // config["batch_size"]]:
            if steps == 0:
                return
            steps -= 1
            yield x[index]


def from_loader(x, config, steps):
    loader = DataLoader(TensorDataset(x.cpu()), config["batch_size"], shuffle=True, drop_last=True)
    while True:
        for (batch,) in loader:
            if steps == 0:
                return
            steps -= 1
            yield batch


def pythae(x, config, steps):
    """Time pythae's trainer, with its IWAE for k > 1; progress bar and logging are off."""
    try:
        from pythae.data.datasets import BaseDataset
        from pythae.models import IWAE, VAE, IWAEConfig, VAEConfig
        from pythae.models.base.base_utils import ModelOutput
        from pythae.models.nn import BaseDecoder, BaseEncoder
        from pythae.trainers import BaseTrainer, BaseTrainerConfig
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"engine_benchmark: {error.name} is missing; `make bench` installs it."
        ) from error
    latent = SIZES[config["data"]][-1]
    encoder_net, decoder_net, _ = networks(config)

    class Encoder(BaseEncoder):
        def __init__(self):
            super().__init__()
            self.net, self.latent_dim = encoder_net, latent

        def forward(self, x):
            mean, log_var = self.net(x.flatten(1)).chunk(2, -1)
            return ModelOutput(embedding=mean, log_covariance=log_var)

    class Decoder(BaseDecoder):
        def __init__(self):
            super().__init__()
            self.net = decoder_net

        def forward(self, z):
            return ModelOutput(reconstruction=torch.sigmoid(self.net(z)).reshape(-1, 1, 28, 28))

    options = {"input_dim": (1, 28, 28), "latent_dim": latent, "reconstruction_loss": "bce"}
    if config["k"] == 1:
        model = VAE(VAEConfig(**options), Encoder(), Decoder())
    else:
        model = IWAE(IWAEConfig(**options, number_samples=config["k"]), Encoder(), Decoder())
    size = config["batch_size"]
    images = x.cpu()[torch.arange(min(steps, len(x) // size) * size) % len(x)]
    epochs = max(1, steps * size // len(images))
    with tempfile.TemporaryDirectory() as folder, open(os.devnull, "w") as nowhere:
        training = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            per_device_train_batch_size=size,
            learning_rate=1e-3,
            no_cuda=x.device.type == "cpu",
            steps_saving=None,
            amp=config["autocast"] is not None,
        )
        dataset = BaseDataset(images.view(-1, 1, 28, 28), torch.zeros(len(images)))
        with redirect_stdout(nowhere), redirect_stderr(nowhere):
            trainer = BaseTrainer(model, dataset, training_config=training)
            began = time.perf_counter()
            trainer.train()
            synchronize(x.device)
    return epochs * len(images) / (time.perf_counter() - began)


CONTENDERS = {
    "vaelib": ours,
    "vaelib, one program": forced(float("inf")),
    "vaelib, one after another": forced(0),
    **dict(zip(JOBS, (side_by_side(2, 1), side_by_side(1, 2)), strict=True)),
    "in-memory loop": loop(in_memory, wait=False),
    "tutorial loop": loop(from_loader, wait=True),
    "pythae": pythae,
}


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def flops_per_image(config):
    """Count operations of the matrix products, forward and backward (three times the forward)."""
    *sizes, latent = SIZES[config["data"]]
    pairs = list(zip(sizes, [*sizes[1:], None], strict=True))[:-1]
    body = sum(a * b for a, b in pairs)
    return 3 * 2 * (body + sizes[-1] * 2 * latent + config["k"] * (body + latent * sizes[-1]))


def run(config, device, folder):
    device = torch.device(config["device"])
    data = vl.mnist("fixed") if config["data"] == "mnist" else vl.digits("fixed")
    x = data.train[: config["images"]].clone().to(device)
    logging.disable(logging.CRITICAL)  # pythae's
    names = [name for name in CONTENDERS if name in config["steps"]]
    rates = {name: [] for name in names}
    for name in names:  # warm-up: compilation, first allocations
        CONTENDERS[name](x, config, min(20, config["steps"][name]))
    for _ in range(config["rounds"]):
        for name in names:
            rates[name].append(CONTENDERS[name](x, config, config["steps"][name]))
    results = {f"images/s: {name}": receipts.summary(rates[name], "images/s") for name in names}
    first = names[0]
    for name in names[1:]:
        ratios = [a / b for a, b in zip(rates[first], rates[name], strict=True)]
        results[f"{first} / {name}"] = receipts.summary(ratios)
    results["TFLOP/s"] = receipts.summary(
        [rate * flops_per_image(config) / 1e12 for rate in rates[first]]
    )
    for name in names:
        ratio = results.get(f"{first} / {name}")
        comparison = (
            f"   {first}: {statistics.median(ratio['values']):6.2f} times as fast" if ratio else ""
        )
        print(
            f"    {name:26s} {statistics.median(rates[name]):12,.0f} images/s{comparison}",
            flush=True,
        )
    return results, {config["data"]: fingerprint(data.train)}
