"""
The pixels' work around the network on one core, and the answer's PNG beside Pillow's default one, in one run.

    python benchmarks/pixels.py [--repository model_repository] [--rounds 10]

Photos of docs/pictures at two sizes, with the masks that the model's newest version gives of them. Times are
the processor's own [ms], medians over photos and rounds: what else runs on the machine hardly counts.
"""

import argparse
import asyncio
import io
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from contract.arrays import Size, Uint8
from contract.geometry import Fit
from contract.images import decode_image
from contract.masks import Segmentation
from serving.engines.local import LocalEngine
from serving.formats.png import encode_png, label_image
from serving.settings import read_settings
from serving.versions import Version, live_version

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
QUALITY = 90
GOALS = {(512, 512): 3.0, (3000, 4000): 110.0}
"""Of decoding and encoding together [ms], by the photo's (height, width)."""
LARGER, FASTER = 1.5, 3.0
"""Of our PNG: at most so many times as large as Pillow's default, at least so many times as fast."""
STAGES = ("decode", "fit", "bring back", "PNG", "Pillow's default PNG")

Times = dict[str, list[float]]


def main() -> None:
    """Measure and print a table; exit code 1 where a goal is missed."""
    options = _options()
    cv2.setNumThreads(1)
    settings = read_settings(repository=options.repository)
    version = live_version(settings.repository, settings.default_model)
    found = {size: asyncio.run(measure(size, version, rounds=options.rounds)) for size in GOALS}
    sys.exit(report(found, version))


async def measure(size: Size, version: Version, *, rounds: int) -> tuple[Times, float]:
    """Give the stages' times over all photos [ms], and the bytes of our PNGs per byte of Pillow's."""
    engine = LocalEngine()
    manifest = version.manifest
    await engine.load(manifest, version.folder)
    times: Times = defaultdict(list)
    ours = pillows = 0
    for path in sorted(PICTURES.glob("*.jpg")):
        data = _photo(path, size)
        photo, fit, frame = _before(data, version)
        labels, confidence = await engine.infer(manifest.name, manifest.version, frame[None])
        segmentation = Segmentation(fit.bring_back(labels[0], confidence[0]), manifest.name, manifest.version)
        maps = (labels[0], confidence[0])
        work: dict[str, Callable[[], object]] = {
            "decode": partial(decode_image, data),
            "fit": partial(fit.fit_image, photo),
            "bring back": partial(fit.bring_back, *maps),
            "PNG": partial(encode_png, photo, segmentation, manifest.classes),
            "Pillow's default PNG": partial(_default_png, segmentation, version),
        }
        for stage, do in work.items():
            times[stage] += [_processor_ms(do) for _ in range(rounds)]
        ours += len(encode_png(photo, segmentation, manifest.classes))
        pillows += len(_default_png(segmentation, version))
    await engine.close()
    return times, ours / pillows


def report(found: dict[Size, tuple[Times, float]], version: Version) -> int:
    """Print the table; gives 1 where a goal is missed."""
    table = Table(
        title=f"{version.manifest.name} {version.manifest.version}, "
        f"{platform.processor() or platform.machine()}, one core, load {os.getloadavg()[0]:.1f}"
    )
    for heading in ("photo", *(f"{stage} [ms]" for stage in STAGES)):
        table.add_column(heading, justify="right")
    lines, missed = [], False
    for size, (times, larger) in found.items():
        middle = {stage: float(np.median(times[stage])) for stage in STAGES}
        table.add_row(f"{size[1]} x {size[0]}", *(f"{middle[stage]:.2f}" for stage in STAGES))
        both = middle["decode"] + middle["PNG"]
        faster = middle["Pillow's default PNG"] / middle["PNG"]
        lines += [
            f"{size[1]} x {size[0]}: decode and PNG {both:.2f} ms (goal: at most {GOALS[size]:g}), "
            f"all four stages {both + middle['fit'] + middle['bring back']:.2f} ms",
            f"  the PNG: {larger:.2f} times the bytes of Pillow's (goal: at most {LARGER:g}) "
            f"at {faster:.1f} times its speed (goal: at least {FASTER:g})",
        ]
        missed |= both > GOALS[size] or larger > LARGER or faster < FASTER
    console = Console(soft_wrap=True)
    console.print(table)
    for line in lines:
        console.print(line, highlight=False)
    return int(missed)


def _before(data: bytes, version: Version) -> tuple[Uint8, Fit, Uint8]:
    photo = decode_image(data)
    fit = version.manifest.fit.fit((photo.shape[0], photo.shape[1]))
    return photo, fit, fit.fit_image(photo)


def _photo(path: Path, size: Size) -> bytes:
    stream = io.BytesIO()
    with Image.open(path) as image:
        image.convert("RGB").resize(size[::-1], Image.Resampling.LANCZOS).save(
            stream, "JPEG", quality=QUALITY
        )
    return stream.getvalue()


def _default_png(segmentation: Segmentation, version: Version) -> bytes:
    stream = io.BytesIO()
    label_image(segmentation, version.manifest.classes).save(stream, "PNG")
    return stream.getvalue()


def _processor_ms(do: Callable[[], object]) -> float:
    begin = time.thread_time()
    do()
    return (time.thread_time() - begin) * 1e3


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repository", type=Path, default=Path("model_repository"))
    parser.add_argument("--rounds", type=int, default=10)
    return parser.parse_args()


if __name__ == "__main__":
    main()
