import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.__main__ import app
from contract.classes import class_map
from tests.drawing import draw_coco, draw_voc, draw_yolo, random_shapes
from training.pictures import CELL, GAP


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_voc(tmp_path / "drawn", train=3, val=1)


def check(*arguments: object) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["data", "check", *map(str, arguments)])
    return result.exit_code, " ".join(result.stdout.split()), result.stderr


def test_sound_data(folder: Path) -> None:
    """All splits are shown, and the exit code is 0."""
    code, said, _ = check(folder)
    assert code == 0
    assert "drawn, VOC layout" in said
    assert "train: 3 photos, 0 broken" in said
    assert "val: 1 photos, 0 broken" in said


@pytest.mark.parametrize("layout", ["VOC", "COCO", "YOLO"])
def test_every_layout_is_recognised(layout: str, tmp_path: Path) -> None:
    """The folder alone says which format it has; JSON holds the counts and nothing else is on stdout."""
    root = tmp_path / "data"
    if layout == "COCO":
        draw_coco(root, split="train", count=2)
    else:
        (draw_voc if layout == "VOC" else draw_yolo)(root, train=2, val=1)
    code, said, _ = check(root, "--split", "train", "--json")
    content = json.loads(said)
    assert code == 0
    assert content["layout"] == layout
    assert content["splits"]["train"]["classes"]["dog"]["objects"] == 2
    assert list(content["splits"]) == ["train"]


def test_broken_files_are_named_and_counted(folder: Path) -> None:
    """Each broken file stands with its reason, others are counted, and the exit code is 1."""
    (folder / "Annotations" / "drawn_0000.xml").write_text("<annotation>")
    (folder / "JPEGImages" / "drawn_0001.jpg").unlink()
    code, said, _ = check(folder, "--split", "train")
    assert code == 1
    assert "train: 3 photos, 2 broken" in said
    assert "drawn_0000.xml: broken XML" in said
    assert "drawn_0001.jpg: no such file" in said


def test_only_twenty_broken_files_fill_the_terminal(tmp_path: Path) -> None:
    """The first twenty are shown with the number of the others; JSON has all."""
    folder = draw_voc(tmp_path / "drawn", train=22, val=0)
    for xml in (folder / "Annotations").glob("*.xml"):
        xml.write_text("<annotation>")
    _, said, _ = check(folder, "--split", "train")
    assert said.count("broken XML") == 20
    assert "and 2 more; --json names all" in said
    _, said, _ = check(folder, "--split", "train", "--json")
    assert len(json.loads(said)["splits"]["train"]["broken"]) == 22


def test_classes_and_renames(folder: Path) -> None:
    """Classes are chosen by their new names; what has no box is warned of."""
    code, said, _ = check(
        folder, "--classes", "pet,cow", "--rename", "cat=pet", "--rename", "dog=pet", "--json"
    )
    train = json.loads(said)["splits"]["train"]
    assert code == 0
    assert {name: count["objects"] for name, count in train["classes"].items()} == {"pet": 6, "cow": 0}
    assert train["warnings"] == ["no box of cow"]


def test_a_sheet_to_look_at(folder: Path) -> None:
    """The sheet holds a cell per photo, and each box's edges in its class's colour."""
    path = folder / "look" / "sheet.png"
    code, _, said = check(folder, "--sheet", path)
    assert code == 0
    assert f"sheet: {path}" in said
    with Image.open(path) as sheet:
        assert (sheet.format, sheet.size) == ("PNG", (1280, 320))
        pixels = np.asarray(sheet)
    colours = class_map(("cat", "dog")).colours
    for cell in range(4):  # drawn 0 to 3, of 96 x 64, each at its cell's upper left
        for (_, left, top, right, bottom), colour in zip(random_shapes(cell), colours[1:], strict=True):
            x, y = cell * CELL + GAP // 2, GAP // 2
            assert (pixels[y + bottom - 1, x + left : x + right] == colour).all()
            assert (pixels[y + top : y + bottom, x + right - 1] == colour).all()


def test_a_sheet_is_what_its_name_says(folder: Path) -> None:
    """A .jpg is a JPEG; another ending is refused before anything is read."""
    assert check(folder, "--sheet", folder / "sheet.jpg")[0] == 0
    with Image.open(folder / "sheet.jpg") as sheet:
        assert sheet.format == "JPEG"
    code, _, said = check(folder, "--sheet", folder / "sheet.gif")
    assert code == 2
    assert "a picture's name ends in .png, .jpg, .jpeg" in said


def test_no_sheet_of_no_boxes(folder: Path) -> None:
    """Where no photo has a box there is nothing to draw, and that is said."""
    code, _, said = check(folder, "--classes", "cow", "--sheet", folder / "sheet.jpg")
    assert code == 0
    assert "no photo with a box: no sheet" in said
    assert not (folder / "sheet.jpg").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--split", "test"], "no split test\n  hint: there are: train, val"),
        (["--rename", "tabby"], "expected OLD=NEW"),
    ],
    ids=["split", "rename"],
)
def test_what_cannot_be_asked(arguments: list[str], words: str, folder: Path) -> None:
    """A question that cannot be answered is refused in a sentence, with exit code 2."""
    code, _, said = check(folder, *arguments)
    assert code == 2
    assert words in said


def test_a_folder_of_no_layout(tmp_path: Path) -> None:
    """A folder of no known layout is refused with the three that are known."""
    code, _, said = check(tmp_path)
    assert code == 2
    assert all(word in said for word in ("VOC", "COCO", "YOLO", "data.yaml"))
