"""Datasets as tensors, with how they are binarized said in words."""

import gzip
import hashlib
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pooch
import requests
import torch

BINARIZATIONS = ("none", "fixed", "dynamic")
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_FILES = {  # SHA-256 of the uncompressed bytes, so that any mirror's gzip will do
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


def binarize(x, generator=None):
    """One Bernoulli draw of each pixel, with the pixel's intensity as its probability: [0, 1] -> {0, 1}."""
    # torch.bernoulli does the same and takes four times as long on a CPU.
    return (torch.rand(x.shape, generator=generator, device=x.device) < x).to(x.dtype)


@dataclass(frozen=True)
class Dataset:
    """Images (N, D) in [0, 1] and their labels (N,); `shape` is (C, H, W), for drawing.

    binarization: "none": grey values. "fixed": one Bernoulli draw of every image, made once. "dynamic": `train` stays
    grey and `transform`, given to `fit`, draws it anew in every batch; `test` is drawn once (chapter 3 compares them).
    """

    name: str
    train: torch.Tensor
    test: torch.Tensor
    train_labels: torch.Tensor
    test_labels: torch.Tensor
    shape: tuple
    binarization: str

    @property
    def transform(self):
        """What `fit` has to do to each batch: `binarize` for dynamic binarization, otherwise None."""
        return binarize if self.binarization == "dynamic" else None


def _dataset(name, train, test, train_labels, test_labels, shape, binarization):
    if binarization not in BINARIZATIONS:
        raise ValueError(f"{name}: binarization is {binarization!r}; allowed are {', '.join(BINARIZATIONS)}.")
    if binarization == "fixed":
        train = binarize(train, torch.Generator().manual_seed(0))
    if binarization != "none":
        test = binarize(test, torch.Generator().manual_seed(1))
    return Dataset(name, train, test, train_labels, test_labels, shape, binarization)


def digits(binarization="none"):
    """The 1,797 scans of 8 x 8 pixels that come with scikit-learn (Alpaydin & Kaynak, 1998).

    1,437 to train, 360 to test; the split is stratified by digit, always the same. ValueError: an unknown binarization.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=360, stratify=labels, random_state=0)
    x, x_test = (torch.tensor(a, dtype=torch.float32) for a in split[:2])
    y, y_test = (torch.tensor(a) for a in split[2:])
    return _dataset("digits", x, x_test, y, y_test, (1, 8, 8), binarization)


def two_points(n=2):
    """The data of the variance blow-up, n/2 times -1 and n/2 times +1, (n, 1). ValueError: n odd or below 2."""
    if not isinstance(n, int) or n < 2 or n % 2:
        raise ValueError(f"two_points: n is {n!r}; allowed is an even whole number of at least 2.")
    return torch.tensor([-1.0, 1.0]).repeat(n // 2).unsqueeze(1)


def mnist(binarization="none", cache=None, download=True):
    """MNIST (LeCun et al., 1998): 60,000 images to train, 10,000 to test, 28 x 28 pixels, flattened to 784.

    The files are looked for in $VAELIB_DATA/MNIST/raw, then in `cache` (default: the user's cache folder), then
    downloaded; their bytes are verified each time. download=False: FileNotFoundError instead of a download.
    ValueError: an unknown binarization, or a broken file in $VAELIB_DATA. RuntimeError: nothing could be downloaded.
    """
    folder = Path(cache or pooch.os_cache("vaelib")) / "MNIST" / "raw"
    raw = {name: _fetch("mnist", name, sha, folder, MNIST_MIRRORS, download) for name, sha in MNIST_FILES.items()}
    x, y, x_test, y_test = (np.frombuffer(raw[name], np.uint8, offset=16 if "images" in name else 8) for name in raw)
    x, x_test = (torch.from_numpy(a.reshape(-1, 784).copy()).float() / 255 for a in (x, x_test))
    y, y_test = (torch.from_numpy(a.astype(np.int64)) for a in (y, y_test))
    return _dataset("mnist", x, x_test, y, y_test, (1, 28, 28), binarization)


def _fetch(dataset, name, sha256, folder, mirrors, download):
    """The verified, uncompressed bytes of one gzipped file, from $VAELIB_DATA, the cache or a mirror."""
    file = f"{name}.gz"
    given = Path(os.environ.get("VAELIB_DATA") or os.devnull) / "MNIST" / "raw" / file
    if given.exists():
        if (content := _unpack(given, sha256)) is None:
            raise ValueError(f"{dataset}: {given} is truncated or altered; replace or remove it.")
        return content
    kept = folder / file
    problems = []
    if kept.exists():
        if (content := _unpack(kept, sha256)) is not None:
            return content
        kept.unlink()
        problems.append(f"{kept} was broken and has been removed")
    advice = f"Put {file} into {folder}, or set VAELIB_DATA to a folder that holds MNIST/raw/{file}"
    if not download:
        raise FileNotFoundError(f"{dataset}: {file} is not on this machine. {advice}, or call with download=True.")
    pooch.get_logger().setLevel("WARNING")
    for mirror in mirrors:
        try:
            get = pooch.HTTPDownloader(progressbar=not os.environ.get("TQDM_DISABLE"), timeout=30)
            pooch.retrieve(mirror + file, None, file, folder, downloader=get)
        except requests.RequestException as error:
            problems.append(f"{mirror + file} did not answer ({type(error).__name__})")
            continue
        except OSError as error:
            raise RuntimeError(
                f"{dataset}: the cache folder {folder} cannot be written ({error.strerror or error}). "
                "Name another with cache=..., or set VAELIB_DATA to a folder that holds the files."
            ) from error
        if (content := _unpack(kept, sha256)) is not None:
            return content
        kept.unlink()
        problems.append(f"{mirror + file} sent a broken file, which has been removed")
    raise RuntimeError(f"{dataset}: {'; '.join(problems)}. {advice}.")


def _unpack(path, sha256):
    """The uncompressed bytes of a gzip file, or None where they are not the ones expected."""
    try:
        content = gzip.decompress(path.read_bytes())
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return None
    return content if hashlib.sha256(content).hexdigest() == sha256 else None
