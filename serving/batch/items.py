"""One photo of a batch, wherever it comes from, and what is known of it before it is read."""

import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from contract.errors import ImageTooLarge, InvalidImage

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
"""What photos end in, in any case; other files in folders and archives are passed over."""

MAX_BYTES = 2**28
"""A longer file is no photo: it is refused before it is read, and so no archive unfolds in memory."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a photo is the same as before without reading it: its length and its time."""

    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Item:
    """
    One photo.

    Args:
        name: Relative path with "/", without "." and ".."; its masks lie there. Kept as `printable` gives it.
        origin: What to call it in messages; kept so too.
        read: Gives its bytes; raises an ImageError or OSError where it cannot.
        stamp: None where nothing is known before it is read.
        passing: It can be read only until the next item is asked for, as in a stream.
        path: Where it lies, if it is a file that other machines may have too.
    """

    name: str
    origin: str
    read: Callable[[], bytes]
    stamp: Stamp | None = None
    passing: bool = False
    path: Path | None = None

    def __post_init__(self) -> None:
        _keep_printable(self, "name", "origin")


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    What should have been a photo, or photos, and is none.

    Args:
        origin: What to call it.
        reason: Why.
    """

    origin: str
    reason: str

    def __post_init__(self) -> None:
        _keep_printable(self, "origin", "reason")


Found = Item | Trouble


def is_photo(name: str) -> bool:
    """Tell by a name whether it is that of a photo."""
    return name.lower().endswith(SUFFIXES)


def stem(name: str) -> str:
    """Give a name without a photo's suffix; masks are named by it."""
    root, dot, suffix = name.rpartition(".")
    return root if dot and root and f".{suffix.lower()}" in SUFFIXES else name


def inside(path: str) -> str | None:
    """Give a path as an item's name; None where it leaves its folder, or is none."""
    pure = PurePosixPath(printable(path))
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        return None
    return str(pure)


def printable(path: str) -> str:
    r"""Give a path as text: bytes that are no UTF-8 become \udc.., as no database keeps them otherwise."""
    return path.encode("utf-8", "backslashreplace").decode()


def file_item(path: Path, name: str) -> Item:
    """Give the item of a file; a missing one says so when it is read."""
    return Item(name, str(path), lambda: read_file(path), find_stamp(path), path=path)


def find_stamp(path: Path) -> Stamp | None:
    """Give what tells a file from another one of its path; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def check_length(length: int) -> None:
    """
    Refuse what is too long to be a photo.

    Raises:
        ImageTooLarge: If it is.
    """
    if length > MAX_BYTES:
        raise ImageTooLarge(f"{length:,} bytes are more than a photo has, {MAX_BYTES:,} at most")


def read_file(path: Path) -> bytes:
    """
    Give a photo's bytes.

    Raises:
        InvalidImage, ImageTooLarge: If it is not there, cannot be read or is too long for one.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # a pipe has no end, and no length beforehand
            raise InvalidImage("is no plain file")
        check_length(status.st_size)
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError as error:
        raise InvalidImage("no such file") from error
    except OSError as error:
        raise InvalidImage(f"cannot be read ({error.strerror or error})") from error
    check_length(len(data))
    return data


def _keep_printable(found: Found, *names: str) -> None:
    for name in names:
        object.__setattr__(found, name, printable(getattr(found, name)))
