"""A Segmentation in the form asked for; one file per form."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import UnknownFormat
from contract.masks import Segmentation
from serving.formats.overlay import encode_overlay
from serving.formats.png import encode_png
from serving.formats.rle import encode_rle


@dataclass(frozen=True, slots=True)
class Format:
    """
    One form of answer.

    Args:
        media_type: What HTTP calls it.
        suffix: What files of it end in.
        encode: Gives its bytes, from the photo (H, W, 3) uint8 RGB, its Segmentation and the classes.
    """

    media_type: str
    suffix: str
    encode: Callable[[Uint8, Segmentation, ClassMap], bytes]


FORMATS = {
    "png": Format("image/png", ".png", encode_png),
    "overlay": Format("image/jpeg", ".jpg", encode_overlay),
    "rle": Format("application/json", ".json", encode_rle),
}


def find_format(name: str) -> Format:
    """
    Give a format by its name.

    Raises:
        UnknownFormat: If there is none; names those there are.
    """
    if name not in FORMATS:
        raise UnknownFormat(f"no format {name!r}", hint=f"there are: {', '.join(FORMATS)}")
    return FORMATS[name]
