"""A run with an export that is real enough to be published."""

import os
from pathlib import Path

from contract.classes import ClassMap
from contract.geometry import FitRule
from contract.manifest import Manifest, Origin, Tensor, file_sha256, write_manifest

MODEL_BYTES = 1_000_000


def make_run(folder: Path) -> Path:
    """Make a run's folder with a checkpoint and its export; publishing never looks into the model."""
    (folder / "export").mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"weights")
    (folder / "export" / "model.onnx").write_bytes(os.urandom(MODEL_BYTES))
    write_manifest(draft_of(folder / "export"), folder / "export")
    return folder


def draft_of(folder: Path) -> Manifest:
    """Give a draft that fits the folder's model."""
    return Manifest(
        name="draft",
        version=0,
        classes=ClassMap(("background", "cat")),
        fit=FitRule(96),
        inputs=(Tensor("image", "uint8", (-1, -1, -1, 3)),),
        outputs=(Tensor("labels", "uint8", (-1, -1, -1)),),
        files={"model.onnx": file_sha256(folder / "model.onnx")},
        parity={"onnxruntime label agreement": 0.9999},
        scores={"val mIoU2": 0.8},
        origin=Origin("tiny", "drawn", "boxes", 1, "0123abc", "a test", 0.1),
        created="",
    )
