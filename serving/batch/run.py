"""Works a batch off: photos are found, read, segmented and written at the same time, each accounted for."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from serving.batch.ahead import take_some
from serving.batch.attempt import Attempt, Unchanged
from serving.batch.budget import Budget
from serving.batch.claims import Claim, Verdict
from serving.batch.findings import Keep, Read
from serving.batch.items import Found, Trouble
from serving.batch.ledger import Ledger

GOES_ON = "the same command, without --fresh, goes on"


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
        stopped: Too many failed; how many.
        ended: All that were found were worked on.
    """

    done: int = 0
    before: int = 0
    failed: int = 0
    twice: int = 0
    stopped: str | None = None
    ended: bool = False

    @property
    def settled(self) -> int:
        """Photos that something became of."""
        return self.done + self.before + self.failed + self.twice

    def pass_over(self, verdict: Verdict) -> None:
        """Count a photo that is not segmented."""
        match verdict.kind:
            case "before":
                self.before += 1
            case "twice":
                self.twice += 1
            case "failed":
                self.failed += 1


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
            VersionChanged: If a server is asked, and answers by another version now.
            DataError: If nobody can say which photos there are yet, as of a disk that broke.
        """
        at_once = self.segment.at_once if isinstance(self.segment, Elsewhere) else self.at_once
        places = asyncio.Semaphore(at_once)
        tasks: set[asyncio.Task[None]] = set()
        finder = ThreadPoolExecutor(1, "finding")
        try:
            self.tally.ended = await self._start_all(found, finder, places, tasks)
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
        self._check_budget(ended=self.tally.ended)
        return self.tally

    async def _start_all(
        self,
        found: Iterator[Found],
        finder: ThreadPoolExecutor,
        places: asyncio.Semaphore,
        tasks: set[asyncio.Task[None]],
    ) -> bool:
        """Begin with one photo after the other; tells whether it was begun with all."""
        loop = asyncio.get_running_loop()
        following = loop.run_in_executor(finder, self._draw, found)
        while (drawn := await following) is not None:
            following = loop.run_in_executor(finder, self._draw, found)
            for each in drawn:
                if isinstance(each, Verdict):
                    self.tally.pass_over(each)
                    self._told(each.trouble)
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
                return False
        return True

    def _draw(self, found: Iterator[Found]) -> list[Claim | Verdict] | None:
        """Take photos and write down which are begun; None where there are no more."""
        # First, as it may take its time: others can write meanwhile.
        drawn = take_some(found, self.ledger.wants, lambda: self._given_up)
        if not drawn:
            return None
        with self.ledger.transaction():
            return [self.ledger.sift(each) for each in drawn]

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
