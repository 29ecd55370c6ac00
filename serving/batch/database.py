"""The ledger's file: a SQLite database that one process holds, and sentences for what goes wrong with it."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from contract.errors import DataError, WriteError

SCHEMA = """
CREATE TABLE IF NOT EXISTS identity (content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    number INTEGER PRIMARY KEY, seconds REAL NOT NULL DEFAULT 0, photos INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS photos (
    name TEXT PRIMARY KEY, stem TEXT NOT NULL UNIQUE, origin TEXT NOT NULL, size INTEGER, mtime_ns INTEGER,
    state TEXT NOT NULL, run INTEGER NOT NULL, sha256 TEXT, reason TEXT,
    height INTEGER, width INTEGER, version INTEGER, confidence REAL, areas TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS masks (name TEXT PRIMARY KEY, rle BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pictures (
    name TEXT PRIMARY KEY, state TEXT NOT NULL, confidence REAL NOT NULL, jpeg BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS troubles (origin TEXT NOT NULL, reason TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS made (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""

PRAGMAS = (
    "locking_mode = EXCLUSIVE",  # one run at a time; a killed one's hold ends with it
    "journal_mode = WAL",
    "synchronous = FULL",  # that a photo was begun must outlive a power cut, or its mask is taken for foreign
    "cache_size = -16384",
    "temp_store = FILE",
)


def open_database(path: Path) -> sqlite3.Connection:
    """
    Open the ledger's file for this process alone, or make it; transactions are begun by hand.

    Raises:
        DataError: If another run holds it, or it is none.
        WriteError: If it cannot be written.
    """
    with asking(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
        try:
            for pragma in PRAGMAS:
                database.execute(f"PRAGMA {pragma}")
            database.executescript(SCHEMA)
            database.execute("BEGIN EXCLUSIVE")
            database.execute("COMMIT")
        except sqlite3.Error:
            database.close()
            raise
        return database


@contextmanager
def asking(path: Path) -> Iterator[None]:
    """Say what is wrong with a database in place of SQLite's words."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(path, error) from error
    except OSError as error:
        raise WriteError(path, error) from error


def _translated(path: Path, error: sqlite3.Error) -> DataError | WriteError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest says where, not what
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DataError(f"{path}: another run writes there now", hint="wait for it, or name another --out")
    if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return DataError(f"{path}: is damaged ({error})", hint="name another --out")
    numbers = {sqlite3.SQLITE_FULL: errno.ENOSPC, sqlite3.SQLITE_READONLY: errno.EROFS}
    return WriteError(path, OSError(numbers.get(code, errno.EIO), str(error)))
