"""What a version costs: time per photo, beside another's in one run, and memory of a process that runs it."""

import resource
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from contract.arrays import Size, Uint8
from contract.errors import EngineError
from contract.manifest import MODEL_FILE
from export.gate.contender import Contender, Opener

PHOTOS = 8
"""Photos that are timed, spread over the golden set."""

ROUNDS = 7
STATUS = Path("/proc/self/status")


def time_side_by_side(contenders: Sequence[Contender], photos: Sequence[Uint8]) -> list[float]:
    """
    Time contenders in turns, so that what else the machine does falls on all of them.

    Args:
        contenders: One or several.
        photos: (H, W, 3) uint8 RGB each; decoding is not timed.

    Returns:
        The median time of a photo [ms], of each.
    """
    times: list[list[float]] = [[] for _ in contenders]
    turns = list(zip(contenders, times, strict=True))
    for photo in photos:
        for contender in contenders:
            contender.answer(photo)  # a network is made ready for each new shape
        for _ in range(ROUNDS):
            for contender, taken in turns:
                began = time.perf_counter()
                contender.answer(photo)
                taken.append(1000 * (time.perf_counter() - began))
            turns.reverse()
    return [statistics.median(taken) for taken in times]


def peak_memory(opener: Opener, contender: Contender, photos: Sequence[Uint8]) -> int:
    """
    Give the most memory [bytes] that a new process held which loaded a version and ran it on these photos.

    Raises:
        EngineError: If the process ends before it can say.
    """
    frames = [contender.frame_size(photo) for photo in photos]
    # A process that is forked begins with the memory of this one, which torch fills.
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(_run_and_weigh, opener, contender.folder / MODEL_FILE, frames).result()
        except RuntimeError as error:
            raise EngineError(f"the process that was to show its memory ended: {error}") from error


def _run_and_weigh(opener: Opener, model: Path, frames: Sequence[Size]) -> int:
    engine = opener(model)
    for height, width in frames:
        engine(np.zeros((1, height, width, 3), dtype=np.uint8))
    return _peak()


def _peak() -> int:
    """Read this process's own peak; where /proc is missing getrusage's, which a parent may have raised."""
    try:
        lines = STATUS.read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
