"""Contact sheets of photos: with masks and boxes, or with the true mask beside the predicted one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.images import read_image
from contract.pictures import draw_overlay
from training.figures import save_picture

if TYPE_CHECKING:  # it brings torch, which a sheet of priors does without
    from training.evaluate import Segmenter

CELL = 320
COLUMNS = 4
GAP = 4
PANEL = 240
STRIPS = 2
"""Columns of a sheet whose cells are strips of three panels."""
LETTERS = 14
PAPER = 255
INK, SHADE = (0, 0, 0), (255, 255, 255)
TEXT_HEIGHT = 13


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """
    One photo's cell in a sheet of the best and the worst.

    Args:
        image: The photo.
        truth: (H, W) uint8 true labels.
        caption: What stands above it.
    """

    image: AnnotatedImage
    truth: Uint8
    caption: str


def save_sheet(
    path: Path,
    images: Iterable[AnnotatedImage],
    segment: Segmenter,
    classes: ClassMap,
    *,
    boxes: bool = False,
) -> Path:
    """
    Draw photos with their masks into one picture.

    Args:
        path: Where it goes, PNG or JPEG by its name; replaced whole.
        images: At most a dozen or two.
        segment: Gives the masks.
        classes: Gives the colours.
        boxes: Draw the images' own boxes too, with their classes' names.
    """
    cells = [_draw_cell(image, segment, classes, boxes=boxes) for image in images]
    return _save_grid(path, cells, size=(CELL, CELL), columns=COLUMNS)


def save_comparisons(
    path: Path, comparisons: Sequence[Comparison], segment: Segmenter, classes: ClassMap
) -> Path:
    """
    Draw photos, each beside its true and its predicted mask, into one picture.

    Args:
        path: Where it goes, PNG or JPEG by its name; replaced whole.
        comparisons: The photos, in the order wanted.
        segment: Gives the predicted masks.
        classes: Gives the colours.
    """
    strips = [_draw_strip(comparison, segment, classes) for comparison in comparisons]
    height = max(strip.height for strip in strips) + GAP
    return _save_grid(path, strips, size=(3 * PANEL + GAP, height), columns=STRIPS)


def _draw_strip(comparison: Comparison, segment: Segmenter, classes: ClassMap) -> Image.Image:
    """Draw a photo, its true mask and its predicted one side by side, under its caption."""
    image = comparison.image
    photo, predicted = read_image(image.path), segment(image)
    panels = [photo, *(draw_overlay(photo, labels, classes) for labels in (comparison.truth, predicted))]
    top = LETTERS + GAP
    strip = Image.new("RGB", (3 * PANEL, PANEL + top), (PAPER,) * 3)
    font = ImageFont.load_default(LETTERS)
    ImageDraw.Draw(strip).text((0, 0), comparison.caption, fill=INK, font=font)
    for index, panel in enumerate(map(Image.fromarray, panels)):
        panel.thumbnail((PANEL - GAP, PANEL - GAP))
        strip.paste(panel, (index * PANEL, top))
    return strip


def _save_grid(path: Path, cells: Sequence[Image.Image], *, size: tuple[int, int], columns: int) -> Path:
    """Lay cells of at most this (width, height) [px] out in columns and write them, whole or not at all."""
    width, height = size
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (width * min(columns, len(cells)), height * rows), (PAPER,) * 3)
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % columns * width + GAP // 2, index // columns * height + GAP // 2))
    return save_picture(sheet, path)


def _draw_cell(image: AnnotatedImage, segment: Segmenter, classes: ClassMap, *, boxes: bool) -> Image.Image:
    cell = Image.fromarray(draw_overlay(read_image(image.path), segment(image), classes))
    cell.thumbnail((CELL - GAP, CELL - GAP))
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
        draw.text(place, classes.names[box.label], SHADE, stroke_width=1, stroke_fill=INK)


def spread(images: Sequence[AnnotatedImage], count: int) -> list[AnnotatedImage]:
    """Choose so many images, evenly over the sequence, the same ones every time."""
    places = np.linspace(0, len(images) - 1, min(count, len(images))).round().astype(int)
    return [images[place] for place in dict.fromkeys(places.tolist())]
