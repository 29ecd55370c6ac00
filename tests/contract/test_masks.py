import numpy as np
import pytest

from contract.errors import ShapeError
from contract.masks import Segmentation

LABELS = np.array([[0, 0, 1], [0, 2, 2]], dtype=np.uint8)


def test_areas_count_pixels_by_label() -> None:
    """Areas follow the class order; a class that is nowhere has none."""
    assert Segmentation(LABELS, "box2seg", 1).areas(4) == [3, 1, 2, 0]


def test_present_lists_labels() -> None:
    """Each label that some pixel has is there once, in order, void too."""
    assert Segmentation(LABELS, "box2seg", 1).present() == [0, 1, 2]
    assert Segmentation(np.full((1, 1), 255, np.uint8), "box2seg", 1).present() == [255]


def test_a_segmentation_knows_its_size() -> None:
    """The size is (height, width)."""
    assert Segmentation(LABELS, "box2seg", 1).size == (2, 3)


@pytest.mark.parametrize(
    ("labels", "confidence", "name"),
    [
        pytest.param(LABELS.astype(np.int64), None, "labels", id="dtype"),
        pytest.param(LABELS[None], None, "labels", id="axes"),
        pytest.param(LABELS, LABELS.T, "confidence", id="confidence of another size"),
        pytest.param(LABELS, LABELS.astype(np.float32), "confidence", id="confidence's dtype"),
    ],
)
def test_other_arrays_are_refused(labels: np.ndarray, confidence: np.ndarray | None, name: str) -> None:
    """Labels and confidence are (H, W) uint8 of one size, or there is no Segmentation."""
    with pytest.raises(ShapeError, match=name):
        Segmentation(labels, "box2seg", 1, confidence)
