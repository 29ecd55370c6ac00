from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from contract.history import read_history
from contract.manifest import read_manifest, verify_files
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
