"""Photos segmented in this process."""

from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass

import numpy as np

from contract.arrays import Uint8
from contract.classes import IGNORE, ClassMap
from contract.geometry import CERTAIN
from contract.images import MAX_PIXELS, decode_image
from contract.manifest import Manifest
from contract.masks import Segmentation
from contract.processors import available_processors
from serving.admission import Admission
from serving.batch.findings import Finding, Keep, Product, Read
from serving.batch.outputs import Outputs
from serving.batch.panoptic import derive
from serving.batch.pictures import draw_small
from serving.batch.run import Segment
from serving.engines import Engine
from serving.engines.local import LocalEngine
from serving.formats import find_format
from serving.segmenter import Segmenter
from serving.telemetry import Stopwatch
from serving.versions import Version

WAITING = 2
"""While each processor computes one photo, these are decoded, written, or wait."""

JOURNEYS = 16
"""Photos that are on their way from or to a URI, where most of the time passes, while others are computed."""


def photos_at_once(*, far: bool = False) -> int:
    """
    Give how many photos to work on at any time, by the processors that this process may use.

    Args:
        far: Photos come from URIs, or masks go there.
    """
    return available_processors() + WAITING + far * JOURNEYS


def batch_engine(threads: int | None = None, *, gpu: bool = False) -> LocalEngine:
    """
    Give an engine for as many photos per second as can be, however long each of them takes.

    Args:
        threads: How many processors to use; where None, all that this process may.
        gpu: Compute on the GPU that this process sees.
    """
    threads = threads or available_processors()
    return LocalEngine(threads=threads, at_once=1 if gpu else threads, gpu=gpu)


@dataclass(frozen=True, slots=True)
class Maker:
    """
    Makes all that was asked for of one photo.

    Args:
        outputs: What was asked for.
        classes: What the labels mean.
        admits: Tells by its confidence whether a photo may be shown.
    """

    outputs: Outputs
    classes: ClassMap
    admits: Callable[[float], bool]

    def make(self, photo: Uint8, segmentation: Segmentation) -> Product:
        """Give a photo's files and what is kept of it; the photo is (H, W, 3) uint8 RGB."""
        forms = [*self.outputs.answered, *(["rle"] if self.outputs.needs_rle else [])]
        files = {name: find_format(name).encode(photo, segmentation, self.classes) for name in forms}
        files |= derive(self.outputs, segmentation.labels, self.classes)
        confidence = _confidence(segmentation)
        finding = Finding(
            segmentation.size,
            segmentation.version,
            _areas(segmentation, self.classes),
            confidence,
            files["rle"] if self.outputs.needs_rle else None,
            draw_small(photo, segmentation, self.classes) if self.admits(confidence) else None,
        )
        return Product(files, finding)


@asynccontextmanager
async def local_segment(
    engine: Engine, version: Version, maker: Maker, max_pixels: int = MAX_PIXELS, *, far: bool = False
) -> AsyncIterator[Segment]:
    """
    Give what segments a photo in this process.

    Args:
        engine: Computes; closed at the end.
        version: The published version to use.
        maker: Makes what is asked for.
        max_pixels: Photos with more are refused.
        far: Photos come from URIs, or masks go there.

    Raises:
        EngineError: If the engine cannot load the version.
    """
    manifest = version.manifest
    with ThreadPoolExecutor(available_processors() + far * JOURNEYS, "pixels") as threads:
        try:
            await engine.load(manifest, version.folder)
            segmenter = Segmenter(engine, threads, Admission(places=photos_at_once(far=far)))
            yield lambda read, keep: segment_photo(segmenter, manifest, maker, max_pixels, read, keep)
        finally:
            await engine.close()


async def segment_photo(
    segmenter: Segmenter, manifest: Manifest, maker: Maker, max_pixels: int, read: Read, keep: Keep
) -> None:
    """
    Segment one photo.

    Args:
        segmenter: Does it.
        manifest: Of the version to use.
        maker: Makes what is asked for.
        max_pixels: A photo with more is refused.
        read: Gives it; called in a thread.
        keep: Takes what was made; called in a thread.

    Raises:
        ImageError, EngineError: As `decode_image` and `Segmenter.segment` do.
    """
    await segmenter.segment(
        lambda: decode_image(read(), max_pixels=max_pixels),
        manifest,
        lambda photo, segmentation: keep(maker.make(photo, segmentation)),
        watch=Stopwatch(),
        confident=True,
    )


def _areas(segmentation: Segmentation, classes: ClassMap) -> dict[str, int]:
    counts = np.bincount(segmentation.labels.ravel(), minlength=IGNORE + 1)
    return {classes.name(int(label)): int(counts[label]) for label in np.flatnonzero(counts)}


def _confidence(segmentation: Segmentation) -> float:
    assert segmentation.confidence is not None
    # A sum of whole numbers is the same in whatever order it is made.
    total = int(segmentation.confidence.sum(dtype=np.int64))
    return round(total / (segmentation.confidence.size * CERTAIN), 6)
