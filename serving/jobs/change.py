"""A change of the account of jobs, whole or not at all."""

import sqlite3
import threading
from contextlib import suppress

from contract.errors import OutOfRoom


class Change:
    """
    All that is done inside is kept together, and nobody comes between.

    Args:
        database: Begins transactions by hand.
        lock: Of this process's threads.

    Raises:
        OutOfRoom: At the end, if it cannot be kept.
    """

    def __init__(self, database: sqlite3.Connection, lock: threading.Lock) -> None:
        self._database = database
        self._lock = lock

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._database.execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        try:
            self._database.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.OperationalError as refused:
            with suppress(sqlite3.Error):
                self._database.execute("ROLLBACK")
            raise OutOfRoom(
                "the server cannot write its account of jobs", hint="try again later"
            ) from refused
        finally:
            self._lock.release()
