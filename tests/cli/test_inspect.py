import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from cli.__main__ import app
from cli.inspect import guess
from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import class_map
from contract.images import read_image
from tests.drawing import draw_voc
from tests.untrained import untrained
from training.checkpoint import save_checkpoint
from training.datasets import open_dataset
from training.priors.grabcut import GrabCut


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with a checkpoint that has learned nothing and a drawn VOC folder."""
    save_checkpoint(untrained("cat", "dog"), tmp_path)
    draw_voc(tmp_path / "voc", train=1, val=1)
    return tmp_path


def inspect(folder: Path, photo: object, *words: object) -> Result:
    out = folder / "seen.png"
    return CliRunner().invoke(app, ["inspect", str(folder), str(photo), "--out", str(out), *map(str, words)])


def test_a_file_with_boxes(folder: Path) -> None:
    """A photo's file, with a box and a pixel, becomes a picture; its path alone is printed."""
    photo = folder / "voc" / "JPEGImages" / "drawn_0000.jpg"
    result = inspect(folder, photo, "--box", "cat:2,3,30,40", "--box", "dog:50,3,80,40", "--pixel", "10,20")
    assert (result.exit_code, result.stdout) == (0, f"{folder / 'seen.png'}\n"), result.stderr
    with Image.open(folder / "seen.png") as picture:
        assert picture.size[0] > 900


def test_a_photo_of_a_data_set(folder: Path) -> None:
    """With --data boxes and truth come from there; a missing mask is said aloud."""
    result = inspect(folder, "drawn_0001", "--data", folder / "voc")
    assert (result.exit_code, result.stderr) == (0, "")
    (folder / "voc" / "SegmentationClass" / "drawn_0001.png").unlink()
    result = inspect(folder, "drawn_0001", "--data", folder / "voc")
    assert result.exit_code == 0
    assert "drawn without ground truth" in result.stderr


def given_masks(folder: Path, recipe: dict[str, object]) -> tuple[dict[str, Uint8], AnnotatedImage]:
    """Give what a run of this recipe shows beside the prediction, and of which photo."""
    dataset = open_dataset(folder / "voc", class_map(("cat", "dog")))
    image = dataset.load("val").images[0]
    checkpoint = untrained("cat", "dog")
    return guess(dataclasses.replace(checkpoint, recipe=checkpoint.recipe | recipe), image), image


def test_the_prior_is_the_runs_own(folder: Path) -> None:
    """A run that learned from filled boxes shows them, one with two rounds of GrabCut these two."""
    filled, image = given_masks(folder, {"prior": "boxes"})
    (everything,) = filled.items()
    assert everything[0] == "everything in the boxes"
    assert all((everything[1][box.slices] > 0).all() for box in image.boxes)
    cut, _ = given_masks(folder, {"grabcut_iterations": 2})
    wanted = GrabCut(iterations=2).guess(read_image(image.path), image.boxes)
    assert np.array_equal(cut["GrabCut in the boxes"], wanted)
    assert not np.array_equal(wanted, everything[1])


def test_a_prior_that_is_gone_is_said(folder: Path) -> None:
    """Where the run's teacher was moved away, the picture is drawn without it, and that is said."""
    checkpoint = untrained("cat", "dog")
    taught = {"prior": "teacher", "teacher": str(folder / "gone")}
    save_checkpoint(dataclasses.replace(checkpoint, recipe=checkpoint.recipe | taught), folder)
    result = inspect(folder, "drawn_0001", "--data", folder / "voc")
    assert result.exit_code == 0
    assert f"drawn without the run's prior: {folder / 'gone'}: no checkpoint" in result.stderr
    assert (folder / "seen.png").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pixel", "12"], "--pixel: expected 2 whole numbers separated by commas, got '12'"),
        (["--pixel", "12,999"], "pixel 12,999 lies outside"),
        (["--box", "bird:1,2,3,4"], "no class 'bird'\n  hint: the run knows cat, dog"),
        (["--box", "cat:1,2,3"], "--box: expected 4 whole numbers separated by commas, got '1,2,3'"),
        (["--box", "cat:1,2,999,20"], "lies outside the photo of 96 x 64"),
        (["--out", "seen.gif"], "a picture's name ends in .png, .jpg, .jpeg"),
    ],
)
def test_wrong_words_are_refused(folder: Path, words: list[str], said: str) -> None:
    """What cannot be read or does not fit the photo is a sentence, and nothing is written."""
    result = inspect(folder, folder / "voc" / "JPEGImages" / "drawn_0000.jpg", *words)
    assert result.exit_code == 2
    assert said in result.stderr
    assert not (folder / "seen.png").exists()


def test_an_unknown_photo_is_refused(folder: Path) -> None:
    """A name that the split has not is answered with one that it has."""
    result = inspect(folder, "drawn_0000", "--data", folder / "voc")
    assert result.exit_code == 2
    assert "no usable photo 'drawn_0000' in val" in result.stderr
    assert "such as drawn_0001" in result.stderr


def test_boxes_come_from_one_place(folder: Path) -> None:
    """Boxes of a data set and boxes typed do not go together."""
    result = inspect(folder, "drawn_0001", "--data", folder / "voc", "--box", "cat:1,2,30,40")
    assert result.exit_code == 2
    assert "leave one out" in result.stderr
