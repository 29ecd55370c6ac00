"""POST /hf: the shape of Hugging Face's image segmentation task, in and out."""

import base64
import io
import json
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from fastapi import APIRouter, Query, Request, Response
from PIL import Image
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from contract.arrays import Uint8
from contract.classes import IGNORE, ClassMap
from contract.errors import InvalidParameter, RequestError
from contract.geometry import CERTAIN
from contract.masks import Segmentation
from serving.formats import Format
from serving.refinement import Refinement
from serving.routes.answers import Responses, refusals, with_headers
from serving.routes.bodies import BASE64, RAW, decode_base64, is_json, parse_object, read_body
from serving.routes.questions import ModelQuestion, Order, find_model
from serving.routes.wiring import TheGateway, start_deadline

router = APIRouter(tags=["segmentation"])

INPUTS, PARAMETERS = "inputs", "parameters"

Share = Annotated[float | None, Field(ge=0, le=1)]


class Parameters(BaseModel):
    """What may be asked beside the photo; anything else is refused."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    subtask: Literal["semantic"] | None = None
    """The model tells classes apart, not objects."""

    threshold: Share = None
    """Masks with a lower score are left out."""

    mask_threshold: Share = None
    """Pixels that the network is less sure of than this are in no mask."""

    overlap_mask_area_threshold: Share = None
    """Taken for the clients that send it: masks never overlap here, so there is nothing to decide by it."""


@dataclass(frozen=True, slots=True)
class Mask:
    """One class in the answer: its name, a black and white PNG as base64, and the mean confidence in it."""

    label: str
    mask: str
    score: float


OPTIONAL_PARAMETERS = {"anyOf": [Parameters.model_json_schema(), {"type": "null"}]}
BODY = {
    "requestBody": {
        "required": True,
        "description": "The photo's own bytes, or JSON with the photo as base64 in `inputs`.",
        "content": {
            **RAW,
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": [INPUTS],
                    "properties": {INPUTS: BASE64, PARAMETERS: OPTIONAL_PARAMETERS},
                    "additionalProperties": False,
                }
            },
        },
    }
}


ANSWERS: Responses = {
    200: {"headers": with_headers("X-Model-Name", "X-Model-Version", "Server-Timing")},
    **refusals(404, 413, 415, 422, 429, 503, 504),
}


@router.post("/hf", response_model=list[Mask], responses=ANSWERS, openapi_extra=BODY)
async def segment_as_huggingface(
    request: Request, question: Annotated[ModelQuestion, Query()], gateway: TheGateway
) -> Response:
    """Segment one photo as Hugging Face's servers do: a mask for each class that is there, background too."""
    manifest = find_model(question, gateway)
    body = await read_body(request)
    photo, parameters = await run_in_threadpool(_parse, body) if is_json(body) else (body, Parameters())

    def encode(_: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
        return json.dumps(list_masks(segmentation, classes, parameters.threshold or 0.0)).encode()

    order = Order(
        manifest,
        Format("application/json", ".json", encode, "Hugging Face's image segmentation", confident=True),
        Refinement(threshold=parameters.mask_threshold),
    )
    answer = await order.fill(photo, gateway, deadline=start_deadline(request))
    return Response(answer.body, media_type=order.form.media_type, headers=answer.headers)


def list_masks(segmentation: Segmentation, classes: ClassMap, least_score: float) -> list[dict[str, Any]]:
    """Give each class that is in the photo and scores enough as Hugging Face's clients expect it."""
    assert segmentation.confidence is not None
    masks = []
    for label in segmentation.present():
        mask = segmentation.labels == label
        score = float(segmentation.confidence[mask].mean()) / CERTAIN
        if label != IGNORE and score >= least_score:
            masks.append({"label": classes.name(label), "mask": _encode_mask(mask), "score": score})
    return masks


def _parse(data: bytes) -> tuple[bytes, Parameters]:
    content = parse_object(data)
    others = sorted(set(content) - {INPUTS, PARAMETERS})
    if others:
        raise RequestError(
            f"the JSON has fields that are not read: {others}", hint=f"there are: {INPUTS}, {PARAMETERS}"
        )
    return decode_base64(content, INPUTS), _parameters(content.get(PARAMETERS))


def _parameters(given: object) -> Parameters:
    try:
        return Parameters() if given is None else Parameters.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, (PARAMETERS, *each['loc'])))}: {each['msg'].lower()}"
            for each in error.errors()
        )
        raise InvalidParameter(problems, hint=f"there are: {', '.join(Parameters.model_fields)}") from error


def _encode_mask(mask: npt.NDArray[np.bool_]) -> str:
    stream = io.BytesIO()
    Image.fromarray(mask.view(np.uint8) * np.uint8(255)).save(stream, "PNG", compress_level=1)
    return base64.b64encode(stream.getvalue()).decode()
