"""The photos of this machine that a pattern names."""

import glob
import os
from collections.abc import Iterator
from pathlib import Path

from serving.batch.items import Found, Trouble, file_item, inside, is_photo
from serving.batch.places import Place
from serving.batch.remote import Remote


def find_by_glob(pattern: Path, out: Place) -> Iterator[Found]:
    """
    Give the photos that a pattern names, each by its path below the folder where the pattern begins.

    Args:
        pattern: A path with "*", "?" or "[...]" in it; "**" stands for any folders.
        out: Passed over if it lies below that folder: masks are no photos.

    Yields:
        Items; a Trouble for each photo that ".." in the pattern leads to outside.
    """
    root, below = split_glob(pattern)
    masks = None if isinstance(out, Remote) else _real(out)
    kept_out = masks if masks and masks.is_relative_to(_real(root)) else None
    for found in glob.iglob(below, root_dir=root, recursive=True):  # noqa: PTH207 -- a folder's list at a time
        path = root / found
        if not is_photo(found) or os.path.isdir(path):  # noqa: PTH112 -- never raises
            continue
        if kept_out and _real(path).is_relative_to(kept_out):
            continue
        name = inside(found)
        yield (
            file_item(path, name) if name else Trouble(str(path), "its path leaves the folder of the pattern")
        )


def is_glob(path: Path) -> bool:
    """Tell whether a path is a pattern; one that is there is that file or folder, whatever it is called."""
    return glob.has_magic(str(path)) and not os.path.exists(path)  # noqa: PTH110 -- never raises


def split_glob(pattern: Path) -> tuple[Path, str]:
    """Give the folder where a pattern begins, and what it says of the paths below."""
    first = next(index for index, part in enumerate(pattern.parts) if glob.has_magic(part))
    return Path(*pattern.parts[:first]), str(Path(*pattern.parts[first:]))


def one_at_least(found: Iterator[Found], pattern: str) -> Iterator[Found]:
    """Give what was found by a pattern; that it is nothing is trouble, as it was typed for something."""
    none = True
    for each in found:
        none = False
        yield each
    if none:
        yield Trouble(pattern, "fits no photo")


def _real(path: Path) -> Path:
    return Path(os.path.realpath(path))  # Path.resolve would stumble over a link to itself
