"""How parcels get into Ray Data: an actor that they wait in, and a data source that asks it for more."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import ray
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

NUMBER, PARCEL = "number", "parcel"
"""The columns of the data set; a parcel is one row, and so a block, and so a task."""


class Feed:
    """Holds parcels until they are asked for, and counts how often workers begin each; an actor."""

    def __init__(self) -> None:
        self._parcels: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._begun: Counter[int] = Counter()

    async def put(self, number: int, parcel: bytes) -> None:
        """Add a parcel."""
        await self._parcels.put((number, parcel))

    async def end(self) -> None:
        """Say that no more will come."""
        await self._parcels.put(None)

    async def take(self) -> tuple[int, bytes] | None:
        """Wait for a parcel; None where no more will come."""
        return await self._parcels.get()

    async def begin(self, number: int) -> int:
        """Tell how often a parcel was begun, this time included."""
        self._begun[number] += 1
        return self._begun[number]

    async def forget(self, number: int) -> None:
        """Take note that a parcel is settled."""
        del self._begun[number]


class FeedSource(Datasource):
    """
    The parcels of a feed, as they come.

    Args:
        feed: The actor.
    """

    def __init__(self, feed: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Ray's
        self._feed = feed

    def estimate_inmemory_data_size(self) -> int | None:
        """Nobody knows how much will come."""
        return None

    def get_read_tasks(self, parallelism: int, *_: Any, **__: Any) -> list[ReadTask]:
        """Give the one task that asks the feed until it ends."""
        feed = self._feed
        metadata = BlockMetadata(num_rows=None, size_bytes=None, input_files=None, exec_stats=None)
        return [ReadTask(lambda: _blocks(feed), metadata)]


def _blocks(feed: Any) -> Iterator[pa.Table]:
    while (taken := ray.get(feed.take.remote())) is not None:
        number, parcel = taken
        yield pa.table({NUMBER: [number], PARCEL: pa.array([parcel], pa.large_binary())})
