from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from cli.__main__ import app
from contract.classes import ClassMap
from contract.geometry import FitRule
from contract.manifest import Origin, read_manifest, verify_files
from training.checkpoint import Checkpoint, save_checkpoint
from training.networks.box2seg import Box2Seg
from training.networks.segmentation import NetworkSpec

SPEC = NetworkSpec(encoder="test_resnet", classes=2, width=8, embedding=4, shared_decoder=True)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give the folder of a run that trained nothing."""
    torch.manual_seed(0)
    checkpoint = Checkpoint(
        classes=ClassMap(("background", "cat")),
        fit=FitRule(96),
        network=SPEC,
        weights=Box2Seg(SPEC).state_dict(),
        recipe={},
        origin=Origin("tiny", "drawn train", "boxes", 0, "0123abc", "a test", 0.0),
        scores={"val mIoU2": 0.5},
    )
    save_checkpoint(checkpoint, tmp_path)
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
    manifest = read_manifest(root / "pets" / "1")
    verify_files(manifest, root / "pets" / "1")
    assert (manifest.name, manifest.version, manifest.scores) == ("pets", 1, {"val mIoU2": 0.5})


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
