"""Labels from the run lengths that a ledger keeps."""

import json

import numpy as np
from pycocotools import mask as coco

from contract.arrays import Uint8
from contract.classes import BACKGROUND


def read_labels(rle: bytes) -> Uint8:
    """Give the labels, (H, W) uint8, of an answer in the format "rle"; background is where no class is."""
    content = json.loads(rle)
    labels = np.full((content["height"], content["width"]), BACKGROUND, np.uint8)
    for annotation in content["annotations"]:
        labels[coco.decode(annotation["segmentation"]).view(bool)] = annotation["category_id"]
    return labels
