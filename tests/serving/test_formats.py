"""The forms of an answer, from a mask that can be seen."""

import io
import json

import numpy as np
from PIL import Image
from pycocotools import mask as coco

from contract.masks import Segmentation
from serving.formats.overlay import encode_overlay
from serving.formats.png import encode_png
from serving.formats.rle import encode_rle
from tests.serving.colours import CLASSES

LABELS = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 3],
    ],
    np.uint8,
)
PHOTO = np.full((5, 6, 3), 100, np.uint8)
MASK = Segmentation(LABELS, "box2seg", 7)


def test_png_keeps_labels_and_colours() -> None:
    """Indices come back as they were; seen as RGB they have the classes' colours."""
    with Image.open(io.BytesIO(encode_png(PHOTO, MASK, CLASSES))) as image:
        np.testing.assert_array_equal(np.asarray(image), LABELS)
        assert image.convert("RGB").getpixel((5, 4)) == CLASSES.colours[3]


def test_rle_of_a_mask() -> None:
    """Each class there is has its run lengths, area and box; those that are not there are left out."""
    content = json.loads(encode_rle(PHOTO, MASK, CLASSES))
    assert (content["model"], content["version"]) == ("box2seg", 7)
    red, blue = content["annotations"]
    assert (red["label"], red["area"], red["bbox"]) == ("red", 12, [1, 1, 4, 3])
    assert (blue["label"], blue["area"], blue["bbox"]) == ("blue", 1, [5, 4, 1, 1])
    np.testing.assert_array_equal(coco.decode(red["segmentation"]), LABELS == 1)


def test_overlay_of_one_pixel() -> None:
    """The smallest photo there is can be drawn over."""
    one = Segmentation(np.ones((1, 1), np.uint8), "box2seg", 1)
    with Image.open(io.BytesIO(encode_overlay(PHOTO[:1, :1], one, CLASSES))) as image:
        assert image.size == (1, 1)
