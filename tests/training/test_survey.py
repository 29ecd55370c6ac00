import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from contract.annotations import Box
from tests.drawing import draw_coco, draw_voc, draw_yolo
from training.datasets import open_folder
from training.survey import SAMPLE, SplitSurvey, Wanted, count_doubles, sheet_images, survey_split


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A YOLO folder of six photos with a cat and a dog each, that a test may break."""
    return draw_yolo(tmp_path / "yolo", train=6, val=0)


def survey(folder: Path, split: str = "train", **wanted: object) -> SplitSurvey:
    return survey_split(open_folder(folder), split, Wanted(**wanted), Console(file=io.StringIO()))  # type: ignore[arg-type]


def write_labels(folder: Path, number: int, text: str) -> None:
    (folder / "labels" / "train" / f"{number}.txt").write_text(text)


def write_photo(folder: Path, number: int, photo: Image.Image) -> None:
    photo.save(folder / "images" / "train" / f"{number}.png")


def test_counts_by_class(folder: Path) -> None:
    """Objects, photos and sizes are counted by class; a class without a box is listed and named."""
    (folder / "data.yaml").write_text("train: images/train\nnames: [cat, dog, cow]\n")
    write_labels(folder, 0, "0 0.5 0.5 0.5 0.5\n0 0.2 0.2 0.125 0.1\n")
    found = survey(folder)
    cat, cow, dog = (found.classes[name] for name in ("cat", "cow", "dog"))
    assert (cat.objects, cat.photos) == (7, 6)
    assert (dog.objects, dog.photos) == (5, 5)
    assert (cow.objects, cow.quantiles, cow.tiny) == (0, {}, 0)
    assert cat.tiny == pytest.approx(1 / 7)
    assert 24 < cat.quantiles[0.5] < 40
    assert found.warnings == ["no box of cow", "boxes of less than 16 px: 1, first images/train/0.png"]
    assert not found.broken


def test_broken_files_do_not_stop_it(folder: Path) -> None:
    """Each broken file is named with its reason, and all others are counted."""
    write_labels(folder, 0, "0 0.5 0.5 0.1\n")
    write_labels(folder, 1, "7 0.5 0.5 0.1 0.1\n")
    write_labels(folder, 2, "0 0.5 0.5 0 0.1\n")
    (folder / "images" / "train" / "3.png").write_bytes(b"no image")
    found = survey(folder)
    reasons = [error.message.rpartition("/")[2] for error in found.broken]
    assert reasons == [
        "0.txt: line 1: 3 numbers follow the class; a box has 4, a polygon 6, 8, 10, ...",
        "1.txt: line 1: class 7, but data.yaml names 0 to 1",
        "2.txt: line 1: box (0.5, 0.5, 0.0, 0.1) lies outside its 96 x 64 photo or has no area",
        "3.png: the bytes are no image",
    ]
    assert (found.listed, found.classes["cat"].photos) == (6, 2)


def test_a_split_whose_list_is_broken_is_broken(folder: Path) -> None:
    """A split that cannot be listed counts as broken, with the reason."""
    (folder / "data.yaml").write_text("train: nowhere\nnames: [cat]\n")
    found = survey(folder)
    assert found.listed == 0
    assert "nowhere does not exist" in found.broken[0].message


def test_odd_photos_and_boxes_are_counted(folder: Path) -> None:
    """Photos without boxes, doubled boxes, one-pixel photos, grey and CMYK ones: counted, not refused."""
    (folder / "labels" / "train" / "0.txt").unlink()
    write_labels(folder, 1, "0 0.5 0.5 0.5 0.5\n0 0.5 0.5 0.49 0.5\n1 0.5 0.5 0.5 0.5\n")
    write_labels(folder, 2, "0 0.5 0.5 1 1\n")
    write_photo(folder, 2, Image.new("RGB", (1, 64)))
    write_photo(folder, 3, Image.new("L", (96, 64)))
    Image.new("CMYK", (96, 64)).save(folder / "images" / "train" / "4.jpg")
    found = survey(folder)
    assert not found.broken
    assert found.warnings == [
        "photos without a box: 1, first images/train/0.png",
        "boxes on top of another of their class: 1, first images/train/1.png",
        "boxes of less than 16 px: 1, first images/train/2.png",
        "photos one pixel wide or high: 1, first images/train/2.png",
        "grey photos (fine): 1, first images/train/3.png",
        "CMYK photos (fine): 1, first images/train/4.jpg",
    ]


def test_difficult_boxes_are_named(tmp_path: Path) -> None:
    """A class and a photo of nothing but boxes flagged difficult are warned of; the boxes still count."""
    folder = draw_voc(tmp_path / "voc", train=2, val=0)
    for xml in (folder / "Annotations").glob("*.xml"):
        flagged = xml.read_text().replace("<name>cat</name>", "<name>cat</name><difficult>1</difficult>")
        xml.write_text(flagged)
    found = survey(folder, classes=("cat",))
    assert (found.classes["cat"].objects, found.classes["cat"].difficult) == (2, 2)
    assert found.warnings == [
        "every box is flagged difficult: cat",
        "photos whose boxes are all flagged difficult: 2, first drawn_0000",
    ]


def test_photos_of_another_size_are_named(tmp_path: Path) -> None:
    """Boxes that were drawn on a photo before it was turned or made smaller are warned of; 0 says nothing."""
    voc, coco = (
        draw_voc(tmp_path / "voc", train=3, val=0),
        draw_coco(tmp_path / "coco", split="train", count=3),
    )
    for index, size in enumerate(((64, 96), (96, 64), (0, 0))):
        xml = voc / "Annotations" / f"drawn_{index:04d}.xml"
        said = f"<annotation><size><width>{size[1]}</width><height>{size[0]}</height></size>"
        xml.write_text(xml.read_text().replace("<annotation>", said))
    instances = coco / "annotations" / "instances_train.json"
    content = json.loads(instances.read_text())
    for image, size in zip(content["images"], ((64, 96), (640, 960)), strict=False):
        image["height"], image["width"] = size
    instances.write_text(json.dumps(content))
    kind = "photos of another size than their boxes were drawn on: 1, first"
    assert survey(voc).warnings == [f"{kind} drawn_0001"]
    assert survey(coco).warnings == [f"{kind} train/1.png"]


def test_classes_are_chosen_after_renaming(folder: Path) -> None:
    """Two classes read as one are counted together; a mistyped one has no box."""
    renames = {"cat": "pet", "dog": "pet", "tabby": "pet"}
    found = survey(folder, classes=("pet", "unicorn"), renames=renames)
    assert {name: count.objects for name, count in found.classes.items()} == {"pet": 12, "unicorn": 0}
    assert found.warnings == ["no box of unicorn", "renamed, but no box has it: tabby"]


def test_damaged_pixels_are_found_when_asked_for(folder: Path) -> None:
    """A photo whose header is fine and whose pixels are cut off is broken when every photo is decoded."""
    photo = folder / "images" / "train" / "0.png"
    photo.write_bytes(photo.read_bytes()[:2000])
    assert not survey(folder).broken
    assert "0.png: the PNG is damaged" in survey(folder, pixels=True).broken[0].message


def test_the_sheet_leaves_damaged_photos_out(folder: Path) -> None:
    """What cannot be drawn is counted as broken, and the others keep their boxes."""
    photo = folder / "images" / "train" / "0.png"
    photo.write_bytes(photo.read_bytes()[:2000])
    found = survey(folder)
    images, classes = sheet_images([found], Wanted()) or ([], None)
    assert len(images) == 5
    assert len(found.broken) == 1
    assert classes is not None
    assert classes.names == ("background", "cat", "dog")
    assert all([box.label for box in image.boxes] == [1, 2] for image in images)


def test_the_sample_is_even_and_repeatable(tmp_path: Path) -> None:
    """A dozen photos are drawn from all of a split, the same ones every time."""
    folder = draw_yolo(tmp_path / "yolo", train=40, val=0)
    names = [entry.name for entry in survey(folder).sample]
    assert len(set(names)) == SAMPLE
    assert names == [entry.name for entry in survey(folder).sample]
    assert any(int(Path(name).stem) >= 20 for name in names)


@pytest.mark.parametrize(
    ("boxes", "doubles"),
    [
        ([Box(1, 0, 0, 10, 10)], 0),
        ([Box(1, 0, 0, 10, 10), Box(1, 0, 0, 10, 10), Box(1, 0, 0, 10, 10)], 2),
        ([Box(1, 0, 0, 10, 10), Box(2, 0, 0, 10, 10)], 0),
        ([Box(1, 0, 0, 10, 10), Box(1, 0, 0, 10, 8)], 0),
        ([Box(1, 0, 0, 10, 10), Box(1, 20, 20, 30, 30), Box(1, 0, 0, 10, 9)], 1),
    ],
    ids=["one", "three times the same", "other class", "smaller", "nearly"],
)
def test_doubles(boxes: list[Box], doubles: int) -> None:
    """Boxes of one class that overlap by nine tenths are one object drawn twice."""
    assert count_doubles(boxes) == doubles


def test_as_json_it_says_all(folder: Path) -> None:
    """The JSON form holds each number, and every broken file."""
    write_labels(folder, 0, "nonsense\n")
    said = survey(folder).as_dict()
    assert said["photos"] == 6
    assert said["classes"]["cat"]["objects"] == 5
    assert set(said["classes"]["cat"]["side_px"]) == {"5%", "50%", "95%"}
    assert np.isfinite(list(said["classes"]["cat"]["side_px"].values())).all()
    assert len(said["broken"]) == 1
