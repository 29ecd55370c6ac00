"""Which stages are done, and of what: a stamp each in the run's folder, so that nothing is done twice."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contract.errors import ConfigurationError
from contract.files import writing, written_whole
from export.workflow.order import Stage

STAMPS = "stages"
LOCK_FILE = ".lock"


@dataclass(frozen=True, slots=True)
class Stamps:
    """
    The stamps in a run's folder.

    A stage is done when its stamp names the inputs that it would have now. It is begun before it is done:
    whoever goes on after a kill finds by that whether half a stage is of the same inputs.

    Args:
        run: The run's folder.
    """

    run: Path

    def done(self, stage: Stage, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Give what a stage left, where it is done with these inputs; None where it is not."""
        stamp = self._read(stage)
        if stamp is None or stamp["finished"] is None or stamp["inputs"] != digest(inputs):
            return None
        found: dict[str, Any] = stamp["found"]
        return found

    def changed(self, stage: Stage, inputs: dict[str, Any]) -> list[str]:
        """Name the inputs that are not those with which a stage was begun; none where it was not."""
        stamp = self._read(stage)
        before = stamp["inputs"] if stamp else digest(inputs)
        return [name for name, value in digest(inputs).items() if before.get(name) != value]

    def begin(self, stage: Stage, inputs: dict[str, Any]) -> None:
        """Write that a stage is under way."""
        self._write(stage, {"inputs": digest(inputs), "finished": None, "found": {}})

    def finish(self, stage: Stage, inputs: dict[str, Any], found: dict[str, Any]) -> None:
        """Write that a stage is done, and what it left."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write(stage, {"inputs": digest(inputs), "finished": now, "found": found})

    def _read(self, stage: Stage) -> dict[str, Any] | None:
        path = self._path(stage)
        if not path.exists():
            return None
        try:
            stamp = json.loads(path.read_text(encoding="utf-8"))
            if set(stamp) != {"inputs", "finished", "found"}:
                raise ValueError("other fields than a stamp's")
        except (OSError, ValueError, TypeError) as error:
            raise ConfigurationError(
                f"{path}: not a readable stamp ({error})", hint="remove it to do the stage again"
            ) from error
        return dict(stamp)

    def _write(self, stage: Stage, stamp: dict[str, Any]) -> None:
        with written_whole(self._path(stage)) as stream:
            stream.write(json.dumps(stamp, indent=2).encode() + b"\n")

    def _path(self, stage: Stage) -> Path:
        return self.run / STAMPS / f"{stage}.json"


@contextmanager
def working_in(run: Path) -> Iterator[Stamps]:
    """
    Have a run's folder to oneself.

    Raises:
        ConfigurationError: If another retraining works in it.
        WriteError: If it cannot be written.
    """
    with writing(run):
        run.mkdir(parents=True, exist_ok=True)
        handle = (run / LOCK_FILE).open("wb")
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"{run}: another retraining works here", hint="wait for it, or choose another --out"
            ) from error
        yield Stamps(run)


def digest(inputs: dict[str, Any]) -> dict[str, str]:
    """Give each input's hash, by its name; a stamp names what is no longer the same."""
    return {
        name: hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
        for name, value in inputs.items()
    }


def fingerprint(folder: Path) -> str:
    """Give what changes when a folder's files do: their names, sizes and times; nothing is read."""
    lines = []
    for parent, _, names in os.walk(folder, followlinks=True):  # data sets are often linked together
        for name in names:
            path = Path(parent) / name
            if path.is_file():
                about = path.stat()
                lines.append(f"{path.relative_to(folder)} {about.st_size} {about.st_mtime_ns}")
    return hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]
