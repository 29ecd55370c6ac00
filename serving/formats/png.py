"""PNGs of one byte per pixel: the labels with their colours as a palette, and the confidence in grey."""

import io
import zlib

from PIL import Image

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.masks import Segmentation


def encode_png(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """
    Encode the label map.

    Args:
        photo: Not used; all formats are called alike.
        segmentation: Labels (H, W) uint8.
        classes: Give the palette.

    Returns:
        An 8-bit palette PNG of the photo's own size.
    """
    image = label_image(segmentation, classes)
    stream = io.BytesIO()
    # Labels are long runs: run-length matching is 4 times as fast as the default, for a few percent more.
    image.save(stream, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return stream.getvalue()


def encode_confidence(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """Give the winner's probability times 255 as a grey PNG; photo and classes are not used."""
    assert segmentation.confidence is not None
    stream = io.BytesIO()
    Image.fromarray(segmentation.confidence).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def label_image(segmentation: Segmentation, classes: ClassMap) -> Image.Image:
    """Give the label map as a Pillow image of mode P with the classes' colours."""
    image = Image.fromarray(segmentation.labels)  # shares its memory; the palette makes it mode P
    image.putpalette(classes.palette())
    return image
