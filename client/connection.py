"""How a client reaches its server: key, time-outs, and when it asks once more."""

import asyncio
import time
from http import HTTPStatus
from typing import Any

import httpx
from httpx_retries import Retry, RetryTransport

from contract.errors import ConfigurationError

CONNECT_S = 5.0
PATIENCE_S = 120.0
"""As long as that a question waits in all for a server that says when to come again."""
LONGEST_WAIT_S = 30.0
"""Where the server names no time."""
LEAST_WAIT_S = 0.1
"""Counted where a server asks for no wait at all, so that this has an end."""
FIRST_WAIT_S = 0.25
"""Doubled at each further try, less up to half of it by chance, where the server names no time."""


class Patience(Retry):
    """
    Waits as long as a server asks, within `total_timeout`; only those tries count whose time is our guess.

    Where it asks for more than is left, it is asked once more at once, and its answer is the last.
    """

    def sleep(self, response: httpx.Response | Exception) -> None:
        """Wait before the next try."""
        time.sleep(self._pause_s(response))

    async def asleep(self, response: httpx.Response | Exception) -> None:
        """Do other things before the next try."""
        await asyncio.sleep(self._pause_s(response))

    def _pause_s(self, response: httpx.Response | Exception) -> float:
        """Give the time to wait, and count it [s]."""
        asked_s = self._asked_s(response)
        if asked_s is None:
            return self.backoff_strategy()
        self.attempts_made -= 1
        assert self.total_timeout is not None
        left_s = self.total_timeout - self.elapsed_sleep
        pause_s, taken_s = (asked_s, asked_s) if asked_s <= left_s else (0.0, left_s)
        self.elapsed_sleep += max(taken_s, LEAST_WAIT_S)
        return pause_s

    def _asked_s(self, response: httpx.Response | Exception) -> float | None:
        """Give the time that the server asks for; None where it names none [s]."""
        if not isinstance(response, httpx.Response):
            return None
        try:
            return self.parse_retry_after(response.headers.get("Retry-After", ""))
        except ValueError:
            return None


def options(
    address: str, *, key: str | None, timeout_s: float, retries: int, patience_s: float
) -> dict[str, Any]:
    """
    Give what httpx's clients are made with, waiting or async.

    Args:
        address: Such as http://127.0.0.1:8000.
        key: Of those that the server knows, if it asks for one.
        timeout_s: How long the server may be silent [s].
        retries: How often to ask once more where it does not listen, or does not say when to come again.
        patience_s: How long to wait in all where it says when to come again [s].

    Raises:
        ConfigurationError: If that is no address, or no key.
    """
    return {
        "base_url": _url(address),
        "headers": {"Authorization": f"Bearer {_token(key)}"} if key else {},
        "timeout": httpx.Timeout(timeout_s, connect=CONNECT_S),
        "transport": RetryTransport(retry=_retry(retries, patience_s)),
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


def _token(key: str) -> str:
    """Give a key as a header can carry it."""
    token = key.strip()
    if not (token.isascii() and token.isprintable()):
        raise ConfigurationError(
            "the key has characters that no key has", hint="take it as `box2seg key add` printed it"
        )
    return token


def _retry(retries: int, patience_s: float) -> Retry:
    return Patience(
        total=retries,
        total_timeout=patience_s,
        allowed_methods=["GET", "POST"],  # to segment changes nothing on the server
        status_forcelist=[HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE],
        # A time-out is not among them: the server is at work, and asking again would only add to it.
        retry_on_exceptions=[httpx.NetworkError, httpx.ConnectTimeout, httpx.RemoteProtocolError],
        backoff_factor=FIRST_WAIT_S,
        backoff_jitter=0.5,
        max_backoff_wait=LONGEST_WAIT_S,
    )
