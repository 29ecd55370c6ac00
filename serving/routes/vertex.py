"""Vertex AI's routes, at paths that it names: whether photos can be segmented, and instances to segment."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match

from contract.errors import ConfigurationError, InvalidParameter, RequestError
from serving.routes.answers import Part, Responses, refusals, with_headers
from serving.routes.batch import DEFAULT_FORMAT, PHOTOS_IN_A_BATCH, segment_all
from serving.routes.bodies import BASE64, FIELD, Upload, decode_base64, parse_object, read_body
from serving.routes.guard import wanted_scope
from serving.routes.health import Ready, readyz
from serving.routes.questions import Question, check_question, take_order
from serving.routes.wiring import TheGateway, charge, start_deadline
from serving.settings import Settings

INSTANCES, PARAMETERS, PREDICTIONS = "instances", "parameters", "predictions"

ENCODED = "b64"
"""How Vertex AI itself calls a photo's bytes, when it reads files for a batch prediction."""

READY_ROUTES = frozenset({"/readyz", "/ping"})
"""What says the same already."""

OBJECT: Part = {"type": "object", "additionalProperties": False}
INSTANCE: Part = {
    "oneOf": [{**OBJECT, "required": [name], "properties": {name: BASE64}} for name in (FIELD, ENCODED)]
}
BODY: Part = {
    "requestBody": {
        "required": True,
        "description": "Photos as base64, and what is wanted of all of them.",
        "content": {
            "application/json": {
                "schema": {
                    **OBJECT,
                    "required": [INSTANCES],
                    "properties": {
                        INSTANCES: {
                            "type": "array",
                            "items": INSTANCE,
                            "minItems": 1,
                            "maxItems": PHOTOS_IN_A_BATCH,
                        },
                        PARAMETERS: Question.model_json_schema(),
                    },
                }
            }
        },
    }
}


@dataclass(frozen=True, slots=True)
class Predictions:
    """
    What became of each instance, in their order.

    Each has `index`, `status` and, where that is 200, `content_type` with `content` (formats that are
    JSON) or `base64` (the others, and a PNG where no format is named); else `problem`.
    """

    predictions: list[dict[str, Any]]


ANSWERS: Responses = {
    200: {"headers": with_headers("X-Model-Name", "X-Model-Version")},
    **refusals(404, 406, 413, 415, 422, 429, 503),
}


def make_router(settings: Settings, others: Sequence[BaseRoute]) -> APIRouter:
    """
    Give the two routes at the paths that the settings name.

    Args:
        settings: As read at the door.
        others: The other routes.

    Raises:
        ConfigurationError: If one of the paths is another route's, or predictions were to need no key.
    """
    router = APIRouter(tags=["clouds"])
    if settings.health_route not in READY_ROUTES:
        # At whatever method: a key is asked for by path, and none for this one.
        if any(match is not Match.NONE for match in _matches(others, "GET", settings.health_route)):
            raise _taken("AIP_HEALTH_ROUTE", settings.health_route)
        router.get(settings.health_route, response_model=Ready, responses=refusals(503))(health)
    is_open = wanted_scope(settings.predict_route, health=settings.health_route) is None
    if is_open or Match.FULL in _matches(others, "POST", settings.predict_route):
        raise _taken("AIP_PREDICT_ROUTE", settings.predict_route)
    router.post(settings.predict_route, response_model=Predictions, responses=ANSWERS, openapi_extra=BODY)(
        predict
    )
    return router


async def health(request: Request, gateway: TheGateway) -> Response:
    """Tell Vertex AI whether photos can be segmented now, as `/readyz` does."""
    return await readyz(request, gateway)


async def predict(request: Request, gateway: TheGateway) -> Response:
    """Segment the photos of a Vertex AI request; a bad photo spoils its own prediction only."""
    uploads, question = await run_in_threadpool(_parse, await read_body(request))
    order = take_order(question, "", gateway)
    start_deadline(request)  # refuses one that is no number, before the first photo
    charge(request, len(uploads))
    lines = [line async for line in segment_all(uploads, order, gateway, request)]
    for line in lines:
        del line["name"]  # instances have none
    return JSONResponse({PREDICTIONS: lines}, headers=order.headers())


def _matches(routes: Sequence[BaseRoute], method: str, path: str) -> list[Match]:
    scope = {"type": "http", "method": method, "path": path}
    return [route.matches(scope)[0] for route in routes]


def _taken(variable: str, path: str) -> ConfigurationError:
    return ConfigurationError(f"{variable}: {path} is another route here", hint="choose a path of its own")


def _parse(data: bytes) -> tuple[list[Upload], Question]:
    """
    Read a request of Vertex AI.

    Raises:
        RequestError: If it is none.
        InvalidParameter: If there is no such parameter, or it cannot have that value.
    """
    content = parse_object(data)
    if not isinstance(content, dict) or not set(content) <= {INSTANCES, PARAMETERS}:
        raise RequestError(
            f"expected a JSON object with {INSTANCES!r}, and {PARAMETERS!r} where wanted", hint=_example()
        )
    instances = content.get(INSTANCES)
    if not isinstance(instances, list) or not 1 <= len(instances) <= PHOTOS_IN_A_BATCH:
        raise RequestError(f"{INSTANCES!r} is a list of 1 to {PHOTOS_IN_A_BATCH} photos", hint=_example())
    uploads = [_read_instance(index, each) for index, each in enumerate(instances)]
    return uploads, _read_parameters(content.get(PARAMETERS, {}))


def _read_instance(index: int, instance: object) -> Upload:
    where = f"{INSTANCES}[{index}]"
    if not isinstance(instance, dict) or list(instance) not in ([FIELD], [ENCODED]):
        raise RequestError(f"{where}: expected one photo as {FIELD!r} or {ENCODED!r}", hint=_example())
    try:
        return Upload("", decode_base64(instance, *instance))
    except RequestError as error:
        raise RequestError(f"{where}: {error.message}", hint=error.hint) from error


def _read_parameters(given: object) -> Question:
    if not isinstance(given, dict):
        raise InvalidParameter(f"{PARAMETERS!r} is a JSON object", hint='{"format": "rle"}')
    for name, value in given.items():
        if value is None or value == []:
            raise InvalidParameter(f"{PARAMETERS}.{name} has no value", hint="leave it out")
    numbers = {name: _as_json(value) for name, value in given.items()}
    return check_question({"format": DEFAULT_FORMAT, **numbers}, where=PARAMETERS, strict=True)


def _as_json(value: object) -> object:
    """Give a whole number as an integer however it is written, as JSON knows no other difference."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _example() -> str:
    return f'{{"{INSTANCES}": [{{"{FIELD}": "<base64 of the file>"}}], "{PARAMETERS}": {{"format": "rle"}}}}'
