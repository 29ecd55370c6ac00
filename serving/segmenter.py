"""One photo to one Segmentation: fit, infer, bring back. For the gateway and for folders alike."""

import asyncio
import math
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import ParamSpec, TypeVar

from contract.arrays import Size, Uint8
from contract.geometry import Fit
from contract.manifest import Manifest
from contract.masks import Segmentation
from serving.admission import Admission
from serving.deadline import Deadline, within
from serving.engines import Engine
from serving.lanes import Lanes
from serving.outputs import check_labels
from serving.precedence import Precedence
from serving.telemetry import Stopwatch

P = ParamSpec("P")
T = TypeVar("T")

Notice = Callable[[Manifest, Fit, Uint8, Uint8, Uint8], None]
"""Takes the version, the fit, frame, labels and confidence."""


@dataclass(slots=True)
class Sample:
    """
    What went into the network and came out, for whoever compares.

    Args:
        frame: (h, w, 3) uint8 RGB.
        labels: (h, w) uint8.
    """

    frame: Uint8 | None = None
    labels: Uint8 | None = None


@dataclass(frozen=True, slots=True)
class Segmenter:
    """
    Segments photos with any engine, without keeping the event loop from others.

    Args:
        engine: Runs the network.
        threads: Where pixels are worked on.
        admission: How many photos are held in memory at once; others wait as they came, compressed.
        lanes: How they go to the engine; where None, as they come.
        precedence: Who gives way to whom.
        notice: Sees each photo in the network's frame and what came out, in a thread.
    """

    engine: Engine
    threads: Executor
    admission: Admission = field(default_factory=Admission)
    lanes: Lanes | None = None
    precedence: Precedence = field(default_factory=Precedence)
    notice: Notice | None = None

    async def segment(
        self,
        read: Callable[[], Uint8],
        manifest: Manifest,
        write: Callable[[Uint8, Segmentation], T],
        *,
        watch: Stopwatch,
        deadline: Deadline | None = None,
        confident: bool = False,
        behind: bool = False,
        sample: Sample | None = None,
    ) -> T:
        """
        Segment one photo, with two trips to the threads: what comes before the network and what comes after.

        Args:
            read: Gives the photo, (H, W, 3) uint8 RGB, upright.
            manifest: Of the version to use.
            write: Gives the form wanted, from the photo and its Segmentation.
            watch: Takes the times of "queue", "decode", "infer" and "encode".
            deadline: By when; where None, the engine's own patience alone holds.
            confident: Give the Segmentation its confidence too: one more resize, one more byte per pixel.
            behind: Give way to photos that are not; for those of batches.
            sample: Gets the frame and its labels.

        Returns:
            What `write` gave.

        Raises:
            EngineError: If the engine fails.
            ModelOutputInvalid: If it names a class that the model does not have.
            DeadlineExceeded: If the time is over; what was begun is given up.
            Overloaded: If too many wait already.
        """
        async with within(deadline), AsyncExitStack() as stack:
            if not behind:
                stack.enter_context(self.precedence.ahead())
            with watch.stage("queue"):
                await stack.enter_async_context(self._place(1, deadline))
            with watch.stage("decode"):
                photo, fit, frame = await self._run(_fit_photo, read, manifest)
            with watch.stage("infer"):
                labels, confidence = await self._compute(frame[None], manifest, deadline, behind=behind)
            with watch.stage("encode"):
                if sample:
                    sample.frame, sample.labels = frame, labels[0]
                notice = partial(self.notice, manifest, fit, frame) if self.notice else None
                return await self._run(
                    _finish,
                    photo,
                    fit,
                    labels[0],
                    confidence[0],
                    manifest,
                    write,
                    confident=confident,
                    notice=notice,
                )

    async def infer(
        self,
        images: Uint8,
        manifest: Manifest,
        write: Callable[[Uint8, Uint8], T],
        *,
        watch: Stopwatch,
        deadline: Deadline | None = None,
    ) -> T:
        """
        Run the network on frames that others fitted; each counts as a photo.

        Args:
            images: (N, H, W, 3) uint8 RGB in the network's frame.
            manifest: Of the version to use.
            write: Gives the form wanted, from labels and confidence, (N, H, W) uint8.
            watch: Takes the times of "queue", "infer" and "encode".
            deadline: As for `segment`.

        Returns:
            What `write` gave.

        Raises:
            EngineError, DeadlineExceeded, Overloaded: As `segment` does.
        """
        async with within(deadline), AsyncExitStack() as stack:
            stack.enter_context(self.precedence.ahead())
            with watch.stage("queue"):
                await stack.enter_async_context(self._place(len(images), deadline))
            with watch.stage("infer"):
                labels, confidence = await self._compute(images, manifest, deadline)
            with watch.stage("encode"):
                check_labels(labels, manifest)
                return await self._run(write, labels, confidence)

    def _place(self, photos: int, deadline: Deadline | None) -> AbstractAsyncContextManager[None]:
        return self.admission.place(left_s=deadline.left_s() if deadline else math.inf, photos=photos)

    async def _compute(
        self, images: Uint8, manifest: Manifest, deadline: Deadline | None, *, behind: bool = False
    ) -> tuple[Uint8, Uint8]:
        """Run the network on frames of one shape when it is their turn."""
        async with (
            self.precedence.turn() if behind else nullcontext(),
            self._turn(manifest, (images.shape[1], images.shape[2])),
        ):
            return await self.engine.infer(
                manifest.name,
                manifest.version,
                images,
                timeout_s=deadline.left_s() if deadline else None,
            )

    def _turn(self, manifest: Manifest, frame: Size) -> AbstractAsyncContextManager[None]:
        """Wait until a photo may go to the engine, with others that can be computed together with it."""
        if self.lanes is None:
            return nullcontext()
        return self.lanes.turn((manifest.name, manifest.version, frame))

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
    notice: Callable[[Uint8, Uint8], None] | None,
) -> T:
    check_labels(labels, manifest)
    if notice:
        notice(labels, confidence)
    segmentation = Segmentation(
        fit.bring_back(labels, confidence),
        manifest.name,
        manifest.version,
        fit.bring_confidence_back(confidence) if confident else None,
    )
    return write(photo, segmentation)
