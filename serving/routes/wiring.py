"""How a route gets at the gateway's parts."""

import math
import re
from typing import Annotated

from fastapi import Depends, Request

from contract.errors import NoJobs, RequestError
from serving.deadline import Deadline
from serving.gateway import Gateway
from serving.jobs.desk import Desk
from serving.jobs.job import Holder
from serving.keys import ADMIN, Key

TIMEOUT_HEADER = "X-Request-Timeout"
"""No standard has one with fractions; this is seconds, and can only shorten the server's own limit."""

NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?([eE][-+]?[0-9]+)?")
"""As JSON has them; Python's own reading also takes "1_0" and "inf"."""


async def get_gateway(request: Request) -> Gateway:
    """Give the gateway of the app that got this request."""
    return _gateway_of(request)


# Asynchronous like all that a request depends on: FastAPI would send plain functions to a thread and back.
TheGateway = Annotated[Gateway, Depends(get_gateway)]


async def get_desk(request: Request) -> Desk:
    """
    Give the place where this app takes jobs.

    Raises:
        NoJobs: If it takes none.
    """
    desk: Desk | None = request.app.state.desk
    if desk is None:
        raise NoJobs(
            "this server takes no jobs",
            hint="whoever runs it gives it a folder for them: BOX2SEG_JOBS_FOLDER",
        )
    return desk


TheDesk = Annotated[Desk, Depends(get_desk)]


async def get_holder(request: Request) -> Holder:
    """Say who asks: the key, or nobody in particular where the server has none."""
    key: Key | None = getattr(request.state, "holder", None)
    return Holder(key.sha256, key.name, ADMIN in key.scopes) if key else Holder()


TheHolder = Annotated[Holder, Depends(get_holder)]


def start_deadline(request: Request) -> Deadline:
    """
    Give the deadline of a request whose body is there: the server's, or the client's where that is sooner.

    Raises:
        RequestError: If the client's is no number of seconds.
    """
    longest_s = _gateway_of(request).settings.timeout_s
    wanted = request.headers.get(TIMEOUT_HEADER)
    return Deadline.after(longest_s if wanted is None else min(longest_s, _seconds(wanted)))


def charge(request: Request, photos: int) -> None:
    """Count the photos of a request, one of which is paid, against its key's rate."""
    take = getattr(request.state, "charge", None)  # where the server has keys
    if take and photos > 1:
        take(photos - 1)


def _gateway_of(request: Request) -> Gateway:
    gateway: Gateway = request.app.state.gateway
    return gateway


def _seconds(words: str) -> float:
    seconds = float(words) if NUMBER.fullmatch(words) else 0.0
    if not 0 < seconds < math.inf:
        raise RequestError(
            f"{TIMEOUT_HEADER} is a number of seconds above 0, got {words[:40]!r}",
            hint=f"say {TIMEOUT_HEADER}: 2.5, or leave it out",
        )
    return seconds
