"""From a checkpoint to an exported folder: the ONNX file, proved, and the draft of its manifest."""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from contract.arrays import Uint8
from contract.manifest import MANIFEST_FILE, MODEL_FILE, Manifest, file_sha256, write_manifest
from export.agreement import Parity, check_agreement
from export.deployable import Deployable
from export.onnx import read_tensors, write_onnx
from export.parity import measure_parity
from export.storage import Weights
from training.checkpoint import Checkpoint

DRAFT_NAME = "draft"
DRAFT_VERSION = 0
"""No published version has it; publishing gives name and version."""


def export_checkpoint(
    checkpoint: Checkpoint, folder: Path, *, photos: Sequence[Uint8], weights: Weights = "float32"
) -> Manifest:
    """
    Write a checkpoint's network as ONNX and prove that it is the same.

    Args:
        checkpoint: The trained network.
        folder: Made if need be; an earlier export in it is replaced once the new one is proved.
        photos: (H, W, 3) uint8 RGB each; parity is measured on them.
        weights: The type in which the file keeps them; parity is with the unrounded ones either way.

    Returns:
        The draft of the manifest, as written.

    Raises:
        ExportError: If the network cannot be written as ONNX.
        ParityError: If an engine's labels differ from torch's in too many pixels.
    """
    deployable = Deployable(checkpoint.segmentation())
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".export-") as workshop:
        notes = {**_notes(checkpoint), "weights": weights}
        model = write_onnx(deployable, Path(workshop) / MODEL_FILE, notes=notes, weights=weights)
        draft = _draft(checkpoint, model, measure_parity(deployable, model, photos, checkpoint.fit))
        check_agreement(draft.parity)
        write_manifest(draft, Path(workshop))
        _move_in(Path(workshop), folder)
    return draft


def _draft(checkpoint: Checkpoint, model: Path, parity: Sequence[Parity]) -> Manifest:
    inputs, outputs = read_tensors(model)
    return Manifest(
        name=DRAFT_NAME,
        version=DRAFT_VERSION,
        classes=checkpoint.classes,
        fit=checkpoint.fit,
        inputs=inputs,
        outputs=outputs,
        files={MODEL_FILE: file_sha256(model)},
        parity={name: share for record in parity for name, share in record.named().items()},
        # JSON has no word for NaN, the score of a class that no photo showed.
        scores={name: score for name, score in checkpoint.scores.items() if math.isfinite(score)},
        origin=checkpoint.origin,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _notes(checkpoint: Checkpoint) -> dict[str, str]:
    return {
        "producer": "box2seg",
        "classes": ",".join(checkpoint.classes.names),
        "recipe": checkpoint.origin.recipe,
        "commit": checkpoint.origin.commit,
    }


def _move_in(workshop: Path, folder: Path) -> None:
    """Replace an earlier export; killed half-way, no manifest is left that speaks of another file."""
    (folder / MANIFEST_FILE).unlink(missing_ok=True)
    for name in (MODEL_FILE, MANIFEST_FILE):
        (workshop / name).replace(folder / name)
