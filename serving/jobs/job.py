"""One job: what is asked for, and how far it is."""

import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["receiving", "queued", "running", "done", "partial", "failed", "cancelled"]

ACTIVE: tuple[State, ...] = ("receiving", "queued", "running")
"""States that a job does not stay in; the first is that of an archive which is not all there yet."""

SHOWN: tuple[State, ...] = ("queued", "running", "done", "partial", "failed", "cancelled")
"""States that clients see."""

ID_BYTES = 16
"""128 random bits: nobody guesses another's job."""


@dataclass(frozen=True, slots=True)
class Holder:
    """
    Who asks.

    Args:
        key: What tells keys apart; empty where the server has none.
        name: What the key is called.
        sees_all: It may see and end what others handed in.
    """

    key: str = ""
    name: str = ""
    sees_all: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """
    What is asked for.

    Args:
        model: Its name.
        formats: Of the results.
        max_failures: "20", "5%", or None for any number.
        places: Where photos lie, each with its root's name before it; none where an archive is handed in.
        result: Where results are left, with its root's name; None where they become an archive.
    """

    model: str
    formats: tuple[str, ...]
    max_failures: str | None = None
    places: tuple[str, ...] = ()
    result: str | None = None

    def to_json(self) -> str:
        """Give it as text."""
        return json.dumps([self.model, self.formats, self.max_failures, self.places, self.result])

    @classmethod
    def from_json(cls, text: str) -> "Order":
        """Read it from text."""
        model, formats, max_failures, places, result = json.loads(text)
        return cls(model, tuple(formats), max_failures, tuple(places), result)


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far a job is.

    Args:
        total: Photos in all; None where that is not known before the end.
        done: With masks.
        failed: Without.
        twice: Named more than once.
        photos_per_s: Of this run.
    """

    total: int | None = None
    done: int = 0
    failed: int = 0
    twice: int = 0
    photos_per_s: float = 0.0

    @property
    def settled(self) -> int:
        """Photos that something became of."""
        return self.done + self.failed + self.twice


@dataclass(frozen=True, slots=True)
class Job:
    """
    A job as its account has it.

    Args:
        id: Cannot be guessed.
        owner: The key that handed it in.
        holder: That key's name.
        order: What is asked for.
        state: Where it stands.
        created: When it came; this and the others are seconds of the epoch.
        started: When its first run began.
        ended: When it ended.
        version: Of the model; None before it starts.
        progress: How far it is.
        reason: Why it failed, or waits.
        is_unwanted: It is to be ended.
        starts: Runs in a row that brought nothing.
    """

    id: str
    owner: str
    holder: str
    order: Order
    state: State
    created: float
    started: float | None = None
    ended: float | None = None
    version: int | None = None
    progress: Progress = field(default_factory=Progress)
    reason: str | None = None
    is_unwanted: bool = False
    starts: int = 0

    @property
    def is_active(self) -> bool:
        """Tell whether something is still to come."""
        return self.state in ACTIVE

    def is_for(self, holder: Holder) -> bool:
        """Tell whether somebody may know of it."""
        return holder.sees_all or self.owner == holder.key


def new_job(order: Order, holder: Holder, state: State) -> Job:
    """Give a job that nobody knows yet."""
    return Job(secrets.token_urlsafe(ID_BYTES), holder.key, holder.name, order, state, time.time())


def job_of_row(row: dict[str, Any]) -> Job:
    """Give the job of a row of the account."""
    names = ("total", "done", "failed", "twice", "photos_per_s")
    progress = Progress(**{name: row.pop(name) for name in names})
    order = Order.from_json(row.pop("content"))
    return Job(**{**row, "is_unwanted": bool(row["is_unwanted"])}, order=order, progress=progress)
