"""A Segmentation in the form asked for; one file per form."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from contract.errors import UnknownFormat
from contract.masks import Segmentation
from serving.formats import geojson, rle
from serving.formats.arrays import encode_npy, encode_npz, encode_raw, raw_headers
from serving.formats.geojson import encode_geojson
from serving.formats.overlay import encode_overlay, encode_overlay_png
from serving.formats.png import encode_confidence, encode_png
from serving.formats.rle import encode_rle

Encode = Callable[..., bytes]
"""Called with the photo (H, W, 3) uint8 RGB, its Segmentation and the classes."""


def _no_headers(_: Segmentation) -> dict[str, str]:
    return {}


@dataclass(frozen=True, slots=True)
class Format:
    """
    One form of answer.

    Args:
        media_type: What HTTP calls it.
        suffix: What files of it end in.
        encode: Gives its bytes.
        summary: What it is, for those who choose.
        confident: It shows the confidence, which is brought to the photo's size for it.
        labelled: It shows the labels.
        drawn: It is a picture to look at; `encode` also takes `alpha` and `outline`.
        headers: What HTTP's headers must say for it to be read.
        schema: Of forms that are JSON, the JSON Schema.
    """

    media_type: str
    suffix: str
    encode: Encode
    summary: str
    confident: bool = False
    labelled: bool = True
    drawn: bool = False
    headers: Callable[[Segmentation], dict[str, str]] = _no_headers
    schema: dict[str, Any] | None = None

    @property
    def is_json(self) -> bool:
        """Tell whether its bytes can stand inside JSON as they are."""
        return self.media_type.endswith("json")

    def painted(self, **look: object) -> "Format":
        """Give this form with another `alpha` or `outline`."""
        return replace(self, encode=partial(self.encode, **look))


FORMATS = {
    "png": Format("image/png", ".png", encode_png, "a palette PNG of labels"),
    "overlay": Format(
        "image/jpeg", ".jpg", encode_overlay, "the photo with the mask drawn over it, JPEG", drawn=True
    ),
    "overlay-png": Format(
        "image/png;profile=overlay", ".png", encode_overlay_png, "the same as a PNG", drawn=True
    ),
    "rle": Format("application/json", ".json", encode_rle, "COCO run lengths per class", schema=rle.SCHEMA),
    "geojson": Format(
        "application/geo+json",
        ".geojson",
        encode_geojson,
        "polygons with holes per class, in pixels",
        schema=geojson.SCHEMA,
    ),
    "npy": Format("application/x-npy", ".npy", encode_npy, "labels as a numpy file"),
    "npz": Format(
        "application/x-npz",
        ".npz",
        encode_npz,
        "labels, confidence and class names as a numpy archive",
        confident=True,
    ),
    "raw": Format(
        "application/octet-stream",
        ".raw",
        encode_raw,
        "labels row by row, with the headers X-Shape and X-Dtype",
        headers=raw_headers,
    ),
    "confidence": Format(
        "image/png;profile=confidence",
        ".png",
        encode_confidence,
        "a grey PNG of the winner's probability times 255",
        confident=True,
        labelled=False,
    ),
}
"""Where a client likes several equally, the first is taken."""


def find_format(name: str) -> Format:
    """
    Give a format by its name.

    Raises:
        UnknownFormat: If there is none; names those there are.
    """
    if name not in FORMATS:
        raise UnknownFormat(f"no format {name!r}", hint=f"there are: {', '.join(FORMATS)}")
    return FORMATS[name]
