"""Works a batch off: photos are found, read, segmented and written at the same time, each accounted for."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from contract.errors import Box2SegError
from serving.batch.attempt import Attempt, Unchanged
from serving.batch.budget import Budget
from serving.batch.claims import Claim, Verdict
from serving.batch.findings import Keep, Read
from serving.batch.items import Found, Trouble
from serving.batch.ledger import Ledger

AHEAD = 16
"""Photos written down as begun at once: one look at the disk for all of them."""

MOST_BYTES = 64 * 2**20
"""Of photos that can be read only once: so many are in memory before any of them is worked on."""

PAUSE_S = 0.5
"""After so long what was found is given on, however few are to be segmented."""


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """
    Has photos segmented by other machines, which read them there where they can.

    Args:
        segment: Has one segmented, and its attempt take what came back.
        at_once: How many it has at any time, so that no machine waits for work.
    """

    segment: Callable[[Attempt], Awaitable[None]]
    at_once: int


Segment = Callable[[Read, Keep], Awaitable[None]] | Elsewhere
"""Segments the photo that the first gives, and hands what came of it to the second, in a thread."""


@dataclass(slots=True)
class Tally:
    """
    What became of the photos so far.

    Args:
        done: Segmented by this run.
        before: Their masks lay there already.
        failed: Without masks.
        twice: Named more than once; counted once above.
        stopped: Why the run ended before its end.
    """

    done: int = 0
    before: int = 0
    failed: int = 0
    twice: int = 0
    stopped: str | None = None

    @property
    def settled(self) -> int:
        """Photos that something became of."""
        return self.done + self.before + self.failed + self.twice


Tell = Callable[[Tally, Trouble | None], None]
"""Hears the counts after each photo, and what failed just now."""


@dataclass(slots=True)
class Batch:
    """
    One run over photos.

    Args:
        ledger: Keeps account.
        segment: Segments one photo.
        at_once: How many photos are worked on at any time in this process.
        budget: How many may fail.
        tell: Hears what becomes of them.
    """

    ledger: Ledger
    segment: Segment
    at_once: int
    budget: Budget
    tell: Tell
    tally: Tally = field(default_factory=Tally)
    _fault: Exception | None = None
    _given_up: bool = False

    async def work_off(self, found: Iterator[Found]) -> Tally:
        """
        Segment what was found, to the end, or until too many failed.

        Raises:
            WriteError: If masks cannot be written, such as on a full disk; the same run later goes on.
            ClusterError: If other machines were to segment and are lost for good; so does it then.
        """
        at_once = self.segment.at_once if isinstance(self.segment, Elsewhere) else self.at_once
        places = asyncio.Semaphore(at_once)
        tasks: set[asyncio.Task[None]] = set()
        finder = ThreadPoolExecutor(1, "finding")
        try:
            await self._start_all(found, finder, places, tasks)
        except asyncio.CancelledError:
            self._given_up = True
            for task in tasks:
                task.cancel()
            raise
        finally:
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(finder.shutdown)  # others may be at work in this event loop
        if self._fault is not None:
            raise self._fault
        await asyncio.to_thread(self.ledger.flush)
        self._check_budget(ended=True)
        return self.tally

    async def _start_all(
        self,
        found: Iterator[Found],
        finder: ThreadPoolExecutor,
        places: asyncio.Semaphore,
        tasks: set[asyncio.Task[None]],
    ) -> None:
        loop = asyncio.get_running_loop()
        following = loop.run_in_executor(finder, self._draw, found)
        while (drawn := await following) is not None:
            following = loop.run_in_executor(finder, self._draw, found)
            for each in drawn:
                if isinstance(each, Verdict):
                    self._pass_over(each)
                    continue
                await places.acquire()
                if self._over():
                    break
                task = asyncio.create_task(self._work(each))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                task.add_done_callback(lambda _: places.release())
            if self._over():
                await following
                return

    def _draw(self, found: Iterator[Found]) -> list[Claim | Verdict] | None:
        """Take photos until there is enough to do; None where there are no more."""
        end = time.monotonic() + PAUSE_S
        drawn: list[Claim | Verdict] = []
        claims = size = 0
        with self.ledger.transaction():
            for each in found:
                result = self.ledger.sift(each)
                if isinstance(result, Claim):
                    result, length = _read_passing(result)
                    claims += 1
                    size += length
                drawn.append(result)
                if claims >= AHEAD or size >= MOST_BYTES or time.monotonic() > end or self._given_up:
                    return drawn
        return drawn or None

    async def _work(self, claim: Claim) -> None:
        attempt = Attempt(claim, self.ledger)
        try:
            trouble = await self._settle(attempt)
        except Exception as error:  # no photo is lost in silence: what cannot be written down ends the run
            self._fault = self._fault or error
        else:
            self._count(attempt, trouble)

    async def _settle(self, attempt: Attempt) -> Trouble | None:
        """Segment one photo and write down what became of it; gives the trouble where it failed."""
        try:
            if isinstance(self.segment, Elsewhere):
                await self.segment.segment(attempt)
            else:
                await self.segment(attempt.read, attempt.keep)
        except Unchanged:
            self.ledger.keep(attempt.claim)
        except Exception as error:  # whatever one photo meets, the others go on
            reason = attempt.reason(error)
            await asyncio.to_thread(attempt.fail, reason)
            return Trouble(attempt.claim.item.origin, reason)
        else:
            attempt.finish()
        finally:
            if self.ledger.due:
                await asyncio.to_thread(self.ledger.flush)
        return None

    def _count(self, attempt: Attempt, trouble: Trouble | None) -> None:
        if trouble is not None:
            self.tally.failed += 1
        elif attempt.unchanged:
            self.tally.before += 1
        else:
            self.tally.done += 1
        self._told(trouble)

    def _pass_over(self, verdict: Verdict) -> None:
        name = verdict.kind
        setattr(self.tally, name, getattr(self.tally, name) + 1)
        self._told(verdict.trouble)

    def _told(self, trouble: Trouble | None) -> None:
        if trouble is not None:
            self._check_budget()
        self.tell(self.tally, trouble)

    def _check_budget(self, *, ended: bool = False) -> None:
        tally = self.tally
        if tally.stopped is None and self.budget.is_spent(tally.failed, tally.settled, ended=ended):
            tally.stopped = f"{tally.failed:,} of {tally.settled:,} photos failed, more than {self.budget}"

    def _over(self) -> bool:
        return self._fault is not None or self.tally.stopped is not None


def _read_passing(claim: Claim) -> tuple[Claim, int]:
    """Read what cannot be read later; gives how much is in memory then [bytes], too."""
    if not claim.item.passing:
        return claim, 0
    try:
        data = claim.item.read()
    except (Box2SegError, OSError) as error:
        return replace(claim, item=replace(claim.item, read=_raising(error))), 0
    return replace(claim, item=replace(claim.item, read=lambda: data)), len(data)


def _raising(error: Exception) -> Read:
    def read() -> bytes:
        raise error

    return read
