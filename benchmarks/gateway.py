"""
What the gateway costs over its engine, in one run: added latency, and share of the engine's throughput.

    python benchmarks/gateway.py [--repository model_repository] [--photo cat.jpg] [--seconds 5]

Starts a local Triton and a gateway before it. The engine alone is asked by a native gRPC client for the very
tensor that the gateway makes of the photo. Both are asked in turns, so that a busy machine is busy for both.
"""

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table
from servers import chelsea, running_gateway

from contract.images import decode_image
from contract.manifest import Manifest
from serving.choice import local_triton
from serving.engines.triton import TritonEngine
from serving.settings import read_settings
from serving.versions import live_version

ROUNDS = 4
TOGETHER = 8
GOAL_MS = 4.0
GOAL_SHARE = 0.9

Ask = Callable[[], Awaitable[None]]


def main() -> None:
    """Measure and print a table; exit code 1 where a goal is missed."""
    options = _options()
    settings = read_settings(repository=options.repository)
    manifest = live_version(settings.repository, settings.default_model).manifest
    photo = options.photo.read_bytes() if options.photo else chelsea()
    with (
        local_triton(settings, _say) as url,
        running_gateway("--repository", str(options.repository), "--triton-url", url) as address,
    ):
        times = asyncio.run(measure(url, address, manifest, photo, seconds=options.seconds))
    sys.exit(report(times, manifest))


async def measure(
    url: str, address: str, manifest: Manifest, photo: bytes, *, seconds: float
) -> dict[tuple[str, int], list[float]]:
    """Give all latencies [s] by who was asked and by how many at once, and their sum's wall time."""
    engine = TritonEngine(url)
    image = decode_image(photo)
    tensor = manifest.fit.fit(image.shape[:2]).fit_image(image)[None]

    async def ask_engine() -> None:
        await engine.infer(manifest.name, manifest.version, tensor)

    async with aiohttp.ClientSession() as session:

        async def ask_gateway() -> None:
            async with session.post(f"{address}/v1/segment", data=photo) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

        found = await _take_turns({"engine": ask_engine, "gateway": ask_gateway}, seconds)
    await engine.close()
    return found


async def _take_turns(asked: dict[str, Ask], seconds: float) -> dict[tuple[str, int], list[float]]:
    found: dict[tuple[str, int], list[float]] = {(who, many): [] for many in (1, TOGETHER) for who in asked}
    for ask in asked.values():
        await _ask_for(ask, many=TOGETHER, seconds=0.5)  # warm up
    end = time.perf_counter() + 2 * seconds
    while time.perf_counter() < end:  # one by one, answer by answer: what slows the machine slows both
        for who, ask in asked.items():
            found[who, 1] += await _ask_for(ask, many=1, seconds=0)
    for _ in range(ROUNDS):
        for who, ask in asked.items():
            found[who, TOGETHER] += await _ask_for(ask, many=TOGETHER, seconds=seconds / ROUNDS)
    return found


async def _ask_for(ask: Ask, *, many: int, seconds: float) -> list[float]:
    """Ask again and again, many at once, each at least once; gives each answer's latency [s]."""
    end = time.perf_counter() + seconds
    times: list[float] = []

    async def worker() -> None:
        while True:
            begin = time.perf_counter()
            await ask()
            times.append(time.perf_counter() - begin)
            if time.perf_counter() >= end:
                return

    await asyncio.gather(*(worker() for _ in range(many)))
    return times


def report(times: dict[tuple[str, int], list[float]], manifest: Manifest) -> int:
    """Print the table; gives 1 where a goal is missed."""
    table = Table(
        title=f"{manifest.name} {manifest.version}, {platform.processor() or platform.machine()}, "
        f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}"
    )
    for heading in ("asked", "at once", "answers", "p50 [ms]", "p95 [ms]", "per second"):
        table.add_column(heading, justify="right")
    for (who, many), found in times.items():
        middle, late = np.percentile(found, [50, 95]) * 1e3
        table.add_row(
            who, str(many), str(len(found)), f"{middle:.1f}", f"{late:.1f}", f"{_rate(found, many):.1f}"
        )
    added = (np.median(times["gateway", 1]) - np.median(times["engine", 1])) * 1e3
    share = _rate(times["gateway", TOGETHER], TOGETHER) / _rate(times["engine", TOGETHER], TOGETHER)
    console = Console()
    console.print(table)
    console.print(f"added at p50: {added:.1f} ms (goal: at most {GOAL_MS:g})")
    console.print(
        f"share of the engine's throughput, {TOGETHER} at once: {share:.2f} (goal: at least {GOAL_SHARE})"
    )
    return int(added > GOAL_MS or share < GOAL_SHARE)


def _rate(times: list[float], many: int) -> float:
    """Answers per second; those at once are always `many`, so it follows from the mean (Little's law)."""
    return many / float(np.mean(times))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--photo", type=Path, help="default: a cat, 500 x 375")
    parser.add_argument("--seconds", type=float, default=5.0, help="for each line of the table")
    return parser.parse_args()


def _say(words: str) -> None:
    print(words, file=sys.stderr)  # noqa: T201 # a benchmark talks to a terminal


if __name__ == "__main__":
    main()
