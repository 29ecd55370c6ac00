"""What answers have in common, as the OpenAPI document says it: their headers, and problems by status."""

from http import HTTPStatus
from typing import Any

from serving.errors import MEDIA_TYPE

Part = dict[str, Any]
"""A piece of an OpenAPI document."""

Responses = dict[int | str, Part]

TEXT: Part = {"type": "string"}
AMOUNT: Part = {"type": "integer", "minimum": 1}

HEADERS: dict[str, Part] = {
    "X-Request-Id": {
        "description": "Names the request in the server's log and in problems.",
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"},
    },
    "X-Model-Name": {"description": "The model that answered.", "schema": TEXT},
    "X-Model-Version": {"description": "Its version.", "schema": AMOUNT},
    "Server-Timing": {
        "description": "Milliseconds of each stage: `queue;dur=0.01, decode;dur=1.92, ...`",
        "schema": {"type": "string", "pattern": r"^[a-z]+;dur=[0-9.]+(, [a-z]+;dur=[0-9.]+)*$"},
    },
    "Vary": {"description": "The form depends on this header.", "schema": {"const": "Accept"}},
    "X-Shape": {
        "description": "With `application/octet-stream`: height and width of the labels.",
        "schema": {"type": "string", "pattern": "^[0-9]+,[0-9]+$"},
    },
    "X-Dtype": {
        "description": "With `application/octet-stream`: a label's type.",
        "schema": {"const": "uint8"},
    },
    "Location": {"description": "Where to ask after it.", "schema": TEXT},
    "Retry-After": {"description": "When to ask again [s].", "schema": AMOUNT},
    "WWW-Authenticate": {"description": "How to bring a key.", "schema": {"const": "Bearer"}},
}
"""All headers of answers that say something about the answer."""

ALWAYS = {HTTPStatus.UNAUTHORIZED: "WWW-Authenticate"} | dict.fromkeys(
    (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE), "Retry-After"
)
"""What a problem of that status has beside the request's id."""

SOMETIMES = frozenset({"X-Shape", "X-Dtype"})
"""What not every answer has that may have it."""

PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "What came cannot be read: a broken photo or none, a form without one, no JSON, "
    "no HTTP.",
    HTTPStatus.UNAUTHORIZED: "This server wants a key, and none came that it knows.",
    HTTPStatus.FORBIDDEN: "The key does not have the scope that this needs.",
    HTTPStatus.NOT_FOUND: "There is no such model, version or job.",
    HTTPStatus.NOT_ACCEPTABLE: "There is no such format, or the `Accept` header allows none that there is.",
    HTTPStatus.REQUEST_TIMEOUT: "The headers or the body did not come in time; the connection ends.",
    HTTPStatus.CONFLICT: "The versions, or the job, stand so that this cannot be done, or somebody else "
    "changes them now.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body has too many bytes, or the photo too many pixels.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The photo is of a kind that is not decoded, or compressed once more.",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "The file has no such part.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A parameter that there is not, that has a value which it cannot have, "
    "or that changes nothing here.",
    HTTPStatus.TOO_MANY_REQUESTS: "The key asks more often than it may, or too many wait already.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are too long; the connection ends.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "The server failed; its log has the reason.",
    HTTPStatus.SERVICE_UNAVAILABLE: "Nothing can be segmented now.",
    HTTPStatus.GATEWAY_TIMEOUT: "There was no answer in the time that the server, or the client, allows.",
    HTTPStatus.INSUFFICIENT_STORAGE: "There is no room for this form or job; as the body a photo needs none.",
}
"""What can go wrong, by the status that says so."""

PROBLEM: Part = {
    "type": "object",
    "description": "What went wrong and what to do about it (RFC 9457).",
    "required": ["type", "title", "status", "detail", "instance", "error"],
    "properties": {
        "type": {**TEXT, "description": "`about:blank`, or names the kind: `urn:box2seg:problem:...`."},
        "title": {**TEXT, "description": "The kind in words."},
        "status": {"type": "integer", "description": "As in the answer's first line."},
        "detail": {**TEXT, "description": "What was expected and what came."},
        "hint": {**TEXT, "description": "What to do about it."},
        "instance": {**TEXT, "description": "The request: `urn:box2seg:request:` and its id."},
        "error": {**TEXT, "description": "Detail and hint, as Open Inference Protocol clients read them."},
    },
}


def refusals(*statuses: int) -> Responses:
    """Give a route's `responses` for what can go wrong in it, beside what can everywhere."""
    return {int(status): {} for status in statuses}


def with_headers(*names: str) -> Part:
    """Give the headers of a route's answer, beside the request's id."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def problem_responses() -> dict[str, Part]:
    """Give the answers for all that can go wrong, by name."""
    return {problem_name(status): _problem_response(status, words) for status, words in PROBLEMS.items()}


def problem_name(status: int) -> str:
    """Name a status as in a component: 404 is "NotFound"."""
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def header_parts() -> dict[str, Part]:
    """Give all headers; one that is always there where it is named says so."""
    return {name: {**part, "required": name not in SOMETIMES} for name, part in HEADERS.items()}


def _problem_response(status: HTTPStatus, words: str) -> Part:
    names = ["X-Request-Id", *([ALWAYS[status]] if status in ALWAYS else [])]
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": words,
        "headers": with_headers(*names),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
