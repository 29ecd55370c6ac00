import numpy as np
import pytest

from contract.classes import BACKGROUND, IGNORE, class_map
from contract.errors import ShapeError
from contract.pictures import OUTLINE, draw_overlay

CLASSES = class_map(["cat"])


def test_objects_are_tinted_and_outlined() -> None:
    """Inside the object its colour, on its rim white, elsewhere the photo."""
    labels = np.zeros((8, 12), np.uint8)
    labels[2:7, 3:9] = 1
    drawn = draw_overlay(np.full((8, 12, 3), 100, np.uint8), labels, CLASSES, alpha=0.5)
    assert drawn[0, 0].tolist() == [100, 100, 100]
    assert tuple(drawn[2, 3]) == OUTLINE
    assert drawn[4, 5].tolist() == [(100 + channel + 1) // 2 for channel in CLASSES.colours[1]]


def test_the_outline_can_be_left_out() -> None:
    """Without it the rim is tinted as the inside is."""
    labels = np.zeros((8, 12), np.uint8)
    labels[2:7, 3:9] = 1
    drawn = draw_overlay(np.full((8, 12, 3), 100, np.uint8), labels, CLASSES, outline=False)
    assert drawn[2, 3].tolist() == drawn[4, 5].tolist()


@pytest.mark.parametrize("label", [BACKGROUND, IGNORE])
def test_what_is_no_object_is_left_alone(label: int) -> None:
    """Background and void show the photo as it is."""
    photo = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)
    assert np.array_equal(draw_overlay(photo, np.full((8, 12), label, np.uint8), CLASSES), photo)


def test_a_mask_of_another_size_is_refused() -> None:
    """Photo and mask are of one size, or nothing is drawn."""
    with pytest.raises(ShapeError, match="image"):
        draw_overlay(np.zeros((8, 12, 3), np.uint8), np.zeros((12, 8), np.uint8), CLASSES)
