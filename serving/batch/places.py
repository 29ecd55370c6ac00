"""Where something is read or written: a path of this machine, or a URI."""

import lzma
import os
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar

from contract.files import written_whole
from serving.batch.items import Stamp
from serving.batch.opening import open_remote
from serving.batch.remote import Remote
from serving.batch.uris import is_uri

Place = Path | Remote
P = TypeVar("P", Path, Remote)

LOCAL = "file://"

UNPACKING = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading from an archive may raise: its bytes are damaged, or the disk or the network fails."""

MARKS = (
    "ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "Digest", "LastModified", "Last-Modified",
    "last_modified", "mtime", "updated", "modified", "created",
)  # fmt: skip
"""What file systems call what changes with a file, the surest first."""


def place_of(words: str) -> Place:
    """
    Give the place that somebody typed; file:// is a path.

    Raises:
        DependencyMissing, DataError: As `open_remote` does.
    """
    if words.lower().startswith(LOCAL):
        return Path(words[len(LOCAL) :])
    return open_remote(words) if is_uri(words) else Path(words)


def last_name(place: Place) -> str:
    """Give what a folder is called, though "." was typed."""
    return place.name if isinstance(place, Remote) else place.resolve().name


def written(place: Place) -> AbstractContextManager[BinaryIO]:
    """
    Give a stream whose content takes the place of a file at the end: whole, or not at all.

    Raises:
        WriteError: If it cannot be written; what was there stays.
    """
    return place.written_whole() if isinstance(place, Remote) else written_whole(place)


def is_taken(place: Place) -> bool:
    """
    Tell whether something of somebody's is at a place.

    Of a folder at a URI that is asked once, before the first photo: each question would take a journey.
    """
    return not isinstance(place, Remote) and os.path.lexists(place)


@contextmanager
def streamed(place: Place) -> Iterator[IO[bytes]]:
    """Give a file from its beginning to its end; raises OSError."""
    with place.streamed() if isinstance(place, Remote) else place.open("rb") as stream:
        yield stream


@contextmanager
def seekable(place: Place) -> Iterator[IO[bytes]]:
    """Give a file so that one may go to any place in it; raises OSError."""
    with place.seekable() if isinstance(place, Remote) else place.open("rb") as stream:
        yield stream


def stamp_of(place: Place) -> Stamp | None:
    """Give what tells a file's state from others without reading it; None where nothing does."""
    try:
        if isinstance(place, Remote):
            return stamp_by(place.info())
        status = place.stat()
    except OSError:
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def stamp_by(info: dict[str, Any]) -> Stamp | None:
    """Give the stamp of what a file system says of a file; a hash stands in the place of its time."""
    mark = next((info[name] for name in MARKS if info.get(name)), None)
    if mark is None or info.get("size") is None:
        return None
    digest = sha256(str(mark).encode()).digest()
    return Stamp(int(info["size"]), int.from_bytes(digest[:7], "big"))  # SQLite's numbers have 63 bits
