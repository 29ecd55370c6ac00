"""The versions that are loaded, and why others are not."""

import asyncio
import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contract.errors import Box2SegError, EngineError, ManifestError, ModelOutputInvalid
from contract.geometry import PADDING_VALUE
from contract.manifest import Manifest
from serving.engines import Engine, usual_frames
from serving.outputs import check_maps
from serving.versions import Version, verified_version

log = logging.getLogger(__name__)

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0
"""A version that could not be loaded is tried again after a pause, which doubles."""

PROOF_S = 10.0
"""How long a version's first answer is waited for [s]."""

Key = tuple[str, int]


@dataclass(slots=True)
class Refusal:
    """
    Why a version is not loaded.

    Args:
        reason: For people; names no folder of this machine.
        pause_s: How long it is left alone [s].
        until_s: The end of that, on the clock of `time.monotonic` [s].
    """

    reason: str
    pause_s: float
    until_s: float


class Shelf:
    """
    Loads versions, verified and proved by a first answer, and drops them.

    Args:
        repository: Folder with one folder per model.
        engine: Computes.
    """

    def __init__(self, repository: Path, engine: Engine) -> None:
        self._repository = repository
        self._engine = engine
        self._loaded: dict[Key, Version] = {}
        self._refused: dict[Key, Refusal] = {}

    def get(self, name: str, version: int | None) -> Version | None:
        """Give a version that is loaded."""
        return None if version is None else self._loaded.get((name, version))

    def loaded(self, name: str) -> set[int]:
        """List the versions of a model that are loaded."""
        return {version for model, version in self._loaded if model == name}

    def problems(self, name: str) -> dict[int, str]:
        """Say why versions of a model are not loaded, by version."""
        return {version: each.reason for (model, version), each in self._refused.items() if model == name}

    async def load(self, name: str, version: int) -> bool:
        """Have a version loaded, again where the engine lost it; tell whether it is."""
        key = name, version
        if key in self._loaded:
            return await self._keep_loaded(self._loaded[key])
        refusal = self._refused.get(key)
        if refusal and time.monotonic() < refusal.until_s:
            return False
        try:
            self._loaded[key] = await self._open(self._repository / name / str(version))
        except (ManifestError, EngineError) as error:
            self._refuse(key, error)
            return False
        self._refused.pop(key, None)
        log.info("loaded %s version %d", name, version)
        return True

    async def drop(self, name: str, versions: Collection[int]) -> None:
        """Drop versions that nothing names any more."""
        gone = [version for version in versions if self._loaded.pop((name, version), None)]
        if gone:
            await self._engine.drop(name, gone)
            log.info("dropped %s version %s", name, ", ".join(map(str, sorted(gone))))

    def hurry(self, name: str, versions: Collection[int]) -> None:
        """Try versions again without their pauses, as somebody asks for them now."""
        for version in versions:
            if refusal := self._refused.get((name, version)):
                refusal.until_s = 0.0

    def forget_problems(self, name: str, there: Collection[int]) -> None:
        """Forget what was wrong with versions that are not there any more."""
        for key in [key for key in self._refused if key[0] == name and key[1] not in there]:
            del self._refused[key]

    async def _keep_loaded(self, version: Version) -> bool:
        """Load a version again that the engine lost, say by a restart; tell whether it is there."""
        manifest = version.manifest
        if await self._engine.ready(manifest.name, manifest.version):
            return True
        try:
            await self._engine.load(manifest, version.folder)
        except EngineError as error:
            self._refuse((manifest.name, manifest.version), error)
            return False
        self._refused.pop((manifest.name, manifest.version), None)
        return True

    async def _open(self, folder: Path) -> Version:
        version = await asyncio.to_thread(verified_version, folder)
        await self._engine.load(version.manifest, folder)
        await self._prove(version.manifest)
        return version

    async def _prove(self, manifest: Manifest) -> None:
        """Have it answer once: what no file says, such as labels of no class, is found here."""
        frame = np.full((1, *usual_frames(manifest)[0], 3), PADDING_VALUE, np.uint8)
        try:
            async with asyncio.timeout(PROOF_S):
                answer = await self._engine.infer(manifest.name, manifest.version, frame)
        except Exception as error:  # says nothing of the version: the engine may be busy, or gone by now
            log.warning("%s version %d gave no proof: %r", manifest.name, manifest.version, error)
            return
        try:
            check_maps(*answer, frames=frame, manifest=manifest)
        except ModelOutputInvalid:
            await self._engine.drop(manifest.name, [manifest.version])
            raise

    def _refuse(self, key: Key, error: Box2SegError) -> None:
        """Log why a version is not loaded, once per reason, as it is tried again and again."""
        before = self._refused.get(key)
        reason = without_folders(error.message, self._repository)
        if before is None or before.reason != reason:
            log.error("not loaded: %s version %d: %s", *key, error.message)
        pause_s = min(LONGEST_PAUSE_S, 2 * before.pause_s) if before else FIRST_PAUSE_S
        self._refused[key] = Refusal(reason, pause_s, time.monotonic() + pause_s)


def without_folders(words: str, repository: Path) -> str:
    """Leave out where on this machine the repository lies: what is said here reaches clients."""
    return words.replace(f"{repository}/", "").replace(str(repository), "the repository")
