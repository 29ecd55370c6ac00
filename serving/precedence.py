"""Photos of batches give way to those that somebody waits for alone."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from contract.errors import Overloaded

LULL_S = 0.05
"""So long after a single photo another may follow: who asks one after the other is not overtaken."""

LONGEST_RETRY_S = 60


class Precedence:
    """
    Lets photos of batches to the engine, one at a time, while nobody waits for a single photo.

    An engine does not stop in the middle: a single photo waits for one of a batch that is computed already.

    Args:
        places: How many photos of batches may be in memory at once.
        at_once: How many of them may be in the engine at once.
        patience_s: One is let past after so long, so that a batch ends even if single photos never do [s].
    """

    def __init__(self, *, places: int = 3, at_once: int = 1, patience_s: float = math.inf) -> None:
        self._places = asyncio.Semaphore(places)
        self._engine = asyncio.Semaphore(at_once)
        self._patience_s = patience_s
        self._ahead = 0
        self._left_at = -math.inf
        self._waiting = 0

    @contextmanager
    def ahead(self) -> Iterator[None]:
        """Be a single photo while inside."""
        self._ahead += 1
        try:
            yield
        finally:
            self._ahead -= 1
            self._left_at = time.monotonic()

    @asynccontextmanager
    async def place(self, left_s: float) -> AsyncIterator[None]:
        """
        Wait for one of the few places for photos of batches, and have it while inside.

        Raises:
            Overloaded: If there is none in that time.
        """
        await self._wait_for_place(left_s)
        try:
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait until no single photo is in work and have the engine while inside."""
        async with self._engine:
            await self._lull()
            yield

    async def _wait_for_place(self, left_s: float) -> None:
        self._waiting += 1
        try:
            async with asyncio.timeout(left_s):
                await self._places.acquire()
        except TimeoutError as error:
            raise Overloaded(
                f"{self._waiting} photos of batches wait already",
                hint="ask again after the seconds in Retry-After",
                retry_after_s=min(LONGEST_RETRY_S, max(1, math.ceil(left_s))),
            ) from error
        finally:
            self._waiting -= 1

    async def _lull(self) -> None:
        until = time.monotonic() + self._patience_s
        while (wait_s := self._wait_s(until)) > 0:
            await asyncio.sleep(wait_s)

    def _wait_s(self, until: float) -> float:
        now = time.monotonic()
        quiet_at = now + LULL_S if self._ahead else self._left_at + LULL_S
        return min(quiet_at, until) - now
