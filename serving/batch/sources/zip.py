"""The photos of a zip archive, read where they lie in it."""

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from contract.errors import InvalidImage
from serving.batch.items import Found, Item, Stamp, Trouble, check_length, inside, is_photo
from serving.batch.places import UNPACKING, Place, seekable

UNREADABLE = (*UNPACKING, zipfile.BadZipFile, NotImplementedError)
"""NotImplementedError is that of a packing that zipfile does not know."""

ENCRYPTED = 0x1
"""The bit of a member's flags."""


def find_in_zip(path: Place) -> Iterator[Found]:
    """
    Give the photos of a zip archive in its order.

    A member is unfolded to the length that the archive's list says, and no further.
    """
    with ExitStack() as opened:
        try:
            archive = opened.enter_context(zipfile.ZipFile(opened.enter_context(seekable(path))))
        except (*UNREADABLE, ValueError) as error:  # ValueError: a name that is no UTF-8
            yield Trouble(str(path), f"is no zip archive that can be read ({_words(error)})")
            return
        for member in archive.infolist():
            if not member.is_dir() and is_photo(member.filename):
                yield _item(path, archive, member)


def count_in_zip(path: Path) -> int:
    """Give how many photos and troubles a zip archive has, by its list."""
    return sum(1 for _ in find_in_zip(path))


def _item(path: Place, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Found:
    name = inside(member.filename)
    origin = f"{path}/{member.filename}"
    if name is None:
        return Trouble(origin, "its path leaves the archive")
    if member.flag_bits & ENCRYPTED:
        return Trouble(origin, "is encrypted; unpack the archive with its password first")
    # A zip's times have steps of two seconds, so the check sum stands in their place.
    stamp = Stamp(member.file_size, member.CRC)
    return Item(name, origin, partial(_read, archive, member), stamp, passing=True)


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    check_length(member.file_size)
    try:
        with archive.open(member) as stream:
            return stream.read(member.file_size)
    except UNREADABLE as error:
        raise InvalidImage(f"cannot be unpacked ({error})") from error


def _words(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
