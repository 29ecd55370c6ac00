"""What is asked of jobs, and what is told of them."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema

from serving.batch.items import Trouble
from serving.batch.outputs import TOGETHER
from serving.formats import FORMATS
from serving.jobs.job import Job
from serving.jobs.job import Order as JobOrder
from serving.routes.questions import SEPARATOR, Text

SHOWN_FAILURES = 100
"""Named in a status; the report in the result has more."""

MOST_PLACES = 100

FormatNames = Annotated[
    list[str],
    WithJsonSchema(
        {"type": "array", "items": {"type": "string", "enum": [*FORMATS, *TOGETHER]}, "minItems": 1}
    ),
]

State = Literal["queued", "running", "done", "partial", "failed", "cancelled"]


class JobQuestion(BaseModel):
    """What is wanted of an archive; anything else is refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    formats: FormatNames = []
    """
    What to make, with commas between: formats of single photos, and `coco`, `parquet` and `sheet` for
    all together. Where left out, `png`.
    """

    model: Text = None
    """Which model; where left out, the server's default."""

    max_failures: Annotated[str | None, WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,9}$"})] = None
    """Stop when more photos fail: `20`, or `5%` of them. Where left out, never."""

    def order(self, default_model: str) -> JobOrder:
        """Give what is wanted."""
        formats = [name.strip() for each in self.formats for name in each.split(SEPARATOR)]
        model = default_model if self.model is None else self.model
        return JobOrder(model, tuple(dict.fromkeys(formats)) or ("png",), self.max_failures)


class PlacesQuestion(BaseModel):
    """A job over photos that the server can reach."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    places: list[str] = Field(min_length=1, max_length=MOST_PLACES)
    """Folders, archives and photos, each with the name of its root before it: `photos/2026/may`."""

    formats: FormatNames = Field(["png"], min_length=1)
    """What to make: formats of single photos, and `coco`, `parquet` and `sheet` for all together."""

    model: Text = None
    """Which model; where left out, the server's default."""

    max_failures: Annotated[str | None, WithJsonSchema({"type": "string", "pattern": r"^[0-9]{1,9}$"})] = None
    """Stop when more photos fail: `20`, or `5%` of them. Where left out, never."""

    result: Text = None
    """A new folder for results, with its root's name before it; where left out, they become an archive."""

    def order(self, default_model: str) -> JobOrder:
        """Give what is wanted."""
        model = default_model if self.model is None else self.model
        formats = tuple(dict.fromkeys(self.formats))
        return JobOrder(model, formats, self.max_failures, tuple(self.places), self.result)


@dataclass(frozen=True, slots=True)
class PhotoCounts:
    """
    How many photos there are, and what became of them.

    `total` is not known before the end where that would be as long as reading all: in tar archives.
    `twice` were named more than once.
    """

    total: int | None
    done: int
    failed: int
    twice: int


@dataclass(frozen=True, slots=True)
class JobCard:
    """
    One job.

    `key` is the name of the key that handed it in, `share` the part that is settled, `left_s` the time that
    is left at the present speed [s], `expires` when it is removed with its result, `reason` why it failed
    or waits. `result` is where its result is: a path of this server, or a folder that it was asked to use.
    """

    id: str
    state: State
    key: str
    created: str
    started: str | None
    ended: str | None
    expires: str | None
    model: str
    version: int | None
    formats: list[str]
    max_failures: str | None
    places: list[str]
    photos: PhotoCounts
    share: float | None
    photos_per_s: float
    left_s: float | None
    reason: str | None
    result: str | None


@dataclass(frozen=True, slots=True)
class FailureCard:
    """A photo without masks, and why."""

    photo: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobStatus(JobCard):
    """One job, with the first of the photos that failed."""

    failures: list[FailureCard]


@dataclass(frozen=True, slots=True)
class JobList:
    """Jobs, the newest first."""

    jobs: list[JobCard]


def job_card(job: Job, *, keep_s: float, has_result: bool) -> JobCard:
    """Give what is told of a job."""
    progress = job.progress
    share = 1.0 if job.state in ("done", "partial") else None
    left_s = None
    if share is None and progress.total:
        share = min(1.0, progress.settled / progress.total)
        if job.state == "running" and progress.photos_per_s:
            left_s = round(max(0, progress.total - progress.settled) / progress.photos_per_s, 1)
    assert job.state != "receiving", "nobody knows of it yet"
    return JobCard(
        id=job.id,
        state=job.state,
        key=job.holder,
        created=_time(job.created),
        started=_time(job.started) if job.started else None,
        ended=_time(job.ended) if job.ended else None,
        expires=_time(job.ended + keep_s) if job.ended else None,
        model=job.order.model,
        version=job.version,
        formats=list(job.order.formats),
        max_failures=job.order.max_failures,
        places=list(job.order.places),
        photos=PhotoCounts(progress.total, progress.done, progress.failed, progress.twice),
        share=share,
        photos_per_s=round(progress.photos_per_s, 2),
        left_s=left_s,
        reason=job.reason,
        result=(job.order.result or f"{job_path(job)}/result") if has_result else None,
    )


def job_status(card: JobCard, failures: list[Trouble]) -> JobStatus:
    """Give what is told of a job to whoever asks for it alone."""
    named = [FailureCard(each.origin, each.reason) for each in failures]
    return JobStatus(**{each.name: getattr(card, each.name) for each in fields(card)}, failures=named)


def job_path(job: Job) -> str:
    """Give where a job is asked after."""
    return f"/v1/jobs/{job.id}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
