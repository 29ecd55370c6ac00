"""A folder's photos segmented in this process."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from contract.images import read_image
from contract.jobs import Job, Tell, work_off
from contract.manifest import Manifest
from contract.processors import available_processors
from serving.engines import Engine
from serving.formats import Format
from serving.segmenter import Segmenter
from serving.telemetry import Stopwatch
from serving.versions import Version

AT_ONCE = 3
"""While the network works on one photo, another is read and a third written."""


async def segment_photos(
    jobs: Sequence[Job], engine: Engine, version: Version, form: Format, *, tell: Tell
) -> None:
    """
    Segment photos and write their masks.

    Args:
        jobs: Photos and targets.
        engine: Computes; closed at the end.
        version: The published version to use.
        form: What to write.
        tell: Hears each outcome, in the jobs' order, as soon as it is there.

    Raises:
        EngineError: If the engine cannot load the version.
    """
    with ThreadPoolExecutor(available_processors(), "pixels") as threads:
        try:
            await engine.load(version.manifest, version.folder)
            segment = partial(_segment_photo, Segmenter(engine, threads), version.manifest, form)
            await work_off(jobs, segment, at_once=AT_ONCE, tell=tell)
        finally:
            await engine.close()


async def _segment_photo(segmenter: Segmenter, manifest: Manifest, form: Format, photo: Path) -> bytes:
    return await segmenter.segment(
        partial(read_image, photo),
        manifest,
        lambda pixels, segmentation: form.encode(pixels, segmentation, manifest.classes),
        watch=Stopwatch(),
        confident=form.confident,
    )
