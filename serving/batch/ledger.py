"""What became of each photo of a batch, kept beside its masks; it outlives whatever ends the run."""

import sqlite3
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from contract.errors import Box2SegError, DataError
from serving.batch import claims
from serving.batch.account import FILE as FILE
from serving.batch.account import check_free, ledger_file, mark
from serving.batch.claims import Change, Claim, Verdict
from serving.batch.database import asking, open_database
from serving.batch.findings import Failure, Finding
from serving.batch.identity import Identity
from serving.batch.items import Found, Item, Trouble
from serving.batch.outputs import Outputs
from serving.batch.places import Place, is_taken
from serving.batch.remote import Remote

FLUSH_EVERY_S = 1.0

SHOWN = {"done": 24, "failed": 60}
"""Pictures kept of the least confident photos, and of those that failed."""


class Ledger:
    """
    The account of all photos of one folder of masks.

    Args:
        out: The folder.
        identity: What its masks are of.
        outputs: Where they lie.
        folder: Where ledgers lie; None as `ledger_file` says.

    Raises:
        DataError: If the folder was begun with another model or other outputs, another run writes there, a
            file of somebody's has the name of one of the batch's own, or, at a URI, something is there that
            no ledger knows.
        WriteError: If it cannot be written.
    """

    def __init__(
        self, out: Place, identity: Identity, outputs: Outputs, *, folder: Path | None = None
    ) -> None:
        self.out = out
        self.outputs = outputs
        self.path = ledger_file(out, folder)
        self._lock = threading.RLock()
        self._changes: deque[tuple[Change, ...]] = deque()
        self._begun = self._flushed = time.monotonic()
        self._photos = 0
        self.run = 0
        self._database = open_database(self.path)
        try:
            self.run = self._begin(identity)
            if isinstance(out, Remote):
                mark(out, identity.to_json())
            self._threshold = self._least_confident()
        except Box2SegError:
            self._database.close()
            raise

    def sift(self, found: Found) -> Claim | Verdict:
        """
        Tell what is to be done with what was found, and write it down; inside `transaction`.

        Returns:
            A Claim where it is to be segmented; its masks are then this run's, whatever happens.
        """
        if isinstance(found, Trouble):
            self._execute("INSERT INTO troubles VALUES (?, ?)", (found.origin, found.reason))
            return Verdict("failed", found)
        result = claims.judge(self._database, self.outputs, self.out, found, self.run)
        if isinstance(result, Verdict) and result.trouble is not None:
            self.sift(result.trouble)
        self._execute_all(claims.note(result, found, self.run))
        return result

    def wants(self, item: Item) -> bool:
        """Tell whether a photo is to be segmented, by what was written down until now."""
        with self._lock, asking(self.path):
            result = claims.judge(self._database, self.outputs, self.out, item, self.run)
        return isinstance(result, Claim)

    @property
    def threshold(self) -> float:
        """The confidence up to which a photo may be among the least confident; it only falls."""
        return self._threshold

    def admits(self, confidence: float) -> bool:
        """Tell whether a photo may be among the least confident."""
        return confidence <= self._threshold

    def finish(self, claim: Claim, sha256: str, finding: Finding) -> None:
        """Write down that a photo's masks lie there."""
        self._add(claims.finished(claim, sha256, finding))

    def keep(self, claim: Claim) -> None:
        """Write down that a photo is the same as before, though it did not look so."""
        self._add(claims.kept(claim, self.run))

    def leave(self, claim: Claim, reason: str) -> None:
        """Write down why a photo could not be looked at, whose masks stay as they are."""
        self._add(claims.left(claim, reason))

    def fail(self, claim: Claim, failure: Failure) -> None:
        """Write down that a photo has no masks, and why."""
        self._add(claims.failed(claim, failure))

    def note_made(self, name: str) -> None:
        """Write down that a file in the folder is the batch's own, before it is made."""
        self._changes.append((("INSERT OR IGNORE INTO made VALUES (?)", (name,)),))
        self.flush()

    def has_made(self, name: str) -> bool:
        """Tell whether a file in the folder is the batch's own."""
        return any(self.rows("SELECT 1 FROM made WHERE name = ?", name))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written inside, and what waited to be written, together."""
        with self._lock, asking(self.path):
            self._execute("BEGIN IMMEDIATE")
            try:
                while self._changes:
                    self._execute_all(self._changes.popleft())
                self._tidy()
                yield
                self._execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._execute("ROLLBACK")
                raise
            self._flushed = time.monotonic()

    @property
    def due(self) -> bool:
        """Tell whether it is time to write what waits."""
        return time.monotonic() - self._flushed > FLUSH_EVERY_S

    def flush(self) -> None:
        """Write what waits to be written."""
        with self.transaction():
            pass

    def rows(self, question: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a question one by one; nothing may be written meanwhile."""
        with asking(self.path):
            yield from self._database.execute(question, values)

    def doubtful(self) -> Iterator[tuple[str, float, bytes]]:
        """Give the name, confidence and picture, a JPEG, of the least confident photos, in that order."""
        question = (
            "SELECT name, confidence, jpeg FROM pictures WHERE state = 'done' ORDER BY confidence, name"
        )
        return ((name, confidence, jpeg) for name, confidence, jpeg in self.rows(question))

    def close(self) -> None:
        """Write what waits and let go of the file."""
        try:
            self.flush()
        finally:
            self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
        else:
            with suppress(Box2SegError):  # what ended the run says more
                self.close()

    def _begin(self, identity: Identity) -> int:
        with self.transaction():
            before = self._execute("SELECT content FROM identity").fetchone()
            if before is None:
                if isinstance(self.out, Remote):
                    check_free(self.out)
                self._check_own_files()
                self._execute("INSERT INTO identity VALUES (?)", (identity.to_json(),))
            else:
                identity.check_same(before[0], self.out)
            self._execute("DELETE FROM troubles")  # they are found again
            return int(self._execute("INSERT INTO runs DEFAULT VALUES").lastrowid or 0)

    def _check_own_files(self) -> None:
        """Make sure that no file of somebody's is written over by the batch's own."""
        for file in self.outputs.own_files(self.out):
            if is_taken(file):
                raise DataError(
                    f"{file} is there already, and not of this batch", hint="move it, or name another --out"
                )

    def _tidy(self) -> None:
        """Keep no more pictures than are shown, and how long the run has taken."""
        for state, shown in SHOWN.items():
            self._execute(
                "DELETE FROM pictures WHERE state = ? AND name NOT IN"
                " (SELECT name FROM pictures WHERE state = ? ORDER BY confidence, name LIMIT ?)",
                (state, state, shown),
            )
        self._threshold = self._least_confident()
        took = time.monotonic() - self._begun
        self._execute(
            "UPDATE runs SET seconds = ?, photos = ? WHERE number = ?", (took, self._photos, self.run)
        )

    def _least_confident(self) -> float:
        """Give the confidence above which a photo is not among those shown."""
        row = self._execute(
            "SELECT confidence FROM pictures WHERE state = 'done' ORDER BY confidence LIMIT 1 OFFSET ?",
            (SHOWN["done"] - 1,),
        ).fetchone()
        return 1.0 if row is None else float(row[0])

    def _add(self, changes: Iterable[Change]) -> None:
        """Have a photo's changes written down, all in one transaction: another thread may begin one now."""
        self._changes.append(tuple(changes))
        self._photos += 1

    def _execute_all(self, changes: Iterable[Change]) -> None:
        for change in changes:
            self._execute(*change)

    def _execute(self, statement: str, values: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        return self._database.execute(statement, values)
