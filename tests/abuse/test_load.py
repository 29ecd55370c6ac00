"""C1, C2: more requests than can be answered, by a clock that does not wait for answers."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from serving.settings import Settings
from tests.abuse.crowd import saturate
from tests.abuse.engines import SlowEngine
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.running import running_gateway

PAUSE_S = 0.2
PHOTO = encode(draw_photo())
DEADLINE_S = 5.0
TIMES_TOO_MANY = 3


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status, when to come again, and how long it took [s]."""

    status: int
    retry_after: str | None
    seconds: float


async def ask_at_rate(address: str, rate_per_s: float, seconds: float) -> list[Answer]:
    """Ask by the clock: a slow answer keeps no question back."""

    async def ask(delay_s: float) -> Answer:
        await asyncio.sleep(delay_s)
        begin = time.monotonic()
        async with session.post(f"{address}/v1/segment", data=PHOTO) as answer:
            await answer.read()
            return Answer(answer.status, answer.headers.get("Retry-After"), time.monotonic() - begin)

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        return await asyncio.gather(*(ask(i / rate_per_s) for i in range(int(rate_per_s * seconds))))


def check_overload(tmp_path: Path, seconds: float) -> None:
    """Measure what can be answered at most, then ask for three times that, then for half."""
    publish_colours(tmp_path)
    settings = Settings(engine="local", repository=tmp_path, timeout_s=DEADLINE_S, concurrency=4, queue=16)
    with running_gateway(settings, SlowEngine(PAUSE_S)) as address:
        alone = asyncio.run(saturate(address, PHOTO, people=8, seconds=seconds / 3))
        flood = asyncio.run(ask_at_rate(address, TIMES_TOO_MANY * alone, seconds))
        calm = asyncio.run(ask_at_rate(address, alone / 3, 5.0))
    good = [each for each in flood if each.status == 200]
    shed = [each for each in flood if each.status == 429]
    assert len(good) + len(shed) == len(flood), {each.status for each in flood}
    assert len(good) / seconds >= 0.9 * alone
    assert sorted(each.seconds for each in good)[int(0.99 * len(good))] <= DEADLINE_S
    assert all(each.retry_after and 1 <= int(each.retry_after) <= 60 for each in shed)
    assert {each.status for each in calm} == {200}
    assert sorted(each.seconds for each in calm[len(calm) // 2 :])[-1] <= DEADLINE_S / 2


def test_c1_c2_overload_is_shed_and_forgotten(tmp_path: Path) -> None:
    """C1, C2, short: at three times saturation goodput stays, the rest is 429, and calm follows at once."""
    check_overload(tmp_path, 9.0)


@pytest.mark.abuse
def test_c1_c2_for_a_minute(tmp_path: Path) -> None:
    """C1, C2: the same for a minute."""
    check_overload(tmp_path, 60.0)
