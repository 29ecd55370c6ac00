"""Whether a canary goes on: it fails too often, is too slow, or disagrees too much, and is rejected then."""

from collections import deque
from dataclasses import dataclass, field
from statistics import fmean, median

REMEMBERED = 500
"""Times and comparisons that count; older ones say little of now."""

NOISE_S = 0.005
"""Less than that between two networks may be anything."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a canary may do.

    Args:
        requests: How many are waited for before it is judged by them.
        errors: The largest part of its requests that may fail, in [0, 1].
        slowdown: How much longer than the live version's its network may take; 2 is twice as long.
        agreement: The least part of a photo's pixels to which both give one label, in the mean, in [0, 1].
    """

    requests: int = 50
    errors: float = 0.05
    slowdown: float = 2.0
    agreement: float = 0.8


def _recent() -> deque[float]:
    return deque(maxlen=REMEMBERED)


@dataclass(slots=True)
class Judge:
    """
    What one worker saw of a canary.

    Args:
        limits: What it may do.
        asked: How many requests it was given.
        failed: How many of them it could not answer.
        times_s: How long its network took where it answered; comparisons run when all is quiet [s].
        live_times_s: How long the live version's took, meanwhile [s].
        agreements: Of each comparison, in [0, 1].
    """

    limits: Limits
    asked: int = 0
    failed: int = 0
    times_s: deque[float] = field(default_factory=_recent)
    live_times_s: deque[float] = field(default_factory=_recent)
    agreements: deque[float] = field(default_factory=_recent)

    def objection(self) -> str | None:
        """Say what stands against the canary; None where nothing does, or too little was seen."""
        return self._fails() or self._is_slow() or self._disagrees()

    def _fails(self) -> str | None:
        """Count what failed against what will have been asked: what is lost already is not waited for."""
        if self.failed <= self.limits.errors * max(self.asked, self.limits.requests):
            return None
        return f"{self.failed} of {self.asked} requests failed, the limit is {self.limits.errors:.1%}"

    def _is_slow(self) -> str | None:
        if min(len(self.times_s), len(self.live_times_s)) < self.limits.requests:
            return None
        usual, live = median(self.times_s), median(self.live_times_s)
        if usual <= max(self.limits.slowdown * live, live + NOISE_S):
            return None
        return (
            f"its network takes {usual * 1e3:.1f} ms, the live version's {live * 1e3:.1f} ms; "
            f"the limit is {self.limits.slowdown:g} times as long"
        )

    def _disagrees(self) -> str | None:
        if len(self.agreements) < self.limits.requests or fmean(self.agreements) >= self.limits.agreement:
            return None
        return (
            f"{fmean(self.agreements):.1%} of the pixels have the live version's label, "
            f"the limit is {self.limits.agreement:.1%}"
        )
