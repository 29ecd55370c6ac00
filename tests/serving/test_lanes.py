"""In which order photos of several shapes go to the engine."""

import asyncio

import pytest

from serving.lanes import Lanes


@pytest.mark.parametrize(
    ("run", "order"),
    [
        pytest.param(1, "abcabcab", id="as they came"),
        pytest.param(2, "aabbccab", id="in pairs"),
        pytest.param(9, "aaabbbcc", id="in runs"),
    ],
)
def test_those_of_one_shape_go_in_a_row(run: int, order: str) -> None:
    """A run takes those of its shape past others, as many as it may; then comes who has waited longest."""

    async def ask() -> str:
        lanes, came = Lanes(places=1, run=run), list[str]()
        async with lanes.turn("before"):
            crowd = [asyncio.create_task(_come(lanes, shape, came)) for shape in "abcabcab"]
            await asyncio.sleep(0)
        await asyncio.gather(*crowd)
        return "".join(came)

    assert asyncio.run(ask()) == order


def test_nobody_is_passed_for_ever() -> None:
    """While others of one shape come again and again, one of another shape goes after a run of them."""

    async def ask() -> int:
        lanes, came = Lanes(places=2, run=3), list[str]()

        async def come_often() -> None:
            for _ in range(30):
                await _come(lanes, "often", came)

        crowd = [asyncio.create_task(come_often()) for _ in range(6)]
        await asyncio.sleep(0)
        await _come(lanes, "seldom", came)
        place = came.index("seldom")
        await asyncio.gather(*crowd)
        return place

    assert asyncio.run(ask()) <= 6 + 3


def test_places_are_never_lost_nor_doubled() -> None:
    """Of a crowd half gives up at all moments; the engine never has more than its places, nor fewer."""

    async def ask() -> tuple[int, int]:
        lanes, inside, most = Lanes(places=3, run=4), 0, 0

        async def work(number: int) -> None:
            nonlocal inside, most
            async with lanes.turn(number % 3):
                inside += 1
                most = max(most, inside)
                try:
                    await asyncio.sleep(0.001 * (number % 4))
                finally:
                    inside -= 1

        crowd = [asyncio.create_task(work(number)) for number in range(200)]
        for number, each in enumerate(crowd):
            if number % 2:
                each.cancel()
                await asyncio.sleep(0)
        await asyncio.wait(crowd)
        full = [asyncio.create_task(work(3)) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        had = inside
        await asyncio.gather(*full)
        return most, had

    assert asyncio.run(ask()) == (3, 3)


async def _come(lanes: Lanes, shape: str, came: list[str]) -> None:
    async with lanes.turn(shape):
        came.append(shape)
        await asyncio.sleep(0)
