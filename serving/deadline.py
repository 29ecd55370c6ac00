"""The moment by which one request is answered, wherever it then waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Self

from contract.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Deadline:
    """
    When a request's time is over.

    Args:
        at_s: On the clock of `time.monotonic` [s].
        within_s: How long it was from the start [s].
    """

    at_s: float
    within_s: float

    @classmethod
    def after(cls, within_s: float) -> Self:
        """Give the deadline of a request that begins now."""
        return cls(time.monotonic() + within_s, within_s)

    def at_most(self, within_s: float | None) -> Self:
        """Give this deadline, or one so long from now where that is sooner [s]."""
        if within_s is None or within_s >= self.left_s():
            return self
        return type(self).after(within_s)

    def left_s(self) -> float:
        """Give the time that is left, never less than none [s]."""
        return max(0.0, self.at_s - time.monotonic())

    @asynccontextmanager
    async def enforced(self) -> AsyncIterator[None]:
        """
        Cancel what runs inside when the time is over.

        Raises:
            DeadlineExceeded: Then.
        """
        try:
            async with asyncio.timeout(self.left_s()) as limit:
                yield
        except TimeoutError as error:
            if not limit.expired():  # somebody else's
                raise
            raise DeadlineExceeded(
                f"no answer within {self.within_s:g} s", hint="try again later, or allow more time"
            ) from error


def within(deadline: Deadline | None) -> AbstractAsyncContextManager[None]:
    """Enforce a deadline where there is one."""
    return deadline.enforced() if deadline else nullcontext()
