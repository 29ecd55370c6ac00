import dataclasses
import shutil
from pathlib import Path

import pytest

from contract.errors import CheckpointError
from contract.manifest import read_manifest, verify_files
from export.agreement import LEAST_AGREEMENT
from export.draft import export_checkpoint
from export.pictures import drawn_pictures
from training.checkpoint import Checkpoint


def test_draft_says_all_a_server_must_know(exported: Path, checkpoint: Checkpoint) -> None:
    """The draft has the checkpoint's classes, fit and origin, the parity measured and the file's sha256."""
    draft = read_manifest(exported)
    assert (draft.classes, draft.fit, draft.origin) == (
        checkpoint.classes,
        checkpoint.fit,
        checkpoint.origin,
    )
    assert draft.parity["onnxruntime label agreement"] >= LEAST_AGREEMENT
    verify_files(draft, exported)


def test_scores_of_unseen_classes_are_left_out(exported: Path) -> None:
    """NaN, which JSON cannot say, is not in the manifest."""
    assert read_manifest(exported).scores == {"val mIoU4": 0.5}
    assert "NaN" not in (exported / "manifest.json").read_text()


def test_exporting_again_replaces_the_export(
    exported: Path, tmp_path: Path, other_checkpoint: Checkpoint
) -> None:
    """The folder holds the newest export and nothing else."""
    first = read_manifest(shutil.copytree(exported, tmp_path, dirs_exist_ok=True))
    second = export_checkpoint(other_checkpoint, tmp_path, photos=drawn_pictures()[:1])
    assert first.files != second.files
    assert read_manifest(tmp_path) == second
    verify_files(second, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "model.onnx"]


def test_a_failed_export_leaves_the_earlier_one(
    exported: Path, tmp_path: Path, checkpoint: Checkpoint
) -> None:
    """Where a checkpoint's weights do not fit, the export that was there stays whole."""
    earlier = read_manifest(shutil.copytree(exported, tmp_path, dirs_exist_ok=True))
    damaged = dataclasses.replace(checkpoint, weights={})
    with pytest.raises(CheckpointError):
        export_checkpoint(damaged, tmp_path, photos=drawn_pictures()[:1])
    verify_files(earlier, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "model.onnx"]
