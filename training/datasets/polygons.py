"""Outlines to pixels, and objects drawn over each other into one mask."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import numpy.typing as npt
from pycocotools import mask as rle

from contract.arrays import Size, Uint8
from contract.classes import BACKGROUND

Inside = npt.NDArray[np.bool_]


FAR = 4
"""Long sides of the photo that a polygon may reach away from its corner."""


def fill_polygons(polygons: Sequence[Sequence[float]], size: Size) -> Inside:
    """
    Give the pixels inside at least one of an object's outlines.

    Args:
        polygons: Each x1, y1, x2, y2, ... [px], three points or more.
        size: (height, width) [px].

    Raises:
        TypeError: If these are no numbers.
        ValueError: If a polygon has an odd count of them, or fewer than six, or lies far outside.
    """
    for polygon in polygons:
        # pycocotools takes four numbers for a box, and reads past the end of fewer.
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon of {len(polygon)} numbers")
        # It also dies of numbers that are none, or so large that no memory holds the outline.
        if not all(abs(number) <= FAR * max(size) for number in polygon):
            raise ValueError("a polygon that leaves its photo by far")
    inside: Inside = rle.decode(rle.merge(rle.frPyObjects(list(polygons), *size))).astype(bool)
    return inside


def draw_objects(size: Size, objects: Iterable[tuple[float, int, Callable[[], Inside]]]) -> Uint8:
    """
    Draw objects into one mask, large ones first, so that small ones lie on top.

    Args:
        size: (height, width) [px].
        objects: Each with its area, its label, and what gives its pixels.

    Returns:
        (H, W) uint8 labels; BACKGROUND where nothing is drawn.
    """
    labels = np.full(size, BACKGROUND, dtype=np.uint8)
    for _, label, inside in sorted(objects, key=lambda drawn: -drawn[0]):
        labels[inside()] = label
    return labels
