"""What is taken out of a mask before it is given: other classes, unsure pixels, specks."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE
from contract.geometry import CERTAIN
from contract.masks import Segmentation

TOUCHING = 8
"""Pixels that meet at a corner belong together: a speck is what touches nothing of its class."""


@dataclass(frozen=True, slots=True)
class Refinement:
    """
    What stays of a mask; each step works on what the one before left.

    Args:
        keep: Labels that stay; the others become background. None keeps all.
        threshold: Pixels less sure than this, in [0, 1], become void, background's too.
        min_area: Connected parts of a class with fewer pixels become background [px].
    """

    keep: frozenset[int] | None = None
    threshold: float | None = None
    min_area: int = 0

    @property
    def confident(self) -> bool:
        """Tell whether the Segmentation must have its confidence."""
        return self.threshold is not None

    def refine(self, segmentation: Segmentation) -> Segmentation:
        """Give what stays, as a new Segmentation; the confidence is the same."""
        labels = segmentation.labels
        if self.keep is not None:
            labels = _select(labels, self.keep)
        if self.threshold is not None:
            assert segmentation.confidence is not None
            labels = _void_unsure(labels, segmentation.confidence, self.threshold)
        if self.min_area > 1:
            labels = _drop_specks(labels, self.min_area)
        return replace(segmentation, labels=labels)


def _select(labels: Uint8, keep: frozenset[int]) -> Uint8:
    table = np.full(IGNORE + 1, BACKGROUND, np.uint8)
    table[list(keep)] = list(keep)
    return table[labels]


def _void_unsure(labels: Uint8, confidence: Uint8, threshold: float) -> Uint8:
    # In whole steps of the confidence; rounding first, as 0.55 * 255 is a hair more than it should be.
    least = math.ceil(round(threshold * CERTAIN, 6))
    return np.where(confidence < least, np.uint8(IGNORE), labels)


def _drop_specks(labels: Uint8, min_area: int) -> Uint8:
    cleaned = labels.copy()
    for label in np.flatnonzero(np.bincount(labels.ravel(), minlength=IGNORE + 1)):
        if label not in (BACKGROUND, IGNORE):
            mask = (labels == label).view(np.uint8)
            _, parts, figures, _ = cv2.connectedComponentsWithStats(mask, connectivity=TOUCHING)
            small = figures[:, cv2.CC_STAT_AREA] < min_area
            small[0] = False  # what is not of this class
            cleaned[small[parts]] = BACKGROUND
    return cleaned
