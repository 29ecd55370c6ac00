"""POST /v1/segment: a photo in, its mask out."""

from fastapi import APIRouter, Request, Response

from serving.formats import FORMATS
from serving.gateway import Gateway
from serving.routes.answers import Part, Responses, refusals, with_headers
from serving.routes.bodies import BINARY, PHOTO_BODY, read_photo
from serving.routes.questions import Order, TheOrder
from serving.routes.wiring import TheGateway, start_deadline

router = APIRouter(tags=["segmentation"])

# Parameters such as profile tell forms apart, but OpenAPI lists media types.
CONTENT: Part = {
    form.media_type.partition(";")[0]: {"schema": form.schema or BINARY} for form in FORMATS.values()
}
ANSWERS: Responses = {
    200: {
        "description": "The mask, at the photo's own upright size.",
        "headers": with_headers(
            "X-Model-Name", "X-Model-Version", "Server-Timing", "Vary", "X-Shape", "X-Dtype"
        ),
        "content": CONTENT,
    },
    **refusals(404, 406, 413, 415, 422, 429, 503, 504, 507),
}


@router.post("/v1/segment", response_class=Response, responses=ANSWERS, openapi_extra=PHOTO_BODY)
async def segment(request: Request, order: TheOrder, gateway: TheGateway) -> Response:
    """Segment one photo: every pixel gets a class; `/v1/models` says what the labels mean."""
    return await segment_photo(request, order, gateway)


async def segment_photo(request: Request, order: Order, gateway: Gateway) -> Response:
    """Answer with what is wanted of the photo that a request brings."""
    photo = await read_photo(request)
    answer = await order.fill(photo, gateway, deadline=start_deadline(request))
    return Response(
        answer.body, media_type=order.form.media_type, headers=answer.headers | {"Vary": "Accept"}
    )
