"""COCO's run-length encoding, one annotation per class that is in the photo."""

import json
from typing import Any

import numpy as np
from pycocotools import mask as coco

from contract.arrays import Uint8
from contract.classes import BACKGROUND, ClassMap
from contract.masks import Segmentation


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
    height, width = segmentation.size
    present = [
        label for label, area in enumerate(segmentation.areas(len(classes))) if area and label != BACKGROUND
    ]
    content = {
        "model": segmentation.model,
        "version": segmentation.version,
        "width": width,
        "height": height,
        "annotations": [_annotation(segmentation.labels == label, label, classes) for label in present],
    }
    return json.dumps(content).encode()


def _annotation(mask: Any, label: int, classes: ClassMap) -> dict[str, Any]:
    rle = coco.encode(np.asfortranarray(mask, np.uint8))
    return {
        "category_id": label,
        "label": classes.names[label],
        "segmentation": {"size": [int(side) for side in rle["size"]], "counts": rle["counts"].decode()},
        "area": int(coco.area(rle)),
        "bbox": [int(value) for value in coco.toBbox(rle)],
        "iscrowd": 1,  # COCO's word for a mask as run lengths that may hold several objects
    }
