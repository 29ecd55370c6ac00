"""Folders of photos to folders of masks, and the verb that does it."""

from pathlib import Path

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cli.predict import predict
from contract.errors import DataError
from contract.jobs import plan_jobs
from tests.serving.colours import CLASSES, draw_photo, encode, publish_colours, read_labels


def run(*arguments: object) -> object:
    """Run the verb as from a terminal; gives what click tells of it."""
    app = typer.Typer()
    app.command()(predict)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def test_masks_lie_as_the_photos_do(tmp_path: Path, photos: Path) -> None:
    """Good photos get masks of their own size in the same places; bad ones are named; the exit code tells."""
    publish_colours(tmp_path / "models")
    out = tmp_path / "masks"
    result = run(photos, "--out", out, "--repository", tmp_path / "models")
    assert result.exit_code == 1, result.output
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*")) == [
        "deep/second.png",
        "first.png",
    ]
    assert read_labels((out / "deep" / "second.png").read_bytes()).shape == (70, 50)
    assert read_labels((out / "first.png").read_bytes())[32, 20] == CLASSES.index("red")
    assert "broken.jpg" in result.output
    assert "no_photo.png" in result.output
    assert "2 of 4 photos" in result.output


@pytest.mark.parametrize(("format", "suffix"), [("png", ".png"), ("overlay", ".jpg"), ("rle", ".json")])
def test_each_format_has_its_suffix(tmp_path: Path, format: str, suffix: str) -> None:
    """All formats of the server can be written, and a run without trouble ends with 0."""
    publish_colours(tmp_path / "models")
    photo = tmp_path / "cat.bmp"
    photo.write_bytes(encode(draw_photo(), "BMP"))
    result = run(photo, "--out", tmp_path / "o", "--repository", tmp_path / "models", "--format", format)
    assert result.exit_code == 0, result.output
    assert [path.name for path in (tmp_path / "o").iterdir()] == [f"cat{suffix}"]


def test_masks_never_overwrite_photos(tmp_path: Path) -> None:
    """Masks that would take the photos' own place are refused before anything is written."""
    (tmp_path / "a.png").write_bytes(encode(np.zeros((4, 4, 3), np.uint8)))
    with pytest.raises(DataError, match="overwrite a photo"):
        plan_jobs([tmp_path], tmp_path, suffix=".png")


def test_two_photos_never_share_a_mask(tmp_path: Path) -> None:
    """Photos whose masks would have one name are both named."""
    for name in ("a.png", "a.jpg"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match=r"a\.jpg and .*a\.png would both become"):
        plan_jobs([tmp_path], tmp_path / "out", suffix=".png")


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without photos says what photos end in."""
    with pytest.raises(DataError, match=r"\.webp"):
        plan_jobs([tmp_path], tmp_path / "out", suffix=".png")


def test_missing_photo_is_named(tmp_path: Path) -> None:
    """A photo that does not exist is a bad photo, by name."""
    publish_colours(tmp_path / "models")
    result = run(tmp_path / "none.jpg", "--out", tmp_path / "o", "--repository", tmp_path / "models")
    assert result.exit_code == 1
    assert "none.jpg" in result.output
