"""
What was done to a model's versions, by whom and why: a log that is only ever added to, and the only truth.

`registry/NAME/history.jsonl` lies in the repository beside the model's folder; one JSON object per line.
"""

import dataclasses
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from contract.errors import RegistryError
from contract.files import writing

REGISTRY = "registry"
"""
The folder in a repository that holds all that is known of models, and nothing that is served.

It is no folder in each model's own: told to load one version, Triton loads all others again where a file in
the model's folder has changed, but for config.pbtxt and those of versions.
"""

HISTORY_FILE = "history.jsonl"


class Action(StrEnum):
    """What can be done to a version."""

    PUBLISH = "publish"
    CANARY = "canary"
    PROMOTE = "promote"
    WITHDRAW = "withdraw"
    REJECT = "reject"
    ROLLBACK = "rollback"
    COLLECT = "collect"


@dataclass(frozen=True, slots=True)
class Event:
    """
    One line of the history.

    Args:
        time: UTC, ISO 8601.
        action: What was done. A ROLLBACK is of the version that answers again.
        version: To which version.
        who: The person, key or program that did it.
        why: Their reason.
        forced: Whether a gate was passed over.
        share: Of a canary: the part of requests that it answers, in [0, 1].
        shadow: Of a canary: the part of the other requests that it computes for comparison, in [0, 1].
    """

    time: str
    action: Action
    version: int
    who: str
    why: str
    forced: bool = False
    share: float = 0.0
    shadow: float = 0.0


TYPES: dict[str, Callable[[Any], Any]] = {
    "action": Action,
    "version": int,
    "forced": bool,
    "share": float,
    "shadow": float,
}
"""What an event's fields are, where they are no words."""


def registry_folder(model: Path) -> Path:
    """Give the folder of what is known of a model, from the model's folder."""
    return model.parent / REGISTRY / model.name


def history_path(model: Path) -> Path:
    """Give the file of a model's history, from the model's folder."""
    return registry_folder(model) / HISTORY_FILE


def history_mark(model: Path) -> tuple[int, int, int] | None:
    """Give what changes whenever the history does, in microseconds; None where there is none yet."""
    try:
        found = history_path(model).stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_history(model: Path) -> list[Event]:
    """
    Read a model's history, oldest first; empty where there is none.

    A last line without its end is of a writer that was killed: what it says was not done.

    Raises:
        RegistryError: If it cannot be read, lies where it once did, or a line is no event; names the line.
    """
    path = history_path(model)
    _check_place(model, path)
    try:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, ValueError) as error:
        raise RegistryError(f"{path}: not a readable history ({error})") from error
    return [_event(path, number, line) for number, line in enumerate(text.split("\n")[:-1], start=1)]


def append_events(model: Path, events: list[Event]) -> None:
    """
    Add events to a model's history; they are on the disk when this returns. Call it under the lock.

    Raises:
        WriteError: If they cannot be written.
    """
    path = history_path(model)
    lines = "".join(json.dumps(dataclasses.asdict(event)) + "\n" for event in events)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as stream:
            end = _whole_lines_end(path)
            if stream.tell() > end:
                stream.truncate(end)  # what a killed writer left; it never counted
            stream.write(lines.encode())
            stream.flush()
            os.fsync(stream.fileno())
        if not end:  # without its first lines the newest version would answer
            for folder in path.parents[:3]:  # up to the repository, which may have no registry yet
                _sync(folder)


def _check_place(model: Path, path: Path) -> None:
    """Without its history a model's newest version would answer, even a rejected one: so look for it."""
    before = model / REGISTRY
    if (before / HISTORY_FILE).exists() and not path.exists():
        raise RegistryError(
            f"{before}: histories lie beside the models' folders now",
            hint=f"move it: mkdir -p {path.parents[1]} && mv {before} {path.parent}",
        )


def _sync(folder: Path) -> None:
    """Wait until a folder's names are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _whole_lines_end(path: Path) -> int:
    return path.read_bytes().rfind(b"\n") + 1


def _event(path: Path, number: int, line: str) -> Event:
    try:
        content = json.loads(line)
        return Event(**{name: TYPES.get(name, str)(value) for name, value in content.items()})
    except (ValueError, TypeError, AttributeError) as error:
        raise RegistryError(
            f"{path}: line {number} is no event ({error})", hint="restore the file; it is only ever added to"
        ) from error
