"""How a client reaches its server: key, time-outs, and when it asks once more."""

from http import HTTPStatus
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from contract.errors import ConfigurationError

CONNECT_S = 5.0
LONGEST_WAIT_S = 30.0
"""However long a server asks to wait."""
FIRST_WAIT_S = 0.25
"""Doubled at each further try, less up to half of it by chance, where the server names no time."""


def options(address: str, *, key: str | None, timeout_s: float, retries: int) -> dict[str, Any]:
    """
    Give what httpx's clients are made with, waiting or async.

    Args:
        address: Such as http://127.0.0.1:8000.
        key: Of those that the server knows, if it asks for one.
        timeout_s: How long the server may be silent [s].
        retries: How often to ask once more where it is busy, not ready, or does not listen.

    Raises:
        ConfigurationError: If that is no address.
    """
    return {
        "base_url": _url(address),
        "headers": {"Authorization": f"Bearer {key}"} if key else {},
        "timeout": httpx.Timeout(timeout_s, connect=CONNECT_S),
        "transport": RetryTransport(retry=_retry(retries)),
    }


def _url(address: str) -> httpx.URL:
    hint = "such as http://127.0.0.1:8000"
    try:
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise ConfigurationError(f"{address!r} is no server's address: {error}", hint=hint) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(f"{address!r} is no server's address", hint=hint)
    return url


def _retry(retries: int) -> Retry:
    return Retry(
        total=retries,
        allowed_methods=["GET", "POST"],  # to segment changes nothing on the server
        status_forcelist=[HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE],
        # A time-out is not among them: the server is at work, and asking again would only add to it.
        retry_on_exceptions=[httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError],
        backoff_factor=FIRST_WAIT_S,
        backoff_jitter=0.5,
        max_backoff_wait=LONGEST_WAIT_S,
    )
