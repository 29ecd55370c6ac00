"""Everything that answers a request, wired once."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from contract.manifest import Manifest
from contract.processors import available_processors
from serving.engines import Engine
from serving.health import Witness
from serving.models import Models
from serving.segmenter import Segmenter
from serving.settings import Settings
from serving.telemetry import Telemetry


@dataclass(frozen=True, slots=True)
class Gateway:
    """
    The parts of one gateway.

    Args:
        settings: As read at the door.
        models: The versions that answer now.
        witness: The engine, and whether it lives.
        segmenter: One photo to one Segmentation.
        telemetry: Metrics.
    """

    settings: Settings
    models: Models
    witness: Witness
    segmenter: Segmenter
    telemetry: Telemetry

    async def why_not_ready(self) -> str | None:
        """Say why requests cannot be answered now; None when each model proved that they can."""
        manifests = self.models.served()
        reason = None if manifests else "no published version is loaded"
        for manifest in manifests:
            reason = reason or await self._why_silent(manifest)
        self.telemetry.note_ready(reason is None)
        return reason

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch the repository while inside; close the engine at the end."""
        await self.models.refresh()
        watching = asyncio.create_task(self.models.watch(self.settings.watch_every_s))
        try:
            yield
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching
            await self.witness.close()
            self.segmenter.threads.shutdown(wait=False)

    async def _why_silent(self, manifest: Manifest) -> str | None:
        if await self.witness.prove(manifest):
            return None
        return f"{manifest.name} version {manifest.version} does not answer"


def create_gateway(settings: Settings, engine: Engine) -> Gateway:
    """Wire a gateway; nothing runs until `Gateway.running`."""
    witness = Witness(engine)
    threads = ThreadPoolExecutor(max(2, available_processors()), "pixels")
    return Gateway(
        settings=settings,
        models=Models(settings.repository, witness),
        witness=witness,
        segmenter=Segmenter(witness, threads),
        telemetry=Telemetry(),
    )
