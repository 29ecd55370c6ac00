"""Photos are taken from where they come from a little ahead of the work, and no more than fit into memory."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from contract.errors import DataError
from serving.batch.items import Found, Item

AHEAD = 16
"""Photos written down as begun at once: one look at the disk for all of them."""

AHEAD_BYTES = 64 * 2**20
"""With more in memory, of photos that cannot be read later, these are given on, however few they are."""

MOST = 1000
"""Found at once, most of them known: a million of those do not fit into memory."""

PAUSE_S = 0.5
"""After so long what was found is given on, however few are to be segmented."""


def take_some(
    found: Iterator[Found], wants: Callable[[Item], bool], given_up: Callable[[], bool]
) -> list[Found]:
    """
    Take photos until there is enough to do; those that cannot be read later are read.

    Args:
        found: Where they come from; goes on from there the next time.
        wants: Tells which of them are to be segmented.
        given_up: Tells whether nobody waits for them any more.

    Returns:
        What was found; nothing where there is no more.

    Raises:
        DataError: If the system keeps a source from looking any further.
    """
    end = time.monotonic() + PAUSE_S
    taken: list[Found] = []
    wanted = held = 0
    while len(taken) < MOST and (each := _next(found)) is not None:
        if isinstance(each, Item) and wants(each):
            wanted += 1
            if each.passing:
                each, length = _read_now(each)
                held += length
        taken.append(each)
        if wanted >= AHEAD or held >= AHEAD_BYTES or time.monotonic() > end or given_up():
            break
    return taken


def _next(found: Iterator[Found]) -> Found | None:
    try:
        return next(found, None)
    except OSError as error:
        raise DataError(f"no more photos can be found ({error})", hint="run it again") from error


def _read_now(item: Item) -> tuple[Item, int]:
    """Read what cannot be read later; gives its length [bytes] too."""
    try:
        data = item.read()
    except Exception as error:  # this photo's alone; it fails of it in its turn
        return replace(item, read=_raising(error)), 0
    return replace(item, read=lambda: data), len(data)


def _raising(error: Exception) -> Callable[[], bytes]:
    def read() -> bytes:
        raise error

    return read
