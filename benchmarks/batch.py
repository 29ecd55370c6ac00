"""
`box2seg predict` beside its engine alone and beside the loop that one would write: photos per second.

    python benchmarks/batch.py [--photos FOLDER] [--count 120] [--rounds 3]

All work in turns on the same JPEGs of 500 px, so that a busy machine is busy for all; the best rounds
count, and starting up does not: a photo of each shape goes before the watch starts. The loop reads with
OpenCV, runs the ONNX file in ONNX Runtime with all threads, and writes palette PNGs with Pillow, one photo
after the other.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import onnxruntime
from PIL import Image
from rich.console import Console
from rich.table import Table

from contract.arrays import Uint8
from contract.images import read_image
from contract.manifest import MODEL_FILE
from contract.processors import available_processors
from serving.batch.budget import Budget
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.local import Maker, batch_engine, local_segment, photos_at_once
from serving.batch.outputs import choose_outputs
from serving.batch.run import Batch
from serving.batch.sources import find_items
from serving.versions import Version, live_version

SIDE = 500
"""Of the photos' longer side [px]."""
OF_ENGINE, OF_LOOP = 0.9, 2.0
"""Goals: the batch's photos/s over the engine's own, and over the loop's."""

Measure = Callable[[], "Took"]

BATCH, ENGINE, LOOP = "box2seg predict", "its engine alone", "a plain loop"


@dataclass(frozen=True, slots=True)
class Took:
    """
    What a round of photos took.

    Args:
        seconds: By the clock.
        processor_s: Of all processors together, which a busy machine changes less [s].
    """

    seconds: float
    processor_s: float


class Watch:
    """Takes the times of what runs between it and its end."""

    def __init__(self) -> None:
        self._began, self._used = time.perf_counter(), time.process_time()

    def stop(self) -> Took:
        """Give what it took."""
        return Took(time.perf_counter() - self._began, time.process_time() - self._used)


def main() -> None:
    """Measure and print a table; exit code 1 where a goal is missed."""
    options = _options()
    version = live_version(Path("model_repository"), "box2seg")
    with TemporaryDirectory() as folder:
        photos = prepare(options.photos, Path(folder) / "photos", options.count)
        ways = {
            ENGINE: engine_alone(version, photos),
            BATCH: batch(version, photos, Path(folder)),
            LOOP: plain_loop(version, photos, Path(folder) / "loop"),
        }
        found: dict[str, list[Took]] = {name: [] for name in ways}
        for _ in range(options.rounds):
            for name, measure in ways.items():
                found[name].append(measure())
    sys.exit(report(found, options.count))


def prepare(photos: Path, folder: Path, count: int) -> Path:
    """Make so many JPEGs of 500 px of the photos in a folder, again and again."""
    folder.mkdir(parents=True)
    sources = sorted(photos.glob("*.jpg"))
    for number in range(count):
        image = Image.fromarray(read_image(sources[number % len(sources)]))
        scale = SIDE / max(image.size)
        size = (round(image.width * scale), round(image.height * scale))
        image.resize(size).save(folder / f"{number:05d}.jpg", quality=90)
    return folder


def one_of_each_shape(version: Version, photos: Path, folder: Path) -> Path:
    """Fill a folder with one photo of each shape that the network is compiled for."""
    folder.mkdir()
    fit = version.manifest.fit
    shapes = {fit.fit(read_image(path).shape[:2]).network: path for path in photos.iterdir()}
    for path in shapes.values():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def engine_alone(version: Version, photos: Path) -> Measure:
    """Give what the engine takes for the photos as they enter the network, in memory, all asked at once."""
    manifest = version.manifest
    images = [read_image(path) for path in sorted(photos.iterdir())]
    frames = [manifest.fit.fit(image.shape[:2]).fit_image(image)[None] for image in images]

    async def run() -> Took:
        engine = batch_engine()
        await engine.load(manifest, version.folder)

        async def compute(some: Iterable[Uint8]) -> None:
            asked = (engine.infer(manifest.name, manifest.version, frame, timeout_s=3600) for frame in some)
            await asyncio.gather(*asked)

        await compute({frame.shape: frame for frame in frames}.values())
        watch = Watch()
        await compute(frames)
        took = watch.stop()
        await engine.close()
        return took

    return lambda: asyncio.run(run())


def batch(version: Version, photos: Path, folder: Path) -> Measure:
    """Give what a batch into palette PNGs takes, from the first photo to the last line of the ledger."""
    manifest = version.manifest
    outputs = choose_outputs(["png"], {"png": ".png"})
    identity = Identity(manifest.name, manifest.version, manifest.files[MODEL_FILE], outputs.names)
    warm_up = one_of_each_shape(version, photos, folder / "warm_up")

    async def run(out: Path) -> Took:
        with Ledger(out, identity, outputs) as ledger:
            maker = Maker(outputs, manifest.classes, ledger.admits)
            async with local_segment(batch_engine(), version, maker) as segment:
                work = Batch(ledger, segment, photos_at_once(), Budget(), lambda tally, trouble: None)
                await work.work_off(find_items([str(warm_up)], out))
                watch = Watch()
                await work.work_off(find_items([str(photos)], out))
                return watch.stop()

    rounds = iter(range(10**6))
    return lambda: asyncio.run(run(folder / f"out{next(rounds)}"))


def plain_loop(version: Version, photos: Path, out: Path) -> Measure:
    """Give the seconds of the loop."""
    manifest = version.manifest
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = available_processors()
    # Its idle threads would spin and slow down whoever is asked next.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    model = version.folder / MODEL_FILE
    session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
    out.mkdir()

    def run() -> Took:
        watch = Watch()
        for path in sorted(photos.iterdir()):
            image = cv2.cvtColor(np.asarray(cv2.imread(str(path))), cv2.COLOR_BGR2RGB)
            height, width = image.shape[:2]
            fit = manifest.fit.fit((height, width))
            frame = np.full((*fit.network, 3), 127, np.uint8)
            frame[: fit.inner[0], : fit.inner[1]] = cv2.resize(image, fit.inner[::-1])
            labels = session.run(["labels"], {"image": frame[None]})[0][0]
            inner = labels[: fit.inner[0], : fit.inner[1]]
            mask = Image.fromarray(cv2.resize(inner, (width, height), interpolation=cv2.INTER_NEAREST))
            mask.putpalette(manifest.classes.palette())
            mask.save(out / f"{path.stem}.png")
        return watch.stop()

    return run


def report(found: dict[str, list[Took]], count: int) -> int:
    """Print the table; gives 1 where a goal is missed."""
    table = Table(
        title=f"{count} JPEGs of {SIDE} px, {available_processors()} threads, load {os.getloadavg()[0]:.1f}"
    )
    for heading in ("way", "photos/s, best round", f"{BATCH} is", "processor time a photo [ms]"):
        table.add_column(heading, justify="right")
    best = {name: count / min(each.seconds for each in took) for name, took in found.items()}
    for name, took in found.items():
        least_ms = min(each.processor_s for each in took) / count * 1e3
        table.add_row(name, f"{best[name]:.1f}", f"{best[BATCH] / best[name]:.2f}x", f"{least_ms:.0f}")
    console = Console()
    console.print(table)
    of_engine, of_loop = best[BATCH] / best[ENGINE], best[BATCH] / best[LOOP]
    console.print(
        f"of the engine's own {of_engine:.2f} (goal: {OF_ENGINE}), of the loop's {of_loop:.2f} ({OF_LOOP})"
    )
    return int(of_engine < OF_ENGINE or of_loop < OF_LOOP)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--photos", type=Path, default=Path("docs/pictures"), help="folder of JPEGs")
    parser.add_argument("--count", type=int, default=120, help="photos in a round")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


if __name__ == "__main__":
    main()
