"""CIFAR-10 as JPEG files, for machines without another copy.

JPEG is lossy, and the data set's name says so.
"""

import io
import os
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import vaelib as vl


def load():
    """The Dataset in $VAELIB_DATA/cifar10/cifar10_jpeg_{train,test}.npz.

    FileNotFoundError: it is not there.
    """
    folder = Path(os.environ.get("VAELIB_DATA", ".")) / "cifar10"
    (x, y), (x_test, y_test) = (
        _read(folder / f"cifar10_jpeg_{part}.npz") for part in ("train", "test")
    )
    return vl.Dataset("cifar10 (JPEG)", x, x_test, y, y_test, (3, 32, 32), "none")


def _read(path):
    """Images (N, 3072) in [0, 1] and labels of a file of concatenated JPEGs."""
    with np.load(path, allow_pickle=False) as file:
        content, offsets, labels = file["jpeg"].tobytes(), file["offsets"], file["label"]
    ends = [*offsets[1:], len(content)] if len(offsets) == len(labels) else offsets[1:]
    images = [
        np.asarray(Image.open(io.BytesIO(content[a:b])))
        for a, b in zip(offsets, ends, strict=False)
    ]
    pixels = np.stack(images).transpose(0, 3, 1, 2).reshape(len(images), -1)
    return torch.from_numpy(pixels).float() / 255, torch.from_numpy(labels.astype(np.int64))
