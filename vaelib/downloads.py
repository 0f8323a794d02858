"""Files from elsewhere: looked for on this machine, else downloaded, verified, and named when something is wrong.

VAELIB_MIRROR, where set, is a web address that is asked before the public ones, for instance within a firewall or for
a class; below it lie the same folders as in $VAELIB_DATA (MNIST/raw, omniglot, ...).
"""

import gzip
import hashlib
import os
import zlib
from pathlib import Path


def fetch(dataset, file, folder, mirrors, read, cache=None, download=True):
    """What `read` makes of a file; it is looked for in $VAELIB_DATA/folder, then in the cache, then on the mirrors.

    read: path -> content, or None where the file is not the one expected. cache: default the user's cache folder.
    $VAELIB_MIRROR/folder is the first of the mirrors.
    ValueError: the file in $VAELIB_DATA is broken; it is left as it is. FileNotFoundError: download=False and the file
    is not here, or it is not in $VAELIB_DATA and pooch or requests, which know the cache and download, are not
    installed. RuntimeError: no mirror sent it whole, or the cache cannot be written.
    """
    given = Path(os.environ.get("VAELIB_DATA") or os.devnull) / folder / file
    if given.exists():
        if (content := read(given)) is None:
            raise ValueError(f"{dataset}: {given} is truncated or altered; replace or remove it.")
        return content
    try:
        import pooch
        import requests
    except ModuleNotFoundError as error:
        raise FileNotFoundError(
            f"{dataset}: {file} is not in $VAELIB_DATA, and the package {error.name}, which a download needs, is not "
            f"installed. Set VAELIB_DATA to a folder that holds {folder}/{file}, or install {error.name}."
        ) from None
    home = Path(cache or pooch.os_cache("vaelib")) / folder
    kept, problems = home / file, []
    if kept.exists():
        if (content := read(kept)) is not None:
            return content
        kept.unlink()
        problems.append(f"{kept} was broken and has been removed")
    advice = f"Put {file} into {home}, or set VAELIB_DATA to a folder that holds {folder}/{file}"
    if not download:
        raise FileNotFoundError(f"{dataset}: {file} is not on this machine. {advice}, or call with download=True.")
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
                f"{dataset}: the cache folder {home} cannot be written ({error.strerror or error}). "
                "Name another with cache=..., or set VAELIB_DATA to a folder that holds the files."
            ) from error
        if (content := read(kept)) is not None:
            return content
        kept.unlink()
        problems.append(f"{mirror + file} sent a broken file, which has been removed")
    raise RuntimeError(f"{dataset}: {'; '.join(problems)}. {advice}.")


def gunzip(sha256):
    """A reader for `fetch`: the uncompressed bytes of a gzip file, whose SHA-256 is given, so that any gzip will do."""

    def read(path):
        try:
            content = gzip.decompress(path.read_bytes())
        except (gzip.BadGzipFile, EOFError, zlib.error):
            return None
        return content if hashlib.sha256(content).hexdigest() == sha256 else None

    return read


def checked(parse, **expected):
    """A reader for `fetch`: what `parse` makes of the file, if the file has the sum given as md5=... or sha256=...

    Where no sum is published (none given), the SHA-256 of the first copy in the cache that could be parsed is written
    beside it, and held against the file from then on; nothing is written to $VAELIB_DATA.
    """

    def read(path):
        name, wanted = next(iter(expected.items()), ("sha256", None))
        with open(path, "rb") as file:
            found = hashlib.file_digest(file, name).hexdigest()
        note = path.with_name(path.name + ".sha256")
        if wanted is None and note.exists():
            wanted = note.read_text().split()[0]
        if wanted not in (None, found):
            return None
        try:
            content = parse(path)
        except Exception:  # not that file: what a parser makes of a stranger's bytes is its own affair
            return None
        if wanted is None and not path.is_relative_to(os.environ.get("VAELIB_DATA") or os.devnull):
            note.write_text(f"{found}  {path.name} (as first seen here; no sum is published)\n")
        return content

    return read
