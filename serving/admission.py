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
        self._turn = asyncio.Lock()
        self._usual_s = 0.0
        self._changed = asyncio.Event()

    def expected_wait_s(self, photos: int = 1) -> float:
        """Estimate how long one who comes now waits, by the queue and the usual time of a photo [s]."""
        if not self._must_wait(photos):
            return 0.0
        return (self.waiting + photos) * self._usual_s / self._places

    def check(self, *, left_s: float = math.inf, photos: int = 1) -> None:
        """
        Refuse where waiting makes no sense.

        Args:
            left_s: How long the one who asks can wait [s].
            photos: How many it brings, to be worked on together.

        Raises:
            Overloaded: If the queue is full, or the wait is longer than that; says when to come again.
        """
        wait_s = self.expected_wait_s(photos)
        if not self._has_room(left_s, photos):
            raise Overloaded(
                f"{self.waiting} photos wait already, for about {wait_s:.1f} s",
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
    async def place(self, *, left_s: float = math.inf, photos: int = 1) -> AsyncIterator[None]:
        """
        Wait for a place for each photo and have them while inside; all places, where the photos are more.

        Raises:
            Overloaded: At once; see `check`.
        """
        photos = min(photos, self._places)
        self.check(left_s=left_s, photos=photos)
        await self._enter(photos)
        begin = time.monotonic()
        try:
            yield
            # Those that failed or were given up say nothing of how long a photo takes.
            self._learn(time.monotonic() - begin)
        finally:
            self._release(photos)
            self._count(in_work=-photos)

    def _has_room(self, left_s: float, photos: int = 1) -> bool:
        must_wait = self._must_wait(photos)
        is_full = self._queue is not None and must_wait and self.waiting + photos > self._queue
        return not is_full and self.expected_wait_s(photos) <= left_s

    def _must_wait(self, photos: int) -> bool:
        return self.waiting > 0 or self.in_work + photos > self._places

    async def _enter(self, photos: int) -> None:
        self._count(waiting=photos)
        try:
            async with self._turn:  # two that gathered places side by side could wait for each other's
                await self._gather(photos)
        finally:
            self._count(waiting=-photos)
        self._count(in_work=photos)

    async def _gather(self, photos: int) -> None:
        gathered = 0
        try:
            while gathered < photos:
                await self._free.acquire()
                gathered += 1
        except asyncio.CancelledError:
            self._release(gathered)
            raise

    def _release(self, photos: int) -> None:
        for _ in range(photos):
            self._free.release()

    def _learn(self, took_s: float) -> None:
        self._usual_s += (took_s - self._usual_s) * (LEARNING_RATE if self._usual_s else 1.0)

    def _count(self, *, in_work: int = 0, waiting: int = 0) -> None:
        self.in_work += in_work
        self.waiting += waiting
        self._changed.set()
        if self._tell:
            self._tell(self.in_work, self.waiting)
