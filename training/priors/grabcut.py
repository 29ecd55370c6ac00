"""The coarse mask inside a box by GrabCut (Rother et al., SIGGRAPH 2004), as Box2Seg's M."""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt

from contract.annotations import Box
from contract.arrays import Uint8
from training.priors.stacking import LEAST_FILL, stack_objects

SEED = 0
NO_MODEL = (1, 65)
"""Shape in which OpenCV keeps a colour model."""


@dataclass(frozen=True, slots=True)
class GrabCut:
    """
    GrabCut per box, large boxes first so that small objects lie on top.

    Args:
        iterations: Rounds of colour model and cut.
        margin: The cut sees the box enlarged by this share of its sides, on each side.
        least_fill: Below this share of the box the mask is not believed and the whole box is taken.
        most_cover: A box over more of the image than this has no outside to learn from; it is taken whole.
    """

    iterations: int = 5
    margin: float = 0.25
    least_fill: float = LEAST_FILL
    most_cover: float = 0.95

    @property
    def key(self) -> str:
        """Names the settings; see `Prior.key`."""
        return f"grabcut-{self.iterations}-{self.margin}-{self.least_fill}-{self.most_cover}"

    def guess(self, image: Uint8, boxes: tuple[Box, ...]) -> Uint8:
        """Guess the label of each pixel; see `Prior.guess`."""
        size = (image.shape[0], image.shape[1])
        return stack_objects(size, boxes, partial(self._object, image), least_fill=self.least_fill)

    def _object(self, image: Uint8, box: Box) -> npt.NDArray[np.bool_]:
        """Cut the object out of its box: (box height, box width) bool."""
        if box.area > self.most_cover * image.shape[0] * image.shape[1]:
            return np.ones((box.bottom - box.top, box.right - box.left), dtype=bool)
        return self._cut(*self._window(image, box))

    def _window(self, image: Uint8, box: Box) -> tuple[Uint8, Box]:
        """Take the box with its margin out of the image, and the box in the window's pixels."""
        height, width = image.shape[:2]
        across, down = (round(side * self.margin) for side in (box.right - box.left, box.bottom - box.top))
        left, top = max(0, box.left - across), max(0, box.top - down)
        right, bottom = min(width, box.right + across), min(height, box.bottom + down)
        moved = Box(box.label, box.left - left, box.top - top, box.right - left, box.bottom - top)
        return np.ascontiguousarray(image[top:bottom, left:right]), moved

    def _cut(self, window: Uint8, box: Box) -> npt.NDArray[np.bool_]:
        trimap = np.full(window.shape[:2], cv2.GC_BGD, dtype=np.uint8)
        trimap[box.slices] = cv2.GC_PR_FGD
        if not (trimap == cv2.GC_BGD).any():
            return np.ones_like(trimap, dtype=bool)[box.slices]
        cv2.setRNGSeed(SEED)  # its k-means starts at random; a cached mask must not depend on order
        try:
            rect = (0, 0, 0, 0)  # not looked at when a mask initialises
            models = np.zeros(NO_MODEL), np.zeros(NO_MODEL)
            cv2.grabCut(window, trimap, rect, *models, self.iterations, cv2.GC_INIT_WITH_MASK)
        except cv2.error:  # too few pixels for a colour model
            return np.zeros_like(trimap, dtype=bool)[box.slices]
        return np.isin(trimap[box.slices], (cv2.GC_FGD, cv2.GC_PR_FGD))
