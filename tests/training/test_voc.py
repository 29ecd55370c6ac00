import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.annotations import Box
from contract.classes import IGNORE, ClassMap, class_map
from contract.errors import AnnotationError, DataError
from tests.drawing import draw_photo, random_shapes
from training.datasets.entries import annotate
from training.datasets.voc import VocDataset, VocFolder


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
            "<annotation><object><bndbox><xmin>1</xmin><ymin>1</ymin>"
            "<xmax>5</xmax><ymax>5</ymax></bndbox></object></annotation>",
            "object 0: it has no name",
        ),
        (
            '<!DOCTYPE a [<!ENTITY b "c">]><annotation><object><name>&b;</name></object></annotation>',
            "broken XML",
        ),
    ],
    ids=["cut off", "no coordinate", "outside", "turned round", "no name", "entities"],
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
    """A class that is neither VOC's nor in any annotation is refused by name."""
    with pytest.raises(DataError, match=r"no category unicorn\n.*cat, dog"):
        VocDataset(drawn_voc, class_map(("unicorn",))).load("train")


def test_a_class_of_another_split_is_none_unknown(folder: Path) -> None:
    """A class that only another split shows is no typing error."""
    first_xml(folder).write_text(xml_of("zebra", 3, 4, 20, 30))
    images = VocDataset(folder, class_map(("zebra",))).load("val").images
    assert not any(image.boxes for image in images)


def test_boxes_of_own_classes_without_masks(tmp_path: Path) -> None:
    """Data with boxes alone: classes that VOC lacks, a list in Main, a PNG photo; there is no mask."""
    folder = draw_own(tmp_path / "own")
    dataset = VocDataset(folder, class_map(("zebra",)))
    (image,) = dataset.load("train").images
    assert image.boxes == (Box(1, 2, 3, 20, 30),)
    assert image.path.name == "plain photo.png"
    with pytest.raises(AnnotationError, match="no readable mask"):
        dataset.truth(image)


def test_masks_of_own_classes_need_their_names(tmp_path: Path) -> None:
    """Without labelmap.txt nobody knows what an index means, and the message says what to add."""
    folder = draw_own(tmp_path / "own", mask=np.ones((64, 96), dtype=np.uint8))
    dataset = VocDataset(folder, class_map(("zebra",)))
    with pytest.raises(AnnotationError, match=r"no index is known for zebra\n.*labelmap\.txt .*NAME:RED"):
        dataset.truth(dataset.load("train").images[0])


INDEXED = np.zeros((64, 96), dtype=np.uint8)
INDEXED[:20], INDEXED[20:40], INDEXED[40:50] = 1, 2, IGNORE
COLOURED = np.zeros((64, 96, 3), dtype=np.uint8)
COLOURED[:20], COLOURED[20:40], COLOURED[40:50] = (250, 50, 83), (51, 221, 255), (224, 224, 192)


@pytest.mark.parametrize("mask", [INDEXED, COLOURED], ids=["indexed", "in colour"])
def test_masks_by_labelmap(mask: np.ndarray, tmp_path: Path) -> None:
    """With labelmap.txt an index is a line's place, and a colour a line's; void is IGNORE in both."""
    folder = draw_own(tmp_path / "own", mask=mask)
    (folder / "labelmap.txt").write_text(LABELMAP)
    dataset = VocDataset(folder, class_map(("zebra",)))
    truth = dataset.truth(dataset.load("train").images[0])
    assert np.array_equal(truth[:, 0], [0] * 20 + [1] * 20 + [IGNORE] * 10 + [0] * 14)


@pytest.mark.parametrize(
    ("labelmap", "mask", "problem"),
    [
        ("background:0,0,0::\nzebra\n", INDEXED, r"labelmap\.txt: line 2: 'zebra' is not of the form"),
        ("background:0,0,0::\nzebra:1,2::\n", INDEXED, "line 2"),
        ("background:0,0,0::\nzebra:1,2,300::\n", INDEXED, "line 2"),
        ("zebra:1,2,3::\n", INDEXED, "expected 2 to 255 classes, got 1"),
        ("background:0,0,0::\nzebra:1,2,3::\n", INDEXED, "index 2 has no name"),
        ("background:0,0,0::\nzebra:1,2,3::\n", COLOURED, r"colour \(51, 221, 255\) has no name"),
    ],
    ids=["no colour", "two channels", "no byte", "one class", "index beyond", "strange colour"],
)
def test_bad_labelmaps_are_named(labelmap: str, mask: np.ndarray, problem: str, tmp_path: Path) -> None:
    """A label map that cannot be read, or does not know what a mask shows, is refused with the place."""
    folder = draw_own(tmp_path / "own", mask=mask)
    (folder / "labelmap.txt").write_text(labelmap)
    dataset = VocDataset(folder, class_map(("zebra",)))
    image = dataset.folder.read("train", "plain photo")
    with pytest.raises(AnnotationError, match=problem):
        dataset.truth(annotate(image, {"zebra": 1}))


def test_the_devkits_lists_of_one_class_are_no_splits(folder: Path) -> None:
    """Main/cat_train.txt says which photos show a cat; it is not offered as a split."""
    main = folder / "ImageSets" / "Main"
    main.mkdir()
    (main / "cat_train.txt").write_text("drawn_0000  1\ndrawn_0001 -1\n")
    (main / "test.txt").write_text("drawn_0000\n")
    assert VocFolder(folder).splits() == ("test", "train", "val")
    assert VocFolder(folder).keys("test") == ["drawn_0000"]


def test_photos_named_like_a_class_list_are_a_split(folder: Path) -> None:
    """A list whose photos are named "IMG 1" looks like a class's list, and is offered all the same."""
    (folder / "ImageSets" / "Segmentation" / "new.txt").write_text("IMG 1\n")
    assert VocFolder(folder).splits() == ("new", "train", "val")
    assert VocFolder(folder).keys("new") == ["IMG 1"]


def test_boxes_counted_from_zero_begin_at_the_first_pixel(folder: Path, classes: ClassMap) -> None:
    """A tool that counts from 0 writes xmin 0: the box begins at the photo's edge."""
    first_xml(folder).write_text(xml_of("cat", 0, 0, 20, 30))
    assert VocDataset(folder, classes).load("train").images[0].boxes == (Box(1, 0, 0, 20, 30),)


LABELMAP = """# label:color_rgb:parts:actions
background:0,0,0::
lion:250,50,83::
zebra:51,221,255::
"""


def xml_of(name: str, *sides: int) -> str:
    corners = "".join(
        f"<{side}>{value}</{side}>"
        for side, value in zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)
    )
    return f"<annotation><object><name>{name}</name><bndbox>{corners}</bndbox></object></annotation>"


def draw_own(root: Path, mask: np.ndarray | None = None) -> Path:
    """Write a folder as annotation tools export it: one photo with a zebra, and its mask where given."""
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    Image.fromarray(draw_photo([], 0)[0]).save(root / "JPEGImages" / "plain photo.png")
    (root / "Annotations" / "plain photo.xml").write_text(xml_of("zebra", 3, 4, 20, 30))
    (root / "ImageSets" / "Main" / "train.txt").write_text("plain photo\n")
    if mask is not None:
        Image.fromarray(mask).save(root / "SegmentationClass" / "plain photo.png")
    return root
