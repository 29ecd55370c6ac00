"""What computes: the protocol that all engines keep, so that nothing above knows which one runs."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contract.arrays import Size, Uint8
from contract.manifest import Manifest

USUAL_SHAPES = ((3, 4), (4, 3), (1, 1))
"""Photos are landscapes, portraits and squares; the sizes that these come to are run before a version counts
as loaded. Triton reads the same from config.pbtxt."""


@dataclass(frozen=True, slots=True)
class Tally:
    """
    What an engine has computed since it began.

    Args:
        model: Its name.
        version: Of the model.
        photos: How many.
        batches: In how many calls of the network; photos over batches is the mean batch.
    """

    model: str
    version: int
    photos: int
    batches: int


class Engine(Protocol):
    """Runs published versions."""

    async def load(self, manifest: Manifest, folder: Path) -> None:
        """
        Make a version ready to answer, and warm, beside those that are; do nothing where it is.

        Args:
            manifest: Of the version, its files verified.
            folder: The version's folder.

        Raises:
            EngineUnavailable: If the engine does not answer or cannot load it.
        """

    async def drop(self, model: str, versions: Collection[int]) -> None:
        """Give back what these versions hold, once requests that run on them are done; never raises."""

    async def ready(self, model: str, version: int) -> bool:
        """Tell whether this version can answer now; never raises, and takes a second at most."""

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """
        Run the network; cancelled, it is not run if it has not begun.

        Args:
            model: Its name.
            version: A version that was loaded.
            images: (N, H, W, 3) uint8 RGB in the network's frame.
            timeout_s: How long it may take, waiting included; where None, the engine's own patience [s].

        Returns:
            Labels and confidence, (N, H, W) uint8.

        Raises:
            EngineUnavailable: If the engine does not answer.
            EngineTimeout: If it does not answer in time.
        """

    async def tally(self) -> list[Tally]:
        """Tell what was computed together; never raises, and tells nothing where it does not know."""

    def device(self, model: str) -> str:
        """Say what computes a model that was loaded: "cpu", "gpu", or "unknown"."""

    async def close(self) -> None:
        """Give back what the engine holds."""


def usual_frames(manifest: Manifest) -> list[Size]:
    """List the sizes that photos usually have in the network's frame, (height, width) [px]."""
    return list(dict.fromkeys(manifest.fit.fit(shape).network for shape in USUAL_SHAPES))
