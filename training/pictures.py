"""Contact sheets of photos with the masks that a network or a prior gives them, and their boxes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from contract.annotations import AnnotatedImage
from contract.classes import ClassMap
from contract.images import read_image
from contract.pictures import draw_overlay

if TYPE_CHECKING:  # it brings torch, which a sheet of priors does without
    from training.evaluate import Segmenter

CELL = 320
COLUMNS = 4
PAPER = 255
INK, SHADE = (255, 255, 255), (0, 0, 0)
TEXT_HEIGHT = 13


def save_sheet(
    path: Path,
    images: Iterable[AnnotatedImage],
    segment: Segmenter,
    classes: ClassMap,
    *,
    boxes: bool = False,
) -> Path:
    """
    Draw photos with their masks into one JPEG.

    Args:
        path: Where it goes; replaced whole.
        images: At most a dozen or two.
        segment: Gives the masks.
        classes: Gives the colours.
        boxes: Draw the images' own boxes too, with their classes' names.
    """
    cells = [_draw_cell(image, segment, classes, boxes=boxes) for image in images]
    rows = -(-len(cells) // COLUMNS)
    sheet = Image.new("RGB", (CELL * min(COLUMNS, len(cells)), CELL * rows), (PAPER,) * 3)
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % COLUMNS * CELL + 2, index // COLUMNS * CELL + 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    sheet.save(partial, "JPEG", quality=88)
    return partial.replace(path)


def _draw_cell(image: AnnotatedImage, segment: Segmenter, classes: ClassMap, *, boxes: bool) -> Image.Image:
    cell = Image.fromarray(draw_overlay(read_image(image.path), segment(image), classes))
    cell.thumbnail((CELL - 4, CELL - 4))
    if boxes:
        _draw_boxes(cell, image, classes)
    return cell


def _draw_boxes(cell: Image.Image, image: AnnotatedImage, classes: ClassMap) -> None:
    """Draw an image's boxes, scaled to its cell."""
    across, down = cell.width / image.size[1], cell.height / image.size[0]
    draw = ImageDraw.Draw(cell)
    for box in image.boxes:
        corner = (box.left * across, box.top * down)
        # Ends are exclusive, Pillow's rectangles are not; a box narrower than a pixel is still a line.
        end = (max(corner[0], box.right * across - 1), max(corner[1], box.bottom * down - 1))
        draw.rectangle((*corner, *end), outline=classes.colours[box.label], width=2)
        above = corner[1] >= TEXT_HEIGHT
        place = (corner[0] + 3, corner[1] - TEXT_HEIGHT if above else corner[1] + 2)
        draw.text(place, classes.names[box.label], INK, stroke_width=1, stroke_fill=SHADE)


def spread(images: Sequence[AnnotatedImage], count: int) -> list[AnnotatedImage]:
    """Choose so many images, evenly over the sequence, the same ones every time."""
    places = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    return [images[place] for place in dict.fromkeys(places.tolist())]
