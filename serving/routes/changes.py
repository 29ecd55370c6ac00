"""POST /v1/models/{name}/versions...: promote, canary, withdraw, reject, roll back; for the admin scope."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contract.errors import InvalidParameter
from serving.promotion import promote, reject, rollback, start_canary, withdraw
from serving.routes.answers import Part, refusals
from serving.routes.bodies import parse_object, read_body
from serving.routes.versions import EventCard, event_card
from serving.routes.wiring import TheGateway

router = APIRouter(prefix="/v1/models", tags=["versions"])

NOBODY = "http"
"""Stands in the history where the server knows no keys."""

MOST_WORDS = 1000

VISIBLE = r"[^\s\x00-\x1f\x7f-\x9f]"
"""Is in whatever says something; which of the control characters are space, no two languages agree on."""

REFUSED = refusals(404, 409, 413, 415, 422, 503)

Share = Annotated[float, Field(ge=0, le=1)]


class Reason(BaseModel):
    """Why it is done."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)

    why: str = Field("", max_length=MOST_WORDS)
    """Stands in the history."""


class Rejection(Reason):
    """Why a version is set aside."""

    why: str = Field(max_length=MOST_WORDS, pattern=VISIBLE)
    """Stands in the history; has to be given."""


class Promotion(Reason):
    """How a version is promoted."""

    force: bool = False
    """Pass over the gate; needs a reason, and is written down."""


class Canary(Promotion):
    """How a version runs beside the one that answers."""

    share: Share = 0.1
    """The part of requests that it answers."""

    shadow: Share = 0.0
    """The part of the other requests that it computes, after they were answered, to be compared."""


Words = TypeVar("Words", bound=BaseModel)


def body_of(kind: type[Reason]) -> Part:
    """Describe a body, which may be left out where nothing has to be said."""
    schema = kind.model_json_schema()
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": "required" in schema, "content": content}}


async def read_words(request: Request, kind: type[Words]) -> Words:
    """
    Read a body of that kind; an empty one says nothing.

    Raises:
        RequestError: If it is no JSON object.
        InvalidParameter: If it has other fields, or wrong values.
    """
    body = await read_body(request)
    return checked_words(kind, parse_object(body) if body else {})


def checked_words(kind: type[Words], content: Part) -> Words:
    """
    Understand a JSON object.

    Raises:
        InvalidParameter: If it has other fields, or wrong values.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, each['loc'])) or 'body'}: {each['msg'].lower()}" for each in error.errors()
        )
        raise InvalidParameter(problems, hint=f"there are: {', '.join(kind.model_fields)}") from error


async def _known(name: str, gateway: TheGateway) -> str:
    gateway.models.find(name)
    return name


Known = Annotated[str, Depends(_known)]
"""The name of a model that there is."""


@router.post("/{name}/versions/{version}:promote", responses=REFUSED, openapi_extra=body_of(Promotion))
async def promote_version(request: Request, name: Known, version: int, gateway: TheGateway) -> EventCard:
    """Let a version answer; 409 with the reasons where the gate has not let it through."""
    words = await read_words(request, Promotion)
    return event_card(
        await promote(gateway.models, name, version, who=_who(request), why=words.why, force=words.force)
    )


@router.post("/{name}/versions/{version}:canary", responses=REFUSED, openapi_extra=body_of(Canary))
async def start_canary_version(request: Request, name: Known, version: int, gateway: TheGateway) -> EventCard:
    """Let a version answer a share of the requests, or compute some only to be compared."""
    words = await read_words(request, Canary)
    event = await start_canary(gateway.models, name, version, who=_who(request), **words.model_dump())
    return event_card(event)


@router.post("/{name}/versions/{version}:reject", responses=REFUSED, openapi_extra=body_of(Rejection))
async def reject_version(request: Request, name: Known, version: int, gateway: TheGateway) -> EventCard:
    """Set a version aside, the canary too; needs a reason."""
    words = await read_words(request, Rejection)
    return event_card(await reject(gateway.models, name, version, who=_who(request), why=words.why))


@router.post("/{name}/versions:withdraw", responses=REFUSED, openapi_extra=body_of(Reason))
async def withdraw_canary(request: Request, name: Known, gateway: TheGateway) -> EventCard:
    """End the canary; its version is a candidate again."""
    words = await read_words(request, Reason)
    return event_card(await withdraw(gateway.models, name, who=_who(request), why=words.why))


@router.post("/{name}/versions:rollback", responses=REFUSED, openapi_extra=body_of(Reason))
async def roll_back(request: Request, name: Known, gateway: TheGateway) -> EventCard:
    """Let the version before answer again; the one that answered is rejected."""
    words = await read_words(request, Reason)
    return event_card(await rollback(gateway.models, name, who=_who(request), why=words.why))


def _who(request: Request) -> str:
    return str(getattr(request.state, "key", NOBODY))
