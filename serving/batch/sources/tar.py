"""The photos of a tar archive, packed or not, read as a stream."""

import lzma
import math
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial

from contract.errors import InvalidImage
from serving.batch.items import Found, Item, Stamp, Trouble, check_length, inside, is_photo
from serving.batch.places import Place, streamed

DAMAGE = (tarfile.TarError, OSError, EOFError, zlib.error, lzma.LZMAError)
NANOSECONDS = 10**9


def find_in_tar(path: Place, *, most_bytes: float = math.inf) -> Iterator[Found]:
    """
    Give the photos of a tar archive in its order, reading it once from front to back.

    Links and devices in it are passed over: they lead anywhere. Where the archive is damaged it ends, with
    a Trouble, and so it does where its files, photos or not, unfold to more than `most_bytes` together.
    """
    try:
        with streamed(path) as stream, tarfile.open(fileobj=stream, mode="r|*") as archive:
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
            if not _has_ended(archive):
                yield Trouble(str(path), "is cut short: it has no end, so photos may be missing")
    except DAMAGE as error:
        yield Trouble(str(path), f"is damaged or no tar archive ({error}); what stands behind is not seen")


def _has_ended(archive: tarfile.TarFile) -> bool:
    """Tell whether the archive's end was read; tarfile takes the file's end for it, wherever that is."""
    return archive.fileobj is not None and archive.fileobj.tell() > archive.offset


def _item(path: Place, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Found:
    name = inside(member.name)
    origin = f"{path}/{member.name}"
    if name is None:
        return Trouble(origin, "its path leaves the archive")
    stamp = Stamp(member.size, int(member.mtime * NANOSECONDS))
    return Item(name, origin, partial(_read, archive, member), stamp, passing=True)


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    check_length(member.size)
    try:
        stream = archive.extractfile(member)
        assert stream is not None, "only plain files are asked for"
        data = stream.read()
    except DAMAGE as error:
        raise InvalidImage(f"is damaged in the archive ({error})") from error
    if len(data) < member.size:
        raise InvalidImage("is cut short in the archive")
    return data
