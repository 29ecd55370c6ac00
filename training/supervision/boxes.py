"""Boxes to a Target, seen through any window of the photo."""

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image

from contract.annotations import Box
from contract.arrays import Size, Uint8
from contract.classes import BACKGROUND, IGNORE
from training.supervision import Target


@dataclass(frozen=True, slots=True)
class Window:
    """
    A rectangle of the photo, resampled; it may reach over the photo's bottom and right.

    Args:
        left: Its left end in the photo [px].
        top: Its top end in the photo [px].
        scale: Pixels of the window per pixel of the photo, (down, across).
        size: (height, width) of the window [px].
        inner: (height, width) of its part that shows the photo [px].
    """

    left: float
    top: float
    scale: tuple[float, float]
    size: Size
    inner: Size

    @property
    def source(self) -> tuple[float, float, float, float]:
        """The part of the photo that is shown: left, top, right, bottom [px]."""
        down, across = self.scale
        return (
            self.left,
            self.top,
            self.left + self.inner[1] / across,
            self.top + self.inner[0] / down,
        )

    def slices(self, box: Box) -> tuple[slice, slice]:
        """Rows and columns of the window whose centres lie in the box, as nearest sampling takes them."""
        down, across = self.scale
        return (
            _span(box.top, box.bottom, self.top, down, self.inner[0]),
            _span(box.left, box.right, self.left, across, self.inner[1]),
        )


def boxes_target(boxes: tuple[Box, ...], guess: Uint8, window: Window, *, classes: int) -> Target:
    """
    Give what boxes and the prior say about a window of the photo.

    Inside a box its class and background are allowed, outside all boxes background alone.

    Args:
        boxes: In the photo's pixels.
        guess: (H, W) uint8 labels at the photo's own size.
        window: What to look at.
        classes: Number of classes K, background included.
    """
    height, width = window.inner
    candidates = np.zeros((classes, *window.size), dtype=bool)
    candidates[BACKGROUND, :height, :width] = True
    for box in boxes:
        candidates[(box.label, *window.slices(box))] = True
    seen = np.full(window.size, IGNORE, dtype=np.uint8)
    seen[:height, :width] = resample(guess, window, Image.Resampling.NEAREST)
    return Target(candidates, seen)


def resample(image: Uint8, window: Window, method: Image.Resampling, *, antialias: bool = True) -> Uint8:
    """
    Give the window's part that shows the photo: (H, W) or (H, W, 3) uint8 to its inner size.

    Args:
        image: The photo, or its labels.
        window: What is looked at.
        method: How pixels are weighed.
        antialias: Weigh all pixels that a smaller picture covers; otherwise the nearest alone, like OpenCV.
    """
    height, width = window.inner
    photo_height, photo_width = image.shape[:2]
    left, top, right, bottom = window.source
    source = (left, top, min(right, photo_width), min(bottom, photo_height))
    photo = Image.fromarray(image)
    if antialias:
        return np.asarray(photo.resize((width, height), method, box=source))
    return np.asarray(photo.transform((width, height), Image.Transform.EXTENT, source, resample=method))


def _span(start: int, stop: int, origin: float, scale: float, length: int) -> slice:
    first, last = (math.ceil((end - origin) * scale - 0.5) for end in (start, stop))
    return slice(max(0, first), min(length, max(0, last)))
