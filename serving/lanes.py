"""
Photos of one shape go to the engine in a row, so that Triton's dynamic batching can join them.

Triton joins neighbours in its queue alone: one of another shape between two of one shape keeps them apart,
and photos of four shapes in turns are hardly joined at all. So half of those in work go to the engine at
once, and the others wait here, where the next can be chosen by its shape. Nothing is added to a photo for
that: padding it further than the network needs would change its mask (docs/decisions.md).
"""

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass


@dataclass(eq=False, slots=True)
class Turn:
    """
    One that waits.

    Args:
        shape: What it has in common with those that it can be joined with.
        come: Done when it may go.
    """

    shape: Hashable
    come: asyncio.Future[None]


class Lanes:
    """
    A bounded number of photos in the engine; those that wait go in runs of one shape.

    Each run begins with the one that has waited longest, and is bounded, so nobody waits for ever.

    Args:
        places: How many are in the engine at once.
        run: How many of one shape may go in a row, past others that have waited longer.
    """

    def __init__(self, *, places: int, run: int) -> None:
        self._free = places
        self._run = run
        self._line: list[Turn] = []
        self._shape: Hashable = None
        self._left = 0

    @asynccontextmanager
    async def turn(self, shape: Hashable) -> AsyncIterator[None]:
        """Wait for a turn and have it while inside."""
        await self._enter(shape)
        try:
            yield
        finally:
            self._leave()

    async def _enter(self, shape: Hashable) -> None:
        turn = Turn(shape, asyncio.get_running_loop().create_future())
        self._line.append(turn)
        self._call()
        try:
            await turn.come
        except asyncio.CancelledError:
            if turn in self._line:
                self._line.remove(turn)
            else:  # its turn had come at the same moment
                self._leave()
            raise

    def _leave(self) -> None:
        self._free += 1
        self._call()

    def _call(self) -> None:
        """Let in who is next, as long as there are places."""
        # One that was given up a moment ago may still be in line.
        while self._free and (waiting := [turn for turn in self._line if not turn.come.done()]):
            turn = self._choose(waiting)
            self._free -= 1
            self._line.remove(turn)
            turn.come.set_result(None)

    def _choose(self, waiting: list[Turn]) -> Turn:
        """Choose the oldest of the run's shape, or begin a run with the oldest of all."""
        alike = (turn for turn in waiting if turn.shape == self._shape)
        if self._left and (turn := next(alike, None)):
            self._left -= 1
            return turn
        self._shape, self._left = waiting[0].shape, self._run - 1
        return waiting[0]
