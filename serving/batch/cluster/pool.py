"""How many workers there are and what each has: as typed, or by what the cluster has."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.errors import InvalidParameter


@dataclass(frozen=True, slots=True)
class Wish:
    """
    What was asked for; None where the cluster decides.

    Args:
        least: Workers at any time.
        most: Workers, as far as the cluster has or makes room for them.
        cpus: Of each; its engine has as many threads.
        gpus: Of each; 0.25 lets four share one.
    """

    least: int | None = None
    most: int | None = None
    cpus: float | None = None
    gpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Pool:
    """
    The workers to have.

    Args:
        least: Of them.
        most: Of them.
        cpus: Of each.
        gpus: Of each.
    """

    least: int
    most: int
    cpus: float
    gpus: float

    @property
    def threads(self) -> int:
        """Processors that a worker may keep busy."""
        return max(1, int(self.cpus))

    def __str__(self) -> str:
        workers = f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"
        gpus = f" and {self.gpus:g} GPUs" if self.gpus else ""
        return f"{workers} workers with {self.cpus:g} CPUs{gpus} each"


def read_wish(workers: str | None, cpus: float | None, gpus: float | None) -> Wish:
    """
    Read what was typed: "8" workers, or "2-64" of them.

    Raises:
        InvalidParameter: If that is neither, or nothing to work with.
    """
    if (cpus is not None and cpus <= 0) or (gpus is not None and gpus < 0):
        raise InvalidParameter(f"--ray-cpus {cpus}, --ray-gpus {gpus}: a worker needs more than that")
    if workers is None:
        return Wish(cpus=cpus, gpus=gpus or 0.0)
    least, dash, most = workers.partition("-")
    try:
        wish = Wish(int(least), int(most if dash else least), cpus, gpus or 0.0)
    except ValueError:
        wish = Wish(0, 0)
    if wish.least is None or wish.most is None or not 1 <= wish.least <= wish.most:
        raise InvalidParameter(f"--ray-workers {workers}: expected a number such as 8, or 2-64")
    return wish


def plan_pool(wish: Wish, resources: Mapping[str, float]) -> Pool:
    """
    Decide what the workers are.

    Args:
        wish: What was asked for. A worker has one CPU where nobody says, or with a GPU its share of them.
        resources: What the cluster has now, by Ray's names.
    """
    all_cpus, all_gpus = resources.get("CPU", 1.0), resources.get("GPU", 0.0)
    by_gpu = int(all_gpus / wish.gpus) if wish.gpus else 0
    cpus = wish.cpus or max(1, int(all_cpus / by_gpu) if by_gpu else 1)
    fitting = max(1, int(all_cpus / cpus))
    if wish.gpus:
        fitting = max(1, min(fitting, by_gpu))
    return Pool(wish.least or fitting, wish.most or fitting, cpus, wish.gpus)
