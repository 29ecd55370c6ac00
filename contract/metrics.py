"""How well two label maps agree; for training, parity and batch alike."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from contract.arrays import Uint8
from contract.classes import IGNORE

Confusion = npt.NDArray[np.int64]


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


def class_iou(confusion: Confusion) -> npt.NDArray[np.float64]:
    """Give intersection over union per class, (K,) in [0, 1]; NaN for a class seen nowhere."""
    both = np.diag(confusion).astype(np.float64)
    either = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    iou = np.full_like(both, np.nan)
    np.divide(both, either, out=iou, where=either > 0)
    return iou


def mean_iou(confusion: Confusion, classes: Sequence[int] | None = None) -> float:
    """
    Give the mean IoU in [0, 1] over these classes; classes seen nowhere do not count.

    Args:
        confusion: (K, K) int64.
        classes: Labels to average over; all where None.
    """
    iou = class_iou(confusion)
    chosen = iou if classes is None else iou[list(classes)]
    return float(np.nanmean(chosen)) if np.isfinite(chosen).any() else float("nan")


def label_agreement(first: Uint8, second: Uint8) -> float:
    """Give the share of pixels in [0, 1] that carry the same label."""
    return float(np.mean(first == second))


def boundary_f_score(truth: Uint8, predicted: Uint8, label: int, *, tolerance: int = 2) -> float:
    """
    Give the F-score in [0, 1] of one class's boundary pixels, matched within a distance.

    Csurka et al., BMVC 2013. NaN where neither map has a boundary of this class.

    Args:
        truth: (H, W) uint8; IGNORE pixels of it are left out on both sides.
        predicted: (H, W) uint8, same shape.
        label: The class.
        tolerance: Largest distance of a match [px], in the chessboard metric.
    """
    counted = truth != IGNORE
    edges = [_boundary(mask == label) & counted for mask in (truth, predicted)]
    if not any(edge.any() for edge in edges):
        return float("nan")
    recall = _share_near(edges[0], edges[1], tolerance)
    precision = _share_near(edges[1], edges[0], tolerance)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _boundary(inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Mark pixels of the mask that touch its outside; the image's border is no boundary."""
    padded = np.pad(inside, 1, mode="edge")
    core = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return inside & ~core


def _share_near(edge: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], tolerance: int) -> float:
    if not edge.any():
        return 0.0
    return float((edge & _dilate(other, tolerance)).sum() / edge.sum())


def _dilate(mask: npt.NDArray[np.bool_], radius: int) -> npt.NDArray[np.bool_]:
    for axis in (0, 1):
        padding = [(radius, radius) if i == axis else (0, 0) for i in (0, 1)]
        windows = np.lib.stride_tricks.sliding_window_view(np.pad(mask, padding), 2 * radius + 1, axis=axis)
        mask = np.any(windows, axis=-1)
    return mask
