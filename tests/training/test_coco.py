import json
from pathlib import Path

import numpy as np
import pytest

from contract.annotations import Box
from contract.classes import IGNORE, ClassMap, class_map
from contract.errors import AnnotationError, DataError
from tests.drawing import draw_coco, draw_photo, random_shapes
from training.datasets import open_dataset
from training.datasets.coco import CocoDataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_coco(tmp_path / "coco", split="small", count=3)


def change_first(folder: Path, kind: str = "annotations", **fields: object) -> None:
    path = folder / "annotations" / "instances_small.json"
    content = json.loads(path.read_text())
    content[kind][0] |= fields
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
    with pytest.raises(
        AnnotationError, match=r"annotation 0: box \[90, 0, 20, 10\] lies outside its 96 x 64 photo"
    ):
        CocoDataset(folder, classes).load("small")


def test_unknown_category_names_those_there_are(folder: Path) -> None:
    """A class that the file does not have is refused with those it has."""
    with pytest.raises(DataError, match=r"no category cow\n.*cat, dog"):
        CocoDataset(folder, class_map(("cow",))).load("small")


@pytest.mark.parametrize("place", ["small", "images/small", "images", "."])
@pytest.mark.parametrize("within", ["", "cats/indoors"])
def test_photos_lie_where_people_put_them(place: str, within: str, folder: Path, classes: ClassMap) -> None:
    """Photos are found in each usual folder, and file names may go through folders of their own."""
    target = folder / place / within
    target.mkdir(parents=True, exist_ok=True)
    photo = (folder / "small" / "0.png").rename(target / "first.png")
    change_first(folder, "images", file_name=f"{within}/first.png".lstrip("/"))
    dataset = open_dataset(folder, classes)
    image = dataset.load("small").images[0]
    assert image.path.samefile(photo)
    assert image.name == photo.relative_to(folder).as_posix()
    assert dataset.truth(image).any()


def test_the_same_ids_in_two_splits_are_two_photos(folder: Path, classes: ClassMap) -> None:
    """Exports count ids from 0 in each split; masks are those of the photo's own split."""
    draw_coco(folder / "other", split="val", count=1)
    (folder / "other" / "val").rename(folder / "val")
    (folder / "other/annotations/instances_val.json").rename(folder / "annotations/instances_val.json")
    change_first(folder, segmentation=[[0, 0, 4, 0, 4, 4, 0, 4]], bbox=[0, 0, 4, 4], area=16)
    dataset = CocoDataset(folder, classes)
    small, val = (dataset.load(split).images[0] for split in ("small", "val"))
    assert dataset.folder.splits() == ("small", "val")
    assert (dataset.truth(small) == 1).sum() == 16
    assert (dataset.truth(val) == 1).sum() > 100


SQUARE = np.zeros((64, 96), dtype=np.uint8)
SQUARE[10:20, 30:50] = 1


@pytest.mark.parametrize(
    "segmentation",
    [
        [[30, 10, 50, 10, 50, 20, 30, 20]],
        [[30, 10, 40, 10, 40, 20, 30, 20], [40, 10, 50, 10, 50, 20, 40, 20]],
        {"size": [64, 96], "counts": [30 * 64 + 10, *[10, 54] * 19, 10, 44 + 46 * 64]},
    ],
    ids=["polygon", "two polygons", "run lengths"],
)
def test_masks_in_every_form(segmentation: object, folder: Path, classes: ClassMap) -> None:
    """Polygons, several of one object, and plain run lengths give the same pixels."""
    change_first(folder, segmentation=segmentation, area=200)
    dataset = CocoDataset(folder, classes)
    truth = dataset.truth(dataset.load("small").images[0])
    assert np.array_equal((truth == 1) & (SQUARE == 1), SQUARE == 1)
    assert (truth == 1).sum() == 200


def test_crowds_are_void_and_give_no_box(folder: Path, classes: ClassMap) -> None:
    """A crowd is neither a box to learn from nor pixels to score."""
    change_first(folder, iscrowd=1, category_id=17)
    dataset = CocoDataset(folder, classes)
    image = dataset.load("small").images[0]
    assert [box.label for box in image.boxes] == [2]
    assert set(np.unique(dataset.truth(image))) == {0, 2, IGNORE}


@pytest.mark.parametrize(
    ("segmentation", "problem"),
    [
        (None, "has no mask"),
        ([[1, 1, 5, 5]], "a polygon of 4 numbers"),
        ([["a"] * 6], "unreadable mask"),
        ([[1, 1, 5, 1, float("nan"), 5]], "leaves its photo by far"),
        ([[1, 1, 5, 1, 1e9, 5]], "leaves its photo by far"),
        ({"counts": "abc"}, "unreadable mask"),
        ({"size": [5, 5], "counts": [25]}, "the photo is"),
        ({"size": [64, 96], "counts": [5, 7]}, "run lengths of 12 pixels"),
    ],
    ids=["none", "too short", "no numbers", "NaN", "far", "no size", "other size", "too few pixels"],
)
def test_bad_masks_are_named(segmentation: object, problem: str, folder: Path, classes: ClassMap) -> None:
    """A mask that cannot be read is refused with its annotation's id."""
    change_first(folder, segmentation=segmentation)
    dataset = CocoDataset(folder, classes)
    with pytest.raises(AnnotationError, match=f"annotation 0.*{problem}"):
        dataset.truth(dataset.load("small").images[0])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ('{"images": [', "broken JSON .*line 1"),
        ("[]", "no list 'images'"),
        ('{"images": [{"id": 3}], "categories": [], "annotations": []}', r"images\[0\] lacks one of"),
        ('{"images": [], "categories": [], "annotations": [7]}', r"annotations\[0\] lacks one of"),
        (
            '{"images": [], "categories": [], "annotations": [{"id": 5, "image_id": 1, "category_id": 9}]}',
            "annotation 5 is of category 9",
        ),
    ],
    ids=["cut off", "no object", "no file name", "no row", "unknown category"],
)
def test_bad_json_is_named(content: str, problem: str, folder: Path, classes: ClassMap) -> None:
    """A file that is no COCO instances file is refused with the row that is wrong."""
    (folder / "annotations" / "instances_small.json").write_text(content)
    with pytest.raises(DataError, match=rf"instances_small\.json: .*{problem}"):
        CocoDataset(folder, classes).load("small")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"file_name": "1.png"}, "images 0 and 1 are one file, 1.png\n  hint: give the annotations of both"),
        ({"id": 1}, "images 0.png and 1.png have one id, 1"),
    ],
    ids=["one file", "one id"],
)
def test_two_images_of_one_name_are_refused(
    fields: dict[str, object], problem: str, folder: Path, classes: ClassMap
) -> None:
    """Neither image takes the other's place: both are named."""
    change_first(folder, "images", **fields)
    with pytest.raises(DataError, match=f"instances_small.json: {problem}"):
        CocoDataset(folder, classes).load("small")


def test_a_bad_bbox_is_named(folder: Path, classes: ClassMap) -> None:
    """A bbox of another form is refused with its annotation's id."""
    change_first(folder, bbox=[1, 2, 3])
    with pytest.raises(AnnotationError, match=r"annotation 0: bbox is \[1, 2, 3\], not"):
        CocoDataset(folder, classes).load("small")


def test_folder_of_no_layout_is_refused(tmp_path: Path, classes: ClassMap) -> None:
    """A folder with neither layout is refused with what was expected."""
    with pytest.raises(DataError, match="VOC devkit folder"):
        open_dataset(tmp_path, classes)
