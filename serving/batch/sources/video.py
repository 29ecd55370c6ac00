"""The frames of a video, as they are shown."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from contract.arrays import Uint8
from serving.batch.items import Found, Item, Trouble
from serving.batch.places import Place, seekable, stamp_of

if TYPE_CHECKING:
    import av
    from av.container import InputContainer


def find_in_video(path: Place) -> Iterator[Found]:
    """
    Give a video's frames in their order, named film.mp4/000000 and on.

    Raises:
        ModuleNotFoundError: Without the package av; it comes with the extra "batch".
    """
    import av

    stamp = stamp_of(path)
    try:
        with opened_film(path) as container:
            if not container.streams.video:
                yield Trouble(str(path), "has no pictures")
                return
            for number, frame in enumerate(container.decode(video=0)):
                name, origin = frame_name(path, number), frame_origin(path, number)
                yield Item(name, origin, partial(_read, frame), stamp, passing=True)
    except (av.error.FFmpegError, OSError) as error:
        yield Trouble(str(path), f"is damaged or no video ({error}); what stands behind is not seen")


@contextmanager
def opened_film(path: Place) -> Iterator["InputContainer"]:
    """
    Give a video, opened to be decoded by several threads.

    Raises:
        OSError: If it cannot be read; av's FFmpegError is one.
        ModuleNotFoundError: Without the package av; it comes with the extra "batch".
    """
    import av

    with seekable(path) as stream, av.open(stream, "r") as container:
        for pictures in container.streams.video:
            pictures.thread_type = "AUTO"
        yield container


def frame_name(path: Place, number: int) -> str:
    """Give a frame's name as that of a photo."""
    return f"{path.name}/{number:06d}"


def frame_origin(path: Place, number: int) -> str:
    """Give what to call a frame in messages."""
    return f"{path}/{number:06d}"


def _read(frame: "av.VideoFrame") -> bytes:
    """Give a frame, upright, as a file that loses nothing and costs no packing."""
    stream = io.BytesIO()
    Image.fromarray(upright(frame)).save(stream, "BMP")
    return stream.getvalue()


def upright(frame: "av.VideoFrame") -> Uint8:
    """Give a frame's pixels, (H, W, 3) uint8 RGB, as it is shown: turned as the film says."""
    turn = round(getattr(frame, "rotation", 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turn))
