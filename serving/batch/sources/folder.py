"""The photos of a folder and those below it, never listed as a whole."""

import os
from collections.abc import Iterator
from pathlib import Path

from serving.batch.items import Found, Trouble, file_item, is_photo, printable
from serving.batch.places import Place
from serving.batch.remote import Remote

Number = tuple[int, int]
"""A folder's device and number there."""


def find_in_folder(folder: Path, out: Place) -> Iterator[Found]:
    """
    Give a folder's photos as the system lists them, links followed.

    Args:
        folder: Where to look.
        out: Passed over if it lies below: masks are no photos.

    Yields:
        Items named by their path below the folder; a Trouble for each folder that cannot be read.
    """
    inner, outer = _number(folder), None if isinstance(out, Remote) else _number(out)
    yield from _walk(str(folder), "", {inner} if inner else set(), outer)


def _walk(folder: str, name: str, above: set[Number], out: Number | None) -> Iterator[Found]:
    """Go through one folder; `above` are those that it lies in, so that a link back to them ends."""
    try:
        entries = os.scandir(folder)
    except OSError as error:
        yield Trouble(printable(folder), f"cannot be read ({error.strerror or error})")
        return
    with entries:
        for entry in entries:
            inner = f"{name}{entry.name}"
            if _is_folder(entry):
                number = _number(Path(entry.path))
                if number != out and number not in above:
                    below = {*above, number} if number else above
                    yield from _walk(entry.path, f"{inner}/", below, out)
            elif is_photo(entry.name):
                yield file_item(Path(entry.path), printable(inner))


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _number(path: Path) -> Number | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
