"""
How often each key may ask: a bucket of tokens per key, filled at its rate.

Written here, as `limits` counts in windows, without bursts, and `aiolimiter` makes callers wait where they
are to be told when to come again.
"""

import math
import time
from dataclasses import dataclass

from contract.errors import RateLimited
from serving.keys import Key


@dataclass(slots=True)
class Bucket:
    """
    What a key has left.

    Args:
        tokens: Requests that it may make at once; below zero it owes them.
        at_s: When that was so [s].
    """

    tokens: float
    at_s: float


class Rates:
    """
    The buckets of all keys.

    Args:
        rate_per_s: Requests per second of a key that has no rate of its own.
        burst: Requests at once of a key that has no number of its own.
    """

    def __init__(self, *, rate_per_s: float, burst: int) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: Key) -> None:
        """
        Count a request.

        Raises:
            RateLimited: If the key asks more often than it may; says when to come again.
        """
        rate_per_s, burst = self._limits(key)
        bucket = self._fill(key.sha256, rate_per_s, burst)
        if bucket.tokens < 1:
            raise RateLimited(
                f"key {key.name!r} may ask {rate_per_s:g} times a second, and {burst} times at once",
                hint="ask again after the seconds in Retry-After",
                retry_after_s=max(1, math.ceil((1 - bucket.tokens) / rate_per_s)),
            )
        bucket.tokens -= 1

    def charge(self, key: Key, photos: int) -> None:
        """Count what a request that was let in costs beyond one photo; the bucket may come to owe."""
        rate_per_s, burst = self._limits(key)
        self._fill(key.sha256, rate_per_s, burst).tokens -= photos

    def _limits(self, key: Key) -> tuple[float, int]:
        """Give a key's rate and burst, its own or the server's."""
        return (
            self._rate_per_s if key.rate_per_s is None else key.rate_per_s,
            self._burst if key.burst is None else key.burst,
        )

    def _fill(self, name: str, rate_per_s: float, burst: int) -> Bucket:
        now_s = time.monotonic()
        bucket = self._buckets.setdefault(name, Bucket(burst, now_s))
        bucket.tokens = min(burst, bucket.tokens + (now_s - bucket.at_s) * rate_per_s)
        bucket.at_s = now_s
        return bucket
