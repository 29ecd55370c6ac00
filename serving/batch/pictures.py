"""Small pictures for people: a photo with its mask, or what can be seen of a broken one."""

import io

import numpy as np
import simplejpeg
from PIL import Image

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.images import MAX_PIXELS
from contract.masks import Segmentation
from contract.pictures import draw_overlay

SIDE = 240
"""Of a picture's longer side [px]."""
QUALITY = 80


def draw_small(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """Draw a photo, (H, W, 3) uint8 RGB, with its mask over it, as a small JPEG."""
    small = Image.fromarray(photo)
    small.thumbnail((SIDE, SIDE))  # first, so that the mask is drawn over few pixels
    labels = Image.fromarray(segmentation.labels).resize(small.size, Image.Resampling.NEAREST)
    return _encode(Image.fromarray(draw_overlay(np.asarray(small), np.asarray(labels), classes)))


def draw_remains(data: bytes) -> bytes | None:
    """Draw what can be decoded of a photo that cannot be decoded whole; None where that is nothing."""
    try:
        height, width, *_ = simplejpeg.decode_jpeg_header(data, strict=False)
        if width * height > MAX_PIXELS:
            return None
        return _shrink(Image.fromarray(simplejpeg.decode_jpeg(data, strict=False)))
    except Exception:  # no JPEG, or not even its beginning; what else its decoder raises, it does not say
        return None


def _shrink(image: Image.Image) -> bytes:
    image.thumbnail((SIDE, SIDE))
    return _encode(image)


def _encode(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
