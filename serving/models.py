"""Which published versions are served: found in the repository, verified, loaded, then switched to."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from contract.errors import EngineError, EngineUnavailable, ManifestError, UnknownModel
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
from serving.engines import Engine

log = logging.getLogger(__name__)

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


class Models:
    """
    The version of each model that answers now.

    Args:
        repository: Folder with one folder per model.
        engine: Loads the versions.
    """

    def __init__(self, repository: Path, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine
        self._served: dict[str, Version] = {}
        self._published: set[str] = set()
        self._refused: dict[Path, str] = {}

    def served(self) -> list[Manifest]:
        """List the versions that answer now, by name."""
        return [self._served[name].manifest for name in sorted(self._served)]

    def find(self, name: str) -> Manifest:
        """
        Give the version of a model that answers now.

        Raises:
            UnknownModel: If there is no such model; names those there are.
            EngineUnavailable: If it is published, but not loaded yet.
        """
        if name in self._served:
            return self._served[name].manifest
        if name in self._published:
            raise EngineUnavailable(f"model {name!r} is not loaded yet", hint="try again in a moment")
        raise UnknownModel(f"no model {name!r}", hint=f"there are: {', '.join(self._served) or 'none yet'}")

    async def watch(self, every_s: float) -> None:
        """Refresh again and again, until cancelled."""
        while True:
            try:
                await self.refresh()
            except Exception:  # the watch outlives whatever one look meets, say a full table of files
                log.exception("looking for new versions failed")
            await asyncio.sleep(every_s)

    async def refresh(self) -> None:
        """Serve the newest good version of each model; a version that cannot be served changes nothing."""
        found = await asyncio.to_thread(published_models, self._repository)
        self._published = set(found)
        self._served = {
            name: version
            for name, version in self._served.items()
            if version.manifest.version in found.get(name, ())
        }
        for name, versions in found.items():
            await self._serve_newest(name, versions)

    async def _serve_newest(self, name: str, versions: list[int]) -> None:
        for version in reversed(versions):
            if self._serves(name, version):
                return await self._keep_loaded(self._served[name])
            if await self._serve(self._repository / name / str(version)):
                return None
        return None

    def _serves(self, name: str, version: int) -> bool:
        return name in self._served and self._served[name].manifest.version >= version

    async def _keep_loaded(self, version: Version) -> None:
        """Load a version again that the engine lost, say by a restart."""
        if not await self._engine.ready(version.manifest.name, version.manifest.version):
            await self._load(version)

    async def _serve(self, folder: Path) -> bool:
        """Verify and load a version, then switch to it; tell whether that went well."""
        try:
            version = await asyncio.to_thread(verified_version, folder)
        except ManifestError as error:
            self._refuse(folder, error)
            return False
        if not await self._load(version):
            return False
        self._served[version.manifest.name] = version
        log.info("serving %s version %d", version.manifest.name, version.manifest.version)
        return True

    async def _load(self, version: Version) -> bool:
        try:
            await self._engine.load(version.manifest, version.folder)
        except EngineError as error:
            self._refuse(version.folder, error)
            return False
        self._refused.pop(version.folder, None)
        return True

    def _refuse(self, folder: Path, error: Exception) -> None:
        """Log why a version is not served, once per reason, as it is tried at every look."""
        if self._refused.get(folder) != str(error):
            self._refused[folder] = str(error)
            log.error("not served: %s: %s", folder, error)


def newest_version(repository: Path, name: str) -> Version:
    """
    Give the newest published version of a model, verified.

    Raises:
        UnknownModel: If no version is published; names the models there are.
        ManifestError: If the version is not what its manifest says.
    """
    found = published_models(repository)
    if name not in found:
        there = ", ".join(found) or "none"
        raise UnknownModel(f"{repository}: no published model {name!r}", hint=f"there are: {there}")
    return verified_version(repository / name / str(found[name][-1]))


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
            f"{folder}: expected tensors {INPUTS} -> {OUTPUTS}", hint="export the model again"
        )
    verify_files(manifest, folder)
    return Version(manifest, folder)


def _types(tensors: tuple[Tensor, ...]) -> dict[str, str]:
    return {tensor.name: tensor.dtype for tensor in tensors}
