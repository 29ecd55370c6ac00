import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.annotations import Box
from contract.classes import IGNORE, ClassMap, class_map
from contract.errors import AnnotationError, DataError
from tests.drawing import random_shapes
from training.datasets.voc import VocDataset


@pytest.fixture
def folder(drawn_voc: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(drawn_voc, tmp_path / "voc"))


def first_xml(folder: Path) -> Path:
    return folder / "Annotations" / "drawn_0000.xml"


def test_boxes_are_exclusive_xyxy_from_zero(drawn_voc: Path, classes: ClassMap) -> None:
    """The devkit's 1-based inclusive boxes arrive as the exclusive ones that were drawn."""
    image = VocDataset(drawn_voc, classes).load("train").images[0]
    drawn = [shape[1:] for shape in random_shapes(0)]
    assert image.boxes == (Box(1, *drawn[0]), Box(2, *drawn[1]))


def test_other_classes_count_as_background(drawn_voc: Path) -> None:
    """With dogs alone asked for, cats give neither box nor mask."""
    dataset = VocDataset(drawn_voc, class_map(("dog",)))
    image = dataset.load("train").images[0]
    assert [box.label for box in image.boxes] == [1]
    assert set(np.unique(dataset.truth(image))) == {0, 1}


def test_void_stays_void(folder: Path, classes: ClassMap) -> None:
    """255 in a mask is IGNORE, whatever the classes."""
    path = folder / "SegmentationClass" / "drawn_0000.png"
    mask = np.array(Image.open(path))
    mask[0, 0] = 255
    Image.fromarray(mask).save(path)
    dataset = VocDataset(folder, classes)
    assert dataset.truth(dataset.load("train").images[0])[0, 0] == IGNORE


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("<annotation><object>", "broken XML"),
        ("<annotation><object><name>cat</name><bndbox/></object></annotation>", "xmin is ''"),
        (
            "<annotation><object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
            "<xmax>97</xmax><ymax>5</ymax></bndbox></object></annotation>",
            "outside its 96 x 64 photo",
        ),
        (
            "<annotation><object><name>cat</name><bndbox><xmin>9</xmin><ymin>1</ymin>"
            "<xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>",
            "object 0",
        ),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><annotation><object><name>&b;</name></object></annotation>',
            "broken XML",
        ),
    ],
    ids=["cut off", "no coordinate", "outside", "turned round", "entities"],
)
def test_bad_xml_is_named(folder: Path, classes: ClassMap, content: str, problem: str) -> None:
    """A bad annotation is refused with its file and what is wrong in it."""
    first_xml(folder).write_text(content)
    with pytest.raises(AnnotationError) as caught:
        VocDataset(folder, classes).load("train")
    assert "drawn_0000.xml" in str(caught.value)
    assert problem in str(caught.value)


def test_missing_photo_is_named(folder: Path, classes: ClassMap) -> None:
    """A photo that is not there is refused by its name."""
    (folder / "JPEGImages" / "drawn_0003.jpg").unlink()
    with pytest.raises(AnnotationError, match=r"drawn_0003\.jpg: no such file"):
        VocDataset(folder, classes).load("train")


def test_skip_bad_lists_what_it_leaves_out(folder: Path, classes: ClassMap) -> None:
    """With skip_bad the good ones are used and each bad one is listed."""
    first_xml(folder).write_text("<annotation>")
    (folder / "JPEGImages" / "drawn_0003.jpg").write_bytes(b"no image")
    listing = VocDataset(folder, classes).load("train", skip_bad=True)
    assert len(listing.images) == 10
    assert [Path(str(error).split(":")[0]).name for error in listing.bad] == [
        "drawn_0000.xml",
        "drawn_0003.jpg",
    ]


def test_unknown_split_names_those_there_are(drawn_voc: Path, classes: ClassMap) -> None:
    """A split that does not exist is refused with the list of those that do."""
    with pytest.raises(DataError, match="there are: train, val"):
        VocDataset(drawn_voc, classes).load("test")


def test_unknown_class_is_refused(drawn_voc: Path) -> None:
    """A class that VOC does not have is refused by name."""
    with pytest.raises(DataError, match="unicorn"):
        VocDataset(drawn_voc, class_map(("unicorn",)))
