"""The client of one request: how long it may send, how much, and whether it still waits."""

import asyncio
import time
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive

from contract.errors import BodyTooLarge, BodyTooSlow


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a client may take.

    Args:
        body_bytes: Longer bodies are refused while they come in [bytes].
        receive_s: How long the whole body may take to come [s].
        settings: The settings that these two are, for what is said of them.
    """

    body_bytes: int
    receive_s: float
    settings: tuple[str, str] = ("BOX2SEG_MAX_BODY_BYTES", "BOX2SEG_RECEIVE_TIMEOUT_S")


class Client:
    """
    Stands between the server's `receive` and the app's.

    Args:
        receive: The server's.
        headers: The request's.
        limits: What the client may take.
    """

    def __init__(self, receive: Receive, headers: Headers, limits: Limits) -> None:
        self._receive = receive
        self._limits = limits
        self._until = time.monotonic() + limits.receive_s
        declared = headers.get("content-length", "")
        # Refused before the first byte where the length is declared and too long.
        self._seen = int(declared) if declared.isdecimal() else 0
        self._seen = self._seen if self._seen > limits.body_bytes else 0
        self._left = asyncio.Event()
        self._answering: asyncio.Future[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def receive(self) -> Message:
        """
        Give the next part of the body; after the last one, wait until the client leaves.

        Raises:
            BodyTooLarge: If the body is longer than its limit.
            BodyTooSlow: If it does not come in its time.
        """
        if self._watching:
            await self._left.wait()
            return {"type": "http.disconnect"}
        self._check_length()
        message = await self._receive_in_time()
        self._seen += len(message.get("body", b""))
        self._check_length()
        if message["type"] == "http.request" and not message.get("more_body", False):
            self._watching = asyncio.create_task(self._watch())
        return message

    async def wait_for(self, answering: Awaitable[None]) -> None:
        """
        Wait for the answer, and cancel it if the client leaves before.

        Raises:
            ClientDisconnect: Then.
        """
        self._answering = asyncio.ensure_future(answering)
        try:
            await self._answering
        except asyncio.CancelledError:
            if not self._left.is_set():
                raise
            raise ClientDisconnect from None
        finally:
            self.let_go()

    def let_go(self) -> None:
        """Watch no more, as the answer is complete."""
        if self._watching:
            self._watching.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._left.set()
        if self._answering:
            self._answering.cancel()

    async def _receive_in_time(self) -> Message:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._until - time.monotonic()):
                return await self._receive()
        raise BodyTooSlow(
            f"the body did not come within {self._limits.receive_s:g} s",
            hint=f"send a smaller body, or raise {self._limits.settings[1]}",
        )

    def _check_length(self) -> None:
        if self._seen > self._limits.body_bytes:
            raise BodyTooLarge(
                f"the body is longer than the limit of {self._limits.body_bytes:,} bytes",
                hint=f"send a smaller body or raise {self._limits.settings[0]}",
            )
