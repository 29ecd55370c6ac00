"""One label map at the image's own size."""

from dataclasses import dataclass

import numpy as np

from contract.arrays import Size, Uint8, check_array


@dataclass(frozen=True, slots=True, eq=False)
class Segmentation:
    """
    What a model says about one photo.

    Args:
        labels: (H, W) uint8, indices into the model's ClassMap or IGNORE, at the photo's own size.
        model: The model's name.
        version: The model's published version.
        confidence: (H, W) uint8, the winning class's probability times 255, or None.

    Raises:
        ShapeError: If an array has another shape or dtype.
    """

    labels: Uint8
    model: str
    version: int
    confidence: Uint8 | None = None

    def __post_init__(self) -> None:
        check_array("labels", self.labels, shape=(None, None), dtype=np.uint8)
        if self.confidence is not None:
            check_array("confidence", self.confidence, shape=self.labels.shape, dtype=np.uint8)

    @property
    def size(self) -> Size:
        """(height, width) [px]."""
        height, width = self.labels.shape
        return height, width

    def areas(self, classes: int) -> list[int]:
        """Count the pixels of each of the first `classes` labels."""
        counts = np.bincount(self.labels.ravel(), minlength=classes)[:classes]
        return [int(count) for count in counts]

    def present(self) -> list[int]:
        """List the labels that at least one pixel has, background and IGNORE included."""
        counts = np.bincount(self.labels.ravel(), minlength=1)
        return [int(label) for label in np.flatnonzero(counts)]
