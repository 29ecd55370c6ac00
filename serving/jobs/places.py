"""Where a job's photos lie: in its archive, or under folders that the operator allows; no link leads out."""

import os
import stat
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from contract.errors import ImageTooLarge, InvalidImage, InvalidParameter
from serving.batch.items import Found, Item, Stamp, Trouble, is_photo, printable
from serving.batch.sources.folder import Rules, find_in_folder
from serving.batch.sources.tar import find_in_tar
from serving.batch.sources.zip import find_in_zip

TAR, ZIP = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"), (".zip",)

UNFOLDED, UNFOLDED_LEAST = 20, 2**30
"""Tar archives may unfold to so many times their length, or so many bytes; photos hardly do at all."""

MOST_LIST_BYTES = 2**25
"""Of a zip archive: about 300,000 photos."""

LIST_SIZE = 5
"""Its place in what zipfile knows of an archive's end."""

OPEN = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe under a photo's name is not waited for."""


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where photos lie.

    Args:
        path: A folder, an archive or a photo, without links.
        root: The folder that nothing may lead out of, without links.
        shown: What clients know the place as; empty for their own archive.
    """

    path: Path
    root: Path
    shown: str = ""

    @property
    def is_counted(self) -> bool:
        """Tell whether its photos are counted without reading all of them."""
        return not self.path.name.lower().endswith(TAR)

    def show(self, text: str) -> str:
        """Say what clients know in the place of the server's own paths."""
        path = printable(str(self.path))
        text = text.replace(f"{path}/", f"{self.shown}/" if self.shown else "")
        return text.replace(path, self.shown or "the archive").replace(printable(str(self.root)), "")


def find_place(words: str, roots: Mapping[str, Path]) -> Place:
    """
    Give the place that a client names: a root's name, and what lies below.

    Raises:
        InvalidParameter: If there is no such root, nothing there, or nothing that photos are read from.
    """
    root, path = _below(words, roots, what="places")
    real = Path(os.path.realpath(path))
    if not real.is_relative_to(root):
        raise InvalidParameter(f"places: {words!r} leads out of what is allowed")
    is_file = real.is_file() and (is_photo(real.name) or real.name.lower().endswith(TAR + ZIP))
    if not (real.is_dir() or is_file):
        raise InvalidParameter(
            f"places: {words!r} is no folder, archive or photo that is there",
            hint="places are folders, photos, and zip and tar archives",
        )
    return Place(real, root, words.strip("/"))


def find_out(words: str, roots: Mapping[str, Path]) -> Path:
    """
    Give the folder for results that a client names; the one that it lies in must be there.

    Raises:
        InvalidParameter: If there is no such root, or no such folder can be made.
    """
    root, path = _below(words, roots, what="result")
    parent = Path(os.path.realpath(path.parent))
    if path == root or not parent.is_relative_to(root):
        raise InvalidParameter(f"result: {words!r} leads out of what is allowed, or is a root itself")
    if not parent.is_dir():
        raise InvalidParameter(f"result: the folder that {words!r} lies in is not there")
    return parent / path.name


def find_photos(places: Sequence[Place], out: Path, *, most_bytes: int) -> Iterator[Found]:
    """
    Give the photos of places, one after the other, with nothing of the server's own paths.

    Args:
        places: Where to look.
        out: The folder for the masks, into which no look is taken.
        most_bytes: Longer photos are not read.
    """
    for place in places:
        for found in _find_in(place, out, most_bytes):
            yield _shown(found, place, most_bytes)


def count_photos(places: Sequence[Place], out: Path) -> int | None:
    """Count what `find_photos` gives; None where that would be as long as reading all of it."""
    if not all(place.is_counted for place in places):
        return None
    return sum(1 for place in places for _ in _find_in(place, out, 0))


def _below(words: str, roots: Mapping[str, Path], *, what: str) -> tuple[Path, Path]:
    """Give the root that a client names, without links, and the path below it as it stands."""
    name, _, rest = words.strip("/").partition("/")
    if name not in roots:
        there = ", ".join(roots) or "none"
        raise InvalidParameter(f"{what}: no root {name[:64]!r}", hint=f"there are: {there}")
    parts = rest.split("/") if rest else []
    if "\0" in rest or ".." in parts or any(len(part.encode("utf-8", "replace")) > 255 for part in parts):
        raise InvalidParameter(f"{what}: {words[:64]!r} is no path below a root")
    root = Path(os.path.realpath(roots[name]))
    return root, root.joinpath(*parts)


def _find_in(place: Place, out: Path, most_bytes: int) -> Iterator[Found]:
    name = place.path.name.lower()
    make = partial(_item, root=place.root, most_bytes=most_bytes)
    if place.path.is_dir():
        rules = Rules(make, lambda link: Path(os.path.realpath(link)).is_relative_to(place.root))
        yield from find_in_folder(place.path, out, rules)
    elif name.endswith(ZIP):
        yield from _find_in_zip(place.path)
    elif name.endswith(TAR):
        yield from find_in_tar(
            place.path, most_bytes=max(UNFOLDED * place.path.stat().st_size, UNFOLDED_LEAST)
        )
    else:
        yield make(place.path, printable(place.path.name))


def _find_in_zip(path: Path) -> Iterator[Found]:
    """Give the photos of a zip archive whose list is not too long: all of it is read into memory."""
    with path.open("rb") as stream:
        end: list[Any] | None = zipfile._EndRecData(stream)  # type: ignore[attr-defined] # as ZipFile finds it
    if end is not None and end[LIST_SIZE] > MOST_LIST_BYTES:
        yield Trouble(str(path), f"has a list of more than {MOST_LIST_BYTES:,} bytes; send several archives")
        return
    yield from find_in_zip(path)


def _shown(found: Found, place: Place, most_bytes: int) -> Found:
    if isinstance(found, Trouble):
        return Trouble(place.show(found.origin), place.show(found.reason))
    if found.passing and found.stamp is not None and found.stamp.size > most_bytes:
        read = partial(_refuse, found.stamp.size, most_bytes)
        return replace(found, origin=place.show(found.origin), read=read, passing=False)
    return replace(found, origin=place.show(found.origin))


def _item(path: Path, name: str, *, root: Path, most_bytes: int) -> Item:
    """Give the item of a file that may be anything by the time it is read."""
    try:
        status = path.stat()
    except OSError:
        stamp = None
    else:
        stamp = Stamp(status.st_size, status.st_mtime_ns)
    return Item(name, printable(str(path)), partial(_read_inside, path, root, most_bytes), stamp)


def _read_inside(path: Path, root: Path, most_bytes: int) -> bytes:
    """Read a file that lies below the root: the very one that was opened, whatever links say now."""
    try:
        with os.fdopen(os.open(path, OPEN), "rb") as stream:
            opened = Path("/proc/self/fd") / str(stream.fileno())
            real = os.path.realpath(opened if opened.exists() else path)
            if not Path(real).is_relative_to(root):
                raise InvalidImage("is a link that leads out of the folders that are allowed")
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise InvalidImage("is no file")
            if status.st_size > most_bytes:
                _refuse(status.st_size, most_bytes)
            return stream.read(most_bytes + 1)
    except OSError as error:
        raise InvalidImage(f"cannot be read ({error.strerror})") from error


def _refuse(length: int, most_bytes: int) -> bytes:
    raise ImageTooLarge(f"{length:,} bytes are more than a photo may have, {most_bytes:,}")
