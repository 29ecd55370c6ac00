"""
What an entry of a data set costs, in time and memory: 20, 10,000 and 100,000 entries of the same 20 photos.

    python benchmarks/listing.py [--entries 20 10000 100000]
"""

import argparse
import io
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
from PIL import Image
from rich.console import Console

from contract.classes import class_map
from training.datasets import open_dataset, open_folder
from training.survey import Wanted, survey_split

PHOTOS = 20
SIZE = (375, 500)
BOXES = ((10, 20, 200, 220), (150, 40, 320, 360), (300, 100, 480, 300))
CLASSES = ("cat", "dog", "cow")
KIB = 1024

Result = TypeVar("Result")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entries", type=int, nargs="+", default=[20, 10_000, 100_000])
    counts = parser.parse_args().entries
    with tempfile.TemporaryDirectory() as folder:
        for write in (write_voc, write_coco, write_yolo):
            for task in (train_listing, check):
                measured = [measure(write, task, Path(folder), count) for count in counts]
                report(f"{write.__name__.removeprefix('write_')} {task.__name__}", counts, measured)


def measure(
    write: Callable[[Path, int], None], task: Callable[[Path], None], folder: Path, count: int
) -> tuple[float, float]:
    """Write a data set and do the task; gives processor seconds and peak memory [MB]."""
    root = folder / f"{write.__name__}_{count}"
    if not root.is_dir():
        root.mkdir()
        apart(write, root, count)
    return apart(run, task, root)


def apart(function: Callable[..., Result], *arguments: object) -> Result:
    """Call a function in a process of its own: its memory is nobody else's, not even this process's."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def run(task: Callable[[Path], None], root: Path) -> tuple[float, float]:
    """Time a task in this process; other work on the machine does not count."""
    began = time.process_time()
    task(root)
    seconds = time.process_time() - began
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB


def train_listing(root: Path) -> None:
    """List what training learns from, as it does before its first step."""
    open_dataset(root, class_map(CLASSES)).load("train")


def check(root: Path) -> None:
    """Look at the data set as `box2seg data check` does."""
    survey_split(open_folder(root), "train", Wanted(), Console(file=io.StringIO()))


def report(what: str, counts: list[int], measured: list[tuple[float, float]]) -> None:
    """Print seconds and memory, and what an entry costs beside what it costs in the set before."""
    for place, (count, (seconds, memory)) in enumerate(zip(counts, measured, strict=True)):
        each = seconds / count * 1e6
        line = f"{what:20} {count:>7,} entries: {seconds:6.2f} s of a processor, {each:6.0f} us an entry"
        line += f", {memory:4.0f} MB"
        if place:
            before = measured[place - 1][0] / counts[place - 1] * 1e6
            more = (memory - measured[0][1]) * KIB / (count - counts[0])
            line += f"; {each / before:.2f} times as long an entry as above, {more:.2f} KiB more for each"
        print(line, flush=True)  # noqa: T201 (a benchmark prints)


def write_voc(root: Path, count: int) -> None:
    """Write a VOC folder whose list names each photo again and again."""
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    draw_photos(root / "JPEGImages")
    objects = "".join(
        f"<object><name>{name}</name><difficult>0</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for name, (left, top, right, bottom) in zip(CLASSES, BOXES, strict=True)
    )
    for number in range(PHOTOS):
        (root / "Annotations" / f"{number}.xml").write_text(f"<annotation>{objects}</annotation>")
    names = "".join(f"{number % PHOTOS}\n" for number in range(count))
    (root / "ImageSets" / "Main" / "train.txt").write_text(names)


def write_coco(root: Path, count: int) -> None:
    """Write a COCO folder with an image id per entry, and polygons as large as people draw."""
    (root / "annotations").mkdir()
    draw_photos(root / "train")
    outline = [[float(number) for number in range(80)]]
    rows = [(left, top, right - left, bottom - top) for left, top, right, bottom in BOXES]
    content = {
        "categories": [{"id": index, "name": name} for index, name in enumerate(CLASSES)],
        "images": [{"id": entry, "file_name": f"{entry % PHOTOS}.jpg"} for entry in range(count)],
        "annotations": [
            {
                "id": entry * len(rows) + index,
                "image_id": entry,
                "category_id": index,
                "bbox": row,
                "area": row[2] * row[3],
                "iscrowd": 0,
                "segmentation": outline,
            }
            for entry in range(count)
            for index, row in enumerate(rows)
        ],
    }
    (root / "annotations" / "instances_train.json").write_text(json.dumps(content))


def write_yolo(root: Path, count: int) -> None:
    """Write a YOLO folder whose list names each photo again and again."""
    draw_photos(root / "images")
    (root / "labels").mkdir()
    (root / "data.yaml").write_text(f"train: train.txt\nnames: [{', '.join(CLASSES)}]\n")
    for number in range(PHOTOS):
        (root / "labels" / f"{number}.txt").write_text(
            "".join(f"{index} 0.5 0.5 0.25 0.25\n" for index in range(len(CLASSES)))
        )
    lines = "".join(f"images/{number % PHOTOS}.jpg\n" for number in range(count))
    (root / "train.txt").write_text(lines)


def draw_photos(folder: Path) -> None:
    """Write photos of noise, with the EXIF that cameras leave."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    exif = Image.Exif()
    exif[0x0112] = 1
    for number in range(PHOTOS):
        pixels = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", exif=exif)


if __name__ == "__main__":
    main()
