"""How well two label maps agree; for training, parity and batch alike."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE

Confusion = npt.NDArray[np.int64]
Counts = npt.NDArray[Any]
"""Pixels counted, whole or weighted numbers; leading axes are photos, or draws of them."""
Shares = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

BOUNDARY_TOLERANCE = 3
"""Farthest that two edges may lie apart and still be one [px]."""

BAND_REACH = 5
"""How far labels are grown into void [px]; VOC's bands along outlines are about five pixels wide."""


def confusion_matrix(truth: Uint8, predicted: Uint8, classes: int) -> Confusion:
    """
    Count pixels by true and predicted label.

    Args:
        truth: (H, W) uint8; IGNORE is not counted.
        predicted: (H, W) uint8, same shape, labels below `classes`.
        classes: Number of classes K.

    Returns:
        (K, K) int64; row = truth, column = predicted.
    """
    counted = truth != IGNORE
    pairs = truth[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def class_iou(confusion: Counts) -> Shares:
    """
    Give intersection over union per class, in [0, 1]; NaN for a class seen nowhere.

    Args:
        confusion: (..., K, K); row = truth, column = predicted.

    Returns:
        (..., K) float64.
    """
    both = np.diagonal(confusion, axis1=-2, axis2=-1)
    return share(both, confusion.sum(axis=-2) + confusion.sum(axis=-1) - both)


def mean_iou(confusion: Confusion, classes: Sequence[int] | None = None) -> float:
    """
    Give the mean IoU in [0, 1] over these classes; classes seen nowhere do not count.

    Args:
        confusion: (K, K) int64.
        classes: Labels to average over; all where None.
    """
    return float(mean_known(class_iou(confusion), classes))


def mean_known(values: Shares, classes: Sequence[int] | None = None) -> Shares:
    """Average (..., K) over these classes, all where None; NaN does not count, and is the mean of nothing."""
    chosen = values if classes is None else values[..., list(classes)]
    known = np.isfinite(chosen)
    return share(np.where(known, chosen, 0).sum(axis=-1), known.sum(axis=-1))


def share(part: Counts, whole: Counts) -> Shares:
    """Divide counts; NaN where there is nothing to have a share of."""
    shares = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=shares, where=np.asarray(whole) > 0)
    return shares


def label_agreement(first: Uint8, second: Uint8) -> float:
    """Give the share of pixels in [0, 1] that carry the same label."""
    return float(np.mean(first == second))


def boundary_counts(
    truth: Uint8, predicted: Uint8, classes: int, *, tolerance: int = BOUNDARY_TOLERANCE
) -> npt.NDArray[np.int64]:
    """
    Count each object class's edge pixels, and those matched within a distance by the other map's edge.

    The boundary measure of Csurka et al. (BMVC 2013), matched by dilation as in DAVIS (Perazzi et al.,
    CVPR 2016). An edge pixel is one of the class with a neighbour above, below, left or right that is of
    another; the photo's border is no edge. Void along an outline is filled first: each void pixel takes
    the label of the nearest labelled one, so the true edge runs through the middle of the band and
    predicted edges count everywhere. Void that reaches deeper than BAND_REACH is no band but an unlabelled
    object: what lies in it or within the tolerance of it is counted on neither side.

    Args:
        truth: (H, W) uint8, IGNORE where void.
        predicted: (H, W) uint8, same shape, labels below `classes`.
        classes: Number of classes K.
        tolerance: Largest distance of a match [px], Euclidean.

    Returns:
        (K, 4) int64: true edge pixels, those of them matched, predicted edge pixels, those of them matched.
        BACKGROUND's row is 0: its edges are those of the objects.
    """
    filled, void = _fill_bands(truth)
    scored = ~_dilate_square(void, BAND_REACH + tolerance) if void.any() else ~void
    counts = np.zeros((classes, 4), dtype=np.int64)
    for label in np.union1d(filled, predicted):
        if label not in (BACKGROUND, IGNORE):
            true, found = (_edge(labels == label) & scored for labels in (filled, predicted))
            counts[label] = [*_matched(true, found, tolerance), *_matched(found, true, tolerance)]
    return counts


def boundary_f(counts: Counts) -> Shares:
    """
    Give the F-score of each class's edges, in [0, 1]; NaN for a class without any.

    Args:
        counts: (..., K, 4) as `boundary_counts` gives them, of one photo or summed over photos.

    Returns:
        (..., K) float64, the harmonic mean of the shares matched: recall of true and precision of
        predicted edges; 0 where one map alone has edges.
    """
    true, found, predicted, right = np.moveaxis(counts, -1, 0)
    # 2PR / (P + R) with P = right / predicted and R = found / true, where neither need be divided by 0.
    score = share(2 * found * right, found * predicted + right * true)
    return np.where((true + predicted > 0) & np.isnan(score), 0.0, score)


def _fill_bands(labels: Uint8) -> tuple[Uint8, Mask]:
    """Grow labels into void, all at one speed, BAND_REACH pixels far; give them, and the void still left."""
    for _ in range(BAND_REACH):
        # IGNORE is the largest label, so the least of the neighbours is one that is known.
        labels = np.where(labels == IGNORE, _least_near(labels), labels)
    return labels, labels == IGNORE


def _least_near(labels: Uint8) -> Uint8:
    """Give the least label of each pixel and its eight neighbours."""
    padded = np.pad(labels, 1, mode="edge")
    rows = np.minimum(np.minimum(padded[:-2], padded[1:-1]), padded[2:])
    least: Uint8 = np.minimum(np.minimum(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:])
    return least


def _edge(inside: Mask) -> Mask:
    """Mark pixels of the mask that touch its outside; the image's border is no edge."""
    padded = np.pad(inside, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def _matched(edge: Mask, other: Mask, tolerance: int) -> tuple[int, int]:
    """Count an edge's pixels, and those of them near the other edge."""
    near = edge & _dilate_disc(other, tolerance)
    return int(edge.sum()), int(near.sum())


def _dilate_disc(mask: Mask, radius: int) -> Mask:
    """Mark what lies within a Euclidean distance of the mask [px]."""
    grown = np.zeros_like(mask)
    for down in range(min(radius, len(mask) - 1) + 1):
        across = math.isqrt(radius**2 - down**2)
        wide = _dilate_rows(mask, across)
        grown[down:] |= wide[: len(wide) - down]
        grown[: len(wide) - down] |= wide[down:]
    return grown


def _dilate_square(mask: Mask, radius: int) -> Mask:
    """Mark what lies so many pixels around the mask, corners too."""
    return _dilate_rows(_dilate_rows(mask, radius).T, radius).T


def _dilate_rows(mask: Mask, radius: int) -> Mask:
    """Mark what lies so many pixels to the left or right of the mask."""
    grown = mask.copy()
    for across in range(1, min(radius, mask.shape[1] - 1) + 1):
        grown[:, across:] |= mask[:, :-across]
        grown[:, :-across] |= mask[:, across:]
    return grown
