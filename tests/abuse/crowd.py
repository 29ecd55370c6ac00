"""Clients that ask again as soon as they are answered: together they find the most that a server can do."""

import asyncio
import time

import aiohttp


async def saturate(address: str, photo: bytes, *, people: int, seconds: float) -> float:
    """Give the answers per second where each one asks again at once; all must be masks."""
    done, end = 0, time.monotonic() + seconds

    async def ask() -> None:
        nonlocal done
        while time.monotonic() < end:
            async with session.post(f"{address}/v1/segment", data=photo) as answer:
                assert answer.status == 200
            done += 1

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(ask() for _ in range(people)))
    return done / seconds
