"""The workers of a cluster are as asked for or as it has room; what makes no sense is refused."""

import pytest

from contract.errors import ClusterError, InvalidParameter
from serving.batch.cluster.pool import Pool, Wish, plan_pool, read_wish
from serving.batch.cluster.session import check_address, ray_session


@pytest.mark.parametrize(
    ("wish", "resources", "pool"),
    [
        (Wish(), {"CPU": 8.0}, Pool(8, 8, 1, 0)),
        (Wish(cpus=4), {"CPU": 10.0}, Pool(2, 2, 4, 0)),
        (Wish(2, 64), {"CPU": 8.0}, Pool(2, 64, 1, 0)),
        (Wish(gpus=0.25), {"CPU": 64.0, "GPU": 8.0}, Pool(32, 32, 2, 0.25)),
        (Wish(gpus=1), {"CPU": 4.0}, Pool(1, 1, 1, 1)),
        (Wish(), {}, Pool(1, 1, 1, 0)),
    ],
)
def test_pools_fit_the_cluster(wish: Wish, resources: dict[str, float], pool: Pool) -> None:
    """What nobody asked for comes from what the cluster has; what was asked for holds."""
    assert plan_pool(wish, resources) == pool


@pytest.mark.parametrize(
    ("workers", "cpus", "gpus"),
    [
        ("0", None, None),
        ("4-2", None, None),
        ("many", None, None),
        ("2-", None, None),
        (None, 0, None),
        (None, None, -1),
    ],
)
def test_wishes_that_make_no_sense_are_refused(
    workers: str | None, cpus: float | None, gpus: float | None
) -> None:
    """What is no number of workers, or nothing to work with, is named."""
    with pytest.raises(InvalidParameter, match="--ray-"):
        read_wish(workers, cpus, gpus)
    assert read_wish("2-64", 0.5, 0.25) == Wish(2, 64, 0.5, 0.25)


def test_other_doors_are_refused() -> None:
    """Ray Client's address says what to do instead; where there is no cluster, that is said."""
    with pytest.raises(InvalidParameter, match=r"(?s)Ray Client.*--ray auto"):
        check_address("ray://head:10001")
    with (
        pytest.raises(ClusterError, match=r"no Ray cluster at 127\.0\.0\.1:1"),
        ray_session("127.0.0.1:1", loud=False),
    ):
        pass
