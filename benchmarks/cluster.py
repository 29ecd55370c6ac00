"""
A batch on one and on two workers of a local Ray: photos per second, and how much more two get done.

    python benchmarks/cluster.py [--photos FOLDER] [--count 200] [--rounds 3]

Each worker has one engine with one thread. The two are measured in turns on the same JPEGs of 500 px;
starting up does not count, nor do the first photos, some of each shape for each worker. Where there are
fewer than two processors that nobody else uses, two workers cannot be much faster than one: see the load.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from batch import Watch, one_of_each_shape, prepare
from rich.console import Console
from rich.table import Table

from contract.images import MAX_PIXELS
from contract.manifest import MODEL_FILE
from contract.processors import available_processors
from serving.batch.budget import Budget
from serving.batch.cluster.pool import Wish
from serving.batch.cluster.segmenting import Site, cluster_segment
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.outputs import choose_outputs
from serving.batch.run import Batch
from serving.batch.sources import find_items
from serving.versions import Version, live_version

GOAL = 1.7
"""Times the photos/s of one worker that two should get done."""
WORKERS = (1, 2)
COPIES = 8
"""Of a photo of each shape, for each worker, before the watch starts: parcels are dealt as they come."""


def main() -> None:
    """Measure and print a table; exit code 1 where the goal is missed."""
    options = _options()
    version = live_version(Path("model_repository"), "box2seg")
    found: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    with TemporaryDirectory() as folder:
        photos = prepare(options.photos, Path(folder) / "photos", options.count)
        shapes = one_of_each_shape(version, photos, Path(folder) / "shapes")
        several = len(list(shapes.iterdir())) * COPIES * max(WORKERS)
        prepare(shapes, Path(folder) / "warm_up" / "first", several)
        for number in range(options.rounds):
            for workers in WORKERS:
                out = Path(folder) / f"out{number}_{workers}"
                found[workers].append(asyncio.run(measure(version, photos, out, workers)))
    sys.exit(report(found, options.count))


async def measure(version: Version, photos: Path, out: Path, workers: int) -> float:
    """Give the seconds of a batch on so many workers."""
    manifest = version.manifest
    outputs = choose_outputs(["png"], {"png": ".png"})
    identity = Identity(manifest.name, manifest.version, manifest.files[MODEL_FILE], outputs.names)
    site = Site("local", Wish(workers, workers, cpus=1))
    with Ledger(out, identity, outputs) as ledger:
        async with cluster_segment(site, version, outputs, MAX_PIXELS, ledger) as segment:
            work = Batch(ledger, segment, 1, Budget(), lambda tally, trouble: None)
            await work.work_off(find_items([str(photos.parent / "warm_up")], out))
            watch = Watch()
            await work.work_off(find_items([str(photos)], out))
            return watch.stop().seconds


def report(found: dict[int, list[float]], count: int) -> int:
    """Print the table; gives 1 where the goal is missed."""
    table = Table(title=f"{count} JPEGs, {available_processors()} processors, load {os.getloadavg()[0]:.1f}")
    for heading in ("workers", "photos/s, best round", "all rounds"):
        table.add_column(heading, justify="right")
    for workers, seconds in found.items():
        rounds = ", ".join(f"{count / each:.1f}" for each in seconds)
        table.add_row(str(workers), f"{count / min(seconds):.1f}", rounds)
    ratio = min(found[1]) / min(found[2])
    console = Console()
    console.print(table)
    console.print(f"two workers get {ratio:.2f}x of one done (goal: {GOAL})")
    return int(ratio < GOAL)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, default=Path("docs/pictures"))
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
