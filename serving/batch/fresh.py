"""A folder of masks begun anew: what the batch wrote there is removed, and nothing else."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

from contract.files import writing
from serving.batch.account import ledger_file
from serving.batch.database import asking, open_database
from serving.batch.outputs import DERIVED, MARK, TOGETHER, Outputs
from serving.batch.places import Place
from serving.batch.remote import Remote

AT_ONCE = 16
"""Removed together: at a URI each takes a journey."""

PORTION = 1000
"""In memory."""


def begin_anew(out: Place, suffixes: Mapping[str, str], *, folder: Path | None = None) -> None:
    """
    Remove the masks that earlier runs wrote into a folder, by what their ledger says, and the ledger.

    Args:
        out: The folder.
        suffixes: Of photos' files, by format.
        folder: Where ledgers lie; None as `ledger_file` says.

    Raises:
        DataError: If another run writes there now.
        WriteError: If something cannot be removed.
    """
    path = ledger_file(out, folder)
    if not path.exists():
        return
    database = open_database(path)
    try:
        with asking(path):
            targets = _targets(database, out, {**suffixes, **DERIVED})
            with ThreadPoolExecutor(AT_ONCE if isinstance(out, Remote) else 1) as threads:
                while portion := list(islice(targets, PORTION)):
                    list(threads.map(_remove, portion))
    finally:
        database.close()
    for ending in ("", "-wal", "-shm"):
        _remove(path.with_name(path.name + ending))


def _targets(database: sqlite3.Connection, out: Place, suffixes: Mapping[str, str]) -> Iterator[Place]:
    """Give every file that earlier runs may have written."""
    row = database.execute("SELECT content FROM identity").fetchone()
    if row is None:  # none came so far
        return
    names = json.loads(row[0])["outputs"]
    outputs = Outputs(
        {name: suffixes[name] for name in names if name in suffixes},
        tuple(name for name in TOGETHER if name in names),
    )
    for (stem,) in database.execute("SELECT stem FROM photos"):
        yield from outputs.targets(out, stem).values()
    for (name,) in database.execute("SELECT name FROM made"):
        yield out / name
    yield from outputs.own_files(out)
    if isinstance(out, Remote):
        yield out / MARK


def _remove(path: Place) -> None:
    with writing(path), suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()
