import math

import numpy as np
import pytest

from contract.classes import IGNORE
from contract.metrics import (
    BAND_REACH,
    boundary_counts,
    boundary_f,
    class_iou,
    confusion_matrix,
    label_agreement,
    mean_iou,
)

TRUTH = np.array(
    [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [0, 0, IGNORE, IGNORE],
    ],
    dtype=np.uint8,
)
PREDICTED = np.array(
    [
        [0, 0, 0, 1],
        [0, 0, 0, 1],
        [0, 2, 1, 1],
        [0, 0, 2, 2],
    ],
    dtype=np.uint8,
)


def test_confusion_counts_truth_by_row() -> None:
    """Row is truth, column is predicted; ignored pixels are counted nowhere."""
    assert confusion_matrix(TRUTH, PREDICTED, 3).tolist() == [
        [7, 0, 1],
        [2, 4, 0],
        [0, 0, 0],
    ]


def test_iou_is_shared_over_covered() -> None:
    """IoU per class: 7 of 10, 4 of 6, and none of the one pixel wrongly called 2."""
    confusion = confusion_matrix(TRUTH, PREDICTED, 3)
    assert class_iou(confusion).tolist() == pytest.approx([7 / 10, 4 / 6, 0])
    assert mean_iou(confusion) == pytest.approx((7 / 10 + 4 / 6 + 0) / 3)
    assert mean_iou(confusion, classes=[1, 2]) == pytest.approx((4 / 6 + 0) / 2)


def test_a_class_seen_nowhere_does_not_count() -> None:
    """IoU of a class in neither map is NaN, and the mean passes over it."""
    confusion = confusion_matrix(TRUTH, TRUTH, 4)
    assert np.isnan(class_iou(confusion)).tolist() == [False, False, True, True]
    assert mean_iou(confusion) == 1.0
    assert math.isnan(mean_iou(confusion, classes=[2, 3]))


def test_confusions_add_up_over_photos() -> None:
    """The matrix of two photos is the sum of theirs."""
    both = confusion_matrix(np.vstack([TRUTH, TRUTH]), np.vstack([PREDICTED, TRUTH]), 3)
    assert np.array_equal(both, confusion_matrix(TRUTH, PREDICTED, 3) + confusion_matrix(TRUTH, TRUTH, 3))


def test_agreement_is_the_share_of_equal_pixels() -> None:
    """Eleven of the sixteen pixels carry the same label."""
    assert label_agreement(TRUTH, PREDICTED) == 11 / 16


def test_iou_of_many_at_once() -> None:
    """Photos or draws in front of the two axes of a matrix stay in front of the classes."""
    single = confusion_matrix(TRUTH, PREDICTED, 3)
    assert np.array_equal(class_iou(np.stack([single, 3 * single])), [class_iou(single)] * 2)


def square(left: int, *, band: bool = False, top: int = 16) -> np.ndarray:
    """Draw a square of 24 px in 56 x 80; its outline may lie in the middle of 5 px of void, as VOC's does."""
    mask = np.zeros((56, 80), np.uint8)
    if band:
        mask[top - 2 : top + 27, left - 2 : left + 27] = IGNORE
        mask[top + 3 : top + 22, left + 3 : left + 22] = 1
    else:
        mask[top : top + 24, left : left + 24] = 1
    return mask


def edge_score(truth: np.ndarray, predicted: np.ndarray) -> float:
    return float(boundary_f(boundary_counts(truth, predicted, 3))[1])


@pytest.mark.parametrize("band", [False, True], ids=["full masks", "void along the outline"])
@pytest.mark.parametrize(
    ("shift", "least", "most"),
    [
        pytest.param(0, 1.0, 1.0, id="same"),
        pytest.param(2, 1.0, 1.0, id="within the tolerance"),
        pytest.param(5, 0.1, 0.4, id="beyond the tolerance"),
        pytest.param(28, 0.0, 0.0, id="elsewhere"),
    ],
)
def test_edges_match_within_three_pixels(band: bool, shift: int, least: float, most: float) -> None:
    """Edges 2 px away are found, 5 px away but where they cross; a void band changes nothing of it."""
    truth, predicted = square(20, band=band), square(20 + shift, top=16 + min(shift, 5))
    assert least <= edge_score(truth, predicted) <= most


def test_the_tolerance_is_euclidean() -> None:
    """Three pixels along a row are near; three along both axes, 4.2 px, are not."""
    truth, near, far = (np.zeros((16, 24), np.uint8) for _ in range(3))
    truth[6, 9] = near[6, 12] = far[9, 12] = 1
    assert edge_score(truth, near) == 1
    assert edge_score(truth, far) == 0


def test_deep_void_is_scored_on_neither_side() -> None:
    """An object that the annotator left void may be found or not; its void may touch a labelled one."""
    truth = square(4)
    truth[16:40, 40:64] = IGNORE
    assert edge_score(truth, square(4)) == 1
    assert edge_score(truth, square(4) | square(40)) == 1
    touching = square(20)
    touching[:, 40:] = IGNORE
    assert edge_score(touching, square(20)) == 1


def test_counts_by_hand() -> None:
    """
    Of 24 px squared against its left half: 92 true edge pixels, 68 predicted ones.

    Found are the left side (24) and 14 more of top and bottom each, to 3 px beyond the half; right are the
    left side, 11 more of top and bottom each, and of the half's right side the 3 px below and above them.
    """
    half = square(20)
    half[:, 32:] = 0
    assert boundary_counts(square(20), half, 3)[1].tolist() == [92, 24 + 2 * 14, 68, 24 + 2 * 11 + 2 * 3]


def test_the_photos_border_is_no_edge() -> None:
    """A class that fills the photo has no edge, and one seen nowhere has none: neither has a score."""
    full = np.ones((8, 12), np.uint8)
    scores = boundary_f(boundary_counts(full, full, 3))
    assert np.isnan(scores).all()


def test_an_edge_that_is_not_there_scores_nothing() -> None:
    """A class that one map alone shows has the score 0, not none."""
    empty = np.zeros((56, 80), np.uint8)
    assert edge_score(square(20), empty) == edge_score(empty, square(20)) == 0


def test_tiny_and_void_maps_are_counted() -> None:
    """A map smaller than the tolerance, and one that is all void, are counted without complaint."""
    assert (
        boundary_counts(np.array([[0, 1]], np.uint8), np.array([[0, 1]], np.uint8), 2)[1].tolist() == [1] * 4
    )
    void = np.full((4 * BAND_REACH, 6), IGNORE, np.uint8)
    assert not boundary_counts(void, np.ones_like(void), 2).any()
