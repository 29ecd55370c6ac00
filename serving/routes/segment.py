"""POST /v1/segment: a photo in, its mask out."""

from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from starlette.datastructures import UploadFile

from contract.errors import RequestError, UnsupportedImage
from contract.images import decode_image
from contract.manifest import Manifest
from serving.formats import FORMATS, find_format
from serving.routes.wiring import TheGateway, start_deadline
from serving.telemetry import Stopwatch

router = APIRouter(tags=["segmentation"])

FIELD = "image"

BINARY = {"schema": {"type": "string", "format": "binary"}}
FORM = {"type": "object", "required": [FIELD], "properties": {FIELD: BINARY["schema"]}}
BODY = {
    "requestBody": {
        "required": True,
        "description": "The photo's own bytes, or a form with the photo in the field `image`. "
        "JPEG, PNG, WebP or BMP; the content decides, not the Content-Type.",
        "content": {"image/*": BINARY, "multipart/form-data": {"schema": FORM}},
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The mask, at the photo's own upright size.",
        "content": {
            each.media_type: {} if "json" in each.media_type else BINARY for each in FORMATS.values()
        },
    }
}


class Question(BaseModel):
    """What may stand behind the question mark; anything else is refused."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    format: str = "png"
    """`png`: a palette PNG of labels. `overlay`: the photo with the mask drawn over it, as a JPEG.
    `rle`: COCO run lengths per class, as JSON."""

    model: str | None = None
    """Which model; where left out, the server's default."""


@router.post("/v1/segment", response_class=Response, responses=ANSWER, openapi_extra=BODY)
async def segment(request: Request, question: Annotated[Question, Query()], gateway: TheGateway) -> Response:
    """Segment one photo: every pixel gets a class; `/v1/models` says what the labels mean."""
    wanted = find_format(question.format)
    manifest = gateway.models.find(
        gateway.settings.default_model if question.model is None else question.model
    )
    data = await read_photo(request)
    watch = Stopwatch()
    body = await gateway.segment(
        partial(decode_image, data, max_pixels=gateway.settings.max_pixels),
        manifest,
        lambda photo, segmentation: wanted.encode(photo, segmentation, manifest.classes),
        watch=watch,
        deadline=start_deadline(request),
    )
    return Response(body, media_type=wanted.media_type, headers=_headers(manifest, watch))


async def read_photo(request: Request) -> bytes:
    """
    Read the photo's bytes from a raw body or a form.

    Raises:
        UnsupportedImage: If the body is compressed once more.
        RequestError: If a form has no photo.
    """
    encoding = request.headers.get("content-encoding", "identity")
    if encoding != "identity":
        raise UnsupportedImage(
            f"a body with Content-Encoding {encoding} is not read", hint="send the photo's own bytes"
        )
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        return await _read_form(request)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
    return bytes(data)


async def _read_form(request: Request) -> bytes:
    async with request.form(max_files=1, max_fields=8) as form:
        photo = form.get(FIELD)
        if not isinstance(photo, UploadFile):
            raise RequestError(
                f"the form has no file in the field {FIELD!r}, but {list(form) or 'nothing'}",
                hint=f"curl -F {FIELD}=@photo.jpg",
            )
        if set(form) != {FIELD}:
            raise RequestError(
                f"the form has fields that are not read: {sorted(set(form) - {FIELD})}",
                hint="options stand behind the question mark: /v1/segment?format=overlay",
            )
        return await photo.read()


def _headers(manifest: Manifest, watch: Stopwatch) -> dict[str, str]:
    return {
        "X-Model-Name": manifest.name,
        "X-Model-Version": str(manifest.version),
        "Server-Timing": watch.server_timing(),
    }
