"""Who goes first to the engine: photos of batches wait for single ones, and not for ever."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from contract.errors import Overloaded
from serving.precedence import Precedence


def test_a_batch_waits_while_a_single_photo_is_in_work() -> None:
    """However often a batch's photo is asked for, it comes after the single one that was there before."""

    async def ask() -> list[str]:
        precedence, seen = Precedence(), []

        async def bring() -> None:
            async with precedence.turn():
                seen.append("batch")

        with precedence.ahead():
            photo = asyncio.create_task(bring())
            await asyncio.sleep(0.2)
            seen.append("single")
        await photo
        return seen

    assert asyncio.run(ask()) == ["single", "batch"]


def test_who_asks_one_after_the_other_is_not_overtaken() -> None:
    """Between two single photos of one client a batch's photo does not slip in."""

    async def ask() -> list[str]:
        precedence, seen = Precedence(), []

        async def bring() -> None:
            async with precedence.turn():
                seen.append("batch")

        with precedence.ahead():
            photo = asyncio.create_task(bring())
            await asyncio.sleep(0)
        for _ in range(3):
            await asyncio.sleep(0.001)
            with precedence.ahead():
                await asyncio.sleep(0.02)
                seen.append("single")
        await photo
        return seen

    assert asyncio.run(ask()) == ["single", "single", "single", "batch"]


def test_a_batch_ends_even_if_single_photos_never_do() -> None:
    """Its photos are let past one by one, though somebody always waits."""

    async def ask() -> int:
        precedence, done = Precedence(patience_s=0.05), 0
        with precedence.ahead():
            for _ in range(3):
                async with asyncio.timeout(10), precedence.turn():
                    done += 1
        return done

    assert asyncio.run(ask()) == 3


def test_one_photo_of_a_batch_is_in_the_engine() -> None:
    """The second of two waits for the first, so that a single photo waits for one at most."""

    async def ask() -> int:
        precedence, inside, most = Precedence(), 0, 0

        async def bring() -> None:
            nonlocal inside, most
            async with precedence.turn():
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.01)
                inside -= 1

        await asyncio.gather(*(bring() for _ in range(4)))
        return most

    assert asyncio.run(ask()) == 1


def test_batches_have_a_few_places() -> None:
    """One more than the places is told to come again when its time is over; freed, a place is taken."""

    async def ask() -> int | None:
        precedence = Precedence(places=2)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(precedence.place(5.0))
            await stack.enter_async_context(precedence.place(5.0))
            with pytest.raises(Overloaded, match="1 photos of batches wait") as refused:
                await AsyncExitStack().enter_async_context(precedence.place(0.02))
        async with precedence.place(5.0), precedence.place(5.0):
            return refused.value.retry_after_s

    assert asyncio.run(ask()) == 1
