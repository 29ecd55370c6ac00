"""Contact sheets of photos with their predicted masks, one per scored epoch."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from contract.annotations import AnnotatedImage
from contract.classes import ClassMap
from contract.images import read_image
from contract.pictures import draw_overlay
from training.evaluate import Segmenter

CELL = 320
COLUMNS = 4
PAPER = 255


def save_sheet(path: Path, images: Sequence[AnnotatedImage], segment: Segmenter, classes: ClassMap) -> Path:
    """
    Draw photos with their masks into one JPEG.

    Args:
        path: Where it goes; replaced whole.
        images: At most a dozen or two.
        segment: Gives the masks.
        classes: Gives the colours.
    """
    rows = -(-len(images) // COLUMNS)
    sheet = Image.new("RGB", (CELL * min(COLUMNS, len(images)), CELL * rows), (PAPER,) * 3)
    for index, image in enumerate(images):
        overlay = Image.fromarray(draw_overlay(read_image(image.path), segment(image), classes))
        overlay.thumbnail((CELL - 4, CELL - 4))
        sheet.paste(overlay, (index % COLUMNS * CELL + 2, index // COLUMNS * CELL + 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    sheet.save(partial, "JPEG", quality=88)
    return partial.replace(path)


def spread(images: Sequence[AnnotatedImage], count: int) -> list[AnnotatedImage]:
    """Choose so many images, evenly over the sequence, the same ones every time."""
    places = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    return [images[place] for place in dict.fromkeys(places.tolist())]
