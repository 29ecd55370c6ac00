"""A worker: one engine in a process of its own somewhere in the cluster, which segments parcels of photos."""

import asyncio
import pickle
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import ray

from serving.admission import Admission
from serving.batch.attempt import Unchanged, find_reason
from serving.batch.cluster.feed import NUMBER, PARCEL
from serving.batch.cluster.orders import Equipment, Order, Outcome, Parcel, unpack_version
from serving.batch.cluster.photo import NotHere, Photo
from serving.batch.findings import Failure
from serving.batch.local import WAITING, Maker, batch_engine, segment_photo
from serving.batch.pictures import draw_remains
from serving.segmenter import Segmenter

if TYPE_CHECKING:
    import pyarrow as pa
    from ray import ObjectRef

AT_ONCE = 2
"""Parcels that a worker has in hand: while one ends the next begins."""

TRIES = 2
"""So often a parcel is begun: whoever dies with it each time dies of it."""

OUTCOMES = "outcomes"


class Worker:
    """
    Segments parcels; Ray Data makes one for each place in its pool and calls it from its own event loop.

    Args:
        equipment: What to segment with; a reference, fetched once.
        feed: Knows how often each parcel was begun.

    Raises:
        ManifestError: If the model's files did not come as they were sent.
        EngineError: If the engine cannot load the version.
    """

    def __init__(self, equipment: "ObjectRef[Equipment]", feed: Any) -> None:
        self._equipment = ray.get(equipment)
        self._feed = feed
        self._places = asyncio.Semaphore(AT_ONCE)
        self._door = asyncio.Lock()
        engine = batch_engine(self._equipment.threads, gpu=self._equipment.gpu)
        with TemporaryDirectory(prefix="box2seg-") as folder:
            version = unpack_version(self._equipment, Path(folder))
            asyncio.run(engine.load(version.manifest, version.folder))
        self._manifest = version.manifest
        threads = ThreadPoolExecutor(self._equipment.threads, "pixels")
        self._segmenter = Segmenter(engine, threads, Admission(places=self._equipment.threads + WAITING))

    async def __call__(self, batch: "pa.Table") -> dict[str, list[Any]]:
        """Segment the parcels of a block, one in each row."""
        outcomes = [await self._open(pickle.loads(packed)) for packed in batch[PARCEL].to_pylist()]
        return {NUMBER: batch[NUMBER].to_pylist(), OUTCOMES: [pickle.dumps(each) for each in outcomes]}

    async def _open(self, parcel: Parcel) -> list[Outcome]:
        """Segment a parcel's photos, unless it seems to be what kills workers."""
        async with self._turn(AT_ONCE if parcel.alone else 1):
            if await self._feed.begin.remote(parcel.number) > TRIES:
                return [_spare(order, parcel) for order in parcel.orders]
            return await asyncio.gather(*(self._work(order, parcel.threshold) for order in parcel.orders))

    @asynccontextmanager
    async def _turn(self, places: int) -> AsyncIterator[None]:
        """Have so many of the places while inside; the door keeps two from waiting for each other's."""
        async with self._door:
            for _ in range(places):
                await self._places.acquire()
        try:
            yield
        finally:
            for _ in range(places):
                self._places.release()

    async def _work(self, order: Order, threshold: float) -> Outcome:
        photo = Photo(order)
        equipment = self._equipment
        maker = Maker(equipment.outputs, self._manifest.classes, lambda confidence: confidence <= threshold)
        try:
            await segment_photo(
                self._segmenter, self._manifest, maker, equipment.max_pixels, photo.read, photo.keep
            )
        except NotHere:
            return Outcome(order.ticket, wants="bytes")
        except Unchanged:
            return Outcome(order.ticket, photo.sha256, unchanged=True)
        except Exception as error:  # whatever one photo meets, the others go on
            failure = Failure(find_reason(error, order.origin), draw_remains(photo.data))
            return Outcome(order.ticket, photo.sha256, failure=failure)
        return Outcome(order.ticket, photo.sha256, product=photo.product)


def _spare(order: Order, parcel: Parcel) -> Outcome:
    """Give a photo back that was not tried: to be tried alone, or not at all."""
    if not parcel.alone:
        return Outcome(order.ticket, wants="alone")
    reason = f"the worker that had it ended without a word, {TRIES} times while it had nothing else to do"
    return Outcome(order.ticket, failure=Failure(reason))
