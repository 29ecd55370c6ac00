from pathlib import Path

import numpy as np
import pytest

from contract.classes import class_map
from contract.errors import ConfigurationError, DataError
from tests.drawing import draw_coco, draw_voc, draw_yolo
from training.datasets import open_dataset
from training.datasets.renames import label_names, parse_renames


def test_several_names_may_become_one() -> None:
    """Two old names and the new one itself all have the new one's label."""
    renames = parse_renames(["tabby=cat", "kitten=cat"])
    assert label_names(class_map(("dog", "cat")), renames) == {"dog": 1, "cat": 2, "tabby": 2, "kitten": 2}


def test_a_renamed_name_is_gone() -> None:
    """Renames are made at once: names can be exchanged, and what is renamed away is not the old class."""
    renames = parse_renames(["cat=dog", "dog=cat", "cow=horse"])
    assert label_names(class_map(("cat", "dog", "cow")), renames) == {"cat": 2, "dog": 1}


@pytest.mark.parametrize("typed", [["tabby"], ["=cat"], ["tabby="], ["tabby=cat", "tabby=dog"]])
def test_bad_renames_are_refused(typed: list[str]) -> None:
    """A rename of another form, or a second one of a name, is refused in words."""
    with pytest.raises(ConfigurationError, match=r"rename '.*tabby|=cat'"):
        parse_renames(typed)


@pytest.mark.parametrize("layout", ["voc", "coco", "yolo"])
def test_renames_reach_boxes_and_masks(layout: str, tmp_path: Path) -> None:
    """In every format cats and dogs read as pets give boxes and masks of one class."""
    root = draw(layout, tmp_path / "data")
    dataset = open_dataset(root, class_map(("pet",)), parse_renames(["cat=pet", "dog=pet"]))
    image = dataset.load("train").images[0]
    both = open_dataset(root, class_map(("cat", "dog")))
    seen = both.load("train").images[0]
    assert [box.label for box in image.boxes] == [1, 1]
    assert np.array_equal(dataset.truth(image), both.truth(seen) > 0)
    assert dataset.name == "data (cat=pet, dog=pet)"


@pytest.mark.parametrize("layout", ["voc", "coco", "yolo"])
@pytest.mark.parametrize(
    ("classes", "renames", "unknown"),
    [(("cat", "unicorn"), [], "unicorn"), (("cat",), ["taby=cat"], "taby"), (("cat",), ["cat=pet"], "cat")],
    ids=["class", "old name", "renamed away"],
)
def test_mistyped_names_are_refused(
    layout: str, classes: tuple[str, ...], renames: list[str], unknown: str, tmp_path: Path
) -> None:
    """A name that the data set has nowhere is refused with those it has."""
    dataset = open_dataset(draw(layout, tmp_path / "data"), class_map(classes), parse_renames(renames))
    with pytest.raises(DataError, match=rf"data.* train: no category {unknown}\n.*there are: cat, dog"):
        dataset.load("train")


def test_a_mistyped_new_name_is_refused(tmp_path: Path) -> None:
    """Renamed to no class that is learned, objects would be lost in the background: it is refused."""
    dataset = open_dataset(draw("voc", tmp_path / "data"), class_map(("cat",)), {"dog": "caat"})
    with pytest.raises(DataError, match=r"no class that is learned: dog=caat\n.*background, cat"):
        dataset.load("train")


def draw(layout: str, root: Path) -> Path:
    if layout == "voc":
        return draw_voc(root, train=1, val=0)
    return draw_coco(root, split="train", count=1) if layout == "coco" else draw_yolo(root, train=1, val=0)
