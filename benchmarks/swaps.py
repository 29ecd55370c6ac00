"""
Requests while versions are swapped beside requests while none is, in one run.

    python benchmarks/swaps.py [--swaps 20] [--seconds 10] [--workers 1] [--share 0.5]

A server of its own gets copies of the shipped version under other numbers. Requests come at random moments
(Poisson) at a share of what the server can take; one version after the other is promoted over HTTP, each
loaded beside the one that answers, and quiet stretches lie between. A request counts as during a swap if it
overlaps the time from the call to promote to a second after its answer: loading, warming and switching.
"""

import argparse
import asyncio
import dataclasses
import os
import platform
import shutil
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import aiohttp
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from servers import chelsea, running_gateway

from contract.history import Action
from contract.manifest import read_manifest, write_manifest
from contract.registry import changing, read_standing
from serving.keys import ADMIN, INFER, change_keys, make_key

SHIPPED = Path(__file__).parents[1] / "model_repository" / "box2seg"
COPIES = range(11, 17)
CLIENTS = 8
AFTERWARDS_S = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when it came and was answered [s], with which status, by which version."""

    came_s: float
    answered_s: float
    status: int
    version: str


def main() -> None:
    """Measure and print a table."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="box2seg_swaps_") as folder:
        token = _prepare(Path(folder))
        words = ["--repository", f"{folder}/models", "--workers", str(options.workers)]
        os.environ["BOX2SEG_KEYS_FILE"] = f"{folder}/keys.json"
        with running_gateway(*words) as address:
            asyncio.run(measure(address, token, options))


def _prepare(folder: Path) -> str:
    """Copy the shipped version under other numbers, the first of them live; gives a key that may do all."""
    model = folder / "models" / "box2seg"
    model.mkdir(parents=True)
    shutil.copy(SHIPPED / "config.pbtxt", model)
    live = read_standing(SHIPPED).live
    for version in COPIES:
        shutil.copytree(SHIPPED / str(live), model / str(version))
        manifest = read_manifest(model / str(version))
        write_manifest(dataclasses.replace(manifest, version=version), model / str(version))
    with changing(model) as changes:
        changes.record(Action.PROMOTE, COPIES[0], who="benchmark", why="")
    key, token = make_key("benchmark", (INFER, ADMIN), rate_per_s=1e5, burst=10**5)
    change_keys(folder / "keys.json", lambda _: [key])
    return token


async def measure(address: str, token: str, options: argparse.Namespace) -> None:
    """Find saturation, then ask at a share of it while versions are swapped; print as found."""
    headers = {"Authorization": f"Bearer {token}"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(address, headers=headers, connector=connector) as session:
        await _crowd(session, seconds=1.0)
        most = len(await _crowd(session, seconds=5.0)) / 5.0
        asked: list[Asked] = []
        asking = asyncio.create_task(_stream(session, options.share * most, asked))
        swaps = []
        for number in track(range(options.swaps), "swaps", console=Console(stderr=True)):
            await asyncio.sleep(options.seconds)
            version = COPIES[(number + 1) % len(COPIES)]
            swaps.append(await _promote(session, version))
        await asyncio.sleep(options.seconds)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    _print(asked, swaps, rate=options.share * most, workers=options.workers)


async def _promote(session: aiohttp.ClientSession, version: int) -> tuple[float, float]:
    """Promote a version; gives when it was asked for and when it answered [s]."""
    began = time.perf_counter()
    words = {"force": True, "why": "benchmark"}
    async with session.post(f"/v1/models/box2seg/versions/{version}:promote", json=words) as answer:
        assert answer.status == HTTPStatus.OK, await answer.text()
    return began, time.perf_counter()


async def _crowd(session: aiohttp.ClientSession, *, seconds: float) -> list[Asked]:
    """Have clients ask again and again."""
    asked: list[Asked] = []
    end, photo = time.perf_counter() + seconds, chelsea()

    async def client() -> None:
        while time.perf_counter() < end:
            await _ask(session, photo, asked, time.perf_counter())

    await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return asked


async def _stream(session: aiohttp.ClientSession, rate: float, asked: list[Asked]) -> None:
    """Ask at random moments that no answer moves, until cancelled."""
    rng, photo, moment = np.random.default_rng(0), chelsea(), time.perf_counter()
    async with asyncio.TaskGroup() as asking:
        while True:
            moment += rng.exponential(1 / rate)
            await asyncio.sleep(max(0.0, moment - time.perf_counter()))
            asking.create_task(_ask(session, photo, asked, moment))


async def _ask(session: aiohttp.ClientSession, photo: bytes, asked: list[Asked], came_s: float) -> None:
    async with session.post("/v1/segment", data=photo) as answer:
        await answer.read()
        version = answer.headers.get("X-Model-Version", "none")
        asked.append(Asked(came_s, time.perf_counter(), answer.status, version))


def _print(asked: list[Asked], swaps: list[tuple[float, float]], *, rate: float, workers: int) -> None:
    during = [each for each in asked if any(_overlaps(each, *swap) for swap in swaps)]
    quiet = [each for each in asked if each not in set(during)]
    took = [answered - began for began, answered in swaps]
    table = Table(
        title=f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, {workers} "
        f"workers; {rate:.1f} requests per second; {len(swaps)} swaps of {np.median(took):.1f} s (median)"
    )
    for heading in ("", "requests", "not 200", "p50 [ms]", "p95", "p99"):
        table.add_column(heading, justify="right")
    for name, some in (("between swaps", quiet), ("during swaps", during)):
        failed = Counter(each.status for each in some if each.status != HTTPStatus.OK)
        times = np.percentile([(each.answered_s - each.came_s) * 1e3 for each in some], [50, 95, 99])
        table.add_row(name, str(len(some)), str(dict(failed) or 0), *(f"{each:.0f}" for each in times))
    Console().print(table)
    Console().print(f"versions that answered: {', '.join(sorted({each.version for each in asked}))}")


def _overlaps(asked: Asked, began: float, answered: float) -> bool:
    return asked.came_s < answered + AFTERWARDS_S and asked.answered_s > began


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--swaps", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0, help="between swaps")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--share", type=float, default=0.5, help="of what the server can take")
    return parser.parse_args()


if __name__ == "__main__":
    main()
