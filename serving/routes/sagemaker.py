"""GET /ping and POST /invocations: what Amazon SageMaker asks of a container."""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import WithJsonSchema

from contract.errors import InvalidParameter
from serving.routes.answers import refusals
from serving.routes.bodies import BINARY, PHOTO_BODY
from serving.routes.health import Ready, readyz
from serving.routes.questions import Question, check_question, take_order
from serving.routes.segment import ANSWERS, segment_photo
from serving.routes.wiring import TheGateway

router = APIRouter(tags=["clouds"])

ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
"""The only thing beside the body and its type that a caller of an endpoint can send along."""

IMAGE_TYPE = "application/x-image"
"""SageMaker's own name for photos."""

_BODY: dict[str, Any] = PHOTO_BODY["requestBody"]
BODY = {"requestBody": {**_BODY, "content": {**_BODY["content"], IMAGE_TYPE: {"schema": BINARY}}}}

Attributes = Annotated[
    str | None,
    WithJsonSchema({"type": "string"}),
    Header(
        alias=ATTRIBUTES,
        description="The parameters, as behind the question mark: `format=overlay&alpha=0.3`. They stand "
        "here or there.",
    ),
]


@router.get("/ping", response_model=Ready, responses=refusals(503))
async def ping(request: Request, gateway: TheGateway) -> Response:
    """Tell SageMaker whether photos can be segmented now, as `/readyz` does."""
    return await readyz(request, gateway)


@router.post("/invocations", response_class=Response, responses=ANSWERS, openapi_extra=BODY)
async def invocations(
    request: Request,
    question: Annotated[Question, Query()],
    gateway: TheGateway,
    attributes: Attributes = None,
) -> Response:
    """Segment one photo for a caller of a SageMaker endpoint, as `/v1/segment` does."""
    if attributes:
        if request.query_params:
            raise InvalidParameter(
                f"parameters stand behind the question mark and in {ATTRIBUTES}", hint="say them in one place"
            )
        question = check_question(_read_attributes(attributes), where=ATTRIBUTES, strict=False)
    accept = ", ".join(request.headers.getlist("accept"))
    return await segment_photo(request, take_order(question, accept, gateway), gateway)


def _read_attributes(text: str) -> Mapping[str, Any]:
    """
    Give the parameters of the header by name.

    Raises:
        InvalidParameter: If it is something else, or has one twice.
    """
    try:
        given = parse_qs(text, keep_blank_values=True, strict_parsing=True, max_num_fields=32)
    except ValueError as error:
        raise InvalidParameter(f"{ATTRIBUTES}: {error}", hint="say it as format=overlay&alpha=0.3") from error
    twice = [name for name, values in given.items() if len(values) > 1]
    if twice:
        raise InvalidParameter(f"{ATTRIBUTES}: {twice[0]!r} stands there twice", hint="say it once")
    return {name: values if name == "classes" else values[0] for name, values in given.items()}
