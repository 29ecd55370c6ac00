"""Pictures packed into a video, each at the time of the frame that it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from contract.arrays import Size, Uint8

if TYPE_CHECKING:
    from av import VideoFrame

Picture = tuple["VideoFrame", Uint8]
"""A frame, and what is shown in its place: (H, W, 3) uint8 RGB, or (H, W) uint8."""


@dataclass(frozen=True, slots=True)
class Coding:
    """
    How pictures become a video.

    Args:
        container: The file's kind.
        codec: Packs the pictures.
        pixels: How a picture's pixels are given.
        packed: How the codec has them.
        step: Sides are whole multiples of it [px].
        options: For the codec.
    """

    container: str
    codec: str
    pixels: str
    packed: str
    step: int = 1
    options: Mapping[str, str] = field(default_factory=dict)


LOOKED_AT = Coding("mp4", "libx264", "rgb24", "yuv420p", step=2, options={"crf": "20", "mbtree": "0"})
"""
What every player shows; its colours have half the resolution, so its sides are even.

With mbtree x264 reads, on processors with AVX-512, memory that nobody wrote, and the same pictures give now
this file, now that one.
"""

COUNTED = Coding("matroska", "ffv1", "gray", "gray")
"""Each byte comes out as it went in."""


def encode_film(target: BinaryIO, coding: Coding, rate: Any, pictures: Iterator[Picture]) -> None:
    """
    Pack pictures into a video, all in the size of the first.

    Args:
        target: Where it goes; must be able to seek.
        coding: How.
        rate: Frames in a second, as the film that they are made of has it.
        pictures: In their order.
    """
    import av

    stream: Any = None
    size, first, last = (0, 0), 0, -1
    # A film of the same pictures is the same file: without a number drawn by lot.
    with av.open(target, "w", format=coding.container, options={"fflags": "+bitexact"}) as film:
        for frame, picture in pictures:
            if stream is None:
                size, first = (picture.shape[0], picture.shape[1]), frame.pts or 0
                stream = _add_stream(film, coding, rate, frame, size)
            packed = av.VideoFrame.from_ndarray(_fit(picture, size, coding.step), format=coding.pixels)
            # Times only go on, whatever a film says of its own.
            last = last + 1 if frame.pts is None else max(last + 1, frame.pts - first)
            packed.pts, packed.time_base, packed.duration = last, frame.time_base, frame.duration
            film.mux(stream.encode(packed))
        if stream is not None:
            film.mux(stream.encode())


def _add_stream(film: Any, coding: Coding, rate: Any, frame: VideoFrame, size: Size) -> Any:
    stream = film.add_stream(coding.codec, rate=rate)
    stream.height, stream.width = (-(-side // coding.step) * coding.step for side in size)
    stream.pix_fmt, stream.options = coding.packed, dict(coding.options)
    stream.codec_context.time_base = frame.time_base
    return stream


def _fit(picture: Uint8, size: Size, step: int) -> Uint8:
    """Bring a picture to a size, as films may change theirs, and repeat its last row and column to a step."""
    if picture.shape[:2] != size:
        height, width = size
        picture = np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.NEAREST))
    margins = [(0, -side % step) for side in size] + [(0, 0)] * (picture.ndim - 2)
    return np.ascontiguousarray(np.pad(picture, margins, "edge") if any(map(sum, margins)) else picture)
