"""What was handed in: every file in a folder, and in the zip files in it, each opened with care.

`find` yields the files that may be notebooks, and notes a reason for every other one. A zip file is
never unpacked to the disk. Nothing here needs nbgrader.
"""

import io
import os
import re
import stat
import unicodedata
import zipfile
import zlib
from datetime import datetime
from pathlib import Path

from dates import UTC

LONGEST_FILE = 10_000_000  # bytes of a notebook
LONGEST_ZIP = 100_000_000  # bytes of a zip file within a zip file
MOST_FILES = 10_000  # entries of a zip file
MOST_BYTES = 2_000_000_000  # unpacked bytes that are read of one zip file, those within it included
DEEPEST = 3  # zip files within one another
PICTURES = {".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".heic", ".bmp", ".tif", ".tiff"}
BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError, OSError,
          ValueError, OverflowError)  # fmt: skip


def hidden(name):
    return name.startswith((".", "__MACOSX")) or name.lower() in ("thumbs.db", "desktop.ini")


def find(place, left, zone=None):
    """Yield a dict for each file that may be a notebook: path, folders, file, zips, time, content.

    folders: the folders it lies in, those in zip files included; zips: the zip files' names;
    time: of the file, or of a student's own zip file. left: a function of (path, reason).
    """
    place = Path(place)
    if place.is_dir():
        yield from on_disk(place, (), left, zone)
    else:
        yield from opened(place, (place.name,), (), (), None, left, zone)


def on_disk(place, folders, left, zone):
    """Yield the files of a folder on the disk."""
    entries = sorted(place.iterdir())
    if not entries and folders:
        left("/".join(folders), "an empty folder")
    for path in entries:
        name = unicodedata.normalize("NFC", path.name)
        shown = "/".join((*folders, name))
        if hidden(name):
            left(shown, "a hidden file or folder")
        elif path.is_symlink():
            left(shown, "a link; links are not followed")
        elif path.is_dir():
            yield from on_disk(path, (*folders, name), left, zone)
        else:
            yield from opened(path, (*folders, name), folders, (), None, left, zone)


def opened(path, shown, folders, zips, time, left, zone):
    """Yield a file of the disk, or the files of a zip file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        left("/".join(shown), f"it cannot be opened ({error.strerror})")
        return
    with open(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            left("/".join(shown), "not a regular file")
            return
        time = datetime.fromtimestamp(seen.st_mtime, UTC)
        yield from sorted_out(file, seen.st_size, shown, folders, zips, time, left, zone, [0])


def sorted_out(file, size, shown, folders, zips, time, left, zone, budget):
    """Yield a file if it may be a notebook, or the files of a zip file; else note the reason."""
    path, suffix = "/".join(shown), Path(shown[-1]).suffix.lower()
    if suffix == ".zip":
        if len(zips) >= DEEPEST:
            left(path, f"more than {DEEPEST} zip files within one another")
        else:
            yield from in_zip(file, shown, folders, zips, time, left, zone, budget)
    elif suffix in PICTURES:
        left(path, "a picture, not a notebook")
    elif ".ipynb" not in shown[-1].lower() and suffix not in ("", ".txt", ".json"):
        left(path, "not a notebook")
    elif size > LONGEST_FILE:
        left(path, f"too large; a notebook may have {LONGEST_FILE:,} bytes, it has {size:,}")
    else:
        content = file.read(LONGEST_FILE + 1)
        budget[0] += len(content)
        yield {"path": path, "folders": folders, "file": shown[-1], "zips": zips, "time": time,
               "content": content}  # fmt: skip


def name_of(entry):
    """Return an entry's name; a Mac writes UTF-8 without saying so."""
    name = entry.filename
    if not entry.flag_bits & 0x800:
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            pass
    return unicodedata.normalize("NFC", name)


def time_of(entry, zone):
    """Return the time of an entry, in the course's zone; None if it is that of no clock."""
    try:
        time = datetime(*entry.date_time)
    except ValueError:
        return None
    if time.year <= 1980:
        return None
    return (time.replace(tzinfo=zone) if zone else time).astimezone(UTC)


def refused(entry, name):
    """Return why an entry of a zip file is not opened, or None."""
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "its path in the zip file is absolute"
    if ".." in re.split(r"[/\\]", name):
        return "its path in the zip file leads outside"
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "a link; links are not followed"
    if entry.flag_bits & 1:
        return "it is encrypted"
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is compressed by a method other than deflate"
    return None


def in_zip(file, shown, folders, zips, time, left, zone, budget):
    """Yield the files of a zip file. Its own path names the student, if it lies in a folder."""
    path = "/".join(shown)
    try:
        archive = zipfile.ZipFile(file)
        entries = archive.infolist()
    except BROKEN as error:
        left(path, f"a zip file that cannot be read ({type(error).__name__})")
        return
    if len(entries) > MOST_FILES:
        left(path, f"a zip file with more than {MOST_FILES:,} files")
        return
    named = [(entry, name_of(entry)) for entry in entries]
    if not entries:
        left(path, "an empty zip file")
    around = 0 if folders or zips else around_all(name for _, name in named)
    for entry, name in named:
        inner = tuple(part for part in re.split(r"[/\\]", name) if part not in ("", "."))
        here = (*shown, *inner)
        if reason := refused(entry, name):
            left(path + "/" + name, reason)
        elif any(hidden(part) for part in inner):
            left("/".join(here), "a hidden file or folder")
        elif entry.is_dir():
            if not any(other != name and other.startswith(name) for _, other in named):
                left("/".join(here), "an empty folder")
        elif budget[0] > MOST_BYTES:
            left("/".join(here), f"the zip file has more than {MOST_BYTES:,} bytes")
        else:
            own = bool(folders) or bool(zips)  # a student's own: handed in with the zip file
            when = time if own else time_of(entry, zone)
            longest = LONGEST_ZIP if here[-1].lower().endswith(".zip") else LONGEST_FILE
            if entry.file_size > longest:
                left("/".join(here), f"too large; it may have {longest:,} bytes, "
                     f"it has {entry.file_size:,}")  # fmt: skip
                continue
            try:
                content = io.BytesIO(b"")
                if here[-1].lower().endswith(".zip") or may_be_notebook(here[-1]):
                    with archive.open(entry) as packed:
                        content = io.BytesIO(packed.read(longest + 1))
            except BROKEN as error:
                left("/".join(here), f"it cannot be unpacked ({type(error).__name__})")
                continue
            budget[0] += content.getbuffer().nbytes
            inside = (*folders, *inner[around:-1])
            yield from sorted_out(content, entry.file_size, here, inside, (*zips, shown[-1]),
                                  when, left, zone, budget)  # fmt: skip


def around_all(names):
    """Return 1 if all files of a zip file lie in one folder that holds several folders, else 0."""
    split = [name.split("/") for name in names if not any(map(hidden, name.split("/")[:-1]))]
    deep = all(len(parts) > 2 or parts[1:] == [""] for parts in split)
    several = len({parts[1] for parts in split if len(parts) > 2}) > 1
    return int(deep and several and len({parts[0] for parts in split}) == 1)


def may_be_notebook(name):
    return ".ipynb" in name.lower() or Path(name).suffix.lower() in ("", ".txt", ".json")
