import shutil
from pathlib import Path

import numpy as np
import pytest

from contract.annotations import Box
from contract.classes import ClassMap, class_map
from contract.errors import AnnotationError, DataError
from tests.drawing import draw_photo, draw_yolo, random_shapes
from training.datasets import open_dataset
from training.datasets.yolo import YoloDataset, YoloFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_yolo(tmp_path / "yolo", train=2, val=1)


def write_yaml(folder: Path, text: str) -> None:
    (folder / "data.yaml").write_text(text)


def write_labels(folder: Path, text: str) -> None:
    (folder / "labels" / "train" / "0.txt").write_text(text)


def test_polygons_give_boxes_and_masks(folder: Path, classes: ClassMap) -> None:
    """Outlines arrive as the boxes that were drawn, to the pixel, and as their masks, but for edges."""
    dataset = open_dataset(folder, classes)
    assert isinstance(dataset, YoloDataset)
    image = dataset.load("train").images[1]
    shapes = random_shapes(1)
    assert image.name == "images/train/1.png"
    assert image.boxes == (Box(1, *shapes[0][1:]), Box(2, *shapes[1][1:]))
    drawn = draw_photo(shapes, 1)[1]
    truth = np.select([drawn == 8, drawn == 12], [1, 2], 0)
    assert (dataset.truth(image) != truth).mean() < 0.01  # polygons of 64 points against a disc


def test_boxes_have_no_mask(folder: Path, classes: ClassMap) -> None:
    """Lines of centre and size are read to the pixel; masks of them are refused with the line."""
    write_labels(folder, "1 0.5 0.5 0.25 0.5\n\n0 0.1 0.1 0.0625 0.125\n")
    dataset = YoloDataset(folder, classes)
    image = dataset.load("train").images[0]
    assert image.boxes == (Box(2, 36, 16, 60, 48), Box(1, 6, 2, 13, 11))
    with pytest.raises(AnnotationError, match=r"0\.txt: line 1: a box, no polygon"):
        dataset.truth(image)


def test_a_photo_without_a_label_file_has_no_boxes(folder: Path, classes: ClassMap) -> None:
    """The format's way to say that nothing is in a photo is to leave the file out."""
    (folder / "labels" / "train" / "0.txt").unlink()
    assert YoloDataset(folder, classes).load("train").images[0].boxes == ()


@pytest.mark.parametrize(
    "description",
    [
        "names: [cat, dog]\ntrain: images/train\n",
        "path: .\nnames: {0: cat, 1: dog}\ntrain: [images/train]\n",
        "path: images\nnames: [cat, dog]\ntrain: train\n",
        "names: [cat, dog]\ntrain: ../images/train\n",
        "names: [cat, dog]\ntrain: lists/train.txt\n",
    ],
    ids=["list of names", "list of folders", "path", "one folder too high", "list of photos"],
)
def test_every_form_of_data_yaml(description: str, folder: Path, classes: ClassMap) -> None:
    """Names as a list or by index; a split as a folder, several, or a list of photos."""
    (folder / "lists").mkdir()
    (folder / "lists" / "train.txt").write_text("images/train/0.png\n../images/train/1.png\n")
    write_yaml(folder, description)
    images = YoloDataset(folder, classes).load("train").images
    assert [image.path.name for image in images] == ["0.png", "1.png"]
    assert all(len(image.boxes) == 2 for image in images)


def test_splits_are_those_named(folder: Path) -> None:
    """A split without photos of its own is none, and an unknown one is refused with those there are."""
    write_yaml(folder, "names: [cat, dog]\ntrain: images/train\nval: images/val\ntest:\n")
    assert YoloFolder(folder).splits() == ("train", "val")
    with pytest.raises(DataError, match=r"no such split: test\n.*train, val"):
        YoloFolder(folder).keys("test")


def test_photos_that_lie_beside_their_labels(folder: Path, classes: ClassMap) -> None:
    """Where no folder is called images, a label file lies beside its photo."""
    shutil.copytree(folder / "images" / "train", folder / "flat")
    shutil.copytree(folder / "labels" / "train", folder / "flat", dirs_exist_ok=True)
    write_yaml(folder, "names: [cat, dog]\ntrain: flat\n")
    assert len(YoloDataset(folder, classes).load("train").images[0].boxes) == 2


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        ("0 0.5 0.5 0.1 0.1\n0 0.5 x 0.1 0.1\n", "line 2: expected a class's index and numbers .*'x'"),
        ("cat 0.5 0.5 0.1 0.1\n", "line 1: expected a class's index"),
        ("0 0.5 0.5 0.1\n", "line 1: 3 numbers follow the class"),
        ("0 0.5 0.5 0.1 0.1 0.9\n", "line 1: 5 numbers"),
        ("0 0.5 0.5 0.1 0.1 0.9 0.3 0.2\n", "line 1: 7 numbers"),
        ("2 0.5 0.5 0.1 0.1\n", r"line 1: class 2, but data\.yaml names 0 to 1"),
        ("0 0.5 0.5 0 0.1\n", "line 1: box .* has no area"),
        ("0 0.9 0.5 0.5 0.1\n", "line 1: box .* lies outside its 96 x 64 photo"),
        ("0 0.1 0.1 1.5 0.1 0.5 0.5\n", "line 1: box around its polygon lies outside"),
    ],
    ids=["word", "name", "three", "five", "seven", "index", "no area", "outside", "polygon outside"],
)
def test_bad_lines_are_named(labels: str, problem: str, folder: Path, classes: ClassMap) -> None:
    """A bad line is refused with its file, its number and what is wrong in it."""
    write_labels(folder, labels)
    with pytest.raises(AnnotationError, match=rf"labels/train/0\.txt: {problem}"):
        YoloDataset(folder, classes).load("train")


@pytest.mark.parametrize(
    ("description", "problem"),
    [
        ("names: [cat\n", "broken YAML"),
        ("just words\n", "expected fields such as"),
        ("train: images/train\n", "names: expected a list, or names by index, got None"),
        ("train: images/train\nnames: {a: cat}\n", "names: an index is no whole number"),
        ("train: pictures\nnames: [cat]\n", "train: .*pictures does not exist"),
        ("path: /data/old\ntrain: images\nnames: [cat]\n", "train: /data/old/images does not exist"),
        ("train: images/train\nnames: [cat]\nkpt_shape: [17, 3]\n", "keypoints are not read"),
    ],
    ids=["broken", "no fields", "no names", "odd index", "no folder", "other machine", "keypoints"],
)
def test_bad_data_yaml_is_named(description: str, problem: str, folder: Path) -> None:
    """A description that cannot be used is refused with the field that is wrong."""
    write_yaml(folder, description)
    with pytest.raises(DataError, match=rf"data\.yaml: {problem}"):
        YoloDataset(folder, class_map(("cat",))).load("train")


def test_a_missing_photo_of_a_list_is_named(folder: Path, classes: ClassMap) -> None:
    """A list that names a photo that is not there is refused by the photo's path."""
    (folder / "train.txt").write_text("images/train/7.png\n")
    write_yaml(folder, "names: [cat, dog]\ntrain: train.txt\n")
    with pytest.raises(AnnotationError, match=r"images/train/7\.png: no such file"):
        YoloDataset(folder, classes).load("train")
