"""What the workers of one server have in common: a folder, private and gone when they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory

PREFIX = "box2seg_workers_"

METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client reads it as it is imported, and keeps metrics in that folder, in files per process."""


@dataclass(frozen=True, slots=True)
class Common:
    """
    A folder that all workers of a server know.

    Args:
        folder: For their owner alone.
    """

    folder: Path

    @property
    def metrics(self) -> Path:
        """Where each keeps its metrics, so that any of them can add them up."""
        return self.folder / "metrics"

    @property
    def rates(self) -> Path:
        """Where they count what each key asks."""
        return self.folder / "rates"

    @property
    def versions(self) -> Path:
        """Where they tell each other which versions they use."""
        return self.folder / "versions"

    def remove(self) -> None:
        """Remove it, where whoever made it cannot any more."""
        rmtree(self.folder, ignore_errors=True)


@contextmanager
def common_folder() -> Iterator[Common]:
    """Make what workers have in common; it is removed at the end."""
    with TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True) as folder:  # mode 0700
        common = Common(Path(folder))
        common.metrics.mkdir()
        common.rates.mkdir()
        common.versions.mkdir()
        yield common
