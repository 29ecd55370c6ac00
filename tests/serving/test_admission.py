"""Who is let in, who waits, and who is told when to come again."""

import asyncio
import time

import pytest

from contract.errors import Overloaded
from serving.admission import Admission


def test_one_more_than_the_queue_is_refused() -> None:
    """With one place and a queue of one the third is refused, and let in when there is room again."""

    async def ask() -> tuple[int, int]:
        admission = Admission(places=1, queue=1)
        async with admission.place():
            second = asyncio.create_task(_pass(admission))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded, match="1 photos wait"):
                await _pass(admission)
        await second
        await _pass(admission)
        return admission.in_work, admission.waiting

    assert asyncio.run(ask()) == (0, 0)


def test_retry_after_is_the_queue_times_the_usual_time() -> None:
    """Photos of 0.5 s, two places and four that wait: the fifth is told to come in 5 x 0.5 / 2 s, up."""

    async def ask() -> int | None:
        admission = Admission(places=2, queue=4)
        await _pass(admission, 0.5)
        crowd = [asyncio.create_task(_pass(admission, 0.5)) for _ in range(6)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded) as refused:
            admission.check()
        await asyncio.gather(*crowd)
        return refused.value.retry_after_s

    assert asyncio.run(ask()) == 2


def test_who_cannot_wait_so_long_is_refused_at_once() -> None:
    """One whose time is over before its turn comes is refused while it can still go elsewhere."""

    async def ask() -> float:
        admission = Admission(places=1)
        await _pass(admission, 0.3)
        crowd = [asyncio.create_task(_pass(admission, 0.3)) for _ in range(3)]
        await asyncio.sleep(0)
        begin = time.monotonic()
        with pytest.raises(Overloaded):
            async with admission.place(left_s=0.5):
                pass
        took_s = time.monotonic() - begin
        await asyncio.gather(*crowd)
        return took_s

    assert asyncio.run(ask()) < 0.2


def test_one_that_is_given_up_leaves_no_trace() -> None:
    """Cancelled while waiting, it holds neither a place nor a number in the queue."""

    async def ask() -> tuple[int, int]:
        admission = Admission(places=1, queue=9)
        async with admission.place():
            waiting = asyncio.create_task(_pass(admission))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        await _pass(admission)
        return admission.in_work, admission.waiting

    assert asyncio.run(ask()) == (0, 0)


def test_load_is_told_as_it_changes() -> None:
    """Whoever draws the gauges hears of each coming and going."""
    heard: list[tuple[int, int]] = []
    asyncio.run(_pass(Admission(tell=lambda in_work, waiting: heard.append((in_work, waiting)))))
    assert heard == [(0, 1), (0, 0), (1, 0), (0, 0)]


def test_who_can_wait_comes_when_there_is_room() -> None:
    """Five who wait for room all get in, though the queue holds one; who has no time is refused."""

    async def ask() -> tuple[int, bool]:
        admission = Admission(places=1, queue=1)

        async def patient(left_s: float) -> None:
            await admission.room(left_s=left_s)
            await _pass(admission, 0.01)

        everybody = await asyncio.gather(*(patient(30.0) for _ in range(5)), return_exceptions=True)
        async with admission.place():
            waiting = asyncio.create_task(_pass(admission))
            await asyncio.sleep(0)
            with pytest.raises(Overloaded):
                await patient(0.02)
        await waiting
        return everybody.count(None), admission.in_work == admission.waiting == 0

    assert asyncio.run(ask()) == (5, True)


def test_photos_that_come_together_take_a_place_each() -> None:
    """Beside a tensor of three, one of four places is free; two that bring three go one after the other."""

    async def ask() -> list[int]:
        admission = Admission(places=4, queue=3)
        seen = []

        async def bring(photos: int) -> None:
            async with admission.place(photos=photos):
                seen.append(admission.in_work)
                await asyncio.sleep(0.01)

        three = [asyncio.create_task(bring(3)) for _ in range(2)]
        await asyncio.sleep(0)
        assert (admission.in_work, admission.waiting) == (3, 3)
        with pytest.raises(Overloaded):  # it would not fit beside those that wait
            admission.check(photos=1)
        await asyncio.gather(*three)
        await bring(99)  # more than there are places have all of them
        assert (admission.in_work, admission.waiting) == (0, 0)
        return seen

    assert asyncio.run(ask()) == [3, 3, 4]


def test_who_leaves_while_places_are_gathered_gives_them_back() -> None:
    """One that gave up after it had some of its places leaves all of them to others."""

    async def ask() -> list[int]:
        admission = Admission(places=3)
        seen = []
        async with admission.place(), asyncio.timeout(5):
            leaving = asyncio.create_task(_pass_many(admission, 3))
            await asyncio.sleep(0.01)
            leaving.cancel()
            await asyncio.gather(leaving, return_exceptions=True)
            async with admission.place(photos=2):
                seen.append(admission.in_work)
        async with admission.place(photos=3), asyncio.timeout(5):
            seen.append(admission.in_work)
        return seen

    assert asyncio.run(ask()) == [3, 3]


async def _pass_many(admission: Admission, photos: int) -> None:
    async with admission.place(photos=photos):
        pass


async def _pass(admission: Admission, seconds: float = 0.0) -> None:
    async with admission.place():
        await asyncio.sleep(seconds)
