"""
The CPU engine's time by encoder, decoder's width and size of photos, beside the shipped shape in one run.

    python benchmarks/encoders.py [--encoders lite0 lite2] [--widths 64 128] [--sides 320 384] [--rounds 5]

The networks are untrained, as time does not depend on what was learned, and their files are in float16.
Photos are 4 to 3, one at a time; all are asked in turns, so that a busy machine is busy for all.
"""

import argparse
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from contract.arrays import Uint8
from contract.geometry import FitRule
from contract.manifest import CONFIDENCE, IMAGE, LABELS
from contract.processors import available_processors
from export.deployable import Deployable
from export.onnx import write_onnx
from serving.triton.backends.onnxruntime.network import Network
from training.networks.segmentation import NetworkSpec, SegmentationNetwork

CLASSES = 7
PHOTO = (3000, 4000)
WARM_UP = 2
MB = 1e6


class Shape(NamedTuple):
    """What decides the time: the encoder, the decoder's channels, the long side [px]."""

    encoder: str
    width: int
    side: int


SHIPPED = Shape("lite0", 64, 384)


def main() -> None:
    """Measure and print a table."""
    options = _options()
    sorts = {(encoder, width) for encoder in options.encoders for width in options.widths}
    with tempfile.TemporaryDirectory() as folder:
        files = {
            (encoder, width): write_network(encoder, width, Path(folder))
            for encoder, width in sorted(sorts | {SHIPPED[:2]})
        }
        shapes = sorted({Shape(*sort, side) for sort in sorts for side in options.sides} | {SHIPPED})
        found = take_turns(files, shapes, options.rounds, options.photos)
        report(found, {sort: path.stat().st_size for sort, path in files.items()})


def write_network(encoder: str, width: int, folder: Path) -> Path:
    """Export a network that has learned nothing."""
    spec = NetworkSpec(f"tf_efficientnet_{encoder}", CLASSES, width, embedding=1, shared_decoder=True)
    path = folder / f"{encoder}_{width}.onnx"
    return write_onnx(Deployable(SegmentationNetwork(spec)), path, notes={}, weights="float16")


def take_turns(
    files: dict[tuple[str, int], Path], shapes: list[Shape], rounds: int, photos: int
) -> dict[Shape, list[float]]:
    """Ask each in turn, several times; gives the medians [ms] of its rounds."""
    threads = available_processors()
    # One engine for each: of photos of many sizes an engine keeps only some ready.
    engines = {shape: Network(files[shape[:2]], IMAGE, [LABELS, CONFIDENCE], threads) for shape in shapes}
    found: dict[Shape, list[float]] = {shape: [] for shape in shapes}
    for _ in range(rounds):
        for shape, engine in engines.items():
            found[shape].append(median_ms(engine, drawn_photo(shape.side), photos))
    return found


def median_ms(engine: Network, photo: Uint8, photos: int) -> float:
    """Give the median latency of some photos, after a few to warm up [ms]."""
    times = []
    for _ in range(WARM_UP + photos):
        began = time.perf_counter()
        engine.run(photo)
        times.append(time.perf_counter() - began)
    return float(np.median(times[WARM_UP:])) * 1e3


def drawn_photo(side: int) -> Uint8:
    """Give noise in the network's frame, (1, H, W, 3)."""
    height, width = FitRule(side).fit(PHOTO).network
    return np.random.default_rng(0).integers(0, 256, (1, height, width, 3), dtype=np.uint8)


def report(found: dict[Shape, list[float]], sizes: dict[tuple[str, int], int]) -> None:
    """Print the table; ratios are of the best rounds, which other load disturbs least."""
    table = Table(
        title=f"one photo of 4 to 3, {platform.processor() or platform.machine()}, "
        f"{available_processors()} threads, load {os.getloadavg()[0]:.1f}"
    )
    for heading in ("encoder", "width", "long side", "MB", "median [ms]", "best round [ms]", "to shipped"):
        table.add_column(heading, justify="right")
    for shape, medians in found.items():
        size, ratio = sizes[shape[:2]] / MB, min(medians) / min(found[SHIPPED])
        figures = (f"{size:.1f}", f"{np.median(medians):.1f}", f"{min(medians):.1f}", f"{ratio:.2f}x")
        table.add_row(*map(str, shape), *figures)
    Console().print(table)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--encoders", nargs="+", default=["lite0", "lite1", "lite2"])
    parser.add_argument("--widths", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--sides", type=int, nargs="+", default=[320, 384, 448, 512], help="[px]")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--photos", type=int, default=10, help="in each round")
    return parser.parse_args()


if __name__ == "__main__":
    main()
