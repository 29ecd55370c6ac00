from pathlib import Path

import numpy as np
from PIL import Image

from contract.classes import ClassMap
from training.datasets.voc import VocDataset
from training.pictures import CELL, GAP, LETTERS, PANEL, Comparison, save_comparisons, save_sheet, spread


def test_a_sheet_has_a_cell_per_photo(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """Four photos to a row, all on paper of cells of one size."""
    dataset = VocDataset(drawn_voc, classes)
    path = save_sheet(tmp_path / "sheet.jpg", dataset.load("train").images[:5], dataset.truth, classes)
    with Image.open(path) as sheet:
        assert sheet.size == (4 * CELL, 2 * CELL)


def test_a_comparison_shows_photo_truth_and_prediction(
    drawn_voc: Path, classes: ClassMap, tmp_path: Path
) -> None:
    """Three panels beside each other: the photo alone, the true mask, the predicted one; a caption above."""
    dataset = VocDataset(drawn_voc, classes)
    image = dataset.load("val").images[0]
    seen = Comparison(image, dataset.truth(image), "0.123  drawn")
    nothing = np.zeros(image.size, np.uint8)
    path = save_comparisons(tmp_path / "new" / "sheet.jpg", [seen], lambda _: nothing, classes)
    with Image.open(path) as sheet:
        pixels = np.asarray(sheet).astype(int)
    top = LETTERS + GAP + GAP // 2
    height, width = image.size
    photo, truth, predicted = (
        pixels[top : top + height, left : left + width] for left in (n * PANEL + GAP // 2 for n in range(3))
    )
    assert np.abs(photo - predicted).mean() < 4  # one sees no object; JPEG apart
    assert np.abs(photo - truth).mean() > 10
    assert pixels[: LETTERS + GAP].min() < 100  # ink


def test_spread_takes_the_ends_and_no_photo_twice() -> None:
    """The same photos every time: first, last, and evenly between."""
    assert spread(list("abcdefg"), 3) == ["a", "d", "g"]  # type: ignore[arg-type]
    assert spread(list("ab"), 12) == ["a", "b"]  # type: ignore[arg-type]
