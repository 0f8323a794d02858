"""Data files: found on this machine or downloaded, with verified checksums and clear errors.

VAELIB_MIRROR, if set, is a web address that is tried before the public ones, for example behind a
firewall or for a class; it must have the same folders as $VAELIB_DATA (MNIST/raw, omniglot, ...).
"""

import gzip
import hashlib
import os
import zlib
from pathlib import Path


def fetch(dataset, file, folder, mirrors, read, cache=None, download=True):
    """The content of a file in $VAELIB_DATA/folder, the cache or on the mirrors, parsed by `read`.

    read: path -> content, or None if the file is not the expected one.
    cache: default the user's cache folder. $VAELIB_MIRROR/folder is tried before the other mirrors.
    ValueError: $VAELIB_DATA is not a folder, or the file in it is broken; it is not changed.
    FileNotFoundError: download=False and the file is not here, or it is not in $VAELIB_DATA and
        pooch or requests, which manage the cache and download, are not installed.
    RuntimeError: no mirror returned an intact file, or the cache cannot be written.
    """
    own = os.environ.get("VAELIB_DATA")
    if own and not Path(own).is_dir():
        raise ValueError(f"VAELIB_DATA must be a folder, got {own!r}.")
    given = Path(own or os.devnull) / folder / file
    if given.exists():
        if (content := read(given)) is None:
            raise ValueError(f"{dataset}: {given} is truncated or modified; replace or remove it.")
        return content
    try:
        import pooch
        import requests
    except ModuleNotFoundError as error:
        raise FileNotFoundError(
            f"{dataset}: {file} is not in $VAELIB_DATA, "
            f"and the package {error.name}, which a download needs, is not installed. "
            f"Set VAELIB_DATA to a folder that contains {folder}/{file}, or install {error.name}."
        ) from None
    home = Path(cache or pooch.os_cache("vaelib")) / folder
    kept, problems = home / file, []
    if kept.exists():
        if (content := read(kept)) is not None:
            return content
        kept.unlink()
        problems.append(f"{kept} was broken and has been removed")
    advice = f"Put {file} into {home}, or set VAELIB_DATA to a folder that contains {folder}/{file}"
    if not download:
        raise FileNotFoundError(
            f"{dataset}: {file} is not on this machine. {advice}, or call with download=True."
        )
    pooch.get_logger().setLevel("WARNING")
    if own := os.environ.get("VAELIB_MIRROR"):
        mirrors = (f"{own.rstrip('/')}/{folder}/", *mirrors)
    for mirror in mirrors:
        try:
            get = pooch.HTTPDownloader(progressbar=not os.environ.get("TQDM_DISABLE"), timeout=30)
            pooch.retrieve(mirror + file, None, file, home, downloader=get)
        except requests.RequestException as error:
            problems.append(f"{mirror + file} did not answer ({type(error).__name__})")
            continue
        except OSError as error:
            raise RuntimeError(
                f"{dataset}: the cache folder {home} cannot be written "
                f"({error.strerror or error}). Name another with cache=..., "
                "or set VAELIB_DATA to a folder that contains the files."
            ) from error
        if (content := read(kept)) is not None:
            return content
        kept.unlink()
        problems.append(f"{mirror + file} sent a broken file, which has been removed")
    raise RuntimeError(f"{dataset}: {'; '.join(problems)}. {advice}.")


def gunzip(sha256):
    """A reader for `fetch`: the uncompressed bytes of a gzip file, verified by their SHA-256."""

    def read(path):
        try:
            content = gzip.decompress(path.read_bytes())
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return None
        return content if hashlib.sha256(content).hexdigest() == sha256 else None

    return read


def checked(parse, **expected):
    """A reader for `fetch`: the file parsed by `parse`, if its checksum is md5=... or sha256=...

    If no checksum is published (none given), the SHA-256 of the first copy in the cache that could
    be parsed is recorded next to it and compared from then on; nothing is written to $VAELIB_DATA.
    """

    def read(path):
        name, wanted = next(iter(expected.items()), ("sha256", None))
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, name).hexdigest()
        note = path.with_name(path.name + ".sha256")
        if wanted is None and note.exists():
            wanted = note.read_text().split()[0]
        if wanted not in (None, digest):
            return None
        try:
            content = parse(path)
        except Exception:  # any parsing error means that this is not the expected file
            return None
        if wanted is None and not path.is_relative_to(os.environ.get("VAELIB_DATA") or os.devnull):
            origin = "recorded at the first download; no published checksum"
            note.write_text(f"{digest}  {path.name} ({origin})\n")
        return content

    return read
