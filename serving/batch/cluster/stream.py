"""The data set of a batch: parcels from the feed through a pool of workers, as Ray Data streams them."""

import pickle
from collections.abc import Iterator
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from serving.batch.cluster.feed import NUMBER, Feed, FeedSource
from serving.batch.cluster.orders import Equipment, Outcome
from serving.batch.cluster.pool import Pool
from serving.batch.cluster.worker import AT_ONCE, OUTCOMES, Worker

IN_FLIGHT = AT_ONCE + 2
"""Parcels that are with a worker, or on their way to it."""

CPU_OF_FEED = 0
"""It waits most of the time."""
CALLS = 10_000
"""Of the feed at a time: one waits for the next parcel, and each worker asks about its own."""


def start_feed() -> Any:
    """Start the feed on this machine, which is there as long as the batch is."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(Feed)
    return actor.options(num_cpus=CPU_OF_FEED, scheduling_strategy=here, max_concurrency=CALLS).remote()


def stream_outcomes(
    feed: Any, equipment: Equipment, pool: Pool, *, loud: bool = False
) -> Iterator[tuple[int, list[Outcome]]]:
    """
    Give what comes of each parcel, by its number, until the feed ends.

    Args:
        feed: What `start_feed` gave.
        equipment: For each worker.
        pool: How many workers.
        loud: Show Ray's own progress bars.
    """
    _configure(loud=loud)
    here = {"ray.io/node-id": ray.get_runtime_context().get_node_id()}
    parcels = ray.data.read_datasource(
        FeedSource(feed), override_num_blocks=1, num_cpus=CPU_OF_FEED, label_selector=here
    )
    outcomes = parcels.map_batches(
        Worker,
        fn_constructor_args=(ray.put(equipment), feed),
        batch_size=None,
        batch_format="pyarrow",
        compute=ActorPoolStrategy(
            min_size=pool.least,
            max_size=pool.most,
            max_tasks_in_flight_per_actor=IN_FLIGHT,
            max_concurrent_calls_per_actor=AT_ONCE,
        ),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
    )
    for block in outcomes.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for number, packed in zip(block[NUMBER].to_pylist(), block[OUTCOMES].to_pylist(), strict=True):
            yield number, pickle.loads(packed)


def _configure(*, loud: bool) -> None:
    context = DataContext.get_current()
    context.enable_progress_bars = loud
    context.print_on_execution_start = loud
    # Each row becomes a block, and goes on at once: a parcel is what a worker should have at a time.
    context.target_max_block_size = 1
