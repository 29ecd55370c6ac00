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

OBJECT = (cv2.GC_FGD, cv2.GC_PR_FGD)

SURE = 0.95
"""Above this likelihood a pixel stays object, and below one minus it background, whatever the colours say."""

EVEN = 0.5

Likelihood = npt.NDArray[np.float32]
Slices = tuple[slice, slice]


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
        return stack_objects(size, boxes, partial(self.cut_object, image), least_fill=self.least_fill)

    def cut_object(self, image: Uint8, box: Box, likely: Likelihood | None = None) -> npt.NDArray[np.bool_]:
        """
        Cut the object out of its box.

        Args:
            image: (H, W, 3) uint8 RGB.
            box: In its pixels.
            likely: (H, W) in [0, 1], how likely each pixel is the object; where it is sure the cut
                follows it. None takes the whole box as probable.

        Returns:
            (box height, box width) bool.
        """
        if box.area > self.most_cover * image.shape[0] * image.shape[1]:
            whole = np.ones((box.bottom - box.top, box.right - box.left), dtype=bool)
            return whole if likely is None else likely[box.slices] > EVEN
        window, inner = self._window(image, box)
        return self._cut(image[window], _trimap(window, inner, likely))[inner]

    def _window(self, image: Uint8, box: Box) -> tuple[Slices, Slices]:
        """Give the box with its margin in the image, and the box in that window."""
        height, width = image.shape[:2]
        across, down = (round(side * self.margin) for side in (box.right - box.left, box.bottom - box.top))
        left, top = max(0, box.left - across), max(0, box.top - down)
        right, bottom = min(width, box.right + across), min(height, box.bottom + down)
        inner = Box(box.label, box.left - left, box.top - top, box.right - left, box.bottom - top).slices
        return (slice(top, bottom), slice(left, right)), inner

    def _cut(self, window: Uint8, trimap: Uint8) -> npt.NDArray[np.bool_]:
        """Cut a window along a trimap, which is changed."""
        objects = np.isin(trimap, OBJECT)
        if objects.all() or not objects.any():
            return objects
        cv2.setRNGSeed(SEED)  # its k-means starts at random; a cached mask must not depend on order
        try:
            rect = (0, 0, 0, 0)  # not looked at when a mask initialises
            models = np.zeros(NO_MODEL), np.zeros(NO_MODEL)
            pixels = np.ascontiguousarray(window)
            cv2.grabCut(pixels, trimap, rect, *models, self.iterations, cv2.GC_INIT_WITH_MASK)
        except cv2.error:  # too few pixels for a colour model
            return np.zeros_like(objects)
        return np.isin(trimap, OBJECT)


def _trimap(window: Slices, inner: Slices, likely: Likelihood | None) -> Uint8:
    """Say where the cut begins: background for sure outside the box, inside it what is likely."""
    rows, columns = window
    trimap = np.full((rows.stop - rows.start, columns.stop - columns.start), cv2.GC_BGD, dtype=np.uint8)
    if likely is None:
        trimap[inner] = cv2.GC_PR_FGD
        return trimap
    chance = likely[window][inner]
    levels = [chance > SURE, chance > EVEN, chance >= 1 - SURE]
    trimap[inner] = np.select(levels, [cv2.GC_FGD, cv2.GC_PR_FGD, cv2.GC_PR_BGD], cv2.GC_BGD)
    return trimap
