import numpy as np
import pytest

from contract.arrays import check_array
from contract.errors import ShapeError


def test_none_allows_any_length() -> None:
    """An axis of None takes any length, zero too."""
    check_array("image", np.zeros((64, 96, 3), np.uint8), shape=(None, None, 3), dtype=np.uint8)
    check_array("image", np.zeros((0, 96, 3), np.uint8), shape=(None, None, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("array", "got"),
    [
        pytest.param(np.zeros((64, 96, 4), np.uint8), r"\(64, 96, 4\) uint8", id="length"),
        pytest.param(np.zeros((64, 96), np.uint8), r"\(64, 96\) uint8", id="axes"),
        pytest.param(np.zeros((64, 96, 3), np.int64), r"\(64, 96, 3\) int64", id="dtype"),
    ],
)
def test_another_shape_or_dtype_is_refused(array: np.ndarray, got: str) -> None:
    """The message holds the name, what was expected and what came."""
    with pytest.raises(ShapeError, match=rf"image: expected \(any, any, 3\) uint8, got {got}"):
        check_array("image", array, shape=(None, None, 3), dtype=np.uint8)
