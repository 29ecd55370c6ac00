"""The photos of a tar archive, packed or not, read as a stream."""

import math
import tarfile
from collections.abc import Iterator
from functools import partial
from typing import Self

from contract.errors import InvalidImage
from serving.batch.items import Found, Item, Stamp, Trouble, check_length, inside, is_photo
from serving.batch.places import UNPACKING, Place, streamed

UNREADABLE = (*UNPACKING, tarfile.TarError, ValueError)
"""ValueError is that of numbers in a header that are none."""

NANOSECONDS = 10**9
LARGEST = 2**63 - 1
"""Of the numbers that the ledger keeps."""


def find_in_tar(path: Place, *, most_bytes: float = math.inf) -> Iterator[Found]:
    """
    Give the photos of a tar archive in its order, reading it once from front to back.

    Links and devices in it are passed over: they lead anywhere. Where the archive is damaged it ends, with
    a Trouble, and so it does where its files, photos or not, unfold to more than `most_bytes` together.
    """
    try:
        with streamed(path) as stream, tarfile.open(fileobj=stream, mode="r|*", tarinfo=_Header) as archive:
            unfolded = 0
            for member in archive:
                unfolded += member.size
                if unfolded > most_bytes:  # before it is passed over, which takes as long as to unfold it
                    yield Trouble(
                        str(path), f"unfolds to more than {most_bytes:,} bytes; the rest is not seen"
                    )
                    return
                archive.members = []  # type: ignore[attr-defined] # tarfile would keep each for good
                if member.isreg() and is_photo(member.name):
                    yield _item(path, archive, member)
    except UNREADABLE as error:
        yield Trouble(str(path), f"is damaged or no tar archive ({error}); what stands behind is not seen")


class _Header(tarfile.TarInfo):
    """A member's header; a damaged or a missing one is an error, where tarfile sees the archive's end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(archive)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined] # typeshed lacks it
                raise  # the end as it is written
            raise tarfile.ReadError(f"a header, or the end, is damaged or missing: {error}") from error


def _item(path: Place, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Found:
    name = inside(member.name)
    origin = f"{path}/{member.name}"
    if name is None:
        return Trouble(origin, "its path leaves the archive")
    return Item(name, origin, partial(_read, archive, member), _stamp(member), passing=True)


def _stamp(member: tarfile.TarInfo) -> Stamp | None:
    """Give a member's stamp; None where its time is none, as headers may say anything."""
    try:
        mtime_ns = int(member.mtime * NANOSECONDS)
    except (OverflowError, ValueError):  # infinite, or no number
        return None
    return Stamp(member.size, mtime_ns) if max(abs(mtime_ns), member.size) <= LARGEST else None


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    check_length(member.size)
    try:
        stream = archive.extractfile(member)
        assert stream is not None, "only plain files are asked for"
        data = stream.read()
    except UNREADABLE as error:
        raise InvalidImage(f"cannot be unpacked ({error})") from error
    if len(data) < member.size:
        raise InvalidImage("is cut short in the archive")
    return data
