"""What the gate is asked: which candidate, beside which version, on which photos, within which limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.errors import ConfigurationError, ManifestError, UnknownModel
from contract.manifest import Manifest, published_versions, read_manifest
from contract.registry import read_standing
from contract.verdict import report_folder
from export.gate.limits import Limits
from export.gate.signature import Pairs

GATE_FOLDER = "gate"
"""Where the report of an export lies, beside it."""


@dataclass(frozen=True, slots=True)
class Question:
    """
    What is to be decided.

    Args:
        candidate: Folder of the candidate: a published version's, or an export's.
        version: Its number; 0 where it is not published.
        live: Folder of the version that it is compared with; None where there is none.
        against: That one's number.
        golden: Folder of the golden set.
        split: Of it.
        renames: New class name by the name in its annotations.
        limits: What is asked for.
        pairs: Classes that may be called otherwise than by the live version.
        fp32: Folder of the fp32 version that a candidate of fewer bits was made from.
    """

    candidate: Path
    version: int
    live: Path | None
    against: int | None
    golden: Path
    split: str = "val"
    renames: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    pairs: Pairs = ()
    fp32: Path | None = None


def ask(
    candidate: str, model: Path, *, against: int | None, report: Path | None, **others: Any
) -> tuple[Question, Path]:
    """
    Find the folders that a question is about.

    Args:
        candidate: A published version's number, or the path of an export.
        model: The model's folder in the repository.
        against: The version to compare with; the live one where None.
        report: Where the report goes; where None, into the registry, or beside the export.
        others: The question's fields of the same names.

    Returns:
        The question, and the folder for its report.

    Raises:
        UnknownModel: If a version is not there; names those there are.
        ConfigurationError: If the candidate is the version that it would be compared with.
        RegistryError: If the history cannot be read.
    """
    live = read_standing(model).live if against is None else against
    folder = _version_folder(model, live) if live is not None else None
    if not candidate.isdecimal():
        where = Path(candidate)
        question = Question(where, 0, folder, live, **others)
        return question, report or where.resolve().parent / GATE_FOLDER
    version = int(candidate)
    if others.get("fp32") is None:
        others["fp32"] = find_fp32(model, version)
    if version == live:
        raise ConfigurationError(
            f"version {version} would be compared with itself", hint="--against another version"
        )
    question = Question(_version_folder(model, version), version, folder, live, **others)
    return question, report or report_folder(model, version)


def find_fp32(model: Path, version: int) -> Path | None:
    """Give the fp32 version of the weights that one of fewer bits was made from, where it is published."""
    wanted = _manifest_of(model / str(version))
    if wanted is None or wanted.precision == "fp32":
        return None
    for other in reversed(published_versions(model)):
        found = _manifest_of(model / str(other))
        if found and found.precision == "fp32" and found.origin == wanted.origin:
            return model / str(other)
    return None


def _manifest_of(folder: Path) -> Manifest | None:
    """Give a version's manifest; none where it is damaged, which the gate says where it looks at it."""
    try:
        return read_manifest(folder)
    except ManifestError:
        return None


def _version_folder(model: Path, version: int) -> Path:
    folder = model / str(version)
    # Not by its manifest: a candidate without one is what the gate refuses.
    if not folder.exists():
        there = ", ".join(map(str, published_versions(model))) or "none"
        raise UnknownModel(f"{model.name} has no version {version}", hint=f"there are: {there}")
    return folder
