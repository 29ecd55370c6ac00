import math

import numpy as np
import pytest

from contract.classes import IGNORE
from contract.metrics import boundary_f_score, class_iou, confusion_matrix, label_agreement, mean_iou

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


def disc(left: int) -> np.ndarray:
    """Draw a square of 8 px in 24 x 32, its left side at `left`."""
    mask = np.zeros((24, 32), np.uint8)
    mask[8:16, left : left + 8] = 1
    return mask


@pytest.mark.parametrize(
    ("shift", "score"),
    [
        pytest.param(0, 1.0, id="same"),
        pytest.param(2, 1.0, id="within the tolerance"),
        pytest.param(16, 0.0, id="elsewhere"),
    ],
)
def test_boundaries_match_within_the_tolerance(shift: int, score: float) -> None:
    """A boundary 2 px away still counts, one far away does not."""
    assert boundary_f_score(disc(4), disc(4 + shift), 1) == score


def test_part_of_a_boundary_scores_between() -> None:
    """A square of the right place and half the width has both misses and finds."""
    half = disc(4)
    half[:, 8:] = 0
    assert 0 < boundary_f_score(disc(4), half, 1, tolerance=1) < 1


def test_no_boundary_has_no_score() -> None:
    """Where neither map shows the class, or it fills both, there is nothing to score."""
    assert math.isnan(boundary_f_score(disc(4), disc(4), 2))
    assert math.isnan(boundary_f_score(np.ones((4, 4), np.uint8), np.ones((4, 4), np.uint8), 1))
