"""/v1/jobs: batches that are handed in, asked after, cancelled and fetched."""

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from contract.errors import InvalidParameter, NoSuchRange, RequestError
from serving.jobs.desk import Desk
from serving.jobs.job import Job
from serving.routes.answers import Part, Responses, refusals, with_headers
from serving.routes.bodies import BINARY, LOOKED_AT, is_form, is_json, parse_object, refuse_compressed
from serving.routes.changes import checked_words
from serving.routes.job_cards import (
    SHOWN_FAILURES,
    JobCard,
    JobList,
    JobQuestion,
    JobStatus,
    PlacesQuestion,
    job_card,
    job_path,
    job_status,
)
from serving.routes.problems import problem_response
from serving.routes.wiring import TheDesk, TheHolder

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])

ARCHIVES = ("application/zip", "application/x-tar", "application/gzip")
RESULT_TYPE = "application/zip"
LONGEST_ORDER = 2**20
"""JSON with more bytes names no places."""

Id = Annotated[
    str, Path(pattern="^[A-Za-z0-9_-]{22}$", description="As the answer to the job's POST had it.")
]

BODY: Part = {
    "requestBody": {
        "required": True,
        "description": "A zip or tar archive of photos, packed or not, whatever its Content-Type; or JSON "
        "that names places which the server's operator allows, and says what is wanted, with nothing behind "
        "the question mark.",
        "content": {
            **{media_type: {"schema": BINARY} for media_type in ARCHIVES},
            "application/json": {"schema": PlacesQuestion.model_json_schema()},
        },
    }
}
TAKEN: Responses = {
    202: {
        "description": "The job is queued; `Location` says where to ask after it.",
        "headers": with_headers("Location"),
    },
    **refusals(404, 406, 409, 413, 415, 422, 429, 503, 507),
}
REMOVED: Responses = {
    200: {
        "description": "Where it was queued or running, it is cancelled and its files are gone; where it had "
        "ended, it is removed with its result, and this is the last that is known of it."
    },
    **refusals(404, 422),
}
RESULT: Responses = {
    200: {
        "description": "A zip archive: the masks, files for all photos together, and `report.html`. `Range` "
        "gives a part of it, as 206.",
        "content": {RESULT_TYPE: {"schema": BINARY}},
    },
    206: {"description": "The part asked for.", "content": {RESULT_TYPE: {"schema": BINARY}}},
    **refusals(404, 409, 416, 422),
}


@router.post("", status_code=202, responses=TAKEN, openapi_extra=BODY)
async def create_job(
    request: Request,
    response: Response,
    question: Annotated[JobQuestion, Query()],
    desk: TheDesk,
    holder: TheHolder,
) -> JobStatus:
    """Hand in a batch of photos, that is worked off behind everybody who waits for an answer."""
    refuse_compressed(request)
    if is_form(request):
        raise RequestError("a job is an archive as the body, or JSON, not a form", hint="curl -T photos.zip")
    chunks = request.stream()
    first = await _first_of(chunks)
    default = desk.settings.default_model
    if is_json(first):
        if question.model_fields_set:
            raise InvalidParameter(
                f"{', '.join(sorted(question.model_fields_set))}: stands in the JSON where places are named"
            )
        data = await _all_of(first, chunks)
        order = checked_words(PlacesQuestion, parse_object(data)).order(default)
        desk.check(order)
        job = await desk.take_places(order, holder)
    else:
        order = question.order(default)
        desk.check(order)
        job = await desk.take_archive(order, holder, _beginning(first, chunks))
    response.headers["Location"] = job_path(job)
    return await _status(job, desk)


@router.get("", responses=refusals(404, 422))
async def list_jobs(
    desk: TheDesk, holder: TheHolder, limit: Annotated[int, Query(ge=1, le=1000)] = 100
) -> JobList:
    """List the jobs of the key that asks, the newest first; of all keys for one that may do all."""
    jobs = await desk.those_of(holder, at_most=limit)
    return JobList(await asyncio.to_thread(lambda: [_card(job, desk) for job in jobs]))


@router.get("/{id}", responses=refusals(404, 422))
async def get_job(id: Id, desk: TheDesk, holder: TheHolder) -> JobStatus:
    """Say how far a job is, and what failed."""
    return await _status(await desk.find(id, holder), desk)


@router.delete("/{id}", responses=REMOVED)
async def delete_job(id: Id, desk: TheDesk, holder: TheHolder) -> JobStatus:
    """Cancel a job; one that has ended is removed with its result."""
    return await _status(await desk.end(id, holder), desk)


@router.get("/{id}/result", response_class=FileResponse, responses=RESULT)
async def get_result(request: Request, id: Id, desk: TheDesk, holder: TheHolder) -> Response:
    """Give a job's result."""
    path = await desk.result(id, holder)
    return Download(request, path, media_type=RESULT_TYPE, filename=f"box2seg-{id}.zip")


class Download(FileResponse):
    """A file, or a part of it; a range that it does not have is refused as everything else is."""

    def __init__(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._request = request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        is_refused = False

        async def watch(message: Message) -> None:
            nonlocal is_refused
            is_refused |= message.get("status", 0) >= HTTPStatus.BAD_REQUEST
            if not is_refused:
                await send(message)

        await super().__call__(scope, receive, watch)
        if is_refused:
            error = NoSuchRange("Range: the result has no such part", hint="leave Range out for all of it")
            await problem_response(error, self._request)(scope, receive, send)


def _card(job: Job, desk: Desk) -> JobCard:
    return job_card(job, keep_s=desk.settings.jobs_keep_s, has_result=desk.has_result(job))


async def _status(job: Job, desk: Desk) -> JobStatus:
    failures = await desk.failures(job, at_most=SHOWN_FAILURES)
    return job_status(await asyncio.to_thread(_card, job, desk), failures)


async def _first_of(chunks: AsyncIterator[bytes]) -> bytes:
    """Give the first bytes of a body that say anything."""
    first = b""
    async for chunk in chunks:
        first += chunk
        if first.strip() or len(first) >= LOOKED_AT:
            break
    return first


async def _beginning(first: bytes, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for chunk in chunks:
        yield chunk


async def _all_of(first: bytes, chunks: AsyncIterator[bytes]) -> bytes:
    data = bytearray(first)
    async for chunk in chunks:
        data += chunk
        if len(data) > LONGEST_ORDER:
            raise RequestError(f"JSON with more than {LONGEST_ORDER:,} bytes names no places")
    return bytes(data)
