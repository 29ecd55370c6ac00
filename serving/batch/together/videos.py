"""A video's own files: its frames with the masks over them, and its labels, of which nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from contract.arrays import Uint8
from contract.classes import IGNORE, ClassMap
from contract.errors import DataError
from contract.pictures import draw_overlay
from serving.batch.ledger import Ledger
from serving.batch.lengths import read_labels
from serving.batch.outputs import VIDEOS, Outputs
from serving.batch.places import Place, is_taken, written
from serving.batch.sources.video import frame_name, frame_origin, opened_film, upright
from serving.batch.together.film import COUNTED, LOOKED_AT, Picture, encode_film

if TYPE_CHECKING:
    from av.container import InputContainer

MASK = "SELECT rle FROM photos JOIN masks USING (name) WHERE state = 'done' AND name = ? AND origin = ?"
ANY = "SELECT origin FROM photos WHERE state = 'done' AND name >= ? AND name < ?"

Draw = Callable[[Uint8, Uint8 | None], Uint8]
"""Makes of a frame, (H, W, 3) uint8 RGB, and its labels, None where it has none, what to show."""

CODINGS = {"overlay-video": LOOKED_AT, "mask-video": COUNTED}


def check_videos(outputs: Outputs, videos: list[Place]) -> None:
    """
    Make sure that there is a video to make those of that were asked for.

    Raises:
        DataError: If not.
    """
    if outputs.videos and not videos:
        raise DataError(
            f"no video among the sources to make {' and '.join(outputs.videos)} of",
            hint="name a video, or leave the format out",
        )


def check_free(ledger: Ledger, videos: list[Place]) -> None:
    """
    Make sure before the first frame that no video replaces a file of somebody's.

    Raises:
        DataError: If a file is there that no run wrote.
    """
    for target in (target for video in videos for target in _targets(ledger, video).values()):
        if is_taken(target) and not ledger.has_made(target.name):
            raise DataError(f"{target} is there already, and not of this batch", hint="name another --out")


def write_videos(ledger: Ledger, classes: ClassMap, videos: list[Place]) -> None:
    """
    Write the files of each video, from the masks that the ledger keeps; a video without any gets none.

    A frame without a mask is shown bare, and is void in the video of labels, so that both are as long as the
    film.

    Raises:
        WriteError: If one cannot be written; what was there stays.
    """
    draws: dict[str, Draw] = {
        "overlay-video": lambda pixels, labels: _overlay(pixels, labels, classes),
        "mask-video": _labels,
    }
    for video in videos:
        for name, target in _targets(ledger, video).items() if _has_masks(ledger, video) else ():
            ledger.note_made(target.name)
            with opened_film(video) as film, written(target) as stream:
                rate = film.streams.video[0].average_rate
                encode_film(stream, CODINGS[name], rate, _pictures(ledger, video, film, draws[name]))


def _targets(ledger: Ledger, video: Place) -> dict[str, Place]:
    return {name: ledger.out / f"{video.name}{VIDEOS[name]}" for name in ledger.outputs.videos}


def _has_masks(ledger: Ledger, video: Place) -> bool:
    """Tell whether frames of this very video are done; another of its name may be in the ledger."""
    rows = ledger.rows(ANY, f"{video.name}/", f"{video.name}0")  # "0" is what follows "/"
    return any(origin.startswith(f"{video}/") for (origin,) in rows)


def _pictures(ledger: Ledger, video: Place, film: InputContainer, draw: Draw) -> Iterator[Picture]:
    """Give each frame of a video with what to show in its place, as far as the video can be read."""
    import av

    try:
        for number, frame in enumerate(film.decode(video=0)):
            row = next(ledger.rows(MASK, frame_name(video, number), frame_origin(video, number)), None)
            yield frame, draw(upright(frame), None if row is None else read_labels(row[0]))
    except (av.error.FFmpegError, OSError):  # of which the ledger has a trouble
        return


def _overlay(pixels: Uint8, labels: Uint8 | None, classes: ClassMap) -> Uint8:
    return pixels if labels is None else draw_overlay(pixels, labels, classes)


def _labels(pixels: Uint8, labels: Uint8 | None) -> Uint8:
    return np.full(pixels.shape[:2], IGNORE, np.uint8) if labels is None else labels
