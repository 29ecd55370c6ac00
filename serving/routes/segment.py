"""POST /v1/segment: a photo in, its mask out."""

from typing import Any

from fastapi import APIRouter, Request, Response

from serving.formats import FORMATS
from serving.routes.bodies import BINARY, PHOTO_BODY, read_photo
from serving.routes.problems import PROBLEM
from serving.routes.questions import TheOrder
from serving.routes.wiring import TheGateway, start_deadline

router = APIRouter(tags=["segmentation"])

# Parameters such as profile tell forms apart, but OpenAPI lists media types.
CONTENT = {
    form.media_type.partition(";")[0]: {} if form.is_json else {"schema": BINARY} for form in FORMATS.values()
}
ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The mask, at the photo's own upright size.", "content": CONTENT},
    **PROBLEM,
}


@router.post("/v1/segment", response_class=Response, responses=ANSWERS, openapi_extra=PHOTO_BODY)
async def segment(request: Request, order: TheOrder, gateway: TheGateway) -> Response:
    """Segment one photo: every pixel gets a class; `/v1/models` says what the labels mean."""
    photo = await read_photo(request)
    answer = await order.fill(photo, gateway, deadline=start_deadline(request))
    return Response(
        answer.body, media_type=order.form.media_type, headers=answer.headers | {"Vary": "Accept"}
    )
