"""
How often each key may ask: a bucket of tokens per key, filled at its rate.

Written here, as `limits` counts in windows, without bursts, and `aiolimiter` makes callers wait where they
are to be told when to come again.
"""

import fcntl
import math
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from contract.errors import RateLimited
from serving.keys import Key

LAYOUT = struct.Struct("dd")
"""A bucket in its file."""


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

    def fill(self, rate_per_s: float, burst: int) -> None:
        """Add what came since it was looked at."""
        now_s = time.monotonic()  # one clock for all processes of a machine
        self.tokens = min(burst, self.tokens + (now_s - self.at_s) * rate_per_s)
        self.at_s = now_s


class Rates:
    """
    The buckets of all keys.

    Args:
        rate_per_s: Requests per second of a key that has no rate of its own.
        burst: Requests at once of a key that has no number of its own.
        folder: Where several processes share the buckets, a file of 16 bytes each; None for one alone.
    """

    def __init__(self, *, rate_per_s: float, burst: int, folder: Path | None = None) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._folder = folder
        self._buckets: dict[str, Bucket] = {}

    def take(self, key: Key) -> None:
        """
        Count a request.

        Raises:
            RateLimited: If the key asks more often than it may; says when to come again.
        """
        rate_per_s, burst = self._limits(key)
        with self._bucket(key.sha256, burst) as bucket:
            bucket.fill(rate_per_s, burst)
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
        with self._bucket(key.sha256, burst) as bucket:
            bucket.fill(rate_per_s, burst)
            bucket.tokens -= photos

    def _limits(self, key: Key) -> tuple[float, int]:
        """Give a key's rate and burst, its own or the server's."""
        return (
            self._rate_per_s if key.rate_per_s is None else key.rate_per_s,
            self._burst if key.burst is None else key.burst,
        )

    @contextmanager
    def _bucket(self, name: str, burst: int) -> Iterator[Bucket]:
        full = Bucket(burst, time.monotonic())
        if self._folder is None:
            yield self._buckets.setdefault(name, full)
            return
        with _shared_bucket(self._folder / name, full) as bucket:
            yield bucket


@contextmanager
def _shared_bucket(file: Path, full: Bucket) -> Iterator[Bucket]:
    """Have a file's bucket alone while inside; a file that is new has a full one."""
    file.parent.mkdir(exist_ok=True, parents=True)  # what sweeps temporary folders may have taken it
    handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # held for microseconds, and let go of by a process that dies
        data = os.pread(handle, LAYOUT.size, 0)
        bucket = Bucket(*LAYOUT.unpack(data)) if len(data) == LAYOUT.size else full
        try:
            yield bucket
        finally:
            os.pwrite(handle, LAYOUT.pack(bucket.tokens, bucket.at_s), 0)
    finally:
        os.close(handle)
