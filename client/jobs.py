"""Batches that a server works off: how they are handed in, and what it says of them."""

import asyncio
import tempfile
import zipfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any

import httpx

from contract.errors import InvalidImage
from contract.files import written_whole

JOBS = "/v1/jobs"
PORTION = 2**20
PROGRESS_S = 1.0
"""How often a server is asked how far a job is."""

ACTIVE = ("queued", "running")

Place = str | PathLike[str]
"""The path to a folder of photos, or to a zip or tar archive of them."""


@dataclass(frozen=True, slots=True)
class Job:
    """
    A job as the server describes it.

    Args:
        id: Names it.
        state: "queued" or "running", then "done", "partial" (some failed), "failed" or "cancelled".
        model: That segments.
        version: Of it; None before it starts.
        total: Photos in all; None where that is not known yet.
        done: Photos with masks.
        failed: Photos without.
        photos_per_s: How fast it goes.
        left_s: How long it takes yet; None where that is not known [s].
        reason: Why it failed, or waits.
        result: Where its result is; None before there is one.
        failures: The first photos that failed, with their reasons.
    """

    id: str
    state: str
    model: str
    version: int | None
    total: int | None
    done: int
    failed: int
    photos_per_s: float
    left_s: float | None
    reason: str | None
    result: str | None
    failures: tuple[tuple[str, str], ...] = ()

    @property
    def has_ended(self) -> bool:
        """Tell whether nothing more is to come."""
        return self.state not in ACTIVE

    @property
    def path(self) -> str:
        """Where it is asked after."""
        return f"{JOBS}/{self.id}"


def read_job(content: dict[str, Any]) -> Job:
    """Read what a server says of a job."""
    photos = content["photos"]
    return Job(
        **{name: photos[name] for name in ("total", "done", "failed")},
        **{name: content[name] for name in ("id", "state", "model", "version", "photos_per_s", "left_s")},
        reason=content["reason"],
        result=content["result"],
        failures=tuple((each["photo"], each["reason"]) for each in content.get("failures", ())),
    )


def job_query(formats: Sequence[str], model: str | None, max_failures: str | None) -> dict[str, str]:
    """Give what stands behind the question mark of an archive."""
    asked = {"formats": ",".join(formats), "model": model, "max_failures": max_failures}
    return {name: value for name, value in asked.items() if value is not None}


def job_order(
    places: Sequence[str],
    formats: Sequence[str],
    model: str | None,
    max_failures: str | None,
    result: str | None,
) -> dict[str, Any]:
    """Give the JSON of a job over places that the server can reach."""
    asked = {"model": model, "max_failures": max_failures, "result": result}
    given = {name: value for name, value in asked.items() if value is not None}
    return {"places": list(places), "formats": list(formats), **given}


@contextmanager
def packed(photos: Place) -> Iterator[Path]:
    """
    Give an archive of photos while inside: the one named, or one made of a folder.

    Raises:
        InvalidImage: If there is neither.
    """
    path = Path(photos)
    if path.is_file():
        yield path
        return
    if not path.is_dir():
        raise InvalidImage(f"{path}: no such archive or folder")
    with tempfile.TemporaryDirectory(prefix="box2seg_job_") as folder:
        archive = Path(folder) / "photos.zip"
        with zipfile.ZipFile(archive, "w") as stream:  # photos are packed by themselves
            for file in sorted(path.rglob("*")):
                if file.is_file():
                    stream.write(file, file.relative_to(path))
        yield archive


def length_of(archive: Path) -> dict[str, str]:
    """Give the header that lets a server refuse an archive before it comes."""
    return {"Content-Length": str(archive.stat().st_size)}


def read_portions(archive: Path) -> Iterator[bytes]:
    """Read a file in portions."""
    with archive.open("rb") as stream:
        while portion := stream.read(PORTION):
            yield portion


async def read_portions_aside(archive: Path) -> AsyncIterator[bytes]:
    """Read a file in portions, in threads."""
    portions = read_portions(archive)
    while (portion := await asyncio.to_thread(next, portions, None)) is not None:
        yield portion


def save(answer: httpx.Response, out: Path) -> Path:
    """Write an answer as it comes; the file is whole or not there."""
    with written_whole(out) as stream:
        for portion in answer.iter_bytes():
            stream.write(portion)
    return out


async def save_aside(answer: httpx.Response, out: Path) -> Path:
    """Write an answer as it comes, in threads."""
    with written_whole(out) as stream:
        async for portion in answer.aiter_bytes():
            await asyncio.to_thread(stream.write, portion)
    return out
