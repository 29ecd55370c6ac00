from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from cli.__main__ import app
from contract.history import read_history
from contract.manifest import read_manifest, verify_files
from export.agreement import KEPT
from export.pictures import drawn_pictures
from tests.drawing import draw_voc
from tests.untrained import untrained
from training.checkpoint import save_checkpoint


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give the folder of a run that trained nothing."""
    save_checkpoint(untrained("cat", scores={"val mIoU2": 0.5}), tmp_path)
    return tmp_path


def test_export_then_publish(run: Path) -> None:
    """Two commands bring a run into a repository; each prints the folder it made, and only that."""
    exported = CliRunner().invoke(app, ["export", str(run)])
    assert exported.exit_code == 0, exported.stderr
    assert exported.stdout == f"{run / 'export'}\n"
    assert "onnxruntime label agreement" in exported.stderr

    root = run / "repository"
    published = CliRunner().invoke(app, ["publish", str(run), "--name", "pets", "--repository", str(root)])
    assert published.exit_code == 0, published.stderr
    assert published.stdout == f"{root / 'pets' / '1'}\n"
    assert "version 1, which is live" in published.stderr
    manifest = read_manifest(root / "pets" / "1")
    verify_files(manifest, root / "pets" / "1")
    assert (manifest.name, manifest.version, manifest.scores) == ("pets", 1, {"val mIoU2": 0.5})


def test_publishing_beside_a_live_version(run: Path) -> None:
    """A later version is a candidate; what is said next names the model and repository, and can be typed."""
    CliRunner().invoke(app, ["export", str(run)])
    root = run / "repository"
    words = ["publish", str(run), "--name", "pets", "--repository", str(root), "--who", "ann", "--why", "try"]
    CliRunner().invoke(app, words)
    second = CliRunner().invoke(app, words)
    assert second.stdout == f"{root / 'pets' / '2'}\n"
    assert "version 2 as a candidate; version 1 goes on answering" in second.stderr
    assert f"box2seg models promote 2 --model pets --repository {root}`" in second.stderr
    assert [(event.who, event.why) for event in read_history(root / "pets")] == [("ann", "try")] * 2


def test_export_of_nothing(tmp_path: Path) -> None:
    """A folder without a checkpoint is refused in a sentence, and stays empty."""
    refused = CliRunner().invoke(app, ["export", str(tmp_path)])
    assert refused.exit_code == 2
    assert "no checkpoint" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_publishing_what_was_not_exported(tmp_path: Path) -> None:
    """A run without an export is refused with the command to export it."""
    refused = CliRunner().invoke(app, ["publish", str(tmp_path), "--repository", str(tmp_path / "models")])
    assert refused.exit_code == 2
    assert f"box2seg export {tmp_path}" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("precision", ["fp16", "bf16", "int8"])
def test_every_precision_is_exported_and_published(run: Path, precision: str) -> None:
    """Untrained networks have no opinion to keep; with any loss allowed the draft says what was measured."""
    options = ["--precision", precision, "--margin", "1"]
    if precision == "int8":
        options += ["--calibrate", str(photos_in(run / "photos")), "--calibrate-photos", "2"]
    exported = CliRunner().invoke(app, ["export", str(run), *options])
    assert exported.exit_code == 0, exported.stderr
    draft = read_manifest(run / "export")
    assert draft.precision == precision
    assert draft.scores == {}, "the checkpoint's scores are of fp32"
    assert draft.parity["openvino mean IoU with fp32's labels"] > 0.5
    assert ("onnxruntime label agreement" in draft.parity) == (precision != "bf16")
    assert "mean IoU with fp32's labels" in exported.stderr

    root = run / "repository"
    published = CliRunner().invoke(app, ["publish", str(run), "--name", "pets", "--repository", str(root)])
    assert published.exit_code == 0, published.stderr
    assert read_manifest(root / "pets" / "1").precision == precision
    fits = CliRunner().invoke(app, ["engine", "config", str(root / "pets" / "1")])
    assert fits.exit_code == 0, fits.stdout


def test_fewer_bits_that_cost_too_much(run: Path) -> None:
    """What loses more than the margin is refused by its share, and no export is left."""
    undecided = untrained("cat")
    undecided.weights["segmentation.head.bias"] -= torch.tensor([0.0, 0.6])  # else it says cat everywhere
    save_checkpoint(undecided, run)
    photos = str(photos_in(run / "photos"))
    options = ["--precision", "int8", "--calibrate", photos, "--margin", "0"]
    refused = CliRunner().invoke(app, ["export", str(run), *options])
    assert refused.exit_code == 2
    assert "of fp32's mean IoU, by fp32's own labels; the least is 100.00%" in refused.stderr
    assert list((run / "export").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--precision", "int8"], "int8 needs photos to measure its ranges on"),
        (["--precision", "fp16", "--calibrate", "{photos}"], "fp16 measures no ranges"),
        (["--precision", "fp16", "--weights", "float16"], "leave --weights out"),
        (["--precision", "int8", "--calibrate", "{empty}"], "no photos"),
    ],
)
def test_options_that_do_not_go_together(run: Path, options: list[str], words: str) -> None:
    """Each is refused in a sentence before anything slow begins."""
    places = {"photos": photos_in(run / "photos"), "empty": run}
    given = [option.format(**places) for option in options]
    refused = CliRunner().invoke(app, ["export", str(run), *given])
    assert refused.exit_code == 2
    assert words in refused.stderr
    assert not (run / "export").exists()


def test_a_file_is_scored_as_it_is_served(tmp_path: Path) -> None:
    """With masks the manifest has the file's own scores; a file in fp32 has all of the network's mean IoU."""
    save_checkpoint(untrained("cat", "dog", scores={"val mIoU3": 0.5}), tmp_path / "run")
    data = draw_voc(tmp_path / "drawn", train=1, val=3)
    exported = CliRunner().invoke(app, ["export", str(tmp_path / "run"), "--data", str(data)])
    assert exported.exit_code == 0, exported.stderr
    draft = read_manifest(tmp_path / "run" / "export")
    assert draft.parity[KEPT] == pytest.approx(1, abs=0.01)  # ties of an untrained network may fall otherwise
    assert 0 < draft.scores["val mIoU3"] < 0.5
    assert "val mIoU3" in exported.stderr


def photos_in(folder: Path) -> Path:
    """Write two photos of different shapes into a folder."""
    folder.mkdir()
    for index, picture in enumerate(drawn_pictures()[:2]):
        Image.fromarray(picture).save(folder / f"{index}.jpg")
    return folder
