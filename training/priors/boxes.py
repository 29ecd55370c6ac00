"""No guess at all: every pixel of a box is its object. The floor that every other prior must pass."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contract.annotations import Box
from contract.arrays import Uint8
from training.priors.stacking import stack_objects


@dataclass(frozen=True, slots=True)
class FilledBoxes:
    """Boxes taken as masks, large ones first so that small objects lie on top."""

    @property
    def key(self) -> str:
        """Names the prior; see `Prior.key`."""
        return "boxes"

    def guess(self, image: Uint8, boxes: tuple[Box, ...]) -> Uint8:
        """Give the label of each pixel; see `Prior.guess`."""
        size = (image.shape[0], image.shape[1])
        return stack_objects(size, boxes, _whole, least_fill=0)


def _whole(box: Box) -> npt.NDArray[np.bool_]:
    return np.ones((box.bottom - box.top, box.right - box.left), dtype=bool)
