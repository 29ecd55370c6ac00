"""A text file with the path of a photo on each line."""

import os
from collections.abc import Iterator
from pathlib import Path

from serving.batch.items import Found, Trouble, file_item, printable


def find_in_list(path: Path) -> Iterator[Found]:
    """
    Give the photos that a text file lists, in its order; it is read line by line.

    Args:
        path: UTF-8, a path per line, relative to the file's own folder; empty lines and "# ..." say nothing.

    Yields:
        Items named by their path below the list's folder; those elsewhere by their whole path.
    """
    folder = os.path.abspath(path.parent)  # noqa: PTH100 -- a link's own name, where resolve() gives its target
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape") as lines:
            for line in lines:
                words = line.strip("\r\n")
                if words.strip() and not words.startswith("#"):
                    yield _item(folder, words)
    except OSError as error:
        yield Trouble(str(path), f"cannot be read ({error.strerror or error})")


def _item(folder: str, words: str) -> Found:
    if "\0" in words:
        return Trouble(printable(words), "no path has a NUL in it")
    whole = os.path.normpath(os.path.join(folder, words))  # noqa: PTH118 -- a million times, and without links
    name = whole.removeprefix(folder.rstrip("/") + "/")
    return file_item(Path(whole), printable(name.lstrip("/")))
