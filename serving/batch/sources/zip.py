"""The photos of a zip archive, read where they lie in it."""

import zipfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from contract.errors import InvalidImage
from serving.batch.items import Found, Item, Stamp, Trouble, check_length, inside, is_photo

ENCRYPTED = 0x1
"""The bit of a member's flags."""


def find_in_zip(path: Path) -> Iterator[Found]:
    """
    Give the photos of a zip archive in its order.

    A member is unfolded to the length that the archive's list says, and no further.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, zipfile.BadZipFile) as error:
        yield Trouble(str(path), f"is no zip archive that can be read ({error})")
        return
    with archive:
        for member in archive.infolist():
            if not member.is_dir() and is_photo(member.filename):
                yield _item(path, archive, member)


def _item(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Found:
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
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError) as error:
        raise InvalidImage(f"is damaged in the archive ({error})") from error
