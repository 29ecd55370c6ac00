"""Which HTTP status each error has, and the problem document (RFC 9457) that says it."""

import re
from http import HTTPStatus
from typing import Any

from contract.errors import (
    BodyTooLarge,
    BodyTooSlow,
    Box2SegError,
    EngineTimeout,
    EngineUnavailable,
    ImageTooLarge,
    InvalidImage,
    InvalidParameter,
    JobNotReady,
    KeyRequired,
    ModelOutputInvalid,
    NoJobs,
    NoSuchRange,
    OutOfRoom,
    RegistryError,
    RequestError,
    ScopeMissing,
    TooManyRequests,
    TruncatedImage,
    UnknownFormat,
    UnknownJob,
    UnknownModel,
    UnsupportedImage,
)

STATUSES: dict[type[Box2SegError], HTTPStatus] = {
    InvalidImage: HTTPStatus.BAD_REQUEST,
    TruncatedImage: HTTPStatus.BAD_REQUEST,
    UnsupportedImage: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    ImageTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    UnknownFormat: HTTPStatus.NOT_ACCEPTABLE,
    InvalidParameter: HTTPStatus.UNPROCESSABLE_ENTITY,
    BodyTooSlow: HTTPStatus.REQUEST_TIMEOUT,
    KeyRequired: HTTPStatus.UNAUTHORIZED,
    ScopeMissing: HTTPStatus.FORBIDDEN,
    TooManyRequests: HTTPStatus.TOO_MANY_REQUESTS,
    UnknownModel: HTTPStatus.NOT_FOUND,
    UnknownJob: HTTPStatus.NOT_FOUND,
    NoJobs: HTTPStatus.NOT_FOUND,
    JobNotReady: HTTPStatus.CONFLICT,
    NoSuchRange: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    RequestError: HTTPStatus.BAD_REQUEST,
    EngineUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    EngineTimeout: HTTPStatus.GATEWAY_TIMEOUT,
    RegistryError: HTTPStatus.CONFLICT,
    OutOfRoom: HTTPStatus.INSUFFICIENT_STORAGE,
    ModelOutputInvalid: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""All others are our own fault, 500, and keep their words for the log."""

MEDIA_TYPE = "application/problem+json"

CLIENT_LEFT = 499
"""As nginx counts clients that left before an answer."""

OUTCOMES: dict[int, str] = {
    HTTPStatus.TOO_MANY_REQUESTS: "shed",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable",
    HTTPStatus.GATEWAY_TIMEOUT: "late",
}
"""How a failure is counted; other 4xx are "refused", other 5xx "failed"."""

HEADERS = {
    HTTPStatus.UNAUTHORIZED: {"WWW-Authenticate": "Bearer"},
    # What is left of the body would come as slowly.
    HTTPStatus.REQUEST_TIMEOUT: {"Connection": "close"},
}


def status_of(error: Exception) -> HTTPStatus:
    """Give an error's HTTP status: that of its class, else of the nearest class above it."""
    return _listed_status(error) or HTTPStatus.INTERNAL_SERVER_ERROR


def error_problem(error: Exception, *, request_id: str) -> dict[str, Any]:
    """Give the problem document of an error; one that is not in the table is not described."""
    status = status_of(error)
    if isinstance(error, Box2SegError) and _listed_status(error):
        return problem(status, error.message, hint=error.hint, kind=type(error), request_id=request_id)
    return problem(status, "the server failed on this request; its log has the reason", request_id=request_id)


def problem(
    status: HTTPStatus,
    detail: str,
    *,
    request_id: str,
    hint: str | None = None,
    kind: type[Exception] | None = None,
) -> dict[str, Any]:
    """
    Give a problem document.

    Args:
        status: Of the answer.
        detail: What was expected and what came.
        request_id: Which request it was, as in the log.
        hint: What to do about it.
        kind: The error's class, where it is one of ours.

    Returns:
        The members of RFC 9457; `hint`; and `error`, the string that Open Inference Protocol clients read.
    """
    content = {
        "type": f"urn:box2seg:problem:{_kebab(kind.__name__)}" if kind else "about:blank",
        "title": _title(kind) if kind else status.phrase,
        "status": int(status),
        "detail": detail,
        "instance": f"urn:box2seg:request:{request_id}",
        "error": f"{detail} ({hint})" if hint else detail,
    }
    return content | ({"hint": hint} if hint else {})


def problem_headers(error: Exception) -> dict[str, str]:
    """Give the headers that go with an error: when to come back, how to say who asks."""
    retry_after_s = error.retry_after_s if isinstance(error, Box2SegError) else None
    retry = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return HEADERS.get(status_of(error), {}) | retry


def outcome_of(error: BaseException) -> str:
    """Say in one word how a photo that failed is counted."""
    if not isinstance(error, Exception):  # cancelled: the client left
        return "gone"
    return outcome_of_status(status_of(error))


def outcome_of_status(status: int) -> str:
    """Say in one word how a photo is counted whose request was answered so."""
    if status == CLIENT_LEFT:
        return "gone"
    return OUTCOMES.get(status, "refused" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "failed")


def _listed_status(error: Exception) -> HTTPStatus | None:
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)


def _title(kind: type[Exception]) -> str:
    """Say `ImageTooLarge` as "Image too large"."""
    return _kebab(kind.__name__).replace("-", " ").capitalize()


def _kebab(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()
