"""Which version of a model answers, which waits, and who may change that: one at a time."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from contract.errors import RegistryBusy
from contract.files import writing
from contract.history import Action, Event, append_events, read_history, registry_folder
from contract.manifest import published_versions

LOCK_FILE = "lock"
CHECKPOINTS = "checkpoints"
"""Where the weights of versions are kept that training can go on from."""


class State(StrEnum):
    """Where a version stands."""

    CANDIDATE = "candidate"
    CANARY = "canary"
    LIVE = "live"
    PREVIOUS = "previous"
    RETIRED = "retired"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Standing:
    """
    Where the versions of a model stand.

    Args:
        states: By version.
        share: The part of requests that the canary answers, in [0, 1]; 0 where there is none.
        shadow: The part of the other requests that the canary computes for comparison, in [0, 1].
    """

    states: dict[int, State] = field(default_factory=dict)
    share: float = 0.0
    shadow: float = 0.0

    @property
    def live(self) -> int | None:
        """The version that answers."""
        return self._one(State.LIVE)

    @property
    def previous(self) -> int | None:
        """The version that a rollback goes back to."""
        return self._one(State.PREVIOUS)

    @property
    def canary(self) -> int | None:
        """The version that answers a share of the requests, or is only compared."""
        return self._one(State.CANARY)

    def _one(self, state: State) -> int | None:
        return next((version for version, found in self.states.items() if found is state), None)


def checkpoint_folder(model: Path, version: int) -> Path:
    """Give the folder of the weights that a version was exported from; there may be none kept."""
    return registry_folder(model) / CHECKPOINTS / str(version)


def read_standing(model: Path) -> Standing:
    """
    Tell where the versions in a model's folder stand.

    Without a history the newest answers, as if each had been promoted when it came. With one, a version that
    it does not know is a candidate, and the first one published where none was live answers at once.

    Raises:
        RegistryError: If the history cannot be read.
    """
    versions = published_versions(model)
    standing = fold(read_history(model) or _found_before(versions))
    strangers = {version: State.CANDIDATE for version in versions if version not in standing.states}
    return Standing({**standing.states, **strangers}, standing.share, standing.shadow)


def fold(events: list[Event]) -> Standing:
    """Tell where versions stand after these events."""
    states: dict[int, State] = {}
    share = shadow = 0.0
    for event in events:
        if event.action is Action.CANARY:
            share, shadow = event.share, event.shadow
        _apply(event, states)
    return Standing(states, share, shadow) if State.CANARY in states.values() else Standing(states)


@contextmanager
def changing(model: Path, *, wait_s: float = 0.0) -> Iterator["Changes"]:
    """
    Have a model's registry to oneself while inside.

    Args:
        model: The model's folder in the repository.
        wait_s: How long to wait while somebody else has it [s].

    Raises:
        RegistryBusy: If somebody else changes it now.
        WriteError: If the folder cannot be written.
    """
    path = registry_folder(model) / LOCK_FILE
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = path.open("wb")
    with handle:
        until = time.monotonic() + wait_s
        while not _locked(handle):
            if time.monotonic() >= until:
                raise RegistryBusy(
                    f"{model}: somebody else is changing its versions now", hint="look again in a moment"
                )
            time.sleep(0.02)
        yield Changes(model)


@dataclass(frozen=True, slots=True)
class Changes:
    """What may be done by whoever holds the lock; from `changing`."""

    model: Path

    def record(
        self,
        action: Action,
        version: int,
        *,
        who: str,
        why: str,
        forced: bool = False,
        share: float = 0.0,
        shadow: float = 0.0,
    ) -> Event:
        """
        Do it, by writing that it was done; whether it may be is the caller's business.

        Raises:
            RegistryError: If the history cannot be read.
            WriteError: If it cannot be written.
        """
        new = version if action is Action.PUBLISH else None
        event = Event(_now(), action, version, who, why, forced, share, shadow)
        append_events(self.model, [*self._found_before(without=new), event])
        return event

    def adopt(self) -> None:
        """
        Begin the history with what was found, where there is none; a version that comes later is new to it.

        Raises:
            RegistryError: If the history cannot be read.
            WriteError: If it cannot be written.
        """
        if found := self._found_before():
            append_events(self.model, found)

    def _found_before(self, without: int | None = None) -> list[Event]:
        if read_history(self.model):
            return []
        return _found_before([found for found in published_versions(self.model) if found != without])


def _locked(handle: BinaryIO) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _apply(event: Event, states: dict[int, State]) -> None:
    match event.action:
        case Action.PUBLISH:
            answered = State.LIVE in states.values()
            states[event.version] = State.CANDIDATE if answered else State.LIVE
        case Action.WITHDRAW:
            states[event.version] = State.CANDIDATE
        case Action.CANARY:
            _move(states, State.CANARY, State.CANDIDATE)
            states[event.version] = State.CANARY
        case Action.PROMOTE:
            if states.get(event.version) is not State.LIVE:
                _move(states, State.PREVIOUS, State.RETIRED)
                _move(states, State.LIVE, State.PREVIOUS)
                _move(states, State.CANARY, State.CANDIDATE)  # it was compared with the version before
            states[event.version] = State.LIVE
        case Action.ROLLBACK:
            _move(states, State.LIVE, State.REJECTED)
            states[event.version] = State.LIVE
        case Action.REJECT:
            states[event.version] = State.REJECTED
        case Action.COLLECT:
            states.pop(event.version, None)


def _move(states: dict[int, State], before: State, after: State) -> None:
    for version, state in states.items():
        if state is before:
            states[version] = after


def _found_before(versions: list[int]) -> list[Event]:
    """Give what must have happened to versions that came before there was a history."""
    why = "found here before there was a history"
    return [Event(_now(), Action.PROMOTE, version, "box2seg", why) for version in versions]


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
