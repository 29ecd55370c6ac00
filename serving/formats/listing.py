"""What the forms that list classes share: which classes are there, and whose mask it is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from contract.classes import BACKGROUND, ClassMap
from contract.masks import Segmentation

TEXT = {"type": "string"}
WHOLE = {"type": "integer", "minimum": 0}
AMOUNT = {"type": "integer", "minimum": 1}


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """
    All pixels of one class.

    Args:
        label: Their label; IGNORE where the network was too unsure.
        name: The class's name; "void" for IGNORE.
        mask: (H, W) bool.
        area: How many there are [px].
    """

    label: int
    name: str
    mask: npt.NDArray[np.bool_]
    area: int


def list_parts(segmentation: Segmentation, classes: ClassMap) -> Iterator[Part]:
    """Give each class that is in the photo, but background: that is where no part is."""
    for label in segmentation.present():
        if label != BACKGROUND:
            mask = segmentation.labels == label
            yield Part(label, classes.name(label), mask, int(np.count_nonzero(mask)))


def object_schema(**members: object) -> dict[str, Any]:
    """Give the JSON Schema of an object that has all of these members and no others."""
    return {"type": "object", "required": [*members], "properties": members, "additionalProperties": False}


HEADING: dict[str, object] = {"model": TEXT, "version": AMOUNT, "width": AMOUNT, "height": AMOUNT}
"""The schemas of what `heading` gives."""


def heading(segmentation: Segmentation) -> dict[str, Any]:
    """Say whose mask it is and how large."""
    height, width = segmentation.size
    return {
        "model": segmentation.model,
        "version": segmentation.version,
        "width": width,
        "height": height,
    }
