"""Objects laid on one photo, each cut out of its box: what all priors that look into boxes do last."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from contract.annotations import Box
from contract.arrays import Size, Uint8
from contract.classes import BACKGROUND

LEAST_FILL = 0.15
"""Below this share of its box a mask is not believed."""

Cut = Callable[[Box], npt.NDArray[np.bool_]]
"""Gives a box's object: (box height, box width) bool."""


def stack_objects(size: Size, boxes: tuple[Box, ...], cut: Cut, *, least_fill: float) -> Uint8:
    """
    Label each box's object, large boxes first so that small objects lie on top.

    Args:
        size: (height, width) of the photo [px].
        boxes: In its pixels.
        cut: Cuts an object out of its box.
        least_fill: A mask over less of its box than this is not believed: the whole box is the object.

    Returns:
        (H, W) uint8 labels; BACKGROUND outside all boxes.
    """
    labels = np.full(size, BACKGROUND, dtype=np.uint8)
    for box in sorted(boxes, key=lambda box: -box.area):
        mask = cut(box)
        inside = labels[box.slices]
        inside[mask if mask.mean() >= least_fill else ...] = box.label
    return labels
