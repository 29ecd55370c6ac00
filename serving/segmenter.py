"""One photo to one Segmentation: fit, infer, bring back. For the gateway and for folders alike."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from contract.arrays import Uint8
from contract.errors import EngineError
from contract.geometry import Fit
from contract.manifest import Manifest
from contract.masks import Segmentation
from serving.engines import Engine
from serving.telemetry import Stopwatch

P = ParamSpec("P")
T = TypeVar("T")

PHOTOS_AT_ONCE = 12
"""Enough to keep the engine busy; a photo of 50 Mpx takes 150 MB and its mask as much again."""


@dataclass(frozen=True, slots=True)
class Segmenter:
    """
    Segments photos with any engine, without keeping the event loop from others.

    Args:
        engine: Runs the network.
        threads: Where pixels are worked on.
        places: How many photos are held in memory at once; others wait as they came, compressed.
    """

    engine: Engine
    threads: Executor
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(PHOTOS_AT_ONCE))

    async def segment(
        self,
        read: Callable[[], Uint8],
        manifest: Manifest,
        write: Callable[[Uint8, Segmentation], T],
        *,
        watch: Stopwatch,
        confident: bool = False,
    ) -> T:
        """
        Segment one photo, with two trips to the threads: what comes before the network and what comes after.

        Args:
            read: Gives the photo, (H, W, 3) uint8 RGB, upright.
            manifest: Of the version to use.
            write: Gives the form wanted, from the photo and its Segmentation.
            watch: Takes the times of "decode", "infer" and "encode".
            confident: Give the Segmentation its confidence too: one more resize, one more byte per pixel.

        Returns:
            What `write` gave.

        Raises:
            EngineError: If the engine fails, or names a class that the model does not have.
        """
        async with self.places:
            with watch.stage("decode"):
                photo, fit, frame = await self._run(_fit_photo, read, manifest)
            with watch.stage("infer"):
                labels, confidence = await self.engine.infer(manifest.name, manifest.version, frame[None])
            with watch.stage("encode"):
                return await self._run(
                    _finish, photo, fit, labels[0], confidence[0], manifest, write, confident=confident
                )

    async def _run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.threads, lambda: function(*args, **kwargs))


def _fit_photo(read: Callable[[], Uint8], manifest: Manifest) -> tuple[Uint8, Fit, Uint8]:
    photo = read()
    height, width, _ = photo.shape
    fit = manifest.fit.fit((height, width))
    return photo, fit, fit.fit_image(photo)


def _finish(
    photo: Uint8,
    fit: Fit,
    labels: Uint8,
    confidence: Uint8,
    manifest: Manifest,
    write: Callable[[Uint8, Segmentation], T],
    *,
    confident: bool,
) -> T:
    if labels.max() >= len(manifest.classes):
        raise EngineError(f"the network gave label {labels.max()}, the model has {len(manifest.classes)}")
    segmentation = Segmentation(
        fit.bring_back(labels, confidence),
        manifest.name,
        manifest.version,
        fit.bring_confidence_back(confidence) if confident else None,
    )
    return write(photo, segmentation)
