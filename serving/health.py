"""Whether the gateway can answer now: proved by inference that really ran, not by a port that is open."""

import asyncio
import time
from pathlib import Path

import numpy as np

from contract.arrays import Uint8
from contract.errors import EngineError
from contract.geometry import PADDING_VALUE
from contract.manifest import Manifest
from serving.engines import Engine

FRESH_S = 0.5
"""An answer this young proves that the engine lives; an older one is proved again."""

PROBE_TIMEOUT_S = 1.2
"""With `FRESH_S` less than two seconds: no older truth is ever told."""

USUAL_SHAPE = (3, 4)
"""Probes are landscape photos, whose shape every engine has warmed up."""


class Witness:
    """
    An engine that remembers when each version last answered; itself an `Engine`.

    Args:
        engine: The engine that computes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._answered: dict[tuple[str, int], float] = {}
        self._one_probe = asyncio.Lock()

    async def load(self, manifest: Manifest, folder: Path) -> None:
        """Load a version; see `Engine`."""
        await self._engine.load(manifest, folder)

    async def ready(self, model: str, version: int) -> bool:
        """Ask the engine; see `Engine`."""
        return await self._engine.ready(model, version)

    async def infer(self, model: str, version: int, images: Uint8) -> tuple[Uint8, Uint8]:
        """Run the network and remember how it went; see `Engine`."""
        try:
            answer = await self._engine.infer(model, version, images)
        except EngineError:
            self._answered.pop((model, version), None)
            raise
        self._answered[model, version] = time.monotonic()
        return answer

    async def close(self) -> None:
        """Close the engine."""
        await self._engine.close()

    async def prove(self, manifest: Manifest) -> bool:
        """Tell whether a version can answer now; runs it on a grey photo unless it answered just before."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S), self._one_probe:
                if not self._is_fresh(manifest):
                    await self.infer(manifest.name, manifest.version, _grey_frame(manifest))
        except (EngineError, TimeoutError):
            return False
        return True

    def _is_fresh(self, manifest: Manifest) -> bool:
        answered = self._answered.get((manifest.name, manifest.version))
        return answered is not None and time.monotonic() - answered < FRESH_S


def _grey_frame(manifest: Manifest) -> Uint8:
    return np.full((1, *manifest.fit.fit(USUAL_SHAPE).network, 3), PADDING_VALUE, np.uint8)
