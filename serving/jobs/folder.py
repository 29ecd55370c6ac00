"""A job's own folder: its archive as it comes, its masks while they are made, and its result."""

import fcntl
import os
import shutil
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from contract.errors import FULL, OutOfRoom, RequestError
from contract.files import written_whole
from serving.batch.outputs import OWN

LOOK_EVERY_BYTES = 2**24
"""Written between two looks at the disk."""

PORTION = 2**20
"""Of an archive, written at once."""

KINDS = {
    b"PK\x03\x04": ".zip",
    b"PK\x05\x06": ".zip",
    b"\x1f\x8b": ".tar",
    b"BZh": ".tar",
    b"\xfd7zXZ\0": ".tar",
}
"""What archives begin with; whether a tar is packed, and how, is found out as it is read."""

TAR_AT, TAR_MARK = 257, b"ustar"

SQUEEZED = (".json", ".geojson", ".html", ".raw", ".npy")
"""Results that packing makes smaller; pictures are packed by themselves."""


@dataclass(frozen=True, slots=True)
class JobFolder:
    """
    The files of one job.

    Args:
        path: Of the folder.
    """

    path: Path

    @property
    def masks(self) -> Path:
        """Where masks lie while they are made."""
        return self.path / "masks"

    @property
    def result(self) -> Path:
        """The archive of results."""
        return self.path / "result.zip"

    @property
    def coming(self) -> Path:
        """The archive while it comes."""
        return self.path / "coming"

    def is_coming(self) -> bool:
        """Tell whether a worker that lives writes the archive."""
        with suppress(FileNotFoundError), self.coming.open("rb") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def archive(self) -> Path | None:
        """Give the archive that was handed in, if any was."""
        return next(
            (path for path in (self.path / "photos.zip", self.path / "photos.tar") if path.exists()), None
        )

    def pack(self) -> None:
        """
        Make the archive of results of all masks, whole or not at all.

        Raises:
            WriteError: If it cannot be written.
        """
        with written_whole(self.result) as stream, zipfile.ZipFile(stream, "w") as archive:
            for path in _files(self.masks):
                packed = zipfile.ZIP_DEFLATED if path.suffix in SQUEEZED else zipfile.ZIP_STORED
                archive.write(path, path.relative_to(self.masks), packed)

    def keep_result_alone(self) -> None:
        """Remove what the result was made from."""
        shutil.rmtree(self.masks, ignore_errors=True)
        if archive := self.archive():
            archive.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.path, ignore_errors=True)


class Intake:
    """
    Writes an archive as it comes; its methods take time and are called in threads.

    Args:
        folder: Of the job; made.
        free_bytes: So much of the disk stays free.

    Raises:
        OutOfRoom: If there is no room.
    """

    def __init__(self, folder: JobFolder, *, free_bytes: int) -> None:
        self._folder = folder
        self._free_bytes = free_bytes
        self._unlooked = LOOK_EVERY_BYTES
        try:
            folder.path.mkdir(mode=0o700)
            self._path = folder.coming
            self._stream = self._path.open("wb", buffering=0)
            fcntl.flock(self._stream, fcntl.LOCK_EX)  # as long as somebody writes it
        except OSError as error:
            raise no_room() from error

    def write(self, data: bytes) -> None:
        """
        Take the next part.

        Raises:
            OutOfRoom: If there is no room for it.
        """
        self._unlooked += len(data)
        if self._unlooked >= LOOK_EVERY_BYTES:
            self._unlooked = 0
            check_room(self._folder.path, self._free_bytes)
        try:
            view = memoryview(data)
            while view:
                view = view[self._stream.write(view) :]
        except OSError as error:
            raise no_room() from error

    def finish(self) -> None:
        """
        Keep what came.

        Raises:
            RequestError: If it is no archive.
            OutOfRoom: If it cannot be kept.
        """
        try:
            os.fsync(self._stream.fileno())
            self._stream.close()
            self._path.rename(self._folder.path / f"photos{archive_kind(self._path)}")
        except OSError as error:
            raise no_room() from error

    def give_up(self) -> None:
        """Remove what came."""
        self._stream.close()
        self._folder.remove()


async def portions(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Give what comes in portions that are worth a trip to a thread."""
    portion = bytearray()
    async for chunk in chunks:
        portion += chunk
        if len(portion) >= PORTION:
            yield bytes(portion)
            portion.clear()
    yield bytes(portion)


def archive_kind(path: Path) -> str:
    """
    Give what an archive ends in, by its first bytes.

    Raises:
        RequestError: If it is none.
    """
    with path.open("rb") as stream:
        head = stream.read(TAR_AT + len(TAR_MARK))
    if head[TAR_AT:] == TAR_MARK:
        return ".tar"
    for mark, kind in KINDS.items():
        if head.startswith(mark):
            return kind
    raise RequestError(
        "the body is neither a zip or tar archive nor JSON",
        hint="curl -T photos.zip, or JSON that names places",
    )


def check_room(path: Path, free_bytes: int) -> None:
    """
    Make sure that enough of the disk is free.

    Raises:
        OutOfRoom: If not.
    """
    try:
        free = shutil.disk_usage(path).free
    except OSError as error:
        raise no_room() from error
    if free < free_bytes:
        raise no_room()


def no_room() -> OutOfRoom:
    """Say that the disk is full, without its name."""
    return OutOfRoom("the server has no room for this job", hint="try again later, or send fewer photos")


def is_full(error: BaseException | None) -> bool:
    """Tell whether the disk was full, so that the same may go well later."""
    return isinstance(error, OSError) and error.errno in FULL


def _files(folder: Path) -> Iterator[Path]:
    """Give the files of a folder but the ledger's, in order."""
    for above, folders, files in os.walk(folder):
        if Path(above) == folder and OWN in folders:
            folders.remove(OWN)
        folders.sort()
        yield from (Path(above) / name for name in sorted(files))
