"""Who may be worked on, who waits, and who is sent away while there is still nothing lost."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from contract.errors import Overloaded

PLACES = 12
"""Enough to keep the engine busy; a photo of 50 Mpx takes 150 MB and its mask as much again."""

LEARNING_RATE = 0.1
"""The usual time of a photo is that of about the last ten."""

LONGEST_RETRY_S = 60

Tell = Callable[[int, int], None]


class Admission:
    """
    A bounded number of photos in work, and a bounded queue before it, in the order of coming.

    Args:
        places: How many are worked on at once.
        queue: How many may wait; None for any number.
        tell: Hears how many are in work and how many wait, whenever that changes.
    """

    def __init__(self, *, places: int = PLACES, queue: int | None = None, tell: Tell | None = None) -> None:
        self.in_work = 0
        self.waiting = 0
        self._places = places
        self._queue = queue
        self._tell = tell
        self._free = asyncio.Semaphore(places)
        self._usual_s = 0.0
        self._changed = asyncio.Event()

    def expected_wait_s(self) -> float:
        """Estimate how long one who comes now waits, by the queue and the usual time of a photo [s]."""
        if not self._free.locked():
            return 0.0
        return (self.waiting + 1) * self._usual_s / self._places

    def check(self, *, left_s: float = math.inf) -> None:
        """
        Refuse where waiting makes no sense.

        Args:
            left_s: How long the one who asks can wait [s].

        Raises:
            Overloaded: If the queue is full, or the wait is longer than that; says when to come again.
        """
        wait_s = self.expected_wait_s()
        if not self._has_room(left_s):
            raise Overloaded(
                f"{self.waiting} requests wait already, for about {wait_s:.1f} s",
                hint="ask again after the seconds in Retry-After",
                retry_after_s=min(LONGEST_RETRY_S, max(1, math.ceil(wait_s))),
            )

    async def room(self, *, left_s: float) -> None:
        """
        Wait until there is room, or that time is over.

        Who enters a place next, without giving way in between, is then not refused where there was room.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(left_s):
                while not self._has_room(left_s):
                    self._changed.clear()
                    await self._changed.wait()

    @asynccontextmanager
    async def place(self, *, left_s: float = math.inf) -> AsyncIterator[None]:
        """
        Wait for a place and have it while inside.

        Raises:
            Overloaded: At once; see `check`.
        """
        self.check(left_s=left_s)
        await self._enter()
        begin = time.monotonic()
        try:
            yield
            # Those that failed or were given up say nothing of how long a photo takes.
            self._learn(time.monotonic() - begin)
        finally:
            self._free.release()
            self._count(in_work=-1)

    def _has_room(self, left_s: float) -> bool:
        is_full = self._queue is not None and self._free.locked() and self.waiting >= self._queue
        return not is_full and self.expected_wait_s() <= left_s

    async def _enter(self) -> None:
        self._count(waiting=1)
        try:
            await self._free.acquire()
        finally:
            self._count(waiting=-1)
        self._count(in_work=1)

    def _learn(self, took_s: float) -> None:
        self._usual_s += (took_s - self._usual_s) * (LEARNING_RATE if self._usual_s else 1.0)

    def _count(self, *, in_work: int = 0, waiting: int = 0) -> None:
        self.in_work += in_work
        self.waiting += waiting
        self._changed.set()
        if self._tell:
            self._tell(self.in_work, self.waiting)
