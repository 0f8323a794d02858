"""Datasets as tensors. Each records how its images were binarized."""

import io
import tarfile
import zipfile
from dataclasses import dataclass

import numpy as np
import torch

from .checks import integer, one_of
from .downloads import checked, fetch, gunzip

BINARIZATIONS = ("none", "fixed", "dynamic")
MNIST_MIRRORS = (
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
)
MNIST_FILES = {  # SHA-256 of the uncompressed bytes: mirrors compress differently
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
OMNIGLOT_HOME = ("https://github.com/brendenlake/omniglot/raw/master/python/",)
OMNIGLOT_FILES = {  # the archives, with their published checksums, if any
    "drawings": {"images_background.zip": {"md5": "68d2efa1b9178cc56df9314c21c6e718"},
                 "images_evaluation.zip": {"md5": "6b91aef0f799c5bb55b94e3f2daec811"}},
    "small": {"images_background_small1.zip": {}, "images_background_small2.zip": {}},
}  # fmt: skip
CHARDATA_HOME = ("https://github.com/yburda/iwae/raw/master/datasets/OMNIGLOT/",)
CIFAR10_HOME = ("https://www.cs.toronto.edu/~kriz/",)
CIFAR10_SUM = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"
SVHN_HOME = ("http://ufldl.stanford.edu/housenumbers/",)
SVHN_FILES = {  # their MD5
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}
CIFAR10_ROWS = 10_000  # images in each of its six files


def binarize(x, generator=None):
    """One Bernoulli draw per pixel, with its intensity as the probability: [0, 1] -> {0, 1}.

    Values outside [0, 1], such as bytes, become NaN, which `fit` and evaluation refuse.
    """
    # torch.bernoulli does the same and takes four times as long on a CPU.
    draw = (torch.rand(x.shape, generator=generator, device=x.device) < x).to(x.dtype)
    return torch.where((x >= 0) & (x <= 1), draw, torch.nan)


def dequantize(x, levels=256, generator=None):
    """Uniform noise fills the cells between levels: i / (levels - 1) -> (i + u) / levels in [0, 1).

    A transform for `fit`: a density of the noisy values bounds log P of the levels from below
    (equation eq-dequantized of the book, chapter 12; Theis et al., 2016). Values outside [0, 1],
    such as bytes not divided by 255, become NaN, which `fit` and evaluation refuse.
    ValueError: x has no floats.
    """
    levels = integer("dequantize", "levels", levels, 2)
    if not x.is_floating_point():
        raise ValueError(
            f"dequantize: x must have floats i / {levels - 1}, got {x.dtype}; "
            f"use x.float() / {levels - 1}."
        )
    u = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    noisy = ((x * (levels - 1)).round() + u) / levels
    return torch.where((x >= 0) & (x <= 1), noisy, torch.nan)


@dataclass(frozen=True)
class Dataset:
    """Images (N, D) in [0, 1] and their labels (N,); `shape` is (C, H, W), for drawing.

    binarization: "none": grey values. "fixed": one Bernoulli draw of every image, made once.
        "dynamic": `train` stays grey and `transform`, given to `fit`, draws it again in every
        batch; `test` is drawn once (chapter 3 compares them).
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
        """The transform to pass to `fit`: `binarize` for dynamic binarization, otherwise None."""
        return binarize if self.binarization == "dynamic" else None


def _dataset(name, train, test, train_labels, test_labels, shape, binarization):
    one_of(name, "binarization", binarization, BINARIZATIONS)
    if binarization == "fixed":
        train = binarize(train, torch.Generator().manual_seed(0))
    if binarization != "none":
        test = binarize(test, torch.Generator().manual_seed(1))
    return Dataset(name, train, test, train_labels, test_labels, shape, binarization)


def digits(binarization="none"):
    """The 1,797 scans of 8 x 8 pixels that come with scikit-learn (Alpaydin & Kaynak, 1998).

    1,437 training and 360 test images; the split is stratified by digit, always the same.
    ValueError: an unknown binarization.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=360, stratify=labels, random_state=0)
    x, x_test = (torch.tensor(a, dtype=torch.float32) for a in split[:2])
    y, y_test = (torch.tensor(a) for a in split[2:])
    return _dataset("digits", x, x_test, y, y_test, (1, 8, 8), binarization)


def two_points(n=2):
    """The data of the variance blow-up, n/2 times -1 and n/2 times +1, (n, 1).

    ValueError: n odd or below 2.
    """
    if integer("two_points", "n", n, least=2) % 2:
        raise ValueError(f"two_points: n must be an even integer, got {n!r}.")
    return torch.tensor([-1.0, 1.0]).repeat(n // 2).unsqueeze(1)


def mnist(binarization="none", cache=None, download=True):
    """MNIST (LeCun et al., 1998): 60,000 training and 10,000 test images, 28 x 28 = 784 pixels.

    The files are read from $VAELIB_DATA/MNIST/raw, from `cache` (default: the user's cache folder),
    or downloaded; their checksums are verified every time.
    FileNotFoundError: download=False, and a file is missing. ValueError: an unknown binarization,
    $VAELIB_DATA is not a folder, or a file in it is broken. RuntimeError: nothing could be
    downloaded.
    """
    one_of("mnist", "binarization", binarization, BINARIZATIONS)
    raw = {
        name: fetch("mnist", f"{name}.gz", "MNIST/raw", MNIST_MIRRORS, gunzip(sha), cache, download)
        for name, sha in MNIST_FILES.items()
    }
    x, y, x_test, y_test = (
        np.frombuffer(raw[name], np.uint8, offset=16 if "images" in name else 8) for name in raw
    )
    x, x_test = (torch.from_numpy(a.reshape(-1, 784).copy()).float() / 255 for a in (x, x_test))
    y, y_test = (torch.from_numpy(a.astype(np.int64)) for a in (y, y_test))
    return _dataset("mnist", x, x_test, y, y_test, (1, 28, 28), binarization)


def omniglot(source="drawings", binarization="none", cache=None, download=True):
    """Omniglot (Lake et al., 2015): handwritten characters, 28 x 28 = 784 pixels.

    source: "drawings", the 50 alphabets, 1,623 characters. "small", the authors' two smaller
        archives: 8 alphabets, 242 characters (Greek and Latin are in both and are taken once). For
        both sources the first 15 drawings of a character are training and the last 5 test images;
        the 105 x 105 pixels are averaged down to 28 x 28, ink is 1. "chardata", the file that came
        with Burda et al. (2016): 24,345 training and 8,070 test images, in their own split and
        scaling.
    Labels are character ids. If no checksum of a file is published, that of the first copy is
    recorded next to it. Errors as in `mnist`, and an unknown source.
    """
    one_of("omniglot", "binarization", binarization, BINARIZATIONS)  # before the download
    if source == "chardata":
        read = checked(_chardata)
        arrays = fetch("omniglot", "chardata.mat", "omniglot", CHARDATA_HOME, read, cache, download)
    elif source in OMNIGLOT_FILES:
        drawings = {}
        for file, known in OMNIGLOT_FILES[source].items():
            read = checked(_drawings, **known)
            drawings |= fetch("omniglot", file, "omniglot", OMNIGLOT_HOME, read, cache, download)
        characters = sorted({name.rsplit("/", 1)[0] for name in drawings})
        number = {character: i for i, character in enumerate(characters)}
        names = sorted(drawings)
        # .../0123_16.png is a character's 16th drawing.
        test = np.array([int(name[-6:-4]) > 15 for name in names])
        x = np.stack([drawings[n] for n in names])
        y = np.array([number[n.rsplit("/", 1)[0]] for n in names])
        arrays = x[~test], x[test], y[~test], y[test]
    else:
        raise ValueError(
            f"omniglot: source must be chardata, {', '.join(OMNIGLOT_FILES)}, got {source!r}."
        )
    return _dataset("omniglot", *(torch.from_numpy(a) for a in arrays), (1, 28, 28), binarization)


def _drawings(archive):
    """{"Alphabet/character01/0123_01.png": its pixels (784,)} of one of Omniglot's archives."""
    from PIL import Image

    # area[i, j]: share of input row j in output row i.
    area = np.kron(np.eye(28), np.ones(15)).reshape(28, 105, 4).sum(2) / 15
    drawings = {}
    with zipfile.ZipFile(archive) as files:
        for name in files.namelist():
            if name.endswith(".png"):
                ink = 1 - np.asarray(
                    Image.open(io.BytesIO(files.read(name))).convert("1"), np.float64
                )
                drawings[name.split("/", 1)[1]] = (
                    (area @ ink @ area.T).reshape(784).astype(np.float32)
                )
    return drawings


def _chardata(path):
    """Images and characters of Burda et al.'s chardata.mat."""
    from scipy.io import loadmat

    file = loadmat(path)
    x, x_test = (
        np.ascontiguousarray(file[name].reshape(784, -1).T, np.float32)
        for name in ("data", "testdata")
    )
    y, y_test = (
        file[name].reshape(-1).astype(np.int64) for name in ("targetchar", "testtargetchar")
    )
    return x, x_test, y, y_test


def cifar10(cache=None, download=True):
    """CIFAR-10 (Krizhevsky, 2009): 50,000 training and 10,000 test images of 3 x 32 x 32 pixels.

    Flattened to 3072. From the binary archive, so that nothing is unpickled. Errors as in `mnist`.
    """
    read = checked(_cifar10, sha256=CIFAR10_SUM)
    x, y, x_test, y_test = fetch(
        "cifar10", "cifar-10-binary.tar.gz", "cifar10", CIFAR10_HOME, read, cache, download
    )
    x, x_test = (torch.from_numpy(a).float() / 255 for a in (x, x_test))
    y, y_test = (torch.from_numpy(a.astype(np.int64)) for a in (y, y_test))
    return _dataset("cifar10", x, x_test, y, y_test, (3, 32, 32), "none")


def _cifar10(path):
    """Images (N, 3072) and labels of the archive, whose rows are a label and 3,072 pixels."""
    batches = {}
    with tarfile.open(path) as archive:
        for member in archive:
            if member.name.endswith(".bin"):
                rows = np.frombuffer(archive.extractfile(member).read(), np.uint8).reshape(
                    CIFAR10_ROWS, 3073
                )
                batches[member.name.rsplit("/", 1)[1]] = rows
    train = np.concatenate([batches[f"data_batch_{i}.bin"] for i in range(1, 6)])
    test = batches["test_batch.bin"]
    return train[:, 1:].copy(), train[:, 0], test[:, 1:].copy(), test[:, 0]


def svhn(cache=None, download=True):
    """SVHN (Netzer et al., 2011): 73,257 training and 26,032 test images of 3 x 32 x 32 pixels.

    House numbers, flattened to 3072. Read from $VAELIB_DATA/svhn or downloaded; errors as in
    `mnist`. The label of the digit 0, 10 in the files, is 0 here.
    """
    parts = [fetch("svhn", name, "svhn", SVHN_HOME, checked(_svhn, md5=md5), cache, download)
             for name, md5 in SVHN_FILES.items()]  # fmt: skip
    (x, y), (x_test, y_test) = parts
    x, x_test = (torch.from_numpy(a).float() / 255 for a in (x, x_test))
    return _dataset(
        "svhn", x, x_test, torch.from_numpy(y), torch.from_numpy(y_test), (3, 32, 32), "none"
    )


def _svhn(path):
    """Images (N, 3072) and labels of one of SVHN's .mat files, whose pixels are (H, W, C, N)."""
    from scipy.io import loadmat

    file = loadmat(path)
    images = np.ascontiguousarray(file["X"].transpose(3, 2, 0, 1)).reshape(-1, 3072)
    return images, file["y"].reshape(-1).astype(np.int64) % 10
