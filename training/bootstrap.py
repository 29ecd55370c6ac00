"""How far a score would swing had other photos been drawn: the percentile bootstrap over photos."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from contract.metrics import Counts, Shares

DRAWS = 1000
CONFIDENCE = 0.95
SEED = 0

DRAWS_AT_ONCE = 50
"""Keeps the drawn weights small: 50 draws of 20,000 photos are 8 MB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """
    A value, and between what it lies with 95 % confidence.

    Args:
        value: On the photos as they are.
        low: Lower end; NaN where there is no value.
        high: Upper end.
    """

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether, as a difference, it is one: both ends on one side of zero."""
        return self.low > 0 or self.high < 0


def draw_sums(counts: Counts, *, draws: int = DRAWS, seed: int = SEED) -> npt.NDArray[np.float64]:
    """
    Draw as many photos as there are, with replacement, many times, and sum each draw's counts.

    The draws depend on the number of photos and the seed alone: the sums of two networks that were
    scored on the same photos pair up, draw by draw.

    Args:
        counts: (N, ...) of each photo.
        draws: Number of draws R.
        seed: Of the random numbers.

    Returns:
        (R, ...) float64, whole numbers.
    """
    photos = len(counts)
    flat = counts.reshape(photos, -1).astype(np.float64)
    generator = np.random.default_rng(seed)
    chances = np.full(photos, 1 / photos)
    sizes = [min(DRAWS_AT_ONCE, draws - start) for start in range(0, draws, DRAWS_AT_ONCE)]
    sums = [generator.multinomial(photos, chances, size=size) @ flat for size in sizes]
    return np.concatenate(sums).reshape(draws, *counts.shape[1:])


def percentile_interval(value: float, drawn: Shares) -> Interval:
    """
    Give the interval that holds the middle 95 % of a score's draws.

    Args:
        value: The score on the photos as they are.
        drawn: (R,) the score of each draw; NaN, where a draw has nothing to score, does not count.
    """
    known = drawn[np.isfinite(drawn)]
    if not len(known):
        return Interval(value, math.nan, math.nan)
    low, high = np.quantile(known, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(value, float(low), float(high))
