"""A place at a URI, in the few words of a path that a batch needs; fsspec speaks to whatever serves it."""

from __future__ import annotations

import errno
import io
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO
from uuid import uuid4

from contract.errors import WriteError
from serving.batch.uris import is_web, shown_words

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

PUT_IS_WHOLE = {
    "s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oci", "oss", "cos", "obs", "r2", "tos", "memory",
}  # fmt: skip
"""Stores where an object is there when all of it is; elsewhere it is put under another name first."""

SHORT = 2**24
"""Put with one question; what is longer goes in parts [bytes]."""

BLOCK = 2**23
"""Read at once of a long file [bytes]; fsspec's own 50 MiB would be those of one tar alone."""


@dataclass(frozen=True, slots=True)
class Remote:
    """
    A file or folder that fsspec opens.

    Args:
        files: The file system.
        path: As the file system has it; of a web server the whole URI, with what is secret in it.
        shown: The URI for people, nothing secret in it.
    """

    files: AbstractFileSystem = field(repr=False)
    path: str = field(repr=False)
    shown: str

    def __str__(self) -> str:
        return self.shown

    def __truediv__(self, name: object) -> Remote:
        return Remote(self.files, _join(self.path, str(name)), _join(self.shown, str(name)))

    @property
    def name(self) -> str:
        """The last of its names."""
        return posixpath.basename(self.shown.partition("?")[0].rstrip("/"))

    @property
    def parent(self) -> Remote:
        """The folder that it is in."""
        return Remote(self.files, _parent(self.path), _parent(self.shown))

    @property
    def scheme(self) -> str:
        """What its URI begins with."""
        return self.shown.partition(":")[0].lower()

    def info(self) -> dict[str, Any]:
        """
        Give what the file system says of it.

        Raises:
            OSError: If it is not there, or does not answer; never with anything secret.
        """
        with self.asking():
            return dict(self.files.info(self.path))

    def exists(self) -> bool:
        """Tell whether it is there; raises OSError where its server does not answer, or does not say."""
        try:
            with self.asking():
                if is_web(self.shown):  # whose info() says of all that goes wrong that there is no such file
                    return bool(self.files.exists(self.path, strict=True))
                self.files.info(self.path)
        except FileNotFoundError:
            return False
        return True

    def is_folder(self) -> bool:
        """Tell whether other places are below it."""
        try:
            return self.info().get("type") == "directory"
        except OSError:
            return False

    def read_bytes(self) -> bytes:
        """Give all of it; raises OSError as `info`."""
        with self.asking():
            return bytes(self.files.cat_file(self.path))

    @contextmanager
    def streamed(self) -> Iterator[IO[bytes]]:
        """Give it from its beginning to its end, as it comes; raises OSError as `info`."""
        block = 0 if is_web(self.shown) else BLOCK
        with self.asking():
            stream = self.files.open(self.path, "rb", block_size=block)
        with stream:
            yield self._buffered(stream)

    @contextmanager
    def seekable(self) -> Iterator[IO[bytes]]:
        """Give it so that one may go to any place in it; where its server cannot, a copy on the disk."""
        with self.asking():
            stream = self.files.open(self.path, "rb", block_size=BLOCK)
        with stream:
            if not is_web(self.shown) or _has_ranges(stream):
                yield self._buffered(stream)
                return
        with self.copied() as copy:
            yield copy

    @contextmanager
    def copied(self) -> Iterator[IO[bytes]]:
        """Give a copy of it on the disk, which waits as long as one likes; raises OSError as `info`."""
        with tempfile.TemporaryFile() as copy:
            with self.streamed() as whole:
                shutil.copyfileobj(whole, copy)
            copy.seek(0)
            yield copy

    @contextmanager
    def written_whole(self) -> Iterator[BinaryIO]:
        """
        Give a stream whose content is put there at the end: whole, or not at all.

        Raises:
            WriteError: If it cannot be put; what was there stays.
        """
        try:
            with tempfile.NamedTemporaryFile() as waiting:
                yield waiting  # type: ignore[misc] # it has all that BinaryIO has
                waiting.flush()
                with self.asking():
                    self._put(Path(waiting.name))
        except OSError as error:
            raise WriteError(self, error) from error

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove it; raises OSError as `info`, FileNotFoundError if it is not there, unless that is fine."""
        try:
            with self.asking():
                self.files.rm_file(self.path)
        except FileNotFoundError:
            if not missing_ok:
                raise

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Say what is wrong in OSErrors that have nothing secret in them."""
        try:
            yield
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "no such file") from None
        except Exception as error:  # each library behind fsspec has errors of its own
            raise OSError(getattr(error, "errno", None) or errno.EIO, self._words(error)) from None

    def _buffered(self, stream: Any) -> IO[bytes]:
        return io.BufferedReader(_Stream(self, stream))

    def _put(self, waiting: Path) -> None:
        """Put what was written; a store takes it whole, a disk elsewhere under another name first."""
        target = self.path
        if self.scheme not in PUT_IS_WHOLE:
            self.files.makedirs(_parent(self.path), exist_ok=True)
            target = _join(_parent(self.path), f".{self.name}.{uuid4().hex}.partial")
        try:
            if waiting.stat().st_size <= SHORT:
                self.files.pipe_file(target, waiting.read_bytes())
            else:
                self.files.put_file(str(waiting), target)
            if target != self.path:
                self.files.mv(target, self.path)
        except BaseException:
            if target != self.path:
                with suppress(Exception):  # what went wrong before says more
                    self.files.rm_file(target)
            raise

    def _words(self, error: Exception) -> str:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return shown_words(str(words).replace(self.path, self.shown))


class _Stream(io.RawIOBase):
    """A stream of fsspec's as Python's own, whose errors have nothing secret in them."""

    def __init__(self, place: Remote, stream: Any) -> None:
        self._place, self._stream = place, stream

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, room: Any) -> int:
        with self._place.asking():
            data = self._stream.read(len(room))
        room[: len(data)] = data
        return len(data)

    def seek(self, place: int, whence: int = 0) -> int:
        with self._place.asking():
            self._stream.seek(place, whence)
            return int(self._stream.tell())

    def tell(self) -> int:
        return int(self._stream.tell())


def _has_ranges(stream: IO[bytes]) -> bool:
    """Tell whether a web server gives parts of a file, by asking for one; an empty file has none."""
    try:
        stream.seek(1)
        stream.read(1)
        stream.seek(0)
    except Exception:  # fsspec's ValueError where there is no telling, aiohttp's where it is refused
        return False
    return True


def _join(folder: str, name: str) -> str:
    return f"{folder.rstrip('/')}/{name}"


def _parent(path: str) -> str:
    return posixpath.dirname(path.partition("?")[0].rstrip("/"))
