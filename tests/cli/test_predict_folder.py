"""Folders of photos to folders of masks, and the verb that does it."""

import sys
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli.errors import Verbs
from cli.predict import predict
from serving.batch.outputs import OWN, REPORT
from tests.serving.colours import CLASSES, draw_photo, encode, publish_colours, read_labels


def run(*arguments: object) -> Result:
    """Run the verb as from a terminal; gives what click tells of it."""
    app = typer.Typer(cls=Verbs, pretty_exceptions_enable=False)
    app.command()(predict)
    app.command("other")(lambda: None)  # with one command alone typer would take no verb
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def masks(out: Path) -> list[str]:
    """List what lies in a folder of masks, but for what the batch keeps for itself."""
    files = (path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file())
    return sorted(file for file in files if file != REPORT and not file.startswith(OWN))


def test_masks_lie_as_the_photos_do(tmp_path: Path, photos: Path) -> None:
    """Good photos get masks of their own size in the same places; bad ones are named; the exit code tells."""
    publish_colours(tmp_path / "models")
    out = tmp_path / "masks"
    result = run(photos, "--out", out, "--repository", tmp_path / "models")
    assert result.exit_code == 1, result.output
    assert masks(out) == ["deep/second.png", "first.png"]
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
    assert masks(tmp_path / "o") == [f"cat{suffix}"]


def test_masks_never_overwrite_photos(tmp_path: Path) -> None:
    """Masks that would lie among the photos, or in a photo's place, are refused; the photo stays."""
    publish_colours(tmp_path / "models")
    folder = tmp_path / "photos"
    folder.mkdir()
    photo = encode(draw_photo())
    (folder / "a.png").write_bytes(photo)
    among = run(folder, "--out", folder, "--repository", tmp_path / "models")
    assert among.exit_code == 2
    assert "among the photos" in among.output
    for source in (folder / "a.png", tmp_path):
        result = run(source, "--out", folder, "--repository", tmp_path / "models", "--fresh")
        assert (folder / "a.png").read_bytes() == photo, result.output
    assert "is there already, and not of this batch" in run_again(folder, tmp_path).output


def run_again(folder: Path, tmp_path: Path) -> Result:
    return run(folder / "a.png", "--out", folder, "--repository", tmp_path / "models")


def test_two_photos_never_share_a_mask(tmp_path: Path) -> None:
    """Of photos whose masks would have one name the first has it; the others are named, with it."""
    publish_colours(tmp_path / "models")
    photos = [tmp_path / "a" / "same.png", tmp_path / "a" / "same.bmp", tmp_path / "b" / "same.png"]
    for photo in photos:
        photo.parent.mkdir(exist_ok=True)
        photo.write_bytes(encode(draw_photo(), photo.suffix[1:].upper()))
    result = run(*photos, "--out", tmp_path / "o", "--repository", tmp_path / "models")
    assert result.exit_code == 1
    assert f"{photos[1]}: its masks would be those of {photos[0]}" in result.output
    assert f"{photos[2]}: has the name of {photos[0]}" in result.output
    assert "1 of 3 photos" in result.output


def test_empty_folder_is_refused(tmp_path: Path) -> None:
    """A folder without photos says what photos end in."""
    publish_colours(tmp_path / "models")
    (tmp_path / "empty").mkdir()
    result = run(tmp_path / "empty", "--out", tmp_path / "o", "--repository", tmp_path / "models")
    assert result.exit_code == 2
    assert ".webp" in result.output


def test_missing_photo_is_named(tmp_path: Path) -> None:
    """A photo that does not exist is a bad photo, by name."""
    publish_colours(tmp_path / "models")
    result = run(tmp_path / "none.jpg", "--out", tmp_path / "o", "--repository", tmp_path / "models")
    assert result.exit_code == 1
    assert "none.jpg" in result.output


def test_photos_larger_than_the_gateways_limit_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable that says it to the gateway says it here; the photo is named with both numbers."""
    publish_colours(tmp_path / "models")
    (tmp_path / "large.png").write_bytes(encode(draw_photo()))
    monkeypatch.setenv("BOX2SEG_MAX_PIXELS", "1000")
    result = run(tmp_path / "large.png", "--out", tmp_path / "o", "--repository", tmp_path / "models")
    assert result.exit_code == 1
    assert "6,144 pixels, the limit is 1,000" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--ray-workers", "2"], "add --ray ADDRESS"),
        (["--ray", "auto", "--server", "http://127.0.0.1:1"], "leave --ray or --server out"),
        (["--ray", "auto", "--ray-workers", "none"], "expected a number such as 8, or 2-64"),
        (["--ray", "ray://head:10001"], "Ray Client does not do for this"),
    ],
)
def test_a_clusters_options_go_together(photos: Path, tmp_path: Path, words: list[str], said: str) -> None:
    """What does not go together, or makes no sense, is refused before anything is begun."""
    result = run(photos, *words, "--out", tmp_path / "o")
    assert result.exit_code == 2
    assert said in result.output
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("package", "extra", "words"),
    [
        ("pyarrow", "batch", ["--format", "parquet"]),
        ("av", "batch", ["film.mp4"]),
        ("ray", "ray", ["--ray", "local"]),
    ],
)
def test_missing_packages_are_named_at_once(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch, package: str, extra: str, words: list[str]
) -> None:
    """What the last file or the last source needs is asked for before the first photo."""
    publish_colours(tmp_path / "models")
    monkeypatch.chdir(tmp_path)
    Path("film.mp4").touch()
    monkeypatch.setitem(sys.modules, package, None)
    result = run(photos, *words, "--out", tmp_path / "o", "--repository", tmp_path / "models")
    assert result.exit_code == 2
    assert f"needs the package {package}" in result.output
    assert f".[{extra}]" in result.output
    assert not (tmp_path / "o").exists()
