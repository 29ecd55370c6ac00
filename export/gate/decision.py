"""The decision about one candidate: looked at from the outside first, then beside the live version."""

import dataclasses
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from contract.errors import ConfigurationError, EngineError, ManifestError
from contract.images import read_image
from contract.manifest import MANIFEST_FILE, Manifest, manifest_sha256, read_manifest, verify_files
from contract.profile import write_profile
from contract.verdict import Check, Verdict, write_verdict
from export.gate.checks import (
    agreement_checks,
    cost_checks,
    enough_photos,
    precision_checks,
    safety_checks,
    score_checks,
)
from export.gate.contender import Contender, Opener, open_contender
from export.gate.cost import PHOTOS, peak_memory, time_side_by_side
from export.gate.findings import Findings, gather, write_findings
from export.gate.golden import Golden, compare, open_golden
from export.gate.package import package_problems
from export.gate.question import Question
from export.gate.report import draw_disagreements, write_report
from export.gate.signature import Pairs, class_problems, tensor_problems, translation
from training.datasets import open_dataset
from training.origin import code_commit, machine_name
from training.pictures import spread


def decide(question: Question, opener: Opener, report: Path, console: Console) -> Verdict:
    """
    Look at a candidate, and write what was found: verdict, figures, golden profile and report.

    A candidate that is unsafe is never opened in an engine.

    Args:
        question: What is to be decided.
        opener: Opens files in the engine that serves them.
        report: Folder to write into; made, and what it holds of an earlier look replaced.
        console: Where progress is shown.

    Raises:
        ConfigurationError: If the candidate is no folder.
        ManifestError: If the live version is damaged.
        DataError: If the golden set cannot be used.
        WriteError: If the report cannot be written.
    """
    _check_folder(question.candidate)
    live = _intact(question.live) if question.live else None
    manifest, problems = _from_outside(question, live)
    checks, findings = safety_checks(problems), Findings()
    if manifest is not None and all(check.passed for check in checks if check.name != "classes"):
        try:
            more, findings = _beside_live(question, manifest, live, opener, report, console)
            checks += more
        except EngineError as error:
            checks.append(Check("runs", False, error.message, "an answer to each golden photo"))
    verdict = Verdict(
        version=question.version,
        against=question.against,
        files=dict(manifest.files) if manifest else {},
        checks=tuple(checks),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=code_commit(),
        machine=machine_name(torch.device("cpu")),
        manifest_sha256=manifest_sha256(manifest) if manifest else "",
    )
    write_findings(dataclasses.replace(findings, candidate=_origin(manifest), live=_origin(live)), report)
    write_report(verdict, report)
    write_verdict(verdict, report)  # last: where it is, all else is
    return verdict


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        problem = "is a file; archives are not unpacked" if folder.is_file() else "is no folder"
        raise ConfigurationError(f"{folder} {problem}", hint="name a version's number, or an exported folder")


def _intact(folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    verify_files(manifest, folder)
    return manifest


def _from_outside(question: Question, live: Manifest | None) -> tuple[Manifest | None, dict[str, list[str]]]:
    """Give what is wrong with the files, by the check's name, and the manifest where it can be read."""
    folder = question.candidate
    try:
        if not (folder / MANIFEST_FILE).is_file():
            raise ManifestError(f"{MANIFEST_FILE}: missing")
        manifest = read_manifest(folder)
    except ManifestError as error:
        return None, {"files": [error.message]}
    problems: dict[str, list[str]] = {"package": package_problems(folder, manifest), "files": []}
    if problems["package"]:
        return manifest, problems
    try:
        verify_files(manifest, folder)
    except ManifestError as error:
        problems["files"].append(error.message)
        return manifest, problems
    problems["tensors"] = tensor_problems(manifest, folder, live)
    if live is not None:
        problems["classes"] = class_problems(manifest.classes, live.classes, question.pairs)
    return manifest, problems


def _beside_live(
    question: Question,
    manifest: Manifest,
    live: Manifest | None,
    opener: Opener,
    report: Path,
    console: Console,
) -> tuple[list[Check], Findings]:
    golden = open_golden(open_dataset(question.golden, manifest.classes, question.renames), question.split)
    candidate = open_contender(question.candidate, manifest, opener)
    other = _other(question.live, live, manifest, opener, question.pairs)
    fp32 = _other(question.fp32, None, manifest, opener, ()) if manifest.precision != "fp32" else None
    seen = compare(golden, candidate, other, fp32, console)
    contenders = [candidate, other] if other else [candidate]
    milliseconds, peaks = _costs(golden, contenders, opener, console)
    limits, split = question.limits, question.split
    checks = [
        enough_photos(seen, limits),
        *score_checks(seen, split, limits),
        *precision_checks(seen, split, manifest.parity, manifest.precision, limits),
        *agreement_checks(manifest.parity, seen, manifest.precision, limits),
        *cost_checks(milliseconds, peaks, limits),
    ]
    write_profile(seen.profile, report)
    photos = draw_disagreements(seen, golden, candidate, other, report) if other else []
    return checks, gather(seen, golden, limits, milliseconds, peaks, photos)


def _other(
    folder: Path | None, known: Manifest | None, candidate: Manifest, opener: Opener, pairs: Pairs
) -> Contender | None:
    """Open the version to compare with, its labels translated to the candidate's."""
    if folder is None:
        return None
    manifest = known or _intact(folder)
    return open_contender(folder, manifest, opener, translation(manifest.classes, candidate.classes, pairs))


def _costs(
    golden: Golden, contenders: list[Contender], opener: Opener, console: Console
) -> tuple[list[float], list[int]]:
    photos = [read_image(image.path) for image in spread(golden.images, PHOTOS)]
    with console.status("time and memory, side by side"):
        return (
            time_side_by_side(contenders, photos),
            [peak_memory(opener, contender, photos) for contender in contenders],
        )


def _origin(manifest: Manifest | None) -> dict[str, Any]:
    """Give what a version says of where it comes from."""
    if manifest is None:
        return {}
    parity = {name: share if math.isfinite(share) else None for name, share in manifest.parity.items()}
    known = {"created": manifest.created, "precision": manifest.precision, "parity": parity}
    return {**dataclasses.asdict(manifest.origin), **known, "files": manifest.files}
