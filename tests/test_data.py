"""The data sets: contents, binarization, and every way in which a download can fail."""

import contextlib
import gzip
import hashlib
import http.server
import io
import os
import struct
import threading
import zipfile
from pathlib import Path

import numpy as np
import pooch
import pytest
import torch
from conftest import need_data

import vaelib as vl
from vaelib import data


def test_digits():
    d = vl.digits()
    assert d.train.shape == (1437, 64) and d.test.shape == (360, 64) and d.shape == (1, 8, 8)
    assert d.train.dtype == torch.float32 and 0 == d.train.min() and d.train.max() == 1
    # The split is stratified.
    assert torch.bincount(d.test_labels).min() >= 34 and torch.bincount(d.test_labels).max() <= 37
    assert (
        torch.equal(d.train, vl.digits().train) and d.binarization == "none" and d.transform is None
    )
    both = torch.cat([d.train, d.test])
    # Every scan occurs once: the sum of scikit-learn's intensities.
    assert both.sum().item() * 16 == 561718


def test_binarization():
    grey, fixed, dynamic = (vl.digits(b) for b in ("none", "fixed", "dynamic"))
    assert set(fixed.train.unique().tolist()) == {0, 1} and torch.equal(
        fixed.train, vl.digits("fixed").train
    )
    assert torch.equal(dynamic.train, grey.train) and dynamic.transform is vl.binarize
    assert torch.equal(dynamic.test, fixed.test) and set(dynamic.test.unique().tolist()) == {0, 1}
    draws = torch.stack(
        [vl.binarize(grey.train[:50], torch.Generator().manual_seed(s)) for s in range(400)]
    )
    # At most five standard errors.
    assert (draws.mean(0) - grey.train[:50]).abs().max() < 5 * 0.5 / 20
    with pytest.raises(
        ValueError, match="binarization must be 'none', 'fixed' or 'dynamic', got 'static'"
    ):
        vl.digits("static")


def test_values_that_are_no_probabilities_are_not_binarized():
    drawn = vl.binarize(torch.tensor([0.0, 1.0, -1.0, 3.0, 255.0, torch.nan]))
    assert drawn[:2].tolist() == [0, 1] and drawn[2:].isnan().all()
    digits, parts = vl.digits().train * 255, (vl.mlp(64, 8, 4), vl.mlp(2, 8, 64), 2)
    with pytest.raises(ValueError, match="data after transform: every value must be finite"):
        vl.fit(lambda seed: vl.VAE(*parts), vl.elbo, digits, steps=1,
               transform=lambda x: vl.binarize(x))  # fmt: skip


def test_two_points():
    assert vl.two_points().tolist() == [[-1.0], [1.0]] and vl.two_points(500).mean() == 0
    for n in (0, 3, 2.0):
        with pytest.raises(ValueError, match="two_points: n must be an"):
            vl.two_points(n)


# MNIST, from a local server


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv("VAELIB_MIRROR", raising=False)


@pytest.fixture
def files(monkeypatch, tmp_path):
    """Four small files in MNIST's format, with their checksums; other data are hidden."""
    rng, contents = np.random.default_rng(0), {}
    for name in data.MNIST_FILES:
        n = 30 if name.startswith("train") else 10
        head = (
            struct.pack(">IIII", 2051, n, 28, 28)
            if "images" in name
            else struct.pack(">II", 2049, n)
        )
        size = n * 784 if "images" in name else n
        contents[name] = (
            head + rng.integers(0, 256 if "images" in name else 10, size, dtype=np.uint8).tobytes()
        )
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(data, "MNIST_FILES", sums)
    monkeypatch.delenv("VAELIB_DATA", raising=False)
    return {f"{name}.gz": gzip.compress(content) for name, content in contents.items()}


@contextlib.contextmanager
def server(files, asked):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            content = files.get(self.path.rsplit("/", 1)[1])
            self.send_response(200 if content is not None else 404)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/mnist/"
        running.shutdown()


def test_mnist_downloads_once_and_verifies(files, monkeypatch, tmp_path):
    asked = []
    with server(files, asked) as url:
        monkeypatch.setattr(data, "MNIST_MIRRORS", (url,))
        d = vl.mnist(cache=tmp_path)
        assert (
            d.train.shape == (30, 784)
            and d.test.shape == (10, 784)
            and d.train_labels.shape == (30,)
        )
        assert d.train.max() <= 1 and len(asked) == 4
        # From the cache.
        assert torch.equal(vl.mnist(cache=tmp_path).train, d.train) and len(asked) == 4
        kept = tmp_path / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
        kept.write_bytes(kept.read_bytes()[:1000])
        # A broken copy is replaced.
        assert torch.equal(vl.mnist(cache=tmp_path).train, d.train) and len(asked) == 5


@pytest.mark.parametrize("damage", ["truncated", "tampered", "not gzip"])
def test_a_broken_mirror_is_named_and_the_next_one_asked(damage, files, monkeypatch, tmp_path):
    broken = dict(files)
    good = files["t10k-images-idx3-ubyte.gz"]
    changed = bytearray(gzip.decompress(good))
    changed[100] ^= 1
    broken["t10k-images-idx3-ubyte.gz"] = {
        "truncated": good[: len(good) // 2],
        "tampered": gzip.compress(bytes(changed)),
        "not gzip": b"<html>moved</html>",
    }[damage]
    with server(broken, []) as bad, server(files, []) as url:
        monkeypatch.setattr(data, "MNIST_MIRRORS", (bad, url))
        assert vl.mnist(cache=tmp_path / "a").test.shape == (10, 784)
        monkeypatch.setattr(data, "MNIST_MIRRORS", (bad,))
        with pytest.raises(
            RuntimeError,
            match="t10k-images-idx3-ubyte.gz sent a broken file, which has been removed",
        ):
            vl.mnist(cache=tmp_path / "b")
        left = sorted(p.name for p in (tmp_path / "b").rglob("*.gz"))
        # Intact files downloaded before are kept.
        assert "t10k-images-idx3-ubyte.gz" not in left and len(left) == 2


@pytest.mark.parametrize("end", ["", "/"])
def test_ones_own_mirror_is_asked_first(end, files, monkeypatch, tmp_path):
    """It has the folders of $VAELIB_DATA; what it does not send comes from the public mirrors."""
    labels, first, then = "t10k-labels-idx1-ubyte.gz", [], []
    some = {name: content for name, content in files.items() if name != labels}
    with server(some, first) as own, server(files, then) as url:
        monkeypatch.setattr(data, "MNIST_MIRRORS", (url,))
        monkeypatch.setenv("VAELIB_MIRROR", own.rstrip("/") + end)
        assert vl.mnist(cache=tmp_path / "a").test.shape == (10, 784)
        assert first == [f"/mnist/MNIST/raw/{name}" for name in files] and then == [
            f"/mnist/{labels}"
        ]
        monkeypatch.setenv("VAELIB_MIRROR", f"http://127.0.0.1:9{end}")
        assert vl.mnist(cache=tmp_path / "b").test.shape == (10, 784) and len(then) == 5


def test_no_network_says_which_folder_to_fill(files, monkeypatch, tmp_path):
    monkeypatch.setattr(data, "MNIST_MIRRORS", ("http://127.0.0.1:9/mnist/",))
    with pytest.raises(RuntimeError) as error:
        vl.mnist(cache=tmp_path)
    message = str(error.value)
    assert (
        "did not answer" in message
        and f"into {tmp_path / 'MNIST' / 'raw'}" in message
        and "VAELIB_DATA" in message
    )
    with pytest.raises(FileNotFoundError, match="download=True"):
        vl.mnist(cache=tmp_path, download=False)


def test_a_folder_that_cannot_be_written(files, monkeypatch, tmp_path):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(pooch, "retrieve", refuse)
    with pytest.raises(
        RuntimeError, match="cache folder .* cannot be written .Permission denied.*cache="
    ):
        vl.mnist(cache=tmp_path)


def test_a_broken_file_of_the_users_own_is_named_and_kept(files, monkeypatch, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in files.items():
        (raw / name).write_bytes(content)
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path))
    assert len(vl.mnist(cache=tmp_path / "cache").train) == 30 and not (tmp_path / "cache").exists()
    (raw / "train-labels-idx1-ubyte.gz").write_bytes(b"")
    with pytest.raises(ValueError, match="train-labels-idx1-ubyte.gz is truncated or modified"):
        vl.mnist(cache=tmp_path / "cache")
    assert (raw / "train-labels-idx1-ubyte.gz").exists()


@pytest.mark.parametrize("download", [False, True])
def test_a_mistyped_data_folder_is_named(tmp_path, monkeypatch, download):
    monkeypatch.setenv("VAELIB_DATA", str(tmp_path / "typo"))
    with pytest.raises(ValueError, match=r"VAELIB_DATA must be a folder, got '.*typo'\."):
        vl.mnist(download=download)


def test_the_real_mnist():
    need_data("mnist")
    d = vl.mnist()
    assert d.train.shape == (60_000, 784) and d.test.shape == (10_000, 784)
    assert torch.bincount(d.test_labels).tolist() == [
        980,
        1135,
        1032,
        1010,
        982,
        892,
        958,
        1028,
        974,
        1009,
    ]
    assert d.train.mean().item() == pytest.approx(0.1307, abs=1e-4)


# Omniglot, from a local server


def drawings(characters):
    """A zip in Omniglot's layout: 20 drawings of each named character.

    The row of a bar of ink identifies the drawing.
    """
    from PIL import Image

    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for i, character in enumerate(characters):
            for drawing in range(1, 21):
                pixels = np.full((105, 105), 255, np.uint8)
                pixels[4 * drawing : 4 * drawing + 4] = 0
                png = io.BytesIO()
                Image.fromarray(pixels).convert("1").save(png, "PNG")
                archive.writestr(f"images/{character}/{i:04d}_{drawing:02d}.png", png.getvalue())
    return file.getvalue()


def test_omniglot_splits_by_drawer_and_takes_a_repeated_alphabet_once(monkeypatch, tmp_path):
    monkeypatch.delenv("VAELIB_DATA", raising=False)
    first, second = (
        drawings(["Greek/character01", "Latin/character01"]),
        drawings(["Greek/character01"]),
    )
    files, asked = (
        {"images_background_small1.zip": first, "images_background_small2.zip": second},
        [],
    )
    with server(files, asked) as url:
        monkeypatch.setattr(data, "OMNIGLOT_HOME", (url,))
        d = vl.omniglot("small", cache=tmp_path)
        assert d.train.shape == (30, 784) and d.test.shape == (10, 784) and d.shape == (1, 28, 28)
        assert torch.bincount(d.train_labels).tolist() == [15, 15] and torch.bincount(
            d.test_labels
        ).tolist() == [5, 5]
        ink = d.train.view(-1, 28, 28).sum((1, 2)) / 28 * 105 / 28  # rows of ink, in the old pixels
        assert torch.allclose(ink, torch.tensor(4.0)) and d.train.max() <= 1 and d.train.min() == 0
        note = tmp_path / "omniglot" / "images_background_small1.zip.sha256"
        assert note.read_text().split()[0] == hashlib.sha256(first).hexdigest()
        # Not the same file as the first time.
        (tmp_path / "omniglot" / "images_background_small1.zip").write_bytes(second)
        assert len(vl.omniglot("small", cache=tmp_path).train) == 30 and len(asked) == 3
        for file in files:
            files[file] = b"<html>moved</html>"
        with pytest.raises(RuntimeError, match="images_background_small1.zip sent a broken file"):
            vl.omniglot("small", cache=tmp_path / "other")
        with pytest.raises(RuntimeError, match="images_background.zip did not answer"):
            vl.omniglot("drawings", cache=tmp_path)
    with pytest.raises(ValueError, match="source must be chardata, drawings, small, got 'all'"):
        vl.omniglot("all")


def test_omniglot_of_the_iwae_paper(monkeypatch, tmp_path):
    from scipy.io import savemat

    monkeypatch.delenv("VAELIB_DATA", raising=False)
    rng, file = np.random.default_rng(0), io.BytesIO()
    arrays = {
        "data": rng.random((784, 12)),
        "testdata": rng.random((784, 5)),
        "targetchar": np.arange(12)[None],
        "testtargetchar": np.arange(5)[None],
    }
    savemat(file, arrays)
    with (
        server({"chardata.mat": file.getvalue()}, []) as url,
        server({"chardata.mat": b"<html>"}, []) as broken,
    ):
        monkeypatch.setattr(data, "CHARDATA_HOME", (broken, url))
        d = vl.omniglot("chardata", cache=tmp_path)
        assert np.allclose(d.train, arrays["data"].T) and d.test_labels.tolist() == list(range(5))
        with pytest.raises(RuntimeError, match="chardata.mat sent a broken file"):
            monkeypatch.setattr(data, "CHARDATA_HOME", (broken,))
            vl.omniglot("chardata", cache=tmp_path / "other")


def test_the_real_small_omniglot():
    need_data("omniglot")
    d = vl.omniglot("small")
    assert d.train.shape == (242 * 15, 784) and d.test.shape == (242 * 5, 784)
    if own := os.environ.get("VAELIB_DATA"):
        # Nothing is written to the user's own folder.
        assert not list(Path(own, "omniglot").glob("*.sha256"))


# CIFAR-10 and CelebA


def test_cifar10_is_read_from_the_binary_archive(monkeypatch, tmp_path):
    import tarfile

    monkeypatch.delenv("VAELIB_DATA", raising=False)
    rng, file = np.random.default_rng(0), io.BytesIO()
    rows = {
        f"data_batch_{i}.bin": rng.integers(0, 10, (4, 3073), dtype=np.uint8) for i in range(1, 6)
    }
    rows["test_batch.bin"] = rng.integers(0, 10, (4, 3073), dtype=np.uint8)
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in reversed(rows.items()):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = content.size
            archive.addfile(info, io.BytesIO(content.tobytes()))
    monkeypatch.setattr(data, "CIFAR10_ROWS", 4)
    monkeypatch.setattr(data, "CIFAR10_SUM", hashlib.sha256(file.getvalue()).hexdigest())
    with server({"cifar-10-binary.tar.gz": file.getvalue()}, []) as url:
        monkeypatch.setattr(data, "CIFAR10_HOME", (url,))
        d = vl.cifar10(cache=tmp_path)
    assert d.train.shape == (20, 3072) and d.test.shape == (4, 3072) and d.shape == (3, 32, 32)
    assert torch.equal(d.test_labels, torch.tensor(rows["test_batch.bin"][:, 0]).long())
    assert torch.allclose(d.train[4] * 255, torch.tensor(rows["data_batch_2.bin"][0, 1:]).float())
    monkeypatch.setattr(data, "CIFAR10_SUM", "0" * 64)
    monkeypatch.setattr(data, "CIFAR10_HOME", ("http://127.0.0.1:9/",))
    with pytest.raises(
        RuntimeError,
        match="cifar-10-binary.tar.gz was broken and has been removed; .* did not answer",
    ):
        vl.cifar10(cache=tmp_path)


def test_svhn_is_read_from_its_mat_files(monkeypatch, tmp_path):
    from scipy.io import savemat

    monkeypatch.delenv("VAELIB_DATA", raising=False)
    rng, files, sums = np.random.default_rng(0), {}, {}
    for name, n in (("train_32x32.mat", 6), ("test_32x32.mat", 3)):
        arrays = {
            "X": rng.integers(0, 256, (32, 32, 3, n), dtype=np.uint8),
            "y": np.arange(10, 10 - n, -1)[:, None],
        }
        content = io.BytesIO()
        savemat(content, arrays)
        files[name], sums[name] = content.getvalue(), hashlib.md5(content.getvalue()).hexdigest()
    monkeypatch.setattr(data, "SVHN_FILES", sums)
    with server(files, []) as url:
        monkeypatch.setattr(data, "SVHN_HOME", (url,))
        d = vl.svhn(cache=tmp_path)
    assert (
        d.train.shape == (6, 3072)
        and d.shape == (3, 32, 32)
        and d.test_labels.tolist() == [0, 9, 8]
    )
    first = arrays["X"][..., 0].transpose(2, 0, 1).reshape(-1)
    assert torch.allclose(d.test[0] * 255, torch.tensor(first).float())
