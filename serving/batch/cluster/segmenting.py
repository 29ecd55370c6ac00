"""All of a batch's cluster together: connect, start the workers, have photos segmented, leave."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from serving.batch.cluster.pool import Wish, plan_pool
from serving.batch.cluster.session import ray_session
from serving.batch.ledger import Ledger
from serving.batch.outputs import Outputs
from serving.batch.run import Elsewhere
from serving.versions import Version


@dataclass(frozen=True, slots=True)
class Site:
    """
    Where a batch is worked on.

    Args:
        address: As for `ray_session`.
        wish: The workers to have.
        loud: Let Ray show its bars and logs.
    """

    address: str
    wish: Wish
    loud: bool = False


@asynccontextmanager
async def cluster_segment(
    site: Site, version: Version, outputs: Outputs, max_pixels: int, ledger: Ledger
) -> AsyncIterator[Elsewhere]:
    """
    Give what segments a photo in a Ray cluster.

    Args:
        site: The cluster.
        version: The published version to use; its files are sent.
        outputs: What is made of each photo.
        max_pixels: Photos with more are refused.
        ledger: Knows which photos may be shown.

    Raises:
        ClusterError: If there is no cluster.
        ModuleNotFoundError: Without the package ray; it comes with the extra "ray".
    """
    with ray_session(site.address, loud=site.loud):
        import ray

        # After the session has said how loud Ray may be.
        from serving.batch.cluster.driver import PARCEL, Cluster, receiving
        from serving.batch.cluster.orders import Equipment, pack_version
        from serving.batch.cluster.stream import IN_FLIGHT, start_feed, stream_outcomes

        resources = ray.cluster_resources()  # type: ignore[no-untyped-call] # Ray's
        pool = plan_pool(site.wish, resources)
        equipment = Equipment(
            version.manifest.name,
            version.manifest.version,
            pack_version(version),
            outputs,
            max_pixels,
            pool.threads,
            gpu=pool.gpus > 0,
        )
        feed = start_feed()
        cluster = Cluster(
            feed, lambda: ledger.threshold, f"{pool} are asked for, and `ray status` tells what there is"
        )
        stream = partial(stream_outcomes, feed, equipment, pool, loud=site.loud)
        async with receiving(cluster, stream):
            yield Elsewhere(cluster.segment, at_once=pool.most * PARCEL * IN_FLIGHT)
