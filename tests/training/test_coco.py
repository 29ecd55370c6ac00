import json
from pathlib import Path

import numpy as np
import pytest

from contract.annotations import Box
from contract.classes import ClassMap, class_map
from contract.errors import AnnotationError, DataError
from tests.drawing import draw_coco, draw_photo, random_shapes
from training.datasets import open_dataset
from training.datasets.coco import CocoDataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_coco(tmp_path / "coco", split="small", count=3)


def change_first(folder: Path, **fields: object) -> None:
    path = folder / "annotations" / "instances_small.json"
    content = json.loads(path.read_text())
    content["annotations"][0] |= fields
    path.write_text(json.dumps(content))


def test_boxes_and_masks_are_those_drawn(folder: Path, classes: ClassMap) -> None:
    """Boxes in xywh arrive as xyxy, and masks pixel by pixel."""
    dataset = open_dataset(folder, classes)
    assert isinstance(dataset, CocoDataset)
    image = dataset.load("small").images[1]
    shapes = random_shapes(1)
    assert image.boxes == (Box(1, *shapes[0][1:]), Box(2, *shapes[1][1:]))
    drawn = draw_photo(shapes, 1)[1]
    assert np.array_equal(dataset.truth(image), np.select([drawn == 8, drawn == 12], [1, 2], 0))


def test_fractional_boxes_cover_the_pixels_they_touch(folder: Path, classes: ClassMap) -> None:
    """A box of 3.2 to 9.6 covers pixels 3 to 9."""
    change_first(folder, bbox=[3.2, 4.0, 6.4, 5.5])
    assert CocoDataset(folder, classes).load("small").images[0].boxes[0] == Box(1, 3, 4, 10, 10)


def test_box_outside_is_named(folder: Path, classes: ClassMap) -> None:
    """A box outside its photo is refused with the annotation's id."""
    change_first(folder, bbox=[90, 0, 20, 10])
    with pytest.raises(AnnotationError, match=r"annotation 0: bbox .* outside its 96 x 64 photo"):
        CocoDataset(folder, classes).load("small")


def test_unknown_category_names_those_there_are(folder: Path) -> None:
    """A class that the file does not have is refused with those it has."""
    with pytest.raises(DataError, match=r"no category cow\n.*cat, dog"):
        CocoDataset(folder, class_map(("cow",))).load("small")


def test_folder_of_no_layout_is_refused(tmp_path: Path, classes: ClassMap) -> None:
    """A folder with neither layout is refused with what was expected."""
    with pytest.raises(DataError, match="VOC devkit folder"):
        open_dataset(tmp_path, classes)
