"""vaelib trains and records in an environment with only torch and the packages it comes with."""

import gzip
import hashlib
import os
import struct
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ABSENT = (
    "pooch",
    "requests",
    "jsonschema",
    "IPython",
    "ipywidgets",
    "pandas",
    "myst_nb",
    "nbformat",
    "torchvision",
)


def run(code, tmp_path, **environment):
    """What `code` prints in a process without the packages of ABSENT and this machine's data."""
    (tmp_path / "sitecustomize.py").write_text(
        f"import sys\nsys.modules.update(dict.fromkeys({ABSENT}))\n"
    )
    env = {name: value for name, value in os.environ.items() if name != "VAELIB_DATA"}
    env |= {
        "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)]),
        "TQDM_DISABLE": "1",
        **environment,
    }
    code = f"import sys; assert sys.modules['pooch'] is None\n{textwrap.dedent(code)}"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def mnist_folder(folder):
    """$VAELIB_DATA with 200 and 20 images in MNIST's format, and code that sets their checksums."""
    rng, sums = np.random.default_rng(0), {}
    (folder / "MNIST" / "raw").mkdir(parents=True)
    for name, n in (("train-images-idx3-ubyte", 200), ("train-labels-idx1-ubyte", 200),
                    ("t10k-images-idx3-ubyte", 20), ("t10k-labels-idx1-ubyte", 20)):  # fmt: skip
        images = "images" in name
        head = struct.pack(">IIII", 2051, n, 28, 28) if images else struct.pack(">II", 2049, n)
        body = rng.integers(
            0, 256 if images else 10, n * (784 if images else 1), dtype=np.uint8
        ).tobytes()
        (folder / "MNIST" / "raw" / f"{name}.gz").write_bytes(gzip.compress(head + body))
        sums[name] = hashlib.sha256(head + body).hexdigest()
    return f"from vaelib import data; data.MNIST_FILES = {sums!r}"


def test_data_training_and_receipts(tmp_path):
    known = mnist_folder(tmp_path / "data")
    rng = np.random.default_rng(0)
    (tmp_path / "data" / "dsprites").mkdir()
    np.savez(
        tmp_path / "data" / "dsprites" / "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz",
        imgs=rng.integers(0, 2, (6, 64, 64), dtype=np.uint8),
        latents_classes=np.zeros((6, 6), int),
        latents_values=np.zeros((6, 6)),
    )
    code = f"""
    import vaelib as vl
    from vaelib.pages import receipts
    {known}
    d = vl.mnist("dynamic")
    assert d.train.shape == (200, 784) and len(vl.dsprites()) == 6
    build = lambda seed: vl.VAE(vl.mlp(784, 4), vl.mlp(2, 784), 2)
    run = vl.fit(build, vl.elbo, d.train, steps=5, transform=d.transform, seeds=(0, 1),
                 checkpoint="kept")
    receipt = {{
        "experiment": "e", "id": "a", "version": 1, "config": {{}},
        "data": {{"mnist": "ab"}}, "device": "a GPU",
        "results": {{"elbo": receipts.summary(run.history["objective"][:, -1], "nats")}},
        "seconds": 1.5,
        "versions": {{"torch": "2"}}, "commit": "c", "command": "python", "date": "2026-01-31",
    }}
    receipts.write(receipt, "receipts")
    assert receipts.read("e", "a", "receipts") == receipt
    try:
        receipts.write(receipt | {{"seconds": "long"}}, "receipts")
    except ValueError as error:
        print(error)
    """
    assert "$.seconds must be a number of at least 0, got 'long'" in run(
        code, tmp_path, VAELIB_DATA="data"
    )


def test_what_is_not_at_hand_is_said(tmp_path):
    code = """
    import vaelib as vl
    try:
        vl.mnist()
    except FileNotFoundError as error:
        print(error)
    """
    said = run(code, tmp_path)
    assert "train-images-idx3-ubyte.gz is not in $VAELIB_DATA, and the package pooch" in said
    assert "Set VAELIB_DATA to a folder that contains MNIST/raw/" in said


def test_the_experiments_can_be_listed(tmp_path):
    code = """
    from book.experiments.__main__ import main
    from book.experiments import runner
    assert main(["iwae_table1", "--list", "--receipts", "receipts"]) == 0
    for name in runner.names():
        runner.plan(name)
    """
    assert "iwae_table1/vae-1-k1" in run(code, tmp_path)
