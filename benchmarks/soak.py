"""
Memory of the gateway after many requests against after a few, in one run: does it grow?

    python benchmarks/soak.py [--first 1000] [--requests 10000] [--together 8] [--repository model_repository]

Runs `box2seg serve` with its Triton and sends it small photos in all formats, several at once. The
resident memory of each of the gateway's processes is read after `--first` and after `--requests`.
"""

import argparse
import asyncio
import io
import itertools
import os
import sys
import time
from pathlib import Path

import aiohttp
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table
from servers import running_gateway

from contract.arrays import Uint8
from serving.formats import FORMATS

GOAL = 1.05
SIDE = 64
KINDS = ("JPEG", "PNG", "WEBP")
PROC = Path("/proc")
CALM_S = 2.0
"""How long the gateway rests before its memory is read [s]."""


def main() -> None:
    """Soak and print a table; exit code 1 where memory grew by more than the goal allows."""
    options = _options()
    os.environ.setdefault("BOX2SEG_TIMEOUT_S", "60")  # a busy machine may be slow, memory is what counts
    with running_gateway("--repository", str(options.repository)) as address:
        begin = time.perf_counter()
        memory = []
        for count in (options.first, options.requests - options.first):
            asyncio.run(ask(address, count, together=options.together))
            time.sleep(CALM_S)
            memory.append({each: resident(each) for each in gateways(os.getpid())})
        seconds = time.perf_counter() - begin
    early, late = memory
    sys.exit(report(early, late, options, seconds))


async def ask(address: str, count: int, *, together: int) -> None:
    """Ask for so many masks, several at once; all must be given."""
    kinds = itertools.cycle(itertools.product(FORMATS, photos()))
    questions = itertools.islice(kinds, count)

    async def work() -> None:
        for form, photo in questions:
            async with session.post(f"{address}/v1/segment", params={"format": form}, data=photo) as answer:
                assert answer.status == 200, await answer.text()
                await answer.read()

    async with aiohttp.ClientSession() as session:
        await asyncio.gather(*(work() for _ in range(together)))


def photos() -> list[bytes]:
    """Draw a few small photos of different kinds."""
    dice = np.random.default_rng(0)
    return [_encode(dice.integers(0, 256, (SIDE, SIDE * 4 // 3, 3), np.uint8), kind) for kind in KINDS]


def gateways(parent: int) -> list[int]:
    """List the gateway's processes below one, its workers where it has some too; not those of its Triton."""
    below = _children(parent)
    leashes = [pid for pid in below if b"leash.py" in _read(pid, "cmdline")]
    tritons = {*leashes, *(pid for leash in leashes for pid in _children(leash))}
    return [pid for pid in below if pid not in tritons]


def resident(pid: int) -> int:
    """Give a process's resident memory [bytes]."""
    return int(_read(pid, "statm").split()[1]) * os.sysconf("SC_PAGESIZE")


def report(early: dict[int, int], late: dict[int, int], options: argparse.Namespace, seconds: float) -> int:
    """Print the table; gives 1 where the goal is missed."""
    table = Table(title=f"{options.requests:,} photos in {seconds:.0f} s, {options.together} at once")
    headings = ("process", f"after {options.first:,} [MiB]", f"after {options.requests:,} [MiB]", "ratio")
    for heading in headings:
        table.add_column(heading, justify="right")
    for pid in late:
        megabytes = [memory[pid] / 2**20 for memory in (early, late)]
        table.add_row(str(pid), *(f"{each:.1f}" for each in megabytes), f"{late[pid] / early[pid]:.3f}")
    worst = max(late[pid] / early[pid] for pid in late)
    console = Console()
    console.print(table)
    console.print(
        f"memory after {options.requests:,} against {options.first:,}: {worst:.3f} (goal: at most {GOAL})"
    )
    return int(worst > GOAL)


def _children(parent: int) -> list[int]:
    found = []
    for entry in PROC.glob("[0-9]*"):
        stat = _read(int(entry.name), "stat").rpartition(b")")[2].split()
        if stat and int(stat[1]) == parent:
            found += [int(entry.name), *_children(int(entry.name))]
    return found


def _read(pid: int, name: str) -> bytes:
    try:
        return (PROC / str(pid) / name).read_bytes()
    except OSError:  # it has ended
        return b""


def _encode(photo: Uint8, kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, kind)
    return stream.getvalue()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--first", type=int, default=1000, help="requests before memory is first read")
    parser.add_argument("--requests", type=int, default=10_000, help="requests in all")
    parser.add_argument("--together", type=int, default=8, help="requests at once")
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    return parser.parse_args()


if __name__ == "__main__":
    main()
