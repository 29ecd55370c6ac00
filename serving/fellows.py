"""
What the workers of one server tell each other about versions: which they use, have ready, and want.

Each keeps one note, a file in their common folder, and reads the others'. A worker alone keeps its note to
itself.
"""

import asyncio
import dataclasses
import fcntl
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

LOCK = "lock"
SUFFIX = ".json"


@dataclass(slots=True)
class Note:
    """
    What one worker says of one model.

    Args:
        looked_s: When it last began to look at the model, on the system's monotonic clock [s].
        in_use: Versions that it may ask the engine for at any moment; nobody drops those.
        ready: Versions that can answer, found so at that look.
        wanted: Versions that all are to have ready.
        problems: Why versions are not ready, by version.
    """

    looked_s: float = 0.0
    in_use: list[int] = field(default_factory=list)
    ready: list[int] = field(default_factory=list)
    wanted: list[int] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)


class Fellows:
    """
    The workers of one server, this one among them.

    Args:
        folder: Where their notes lie; None for one alone.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._mine: dict[str, Note] = {}

    def mine(self, model: str) -> Note:
        """Give this worker's own note on a model; `tell` after changing it."""
        return self._mine.setdefault(model, Note())

    def tell(self) -> None:
        """Let the others see this worker's notes."""
        if self._folder is None:
            return
        path = self._folder / f"{os.getpid()}{SUFFIX}"
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps({name: dataclasses.asdict(note) for name, note in self._mine.items()}))
        beside.replace(path)  # whole, whenever it is read

    def notes(self, model: str) -> list[Note]:
        """Give what each living worker says of a model, this one first."""
        return [self.mine(model), *(note for pid in self._others() if (note := self._read(pid, model)))]

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Have no other worker change what is in use or loaded while inside."""
        if self._folder is None:
            yield
            return
        with (self._folder / LOCK).open("wb") as handle:
            await asyncio.to_thread(fcntl.flock, handle, fcntl.LOCK_EX)
            yield

    def _others(self) -> list[int]:
        if self._folder is None:
            return []
        pids = (int(path.stem) for path in self._folder.glob(f"*{SUFFIX}"))
        return [pid for pid in pids if pid != os.getpid() and _lives(pid)]

    def _read(self, pid: int, model: str) -> Note | None:
        assert self._folder
        with suppress(FileNotFoundError):  # buried just now
            notes = json.loads((self._folder / f"{pid}{SUFFIX}").read_text())
            return Note(**notes[model]) if model in notes else None
        return None


def forget_worker(pid: int, folder: Path) -> None:
    """Take a dead worker's note away."""
    (folder / f"{pid}{SUFFIX}").unlink(missing_ok=True)


def now_s() -> float:
    """Read the clock that all processes of a machine share [s]."""
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
