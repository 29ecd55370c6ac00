"""Files written whole or not at all, with the file's name in what goes wrong."""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from contract.errors import WriteError

LONGEST = 200
"""A name with more bytes has no room for what is added to it while it is written: disks take 255."""


@contextmanager
def writing(path: object) -> Iterator[None]:
    """
    Name the file that is being written, where the system refuses.

    Raises:
        WriteError: In the place of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise WriteError(path, error) from error


class _Stream(io.BufferedWriter):
    """A file's stream without the file's number, where Pillow would write and take half a write for all."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation


@contextmanager
def written_whole(path: Path, *, shared: bool = False) -> Iterator[BinaryIO]:
    """
    Give a stream whose content takes the place of a file at the end: whole, or not at all.

    Args:
        path: The file; its folder is made.
        shared: Whether other processes or threads may write the same file at the same time.

    Raises:
        WriteError: If it cannot be written; what was there stays, and nothing else does.
    """
    # Where nobody else writes, what a killed process left is written over.
    path = path.resolve()  # what a link names is replaced, not the link
    writer = f".{uuid4().hex}" if shared else ""
    name = path.name if len(os.fsencode(path.name)) <= LONGEST else sha256(os.fsencode(path.name)).hexdigest()
    partial = path.with_name(f".{name}{writer}.partial")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with partial.open("wb", buffering=0) as file, _Stream(file) as stream:
                yield stream
                stream.flush()
                os.fsync(file.fileno())  # some disks say only now that they are full
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
