"""What a server answers: labels with the names that they have, or an error that says what it said."""

import io
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import numpy as np
from PIL import Image

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import RequestRefused, ServerError, ServerUnavailable

Mask = np.ndarray[tuple[int, ...], np.dtype[np.bool_]]

TIMING = re.compile(r"([\w-]+)\s*;\s*dur=([\d.]+)")

TRIES = 3
"""How often a photo is sent where another version was published between its answer and the model's card."""

LATER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE)
"""What may go well another time."""


@dataclass(frozen=True, slots=True)
class Card:
    """
    What a client needs to know of a model.

    Args:
        name: Of the model.
        version: Of it that answers now.
        classes: What its labels mean.
        suffixes: What files end in, by the format's name.
        default: It answers where no model is named.
    """

    name: str
    version: int
    classes: ClassMap
    suffixes: dict[str, str]
    default: bool


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """
    One photo's labels.

    Args:
        labels: (H, W) uint8 at the photo's own upright size, indices into `classes`.
        classes: What the labels mean, and their colours.
        model: The model's name.
        version: Its version.
        timings_ms: What each stage took the server, by its name [ms].
        request_id: Names the request in the server's log.
    """

    labels: Uint8
    classes: ClassMap
    model: str
    version: int
    timings_ms: dict[str, float]
    request_id: str

    def mask(self, name: str) -> Mask:
        """
        Mark the pixels of a class, (H, W) bool.

        Raises:
            ConfigurationError: If there is no such class; names those there are.
        """
        mask: Mask = self.labels == self.classes.index(name)
        return mask

    def areas(self) -> dict[str, int]:
        """Count the pixels of each class that is in the photo, by its name."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes.names, counts, strict=False) if count}


@dataclass(frozen=True, slots=True)
class Fetched:
    """
    A server's answer as it came.

    Args:
        content: In the format asked for.
        model: The model's name.
        version: Its version.
    """

    content: bytes
    model: str
    version: int


def read_card(content: dict[str, Any]) -> Card:
    """Read a model's card."""
    classes = ClassMap(
        tuple(each["name"] for each in content["classes"]),
        tuple(_rgb(each["colour"]) for each in content["classes"]),
    )
    return Card(content["name"], content["version"], classes, content["suffixes"], content["default"])


def read_labels(answer: httpx.Response, classes: ClassMap) -> Answer:
    """Read the answer to a photo, which is an indexed PNG."""
    model, version = made_by(answer)
    with Image.open(io.BytesIO(answer.content), formats=("PNG",)) as image:
        labels = np.asarray(image)
    return Answer(
        labels=labels,
        classes=classes,
        model=model,
        version=version,
        timings_ms={name: float(ms) for name, ms in TIMING.findall(answer.headers.get("Server-Timing", ""))},
        request_id=answer.headers["X-Request-Id"],
    )


def made_by(answer: httpx.Response) -> tuple[str, int]:
    """Give the name and version of the model that made an answer."""
    return answer.headers["X-Model-Name"], int(answer.headers["X-Model-Version"])


def checked(answer: httpx.Response) -> httpx.Response:
    """
    Give an answer that is none of trouble.

    Raises:
        ServerUnavailable: If the server cannot answer now.
        RequestRefused: If it refuses the question.
        ServerError: If it failed.
    """
    if answer.is_success:
        return answer
    problem = _problem(answer)
    detail = problem.get("detail") or f"{answer.status_code} {answer.reason_phrase}"
    raise _kind(answer.status_code)(
        detail,
        hint=problem.get("hint"),
        status=answer.status_code,
        request_id=answer.headers.get("X-Request-Id"),
    )


def restless(model: str) -> ServerError:
    """Say that no answer was by the version that the model's card describes."""
    return ServerError(
        f"the server goes over to other versions of {model!r} between question and answer",
        hint="ask again when it has settled",
    )


def unreachable(address: str, error: httpx.TransportError) -> ServerUnavailable:
    """Say that no answer came, and why."""
    if isinstance(error, httpx.TimeoutException):
        return ServerUnavailable(f"{address} did not answer in time", hint="give it more time: timeout_s")
    return ServerUnavailable(f"{address} does not answer: {error}", hint="is the server running there?")


def _kind(status: int) -> type[ServerError]:
    if status in LATER:
        return ServerUnavailable
    return RequestRefused if status < HTTPStatus.INTERNAL_SERVER_ERROR else ServerError


def _problem(answer: httpx.Response) -> dict[str, Any]:
    """Give the problem document; a proxy in between may have answered with anything."""
    try:
        content = answer.json()
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _rgb(colour: str) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(colour.removeprefix("#"))
    return red, green, blue
