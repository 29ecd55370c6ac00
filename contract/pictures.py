"""A label map drawn over its photo: what people look at instead of reading."""

import numpy as np

from contract.arrays import Uint8, check_array
from contract.classes import BACKGROUND, IGNORE, ClassMap

OUTLINE = (255, 255, 255)
ALPHA = 0.55


def draw_overlay(
    image: Uint8, labels: Uint8, classes: ClassMap, *, alpha: float = ALPHA, outline: bool = True
) -> Uint8:
    """
    Tint each object in its class's colour.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8; background and IGNORE stay as they are.
        classes: Gives the colours.
        alpha: Share of the colour in the tint, in [0, 1].
        outline: Draw a fine white line along the edges.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ShapeError: If the two do not fit together.
    """
    check_array("image", image, shape=(*labels.shape, 3), dtype=np.uint8)
    # One table per channel and label would be 256 x 256 x 3; blending only where there is an object is less.
    drawn = image.copy()
    there = (labels != BACKGROUND) & (labels != IGNORE)
    palette = np.frombuffer(classes.palette(), dtype=np.uint8).reshape(256, 3)
    colours = palette[labels[there]].astype(np.float32)
    drawn[there] = (image[there] * (1 - alpha) + colours * alpha + 0.5).astype(np.uint8)
    if outline:
        drawn[_edges(labels) & there] = OUTLINE
    return drawn


def _edges(labels: Uint8) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Mark pixels whose right or lower neighbour has another label, and those neighbours."""
    edges = np.zeros(labels.shape, dtype=bool)
    across = labels[:, 1:] != labels[:, :-1]
    down = labels[1:] != labels[:-1]
    edges[:, 1:] |= across
    edges[:, :-1] |= across
    edges[1:] |= down
    edges[:-1] |= down
    return edges
