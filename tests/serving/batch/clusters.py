"""A small real Ray cluster: two machines with a processor each, as far as Ray knows."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from serving.batch.cluster.orders import Order, Outcome
from serving.batch.cluster.worker import Worker
from serving.triton.environment import CHECKOUT

WORKER = b"ray::MapWorker"
"""What Ray calls the process of one of a pool's workers."""


DEADLY = b"deadly"
"""What photos end in that no worker outlives."""


class Mortal(Worker):
    """A worker that some photos kill, as a fault in a decoder's compiled part would."""

    async def _work(self, order: Order, threshold: float) -> Outcome:
        if order.data is not None and order.data.endswith(DEADLY):
            os.kill(os.getpid(), signal.SIGKILL)
        return await super()._work(order, threshold)


@contextmanager
def running_cluster() -> Iterator[Any]:
    """Start a cluster; gives Ray's own handle of it."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


def start_predict(address: str, repository: Path, *words: object) -> "subprocess.Popen[str]":
    """Start the verb in a process of its own, with the cluster's two workers."""
    command = [sys.executable, "-m", "cli", "predict", *map(str, words), "--repository", str(repository)]
    command += ["--ray", address, "--ray-workers", "2"]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    return subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def kill_worker(cluster: Any) -> None:
    """Kill one of the cluster's workers as the system does when memory is short."""
    raylets = {each.process.pid for node in cluster.list_all_nodes() for each in node.all_processes["raylet"]}
    worker = next(pid for pid in _find_workers() if _parent(pid) in raylets)
    os.kill(worker, signal.SIGKILL)


def _find_workers() -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        with suppress(OSError):
            if folder.name.isdecimal() and (folder / "cmdline").read_bytes().startswith(WORKER):
                yield int(folder.name)


def _parent(pid: int) -> int | None:
    found = re.search(r"PPid:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) if found else None
