"""Published versions as the repository has them: found, and proved to be what their manifests say."""

from dataclasses import dataclass
from pathlib import Path

from contract.errors import ManifestError, UnknownModel
from contract.manifest import (
    CONFIDENCE,
    IMAGE,
    LABELS,
    Manifest,
    Tensor,
    published_versions,
    read_manifest,
    verify_files,
)
from contract.registry import read_standing

INPUTS = {IMAGE: "uint8"}
OUTPUTS = {LABELS: "uint8", CONFIDENCE: "uint8"}
"""What the engines send and expect; a version with other tensors is refused."""


@dataclass(frozen=True, slots=True)
class Version:
    """
    One published version.

    Args:
        manifest: What it says of itself; its files were verified.
        folder: Where it lies.
    """

    manifest: Manifest
    folder: Path


def live_version(repository: Path, name: str) -> Version:
    """
    Give the version of a model that answers, verified.

    Raises:
        UnknownModel: If none does; names the models there are.
        ManifestError: If the version is not what its manifest says.
        RegistryError: If the model's history cannot be read.
    """
    found = published_models(repository)
    if name not in found:
        there = ", ".join(found) or "none"
        raise UnknownModel(f"{repository}: no published model {name!r}", hint=f"there are: {there}")
    live = read_standing(repository / name).live
    if live is None:
        raise UnknownModel(
            f"{repository}: no version of {name!r} is live", hint=f"box2seg models promote {name} VERSION"
        )
    return verified_version(repository / name / str(live))


def published_models(repository: Path) -> dict[str, list[int]]:
    """Give the published versions by model name, oldest first."""
    if not repository.is_dir():
        return {}
    found = {folder.name: published_versions(folder) for folder in sorted(repository.iterdir())}
    return {name: versions for name, versions in found.items() if versions}


def verified_version(folder: Path) -> Version:
    """
    Read a version and prove that it is what its manifest says.

    Raises:
        ManifestError: If a file differs, the manifest lies in a wrong folder, or the tensors are others.
    """
    manifest = read_manifest(folder)
    if (manifest.name, str(manifest.version)) != (folder.parent.name, folder.name):
        raise ManifestError(f"{folder}: the manifest is of {manifest.name} version {manifest.version}")
    if _types(manifest.inputs) != INPUTS or not OUTPUTS.items() <= _types(manifest.outputs).items():
        raise ManifestError(
            f"{folder}: expected tensors {INPUTS} -> {OUTPUTS}, the manifest has "
            f"{_types(manifest.inputs)} -> {_types(manifest.outputs)}",
            hint="export the model again",
        )
    verify_files(manifest, folder)
    return Version(manifest, folder)


def _types(tensors: tuple[Tensor, ...]) -> dict[str, str]:
    return {tensor.name: tensor.dtype for tensor in tensors}
