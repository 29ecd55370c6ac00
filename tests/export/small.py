"""Retraining small enough for a test: drawn photos, tiny networks, masks to learn from."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from rich.console import Console

from cli.served import open_served
from export.gate.limits import Limits
from export.workflow.order import Order
from export.workflow.run import Outcome, retrain
from tests.drawing import draw_voc
from tests.training.small import SMALL

LEARNING = (
    *SMALL,
    *("encoder=test_resnet", "learn=masks", "learning_rate=0.01", "encoder_rate=1", "warm_epochs=0"),
)
"""So a tiny network learns discs and rectangles in seconds: from masks, fast, all of it."""

LIMITS = Limits(least_photos=4, latency_ratio=1000, memory_ratio=1000, boundary_loss=0.2, class_loss=0.2)
"""For a few photos, and a machine that does other things, too."""

FEW = "few"
"""A split of a third of the photos to learn from."""


def draw_data(root: Path) -> Path:
    """Write a VOC folder with 12 photos to learn from and 6 golden ones; the split `few` has 4 of the 12."""
    folder = draw_voc(root, train=12, val=6)
    splits = folder / "ImageSets" / "Segmentation"
    names = (splits / "train.txt").read_text().splitlines(keepends=True)
    (splits / f"{FEW}.txt").write_text("".join(names[:4]))
    return folder


def order(data: Path, out: Path, **others: object) -> Order:
    """Give an order for a small retraining; the first version's where nothing else is said."""
    chosen: dict[str, object] = {
        "golden": data,
        "model": out.parent / "repository" / "pets",
        "cache": out.parent / "cache",
        "start": "imagenet",
        "recipe": "voc_boxes",
        "changes": (*LEARNING, "epochs=1"),
        "device": "cpu",
        "workers": 0,
        "limits": LIMITS,
        "who": "a test",
    }
    return Order(data=data, out=out, **chosen | others)  # type: ignore[arg-type]


def run(asked: Order) -> Outcome:
    """Do what was asked, in silence."""
    with one_thread():
        return retrain(asked, open_served, Console(file=io.StringIO()))


@contextmanager
def one_thread() -> Iterator[None]:
    """Have torch compute in one thread: on networks so small several only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
