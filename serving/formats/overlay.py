"""The photo with the mask drawn over it, to look at."""

import io

from PIL import Image

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import ImageTooLarge
from contract.masks import Segmentation
from contract.pictures import ALPHA, draw_overlay

QUALITY = 90
JPEG_SIDE = 65_500
"""What libjpeg writes at most [px]."""


def encode_overlay(
    photo: Uint8,
    segmentation: Segmentation,
    classes: ClassMap,
    *,
    alpha: float = ALPHA,
    outline: bool = True,
) -> bytes:
    """
    Draw the mask over the photo, as a JPEG.

    Args:
        photo: (H, W, 3) uint8 RGB.
        segmentation: Labels (H, W) uint8 at the same size.
        classes: Give the colours.
        alpha: Share of the colour in the tint, in [0, 1].
        outline: Draw a fine line along the edges.

    Returns:
        A JPEG of the photo's own size.

    Raises:
        ImageTooLarge: If a side is longer than a JPEG's may be.
    """
    height, width = segmentation.size
    if max(height, width) > JPEG_SIDE:
        raise ImageTooLarge(
            f"an overlay is a JPEG, at most {JPEG_SIDE:,} pixels long; the photo is {width:,} x {height:,}",
            hint="ask for another format",
        )
    stream = io.BytesIO()
    picture = draw_overlay(photo, segmentation.labels, classes, alpha=alpha, outline=outline)
    Image.fromarray(picture).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()


def encode_overlay_png(
    photo: Uint8,
    segmentation: Segmentation,
    classes: ClassMap,
    *,
    alpha: float = ALPHA,
    outline: bool = True,
) -> bytes:
    """Draw the mask over the photo, as a PNG, which loses nothing; see `encode_overlay`."""
    stream = io.BytesIO()
    picture = draw_overlay(photo, segmentation.labels, classes, alpha=alpha, outline=outline)
    Image.fromarray(picture).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
