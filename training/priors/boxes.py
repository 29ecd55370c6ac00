"""No guess at all: every pixel of a box is its object. The floor that every other prior must pass."""

from dataclasses import dataclass

import numpy as np

from contract.annotations import Box
from contract.arrays import Uint8
from contract.classes import BACKGROUND


@dataclass(frozen=True, slots=True)
class FilledBoxes:
    """Boxes taken as masks, large ones first so that small objects lie on top."""

    @property
    def key(self) -> str:
        """Names the prior; see `Prior.key`."""
        return "boxes"

    def guess(self, image: Uint8, boxes: tuple[Box, ...]) -> Uint8:
        """Give the label of each pixel; see `Prior.guess`."""
        labels = np.full(image.shape[:2], BACKGROUND, dtype=np.uint8)
        for box in sorted(boxes, key=lambda box: -box.area):
            labels[box.slices] = box.label
        return labels
