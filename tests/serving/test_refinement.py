"""What is taken out of a mask, on masks that can be seen."""

import numpy as np
import pytest

from contract.masks import Segmentation
from serving.refinement import Refinement

LABELS = np.array(
    [
        [1, 1, 0, 0, 2],
        [1, 1, 0, 2, 0],
        [0, 0, 1, 0, 0],
        [3, 0, 0, 0, 3],
    ],
    np.uint8,
)
CONFIDENCE = np.full(LABELS.shape, 200, np.uint8)
CONFIDENCE[0] = (102, 103, 101, 0, 255)
MASK = Segmentation(LABELS, "box2seg", 1, CONFIDENCE)


def refined(**given: object) -> list[list[int]]:
    """Give the labels that stay."""
    return Refinement(**given).refine(MASK).labels.tolist()


def test_nothing_asked_changes_nothing() -> None:
    """A refinement of nothing gives the same labels."""
    assert refined() == LABELS.tolist()


def test_other_classes_become_background() -> None:
    """Only the labels kept stay."""
    assert refined(keep=frozenset({2})) == [[0, 0, 0, 0, 2], [0, 0, 0, 2, 0], [0] * 5, [0] * 5]


def test_specks_are_dropped() -> None:
    """Parts under the area become background; pixels that meet at a corner are one part."""
    assert refined(min_area=2) == [*LABELS.tolist()[:3], [0] * 5]
    assert refined(min_area=3) == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 1, 0, 0], [0] * 5]
    assert not np.any(refined(min_area=6))


def test_unsure_pixels_become_void() -> None:
    """0.4 is 102 of 255: what is less sure is void, background too; 0 and 1 are meant as they are."""
    assert refined(threshold=0.4)[0] == [1, 1, 255, 255, 2]
    assert refined(threshold=0.0) == LABELS.tolist()
    assert refined(threshold=1.0)[0] == [255, 255, 255, 255, 2]


@pytest.mark.parametrize("step", range(256))
def test_each_step_of_confidence_is_a_threshold(step: int) -> None:
    """A threshold of n / 255 leaves n as it is, whatever rounding does to the quotient."""
    confidence = np.array([[max(step - 1, 0), step]], np.uint8)
    mask = Segmentation(np.ones((1, 2), np.uint8), "box2seg", 1, confidence)
    assert Refinement(threshold=step / 255).refine(mask).labels.tolist() == [[255 if step else 1, 1]]


def test_areas_count_what_is_sure() -> None:
    """Specks are measured after unsure pixels are out, so that no part of the answer is smaller."""
    assert refined(threshold=0.402, min_area=5)[0] == [255, 0, 255, 255, 0]
