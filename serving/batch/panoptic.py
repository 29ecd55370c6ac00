"""COCO's panoptic form of a photo's labels: a PNG whose colours are the numbers of segments."""

import io

import numpy as np
from PIL import Image

from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE, ClassMap
from serving.batch.outputs import DERIVED, Outputs

NOTHING = 0
"""The number of pixels that belong to no segment: background and void."""


def segment_ids(classes: ClassMap) -> dict[int, int]:
    """
    Give each class's segment its number, which is R + 256 G + 256^2 B of its colour in the PNG.

    It is the class's own colour, so that the PNG can be looked at; where two share one, or have black, which
    means nothing, the label.
    """
    ids: dict[int, int] = {}
    for label in range(BACKGROUND + 1, len(classes)):
        red, green, blue = classes.colours[label]
        number = red + 256 * green + 256**2 * blue
        ids[label] = label if number == NOTHING or number in ids.values() else number
    if len(set(ids.values())) < len(ids):  # a label that is another's colour
        return {label: label for label in ids}
    return ids


def derive(outputs: Outputs, labels: Uint8, classes: ClassMap) -> dict[str, bytes]:
    """Give those files of a photo that a batch makes of its labels, (H, W) uint8, itself."""
    return {name: encode_panoptic(labels, classes) for name in DERIVED if name in outputs.suffixes}


def encode_panoptic(labels: Uint8, classes: ClassMap) -> bytes:
    """Give the PNG of labels, (H, W) uint8; a class is one segment, background and void are none."""
    table = np.zeros((IGNORE + 1, 3), np.uint8)
    for label, number in segment_ids(classes).items():
        table[label] = number % 256, number // 256 % 256, number // 256**2
    stream = io.BytesIO()
    Image.fromarray(table[labels]).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
