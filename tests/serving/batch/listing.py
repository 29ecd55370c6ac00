"""
A long list's way through sources, run and ledger, with the network and the files left out.

    python -m tests.serving.batch.listing FOLDER COUNT
"""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from serving.batch.budget import Budget
from serving.batch.findings import Finding, Keep, Product, Read
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.outputs import Outputs
from serving.batch.run import Batch
from serving.batch.sources import find_items

FOLDER = 1000
"""Photos in a folder; many links lead to it."""


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What a list cost.

    Args:
        peak_mib: The most memory of the process [MiB].
        first_s: When the first photo was done [s].
        done: Photos.
        again: Of a second run, those known from the first.
    """

    peak_mib: float
    first_s: float
    done: int
    again: int


def run_listing(folder: Path, count: int) -> Listing:
    """Work a list of so many photos off twice, in a process of its own."""
    command = [sys.executable, "-m", "tests.serving.batch.listing", str(folder), str(count)]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    listing = Listing(**json.loads(said.stdout))
    assert listing.done == listing.again == count
    return listing


def main() -> None:
    """Print what it cost, as JSON."""
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    places = [str(write_list(folder, count))]
    first_s, done = work_off(folder, places, lambda tally: tally.done)
    _, again = work_off(folder, places, lambda tally: tally.before)
    status = Path("/proc/self/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    print(json.dumps(asdict(Listing(int(found[1]) / 1024, first_s, done, again))))  # noqa: T201


def write_list(folder: Path, count: int) -> Path:
    """Write a list of so many paths of a few small photos."""
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for number in range(min(count, FOLDER)):
        (photos / f"{number:03d}.png").write_bytes(b"a photo")
    for number in range(-(-count // FOLDER)):
        (folder / f"{number:04d}").symlink_to(photos)
    path = folder / "list.txt"
    with path.open("w") as lines:
        lines.writelines(f"{number // FOLDER:04d}/{number % FOLDER:03d}.png\n" for number in range(count))
    return path


def work_off(folder: Path, places: list[str], wanted: Callable) -> tuple[float, int]:  # type: ignore[type-arg]
    """Work the list off; gives when the first photo was done, and how many were."""
    began, first = time.monotonic(), [0.0]
    out = folder / "out"

    async def segment(read: Read, keep: Keep) -> None:
        read()
        first[0] = first[0] or time.monotonic() - began
        keep(Product({}, Finding((1, 1), 1, {"background": 1}, 0.5, None)))

    with Ledger(out, Identity("none", 1, "", ()), Outputs({})) as ledger:
        batch = Batch(ledger, segment, os.cpu_count() or 1, Budget(), lambda tally, trouble: None)
        tally = asyncio.run(batch.work_off(find_items(places, out)))
    return first[0], wanted(tally)


if __name__ == "__main__":
    main()
