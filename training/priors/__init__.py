"""Coarse masks from boxes: one file per way, all of this form."""

from typing import Protocol

from contract.annotations import Box
from contract.arrays import Uint8


class Prior(Protocol):
    """Guesses labels from a photo and its boxes."""

    @property
    def key(self) -> str:
        """Names the prior and its settings; part of the cache's key."""

    def guess(self, image: Uint8, boxes: tuple[Box, ...]) -> Uint8:
        """
        Guess the label of each pixel.

        Args:
            image: (H, W, 3) uint8 RGB.
            boxes: Boxes in its pixels.

        Returns:
            (H, W) uint8 labels; BACKGROUND outside all boxes.
        """
