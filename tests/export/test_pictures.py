from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.errors import DataError
from export.pictures import drawn_pictures, parity_pictures


def test_drawn_pictures_are_always_the_same() -> None:
    """Two exports without photos are compared on equal pictures, none of them flat."""
    for first, second in zip(drawn_pictures(), parity_pictures(None), strict=True):
        np.testing.assert_array_equal(first, second)
        assert first.std() > 20


def test_photos_are_spread_over_the_folder(tmp_path: Path) -> None:
    """Eight photos at most are read, from all over the folder; other files are passed over."""
    for index in range(20):
        Image.new("RGB", (10 + index, 8)).save(tmp_path / f"{index:02}.png")
    (tmp_path / "notes.txt").write_text("no photo")
    widths = [picture.shape[1] for picture in parity_pictures(tmp_path)]
    assert widths == [10, 12, 14, 16, 18, 20, 22, 24]


def test_a_folder_without_photos(tmp_path: Path) -> None:
    """A folder without photos is refused by name."""
    with pytest.raises(DataError, match=tmp_path.name):
        parity_pictures(tmp_path)
