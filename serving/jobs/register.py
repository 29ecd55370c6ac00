"""The account of all jobs: one SQLite file that every worker of the server reads and writes."""

import sqlite3
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from contract.errors import ConfigurationError, RateLimited, UnknownJob
from serving.batch.items import Trouble
from serving.jobs.change import Change
from serving.jobs.job import ACTIVE, SHOWN, Holder, Job, Progress, State, job_of_row

FILE = "jobs.sqlite"

SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, owner TEXT NOT NULL,
    holder TEXT NOT NULL, content TEXT NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, started REAL,
    ended REAL, version INTEGER, total INTEGER, done INTEGER NOT NULL DEFAULT 0,
    failed INTEGER NOT NULL DEFAULT 0, twice INTEGER NOT NULL DEFAULT 0,
    photos_per_s REAL NOT NULL DEFAULT 0, reason TEXT, is_unwanted INTEGER NOT NULL DEFAULT 0,
    starts INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS failures (job TEXT NOT NULL, photo TEXT NOT NULL, reason TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS failures_of ON failures (job);
"""

COLUMNS = (
    "id, owner, holder, content, state, created, started, ended, version, total, done, failed, twice,"
    " photos_per_s, reason, is_unwanted, starts"
)

MOST_FAILURES = 1000
"""Kept of a job for its status; its report has more."""

PATIENCE_S = 10.0
"""Other workers hold the file for milliseconds."""

RETRY_S = 60


class Register:
    """
    All jobs of one folder; its methods look at the disk and are called in threads.

    Args:
        folder: Where jobs lie; made where there is none.

    Raises:
        ConfigurationError: If it cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.Lock()
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._database = sqlite3.connect(
                folder / FILE, isolation_level=None, check_same_thread=False, timeout=PATIENCE_S
            )
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute(
                "PRAGMA synchronous = FULL"
            )  # a job that was accepted outlives a power cut
            self._database.executescript(SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError(
                f"BOX2SEG_JOBS_FOLDER: {folder} cannot be written ({error})",
                hint="name a folder on a local disk that the server may write",
            ) from error

    def add(self, job: Job, *, most: int) -> None:
        """
        Take a job in.

        Raises:
            RateLimited: If its key has so many already.
        """
        with self._changing():
            states = ", ".join("?" * len(ACTIVE))
            (count,) = self._execute(
                f"SELECT COUNT(*) FROM jobs WHERE owner = ? AND state IN ({states})", job.owner, *ACTIVE
            ).fetchone()
            if count >= most:
                raise RateLimited(
                    f"{count} jobs are queued or running already, as many as one key may have",
                    hint="wait until one has ended, or cancel one",
                    retry_after_s=RETRY_S,
                )
            self._execute(
                "INSERT INTO jobs (id, owner, holder, content, state, created) VALUES (?, ?, ?, ?, ?, ?)",
                job.id,
                job.owner,
                job.holder,
                job.order.to_json(),
                job.state,
                job.created,
            )

    def find(self, id: str, holder: Holder) -> Job:
        """
        Give a job.

        Raises:
            UnknownJob: If there is none, or not for whoever asks.
        """
        job = self.get(id)
        if job is None or job.state == "receiving" or not job.is_for(holder):
            raise UnknownJob("there is no such job", hint="GET /v1/jobs lists those that there are")
        return job

    def get(self, id: str) -> Job | None:
        """Give a job, whoever's it is."""
        return next(iter(self._jobs("WHERE id = ?", id)), None)

    def those_of(self, holder: Holder, *, at_most: int) -> list[Job]:
        """Give those that somebody may know of, the newest first."""
        if holder.sees_all:
            return self._jobs("WHERE state != 'receiving' ORDER BY number DESC LIMIT ?", at_most)
        return self._jobs(
            "WHERE owner = ? AND state != 'receiving' ORDER BY number DESC LIMIT ?", holder.key, at_most
        )

    def failures(self, id: str, *, at_most: int) -> list[Trouble]:
        """Give what failed in a job, in the order in which it did."""
        with self._lock:
            rows = self._execute(
                "SELECT photo, reason FROM failures WHERE job = ? ORDER BY rowid LIMIT ?", id, at_most
            ).fetchall()
        return [Trouble(*row) for row in rows]

    def counts(self) -> Mapping[str, int]:
        """Count jobs by state."""
        with self._lock:
            rows = dict(self._execute("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall())
        return {state: rows.get(state, 0) for state in SHOWN}

    def next(self) -> Job | None:
        """Give the job that is to be worked on: one that was broken off, else the one that waits longest."""
        jobs = self._jobs("WHERE state IN ('queued', 'running') ORDER BY state DESC, number LIMIT 1")
        return jobs[0] if jobs else None

    def over(self, *, before: float, received_before: float) -> list[Job]:
        """Give those that ended before a time, and those that never came whole [s of the epoch]."""
        return self._jobs(
            "WHERE (ended IS NOT NULL AND ended < ?) OR (state = 'receiving' AND created < ?)",
            before,
            received_before,
        )

    def queue(self, id: str) -> None:
        """Say that a job is all there."""
        self._change("UPDATE jobs SET state = 'queued' WHERE id = ? AND state = 'receiving'", id)

    def want_no_more(self, id: str) -> bool:
        """Say that a job is to be ended; tells whether it is so at once, as it had not begun."""
        with self._changing():
            self._execute("UPDATE jobs SET is_unwanted = 1 WHERE id = ? AND state = 'running'", id)
            gone = self._execute(
                "UPDATE jobs SET state = 'cancelled', ended = ? WHERE id = ? AND state = 'queued'",
                time.time(),
                id,
            )
            return bool(gone.rowcount)

    def begin(self, id: str) -> bool:
        """Say that a run begins; tells whether there still is such a job."""
        with self._changing():
            begun = self._execute(
                "UPDATE jobs SET state = 'running', started = coalesce(started, ?), starts = starts + 1,"
                " reason = NULL WHERE id = ? AND state IN ('queued', 'running')",
                time.time(),
                id,
            )
            self._execute("DELETE FROM failures WHERE job = ?", id)  # they are found again
            return bool(begun.rowcount)

    def note(
        self, id: str, progress: Progress, troubles: Iterable[Trouble], *, version: int, news: bool
    ) -> bool:
        """Write down how far a job is, and whether this run brought news; tells if it is still wanted."""
        with self._changing():
            values = asdict(progress)
            names = ", ".join(f"{name} = ?" for name in values)
            self._execute(
                f"UPDATE jobs SET {names}, version = ?, starts = CASE WHEN ? THEN 0 ELSE starts END"
                " WHERE id = ?",
                *values.values(),
                version,
                news,
                id,
            )
            self._add_failures(id, list(troubles))
            row = self._execute("SELECT is_unwanted FROM jobs WHERE id = ?", id).fetchone()
            return row is not None and not row[0]

    def pause(self, id: str, reason: str | None = None) -> None:
        """Say that a run was broken off in good order, and why it waits."""
        self._change("UPDATE jobs SET starts = 0, reason = ? WHERE id = ?", reason, id)

    def end(self, id: str, state: State, reason: str | None = None) -> None:
        """Say what became of a job."""
        self._change(
            "UPDATE jobs SET state = ?, reason = ?, ended = ? WHERE id = ?", state, reason, time.time(), id
        )

    def forget(self, id: str) -> None:
        """Strike a job out."""
        with self._changing():
            self._execute("DELETE FROM failures WHERE job = ?", id)
            self._execute("DELETE FROM jobs WHERE id = ?", id)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._database.close()

    def _add_failures(self, id: str, troubles: Sequence[Trouble]) -> None:
        if not troubles:
            return
        (count,) = self._execute("SELECT COUNT(*) FROM failures WHERE job = ?", id).fetchone()
        for trouble in troubles[: max(0, MOST_FAILURES - count)]:
            self._execute("INSERT INTO failures VALUES (?, ?, ?)", id, trouble.origin, trouble.reason)

    def _jobs(self, where: str, *values: object) -> list[Job]:
        names = [name.strip() for name in COLUMNS.split(",")]
        with self._lock:
            rows = self._execute(f"SELECT {COLUMNS} FROM jobs {where}", *values).fetchall()
        return [job_of_row(dict(zip(names, row, strict=True))) for row in rows]

    def _change(self, statement: str, *values: object) -> None:
        with self._changing():
            self._execute(statement, *values)

    def _changing(self) -> Change:
        return Change(self._database, self._lock)

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._database.execute(statement, values)
