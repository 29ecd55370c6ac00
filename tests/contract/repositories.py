"""A model's folder with versions that are real enough for the registry, and the gate's verdicts on them."""

import dataclasses
from pathlib import Path

from contract.classes import class_map
from contract.geometry import FitRule
from contract.manifest import (
    MODEL_FILE,
    Manifest,
    Origin,
    Tensor,
    file_sha256,
    manifest_sha256,
    read_manifest,
    write_manifest,
)
from contract.verdict import Check, Verdict, report_folder, write_verdict

GOOD = Check("mIoU", True, "0.82 against 0.80", "no less than 0.80")
BAD = Check("class cow", False, "0.51 against 0.76", "no less than 0.73")


def add_version(model: Path, version: int) -> Path:
    """Put a version into a model's folder, as if it had been copied there; gives its folder."""
    folder = model / str(version)
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_bytes(f"weights of {version}".encode())
    free = (-1, -1, -1)
    manifest = Manifest(
        name=model.name,
        version=version,
        classes=class_map(["cat", "dog"]),
        fit=FitRule(384),
        inputs=(Tensor("image", "uint8", (*free, 3)),),
        outputs=(Tensor("labels", "uint8", free), Tensor("confidence", "uint8", free)),
        files={MODEL_FILE: file_sha256(folder / MODEL_FILE)},
        parity={"onnxruntime label agreement": 0.9999},
        scores={"val mIoU3": 0.7 + version / 100},
        origin=Origin("voc_boxes", "voc_animals train", "boxes", 0, "0123abc", "a laptop", 1.5),
        created="2026-11-21T12:00:00+00:00",
    )
    write_manifest(manifest, folder)
    return folder


def judge(model: Path, version: int, *, against: int | None, checks: tuple[Check, ...] = (GOOD,)) -> Verdict:
    """Write the gate's verdict on a version."""
    manifest = read_manifest(model / str(version))
    when, where = "2026-11-21T13:00:00+00:00", "a laptop, 2 threads"
    verdict = Verdict(
        version,
        against,
        manifest.files,
        checks,
        when,
        "0123abc",
        where,
        manifest_sha256=manifest_sha256(manifest),
    )
    write_verdict(verdict, report_folder(model, version))
    return verdict


def change_manifest(folder: Path, **fields: object) -> None:
    """Write a version's manifest anew with these fields."""
    write_manifest(dataclasses.replace(read_manifest(folder), **fields), folder)
