"""What `box2seg predict` is told of a Ray cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.batch.cluster.segmenting import Site


def find_site(
    address: str | None,
    workers: str | None,
    cpus: float | None,
    gpus: float | None,
    *,
    loud: bool,
    server: str | None,
) -> Site | None:
    """
    Give the cluster that was asked for; None where none was.

    Raises:
        ConfigurationError: If the options do not go together.
        InvalidParameter: If one makes no sense.
        ModuleNotFoundError: Without the package ray; it comes with the extra "ray".
    """
    from contract.errors import ConfigurationError

    if address is None:
        if loud or (workers, cpus, gpus) != (None, None, None):
            raise ConfigurationError("--ray-... is of a cluster, and none is named", hint="add --ray ADDRESS")
        return None
    if server is not None:
        raise ConfigurationError("one of them segments", hint="leave --ray or --server out")
    from importlib.util import find_spec

    from serving.batch.cluster.pool import read_wish
    from serving.batch.cluster.segmenting import Site
    from serving.batch.cluster.session import check_address

    if find_spec("ray") is None:  # it is imported much later, when it is known how loud it may be
        raise ModuleNotFoundError("No module named 'ray'", name="ray")
    check_address(address)
    return Site(address, read_wish(workers, cpus, gpus), loud)
