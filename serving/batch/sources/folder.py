"""The photos of a folder and those below it, never listed as a whole."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from serving.batch.items import Found, Item, Trouble, file_item, is_photo
from serving.batch.places import Place
from serving.batch.remote import Remote

Number = tuple[int, int]
"""A folder's device and number there."""


@dataclass(frozen=True, slots=True)
class Rules:
    """
    How a folder is gone through.

    Args:
        make: Gives the item of a file, by its path and its name below the folder.
        follows: Tells whether a link may be followed.
    """

    make: Callable[[Path, str], Item] = file_item
    follows: Callable[[Path], bool] = lambda _: True


ALL = Rules()


def find_in_folder(folder: Path, out: Place, rules: Rules = ALL) -> Iterator[Found]:
    """
    Give a folder's photos as the system lists them, links followed.

    Args:
        folder: Where to look.
        out: Passed over if it lies below: masks are no photos.
        rules: Where not all may be looked at.

    Yields:
        Items named by their path below the folder; a Trouble for each folder that cannot be read, and each
        link that is not followed.
    """
    inner, outer = _number(folder), None if isinstance(out, Remote) else _number(out)
    yield from _walk(str(folder), "", {inner} if inner else set(), outer, rules)


def _walk(folder: str, name: str, above: set[Number], out: Number | None, rules: Rules) -> Iterator[Found]:
    """Go through one folder; `above` are those that it lies in, so that a link back to them ends."""
    for entry in _list(folder):
        if isinstance(entry, Trouble):
            yield entry
        elif entry.is_symlink() and not rules.follows(Path(entry.path)):
            yield Trouble(entry.path, "is a link that leads out of the folders that are allowed")
        elif _is_folder(entry):
            number = _number(Path(entry.path))
            if number != out and number not in above:
                below = {*above, number} if number else above
                yield from _walk(entry.path, f"{name}{entry.name}/", below, out, rules)
        elif is_photo(entry.name):
            yield rules.make(Path(entry.path), f"{name}{entry.name}")


def _list(folder: str) -> "Iterator[os.DirEntry[str] | Trouble]":
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError as error:  # of a failing disk in the midst of it
        yield Trouble(folder, f"cannot be read ({error.strerror or error})")


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
