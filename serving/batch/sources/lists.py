"""A text file with the path or URI of a photo on each line."""

import io
from collections.abc import Iterator
from pathlib import Path

from serving.batch.items import Found, Trouble
from serving.batch.places import Place
from serving.batch.remote import Remote
from serving.batch.sources.links import Link, folder_of, look_up, resolve


def find_in_list(path: Place) -> Iterator[Found]:
    """
    Give the photos that a text file lists, in its order; it is read line by line.

    Args:
        path: UTF-8, a URI or path per line, relative to the file's own folder; empty lines and "# ..." say
            nothing. One at a URI names no paths of this machine.

    Yields:
        Items named by their path below the list's folder; those elsewhere by their whole path, or by host
        and path.

    Raises:
        DependencyMissing: If a package is missing that speaks to a URI.
    """
    return look_up(_resolved(path))


def count_in_list(path: Path) -> int:
    """Give how many photos a text file lists; 0 where it cannot be read."""
    try:
        return sum(1 for _ in _lines(path))
    except OSError:
        return 0


def first_in_list(path: Path) -> str:
    """Give the first that a text file lists; nothing where it is none, or cannot be read."""
    try:
        return next(_lines(path), "") if path.name.lower().endswith(".txt") else ""
    except OSError:
        return ""


def _resolved(path: Place) -> Iterator[Found | Link]:
    folder = folder_of(path)
    try:
        for words in _lines(path):
            yield resolve(folder, words)
    except OSError as error:
        yield Trouble(str(path), f"cannot be read ({error.strerror or error})")


def _lines(path: Place) -> Iterator[str]:
    # A list at a URI is copied first: no server waits with half of it until the last photo is done.
    with (
        path.copied() if isinstance(path, Remote) else path.open("rb") as stream,
        io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape") as lines,
    ):
        for line in lines:
            words = line.strip("\r\n")
            if words.strip() and not words.startswith("#"):
                yield words
