"""The frames of a video, as they are shown."""

import io
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from serving.batch.items import Found, Item, Stamp, Trouble

if TYPE_CHECKING:
    import av


def find_in_video(path: Path) -> Iterator[Found]:
    """
    Give a video's frames in their order, named film.mp4/000000 and on.

    Raises:
        ModuleNotFoundError: Without the package av; it comes with the extra "batch".
    """
    import av

    status = path.stat()
    stamp = Stamp(status.st_size, status.st_mtime_ns)
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                yield Trouble(str(path), "has no pictures")
                return
            container.streams.video[0].thread_type = "AUTO"
            for number, frame in enumerate(container.decode(video=0)):
                name = f"{path.name}/{number:06d}"
                yield Item(name, f"{path}/{number:06d}", partial(_read, frame), stamp, passing=True)
    except (av.error.FFmpegError, OSError) as error:
        yield Trouble(str(path), f"is damaged or no video ({error}); what stands behind is not seen")


def _read(frame: "av.VideoFrame") -> bytes:
    """Give a frame, upright, as a file that loses nothing and costs no packing."""
    pixels = frame.to_ndarray(format="rgb24")
    turn = round(getattr(frame, "rotation", 0) / 90) % 4
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    if turn:
        image = image.rotate(90 * turn, expand=True)
    image.save(stream, "BMP")
    return stream.getvalue()
