"""From a checkpoint to an exported folder: the ONNX file, proved, and the draft of its manifest."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from contract.arrays import Uint8
from contract.errors import ConfigurationError
from contract.manifest import MANIFEST_FILE, MODEL_FILE, Manifest, file_sha256, write_manifest
from export.agreement import KEPT, MARGIN, Parity, check_agreement
from export.deployable import Deployable
from export.lowering import lowering
from export.onnx import read_tensors, write_onnx
from export.parity import file_runners, measure_parity
from export.quality import Truth, measure_quality
from export.storage import Weights
from training.checkpoint import Checkpoint

DRAFT_NAME = "draft"
DRAFT_VERSION = 0
"""No published version has it; publishing gives name and version."""


def export_checkpoint(
    checkpoint: Checkpoint,
    folder: Path,
    *,
    photos: Sequence[Uint8],
    weights: Weights = "float32",
    precision: str = "fp32",
    calibration: Sequence[Uint8] = (),
    truth: Truth | None = None,
    margin: float = MARGIN,
    console: Console | None = None,
) -> Manifest:
    """
    Write a checkpoint's network as ONNX and prove that it is the same, or in fewer bits nearly as good.

    Args:
        checkpoint: The trained network.
        folder: Made if need be; an earlier export in it is replaced once the new one is proved.
        photos: (H, W, 3) uint8 RGB each; parity is measured on them.
        weights: The type in which an fp32 file keeps them; parity is with the unrounded ones either way.
        precision: What the file computes in, one of `contract.manifest.PRECISIONS`.
        calibration: (H, W, 3) uint8 RGB each, that int8's ranges are measured on.
        truth: Photos with masks, to score the file on as it is served, beside the network.
        margin: Largest share of fp32's mean IoU that fewer bits may lose.
        console: Where to show what goes on; nowhere if None.

    Returns:
        The draft of the manifest, as written.

    Raises:
        ConfigurationError: If options do not go together.
        ExportError: If the network cannot be written as ONNX in this precision.
        ParityError: If an engine's labels differ from torch's in too many pixels, or too much is lost.
    """
    if weights != "float32" and precision != "fp32":
        raise ConfigurationError(f"{precision} says itself how weights are kept", hint="leave --weights out")
    change = lowering(precision, calibration, checkpoint.fit)
    console = console or Console(quiet=True)
    deployable = Deployable(checkpoint.segmentation())
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".export-") as workshop:
        notes = {**_notes(checkpoint), "weights": weights, "precision": precision}
        path = Path(workshop) / MODEL_FILE
        with console.status(f"writing ONNX and comparing it with torch on {len(photos)} pictures"):
            model = write_onnx(deployable, path, notes=notes, weights=weights, change=change)
            records = measure_parity(deployable, model, photos, checkpoint.fit, precision)
        draft = _draft(checkpoint, model, records, precision)
        if truth is not None:
            draft = _measured(draft, model, checkpoint, truth, console)
        check_agreement(draft.parity, precision, margin=margin)
        write_manifest(draft, Path(workshop))
        _move_in(Path(workshop), folder)
    return draft


def _draft(checkpoint: Checkpoint, model: Path, parity: Sequence[Parity], precision: str) -> Manifest:
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
        # The checkpoint's scores are those of fp32, and say nothing of fewer bits.
        scores=_finite(checkpoint.scores) if precision == "fp32" else {},
        origin=checkpoint.origin,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        precision=precision,
    )


def _measured(
    draft: Manifest, model: Path, checkpoint: Checkpoint, truth: Truth, console: Console
) -> Manifest:
    """Add the file's own scores, and the share of fp32's that they are."""
    *_, run = file_runners(model, draft.precision).values()  # OpenVINO, which serves, where it is installed
    scores, kept = measure_quality(checkpoint, run, truth, console)
    return dataclasses.replace(draft, scores=_finite(scores), parity={**draft.parity, KEPT: round(kept, 6)})


def _finite(scores: Mapping[str, float]) -> dict[str, float]:
    """Leave out NaN, the score of a class that no photo showed: JSON has no word for it."""
    return {name: score for name, score in scores.items() if math.isfinite(score)}


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
