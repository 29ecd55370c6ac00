"""
A server under requests that come when they come: latency at shares of what it can take.

    python benchmarks/load.py [--address http://127.0.0.1:8000] [--photo photo.jpg] [--seconds 20]

Without an address a server of its own is started, as `box2seg serve` does.

First many clients ask as fast as they are answered: that is saturation. Then requests come at random moments
(Poisson), whether or not those before them are answered, and each one's time counts from its own moment. A
client that waits for its answer before it asks again would hide the queue.
"""

import argparse
import asyncio
import os
import platform
import time
from collections import Counter
from contextlib import nullcontext
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table
from servers import chelsea, running_gateway

SHARES = (0.25, 0.5, 0.8, 1.2)
CLIENTS = 16


@dataclass(slots=True)
class Seen:
    """
    What came of some requests.

    Args:
        statuses: How often each HTTP status came.
        times_s: How long those that got a mask took [s].
    """

    statuses: Counter[int] = field(default_factory=Counter)
    times_s: list[float] = field(default_factory=list)


def main() -> None:
    """Measure and print a table."""
    options = _options()
    photo = options.photo.read_bytes() if options.photo else chelsea()
    with nullcontext(options.address) if options.address else running_gateway() as address:
        asyncio.run(measure(address, photo, options.seconds))


async def measure(address: str, photo: bytes, seconds: float) -> None:
    """Find saturation, then ask at shares of it; print as found."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        url = f"{address}/v1/segment"
        await _crowd(session, url, photo, seconds=1.0)  # warm up
        crowd = await _crowd(session, url, photo, seconds=seconds)
        most = crowd.statuses[HTTPStatus.OK] / seconds
        table = Table(
            title=f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors; saturation "
            f"{most:.1f} per second with {CLIENTS} clients"
        )
        for heading in (
            "share",
            "come per second",
            "masks per second",
            "429",
            "other",
            "p50",
            "p95",
            "p99 [ms]",
        ):
            table.add_column(heading, justify="right")
        for share in SHARES:
            seen = await _stream(session, url, photo, rate=share * most, seconds=seconds)
            come = seen.statuses.total() / seconds
            table.add_row(f"{share:.0%}", f"{come:.1f}", *_row(seen, seconds))
    Console().print(table)


async def _crowd(session: aiohttp.ClientSession, url: str, photo: bytes, *, seconds: float) -> Seen:
    """Have clients ask again and again."""
    seen, end = Seen(), time.perf_counter() + seconds

    async def client() -> None:
        while time.perf_counter() < end:
            await _ask(session, url, photo, seen)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return seen


async def _stream(
    session: aiohttp.ClientSession, url: str, photo: bytes, *, rate: float, seconds: float
) -> Seen:
    """Ask at random moments that no answer moves."""
    rng, seen = np.random.default_rng(0), Seen()
    begin = time.perf_counter()
    moment, asking = begin, []
    while (moment := moment + rng.exponential(1 / rate)) < begin + seconds:
        await asyncio.sleep(max(0.0, moment - time.perf_counter()))
        asking.append(asyncio.create_task(_ask(session, url, photo, seen, since=moment)))
    await asyncio.gather(*asking)
    return seen


async def _ask(
    session: aiohttp.ClientSession, url: str, photo: bytes, seen: Seen, *, since: float | None = None
) -> None:
    since = time.perf_counter() if since is None else since
    async with session.post(url, data=photo) as answer:
        await answer.read()
        seen.statuses[answer.status] += 1
        if answer.status == HTTPStatus.OK:
            seen.times_s.append(time.perf_counter() - since)


def _row(seen: Seen, seconds: float) -> list[str]:
    masks, shed = seen.statuses[HTTPStatus.OK], seen.statuses[HTTPStatus.TOO_MANY_REQUESTS]
    others = seen.statuses.total() - masks - shed
    times = np.percentile(seen.times_s, [50, 95, 99]) * 1e3 if masks else [np.nan] * 3
    return [f"{masks / seconds:.1f}", str(shed), str(others), *(f"{each:.0f}" for each in times)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--address", help="default: a server of its own")
    parser.add_argument("--photo", type=Path, help="default: a cat, 500 x 375")
    parser.add_argument("--seconds", type=float, default=20.0, help="for each line of the table")
    return parser.parse_args()


if __name__ == "__main__":
    main()
