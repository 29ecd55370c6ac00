"""What is asked of a server: a photo in any form, and the parameters behind the question mark."""

import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from contract.arrays import Uint8, check_array
from contract.errors import ConfigurationError
from contract.images import read_bytes

Photo = bytes | str | os.PathLike[str] | Uint8
"""A photo's file as bytes, the path to one, or its pixels (H, W, 3) uint8 RGB."""

Value = str | int | float | bool | Sequence[str] | None


def photo_bytes(photo: Photo) -> bytes:
    """
    Give the file that is sent for a photo; pixels become a PNG, which loses nothing.

    Raises:
        InvalidImage: If a path cannot be read.
        ShapeError: If an array is no (H, W, 3) uint8.
    """
    if isinstance(photo, bytes):
        return photo
    if isinstance(photo, np.ndarray):
        return _encode_pixels(photo)
    return read_bytes(Path(photo))


def query(parameters: Mapping[str, Value]) -> dict[str, Any]:
    """Give the parameters that were given, several values joined by commas."""
    return {name: _as_text(value) for name, value in parameters.items() if value is not None}


def labels_query(parameters: Mapping[str, Value], model: str | None) -> dict[str, Value]:
    """
    Give the parameters of a question for labels, which come as an indexed PNG.

    Raises:
        ConfigurationError: If another format is asked for.
    """
    if "format" in parameters:
        raise ConfigurationError(
            "labels come in one format, and are then an array", hint="fetch(photo, format=...) gives others"
        )
    return {**parameters, "model": model, "format": "png"}


def _as_text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, str | int | float | None) else ",".join(value)


def _encode_pixels(pixels: Uint8) -> bytes:
    check_array("photo", pixels, shape=(None, None, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG", compress_level=1)
    return stream.getvalue()
