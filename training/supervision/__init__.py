"""One file per form of annotation; each ends in a Target, and losses never ask what was drawn."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contract.arrays import Uint8, check_array


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """
    What is known of each pixel of one image.

    Args:
        candidates: (K, H, W) bool, the classes that the annotator allows there; none beside the image.
        guess: (H, W) uint8, the prior's best label, or IGNORE.

    Raises:
        ShapeError: If an array has another shape or dtype.
    """

    candidates: npt.NDArray[np.bool_]
    guess: Uint8

    def __post_init__(self) -> None:
        check_array("guess", self.guess, shape=(None, None), dtype=np.uint8)
        check_array("candidates", self.candidates, shape=(None, *self.guess.shape), dtype=np.bool_)
