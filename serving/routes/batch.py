"""POST /v1/segment:batch: many photos in, a line for each out; a bad photo spoils its own line only."""

import asyncio
import base64
import json
import logging
from collections import deque
from collections.abc import AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from contract.errors import Box2SegError, RequestError
from serving.errors import error_problem, status_of
from serving.gateway import Gateway
from serving.routes.answers import Responses, refusals, with_headers
from serving.routes.bodies import BINARY, FIELD, Upload, is_form, read_uploads
from serving.routes.negotiation import not_acceptable, parse_accept, quality
from serving.routes.questions import Order, Question, take_order
from serving.routes.wiring import TheGateway, charge, start_deadline

log = logging.getLogger("box2seg.requests")

router = APIRouter(tags=["segmentation"])

MEDIA_TYPE = "application/x-ndjson"
DEFAULT_FORMAT = "png"

Line = dict[str, Any]
"""What became of one photo, as JSON."""

PHOTOS_IN_A_BATCH = 64
"""More files in one form are refused; so is a body longer than any other may be."""

AT_ONCE = 3
"""While the network works on one photo, another is decoded and a third encoded; others fit between."""

FORM = {
    "type": "object",
    "required": [FIELD],
    "properties": {FIELD: {"type": "array", "items": BINARY, "minItems": 1, "maxItems": PHOTOS_IN_A_BATCH}},
    "additionalProperties": False,
}
BODY = {
    "requestBody": {
        "required": True,
        "description": f"A form with up to {PHOTOS_IN_A_BATCH} photos, each in the field `{FIELD}`.",
        "content": {"multipart/form-data": {"schema": FORM}},
    }
}
ANSWERS: Responses = {
    200: {
        "description": "A line of JSON per photo, in their order, each as soon as it is there: `index`, "
        "`name`, `status` and, where that is 200, `content_type` with `content` (formats that are JSON) or "
        "`base64` (the others); else `problem`, as the photo alone would get it, and `retry_after_s` where "
        "it may be sent again. `X-Request-Timeout` holds for each photo: how long it waits for room in the "
        "queue, and then how long it may take.",
        "headers": with_headers("X-Model-Name", "X-Model-Version"),
        "content": {MEDIA_TYPE: {"schema": {"type": "string"}}},
    },
    **refusals(404, 406, 413, 415, 422, 429, 503, 507),
}


@router.post("/v1/segment:batch", response_class=StreamingResponse, responses=ANSWERS, openapi_extra=BODY)
async def segment_batch(
    request: Request, question: Annotated[Question, Query()], gateway: TheGateway
) -> StreamingResponse:
    """Segment many photos in one call, each with a status of its own; parameters hold for all of them."""
    _check_accept(", ".join(request.headers.getlist("accept")))
    named = DEFAULT_FORMAT if question.format is None else question.format
    order = take_order(question.model_copy(update={"format": named}), "", gateway)
    if not is_form(request):
        raise RequestError(
            "a batch is a form with files", hint=f"curl -F {FIELD}=@one.jpg -F {FIELD}=@two.jpg"
        )
    start_deadline(request)  # refuses one that is no number, before the first line
    uploads = await read_uploads(request, at_most=PHOTOS_IN_A_BATCH)
    charge(request, len(uploads))
    lines = segment_all(uploads, order, gateway, request)
    return StreamingResponse(_encode(lines), media_type=MEDIA_TYPE, headers=order.headers())


def _check_accept(accept: str) -> None:
    if quality(MEDIA_TYPE, parse_accept(accept)) == 0:
        raise not_acceptable(accept, [MEDIA_TYPE])


async def _encode(lines: AsyncIterator[Line]) -> AsyncIterator[bytes]:
    async for line in lines:
        yield json.dumps(line).encode() + b"\n"


async def segment_all(
    uploads: list[Upload], order: Order, gateway: Gateway, request: Request
) -> AsyncIterator[Line]:
    """Work on a few photos at once and give their lines in order; stop them all when nobody listens."""
    waiting: deque[asyncio.Task[Line]] = deque()
    at_once = min(AT_ONCE, gateway.settings.concurrency)  # none waits for another of its own batch
    work = partial(_segment_one, order=order, gateway=gateway, request=request)
    try:
        with gateway.models.held(order.manifest):  # to the last photo, whatever is promoted meanwhile
            for index, upload in enumerate(uploads):
                waiting.append(asyncio.create_task(work(index, upload)))
                if len(waiting) >= at_once:
                    yield await waiting.popleft()
            while waiting:
                yield await waiting.popleft()
    finally:
        for task in waiting:
            task.cancel()


async def _segment_one(
    index: int, upload: Upload, *, order: Order, gateway: Gateway, request: Request
) -> Line:
    """Segment one photo, in the time that one photo has."""
    line: Line = {"index": index, "name": upload.name}
    request_id = request.state.request_id
    try:
        async with gateway.room(start_deadline(request)):
            answer = await order.fill(upload.data, gateway, deadline=start_deadline(request), behind=True)
    except Exception as error:  # whatever becomes of one photo, the others get their lines
        status = status_of(error)
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            log.error("request %s failed on photo %d", request_id, index, exc_info=error)
        line |= {"status": status, "problem": error_problem(error, request_id=request_id)}
        if isinstance(error, Box2SegError) and error.retry_after_s is not None:
            line["retry_after_s"] = error.retry_after_s
    else:
        line |= {"status": HTTPStatus.OK, "content_type": order.form.media_type}
        line |= _content(answer.body, order)
    return line


def _content(body: bytes, order: Order) -> dict[str, Any]:
    if order.form.is_json:
        return {"content": json.loads(body)}
    return {"base64": base64.b64encode(body).decode()}
