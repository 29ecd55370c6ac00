"""The ledger's end of a cluster: hands photos over in parcels and gives each attempt what came back."""

import asyncio
import itertools
import logging
import pickle
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from contract.errors import Box2SegError, ClusterError
from serving.batch.attempt import Attempt, Unchanged
from serving.batch.cluster.orders import Order, Outcome, Parcel
from serving.batch.run import GOES_ON

log = logging.getLogger(__name__)

PARCEL = 8
"""Photos that go to a worker together: enough that Ray's own work for a task does not count."""
PARCEL_BYTES = 8 * 2**20
"""With more than that a parcel is full, however few its photos are."""
FILLING_S = 0.05
"""A parcel waits so long for more photos."""
WRITERS = 16
"""Threads that write masks: each waits for the disk."""
SILENCE_S = 60.0
"""If nothing has come back for so long, somebody should be told what is waited for."""

Stream = Callable[[], Iterator[tuple[int, list[Outcome]]]]


class Cluster:
    """
    Has photos segmented by workers.

    Args:
        feed: The actor that parcels go to.
        threshold: Gives the confidence up to which a photo may be shown.
        waiting_for: What to say where nothing comes back.
    """

    def __init__(self, feed: Any, threshold: Callable[[], float], waiting_for: str) -> None:
        self._feed = feed
        self._threshold = threshold
        self._waiting_for = waiting_for
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(WRITERS, "writing")
        self._tickets = itertools.count()
        self._waiting: dict[int, asyncio.Future[Outcome]] = {}
        self._filling: list[Order] = []
        self._due: asyncio.TimerHandle | None = None
        self._silence: asyncio.TimerHandle | None = None
        self._shared = True
        self._sent = 0
        self._begun = threading.Event()
        self._fault: ClusterError | None = None
        self._is_closed = False

    async def segment(self, attempt: Attempt) -> None:
        """
        Have one photo segmented, and its files written.

        Raises:
            Unchanged: If its masks lie there already.
            Box2SegError: If it has none; says why.
            ClusterError: If there are no workers any more.
        """
        order = await self._make_order(attempt)
        outcome = await self._ask(order)
        if outcome.wants == "bytes":
            order = await self._send_along(order, attempt)
            outcome = await self._ask(order)
        if outcome.wants == "alone":
            outcome = await self._ask(order, alone=True)
        await self._take(attempt, outcome)

    def receive(self, number: int, outcomes: list[Outcome]) -> None:
        """Settle a parcel; what was settled before, by a worker that was thought lost, is passed over."""
        if self._is_closed:  # a run that was stopped: nobody waits, and Ray may be gone
            return
        self._feed.forget.remote(number)
        for outcome in outcomes:
            future = self._waiting.pop(outcome.ticket, None)
            if future is not None and not future.done():
                future.set_result(outcome)
        self._listen()

    def lose(self, fault: ClusterError) -> None:
        """Give all photos up that are on their way, and those to come."""
        self._fault = fault
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(fault)

    def wait_for_work(self) -> bool:
        """Wait until workers are needed; tells whether they are. Called in a thread."""
        self._begun.wait()
        return self._sent > 0

    def end(self) -> None:
        """Say that no more photos will come."""
        self._feed.end.remote()
        self._begun.set()

    def close(self) -> None:
        """End the threads and the clock; what still comes in is passed over."""
        self._is_closed = True
        self._begun.set()
        for timer in (self._due, self._silence):
            if timer is not None:
                timer.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _make_order(self, attempt: Attempt) -> Order:
        item, known = attempt.claim.item, attempt.claim.known
        order = Order(next(self._tickets), item.origin, known=known)
        if self._shared and item.path is not None and item.stamp is not None:
            return replace(order, path=str(item.path.absolute()), stamp=item.stamp)
        return replace(order, data=await self._in_thread(attempt.read))

    async def _send_along(self, order: Order, attempt: Attempt) -> Order:
        data = await self._in_thread(attempt.read)
        self._shared = False  # a disk that workers do not share; asking for each photo would be in vain
        return replace(order, path=None, data=data)

    async def _ask(self, order: Order, *, alone: bool = False) -> Outcome:
        """Put a photo into the parcel that is being filled, and wait for what comes of it."""
        if self._fault is not None:
            raise self._fault
        future = self._waiting[order.ticket] = self._loop.create_future()
        if alone:
            self._send([order], alone=True)
        else:
            self._fill(order)
        try:
            outcome: Outcome = await future
            return outcome
        finally:
            self._waiting.pop(order.ticket, None)

    def _fill(self, order: Order) -> None:
        self._filling.append(order)
        if len(self._filling) >= PARCEL or sum(each.length for each in self._filling) > PARCEL_BYTES:
            self._send_filled()
        elif self._due is None:
            self._due = self._loop.call_later(FILLING_S, self._send_filled)

    def _send_filled(self) -> None:
        if self._due is not None:
            self._due.cancel()
        self._due = None
        if self._filling:
            self._send(self._filling, alone=False)
            self._filling = []

    def _send(self, orders: list[Order], *, alone: bool) -> None:
        self._sent += 1
        parcel = Parcel(self._sent, tuple(orders), self._threshold(), alone)
        self._feed.put.remote(parcel.number, pickle.dumps(parcel))
        self._begun.set()
        if self._silence is None:
            self._listen()

    async def _take(self, attempt: Attempt, outcome: Outcome) -> None:
        if outcome.unchanged:
            attempt.unchanged = True
            raise Unchanged
        if outcome.product is None:
            failure = outcome.failure
            assert failure is not None, "an outcome has a product or a failure"
            attempt.remains, attempt.digest = failure.picture, outcome.sha256
            raise Box2SegError(failure.reason)
        await self._in_thread(attempt.take, outcome.sha256, outcome.product)

    async def _in_thread(self, function: Callable[..., Any], *args: object) -> Any:
        return await self._loop.run_in_executor(self._threads, function, *args)

    def _listen(self) -> None:
        """Start the clock anew after which silence is remarked on."""
        if self._silence is not None:
            self._silence.cancel()
        self._silence = self._loop.call_later(SILENCE_S, self._remark)

    def _remark(self) -> None:
        self._silence = None
        if self._waiting:
            log.warning("no photo came back for %.0f s; %s", SILENCE_S, self._waiting_for)
            self._listen()


@asynccontextmanager
async def receiving(cluster: Cluster, stream: Stream) -> AsyncIterator[None]:
    """
    Have a thread give the cluster what the stream has, while inside; what is on its way is waited for.

    Args:
        cluster: Takes it.
        stream: Called in the thread, when there is something to do.
    """
    loop = asyncio.get_running_loop()

    def follow() -> None:
        try:
            if not cluster.wait_for_work():
                return
            for number, outcomes in stream():
                loop.call_soon_threadsafe(cluster.receive, number, outcomes)
        except BaseException as error:  # Ray's errors have no root of their own
            fault = ClusterError(f"the cluster gave up: {_last_line(error)}", hint=f"{GOES_ON} from here")
            log.debug("the cluster gave up", exc_info=error)
            with suppress(RuntimeError):  # nobody waits any more
                loop.call_soon_threadsafe(cluster.lose, fault)

    thread = threading.Thread(target=follow, name="outcomes", daemon=True)
    thread.start()
    try:
        yield
        cluster.end()
        await asyncio.to_thread(thread.join)
    finally:
        cluster.close()


def _last_line(error: BaseException) -> str:
    """Give what a worker's own error says: Ray puts its trace before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
