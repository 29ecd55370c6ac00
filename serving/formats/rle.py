"""COCO's run-length encoding, one annotation per class that is in the photo."""

import json
from typing import Any

import numpy as np
from pycocotools import mask as coco

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.masks import Segmentation
from serving.formats.listing import (
    AMOUNT,
    HEADING,
    TEXT,
    WHOLE,
    Part,
    heading,
    list_parts,
    object_schema,
)

SIZE = {"type": "array", "items": AMOUNT, "minItems": 2, "maxItems": 2}
BOX = {"type": "array", "items": WHOLE, "minItems": 4, "maxItems": 4}
ANNOTATION = object_schema(
    category_id=AMOUNT,
    label=TEXT,
    segmentation=object_schema(size=SIZE, counts=TEXT),
    area=AMOUNT,
    bbox=BOX,
    iscrowd={"const": 1},
)
SCHEMA = object_schema(**HEADING, annotations={"type": "array", "items": ANNOTATION})
"""What `encode_rle` gives, as JSON Schema."""


def encode_rle(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """
    Encode each class's pixels.

    Args:
        photo: Not used; all formats are called alike.
        segmentation: Labels (H, W) uint8.
        classes: Give the names.

    Returns:
        JSON: model, version, width, height, and `annotations` as in a COCO file (`category_id`,
        `segmentation`, `area`, `bbox` as x, y, width, height) with the class name as `label`.
        Background is where no annotation is.
    """
    annotations = [_annotation(part) for part in list_parts(segmentation, classes)]
    return json.dumps(heading(segmentation) | {"annotations": annotations}).encode()


def _annotation(part: Part) -> dict[str, Any]:
    rle = coco.encode(np.asfortranarray(part.mask, np.uint8))
    return {
        "category_id": part.label,
        "label": part.name,
        "segmentation": {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()},
        "area": part.area,
        "bbox": [int(value) for value in coco.toBbox(rle)],
        "iscrowd": 1,  # COCO's word for a mask as run lengths that may hold several objects
    }
