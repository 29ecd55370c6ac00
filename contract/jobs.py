"""Photos on disk to masks on disk: each mask whole or not at all, a bad photo named and passed over."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.errors import Box2SegError, DataError
from contract.files import written_whole

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True, slots=True)
class Job:
    """One photo, and the file that its mask goes to."""

    photo: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a job; `problem` is None where the mask was written."""

    job: Job
    problem: str | None = None


Segment = Callable[[Path], Awaitable[bytes]]
"""Gives the file to write for a photo."""

Tell = Callable[[Outcome], None]
"""Hears each outcome, in the jobs' order, as soon as it is there."""


def plan_jobs(places: Sequence[Path], out: Path, *, suffix: str) -> list[Job]:
    """
    Find the photos and where their masks go; folders are searched through and their order of files is kept.

    Args:
        places: Photos and folders of photos.
        out: Folder for the masks; below it they lie as the photos below the folder that was named.
        suffix: What the masks' files end in.

    Raises:
        DataError: If nothing is found, or a mask would overwrite a photo or another mask.
    """
    jobs = [Job(photo, out / inside.with_suffix(suffix)) for photo, inside in _find_photos(places)]
    if not jobs:
        raise DataError("no photos found", hint=f"photos end in {', '.join(SUFFIXES)}")
    _refuse_overwriting(jobs)
    return jobs


async def work_off(jobs: Sequence[Job], segment: Segment, *, at_once: int, tell: Tell) -> None:
    """
    Segment photos and write their masks.

    Args:
        jobs: Photos and targets.
        segment: Gives a photo's mask; what it raises is that photo's problem.
        at_once: How many jobs are worked on at any time.
        tell: Hears each outcome.
    """
    waiting: deque[asyncio.Future[Outcome]] = deque()
    for job in jobs:
        waiting.append(asyncio.ensure_future(_work(job, segment)))
        if len(waiting) >= at_once:
            tell(await waiting.popleft())
    while waiting:
        tell(await waiting.popleft())


async def _work(job: Job, segment: Segment) -> Outcome:
    try:
        await asyncio.to_thread(_write_whole, job.target, await segment(job.photo))
    except (Box2SegError, OSError) as error:
        problem = str(error)
        return Outcome(job, problem if str(job.photo) in problem else f"{job.photo}: {problem}")
    return Outcome(job)


def _find_photos(places: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Give each photo with its path below the place named."""
    for place in places:
        if place.is_dir():
            found = sorted(path for path in place.rglob("*") if path.suffix.lower() in SUFFIXES)
            yield from ((path, path.relative_to(place)) for path in found)
        else:
            yield place, Path(place.name)


def _refuse_overwriting(jobs: list[Job]) -> None:
    photos = {job.photo.resolve() for job in jobs}
    taken: dict[Path, Path] = {}
    for job in jobs:
        target = job.target.resolve()
        if target in photos:
            raise DataError(f"{job.target}: the mask would overwrite a photo", hint="name another --out")
        if target in taken:
            raise DataError(
                f"{taken[target]} and {job.photo} would both become {job.target}",
                hint="segment them into different folders",
            )
        taken[target] = job.photo


def _write_whole(target: Path, content: bytes) -> None:
    with written_whole(target) as stream:
        stream.write(content)
