"""A job's photos, segmented by the gateway behind everybody who waits."""

import asyncio
import logging
from dataclasses import dataclass

from contract.errors import Box2SegError, EngineError, EngineTimeout, EngineUnavailable, Overloaded
from contract.images import decode_image
from contract.manifest import Manifest
from serving.batch.findings import Keep, Product, Read
from serving.batch.local import Maker
from serving.deadline import Deadline
from serving.gateway import Gateway
from serving.telemetry import Stopwatch

log = logging.getLogger(__name__)

TIMEOUTS = 3
"""So often may one photo be too late before it has failed: others would wait for it for ever."""

PAUSE_S = 1.0
"""Before a photo is tried again that could not be segmented now."""


@dataclass(frozen=True, slots=True)
class Behind:
    """
    Segments photos of one version; they give way to all that somebody waits for.

    Args:
        gateway: Computes.
        manifest: Of the version.
        maker: Makes what is asked for of each photo.
    """

    gateway: Gateway
    manifest: Manifest
    maker: Maker

    async def segment(self, read: Read, keep: Keep) -> None:
        """
        Segment one photo, however long the engine is away.

        Args:
            read: Gives its bytes.
            keep: Takes what came of it.

        Raises:
            Box2SegError: If it cannot be segmented; says nothing of the server.
        """
        data = await asyncio.to_thread(read)
        product = await self._patiently(data)
        # In a thread of nobody else's: those for pixels are not to wait for the disk.
        await asyncio.to_thread(keep, product)

    async def _patiently(self, data: bytes) -> Product:
        late = 0
        while True:
            try:
                return await self._once(data)
            except EngineTimeout as error:
                late += 1
                if late == TIMEOUTS:
                    raise EngineError("was not segmented in time, three times") from error
            except (EngineUnavailable, Overloaded) as error:
                log.debug("a photo of a job waits: %s", error)
            except Box2SegError:
                raise
            except Exception as error:
                log.exception("a photo of a job failed")
                raise EngineError("the server failed on this photo; its log has the reason") from error
            await asyncio.sleep(PAUSE_S)

    async def _once(self, data: bytes) -> Product:
        settings = self.gateway.settings
        async with self.gateway.room(Deadline.after(settings.timeout_s)):
            return await self.gateway.segment(
                lambda: decode_image(data, max_pixels=settings.max_pixels),
                self.manifest,
                self.maker.make,
                watch=Stopwatch(),
                deadline=Deadline.after(settings.timeout_s),
                confident=True,
                behind=True,
            )
