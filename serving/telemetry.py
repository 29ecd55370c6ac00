"""What can be known of the gateway from outside: times by stage, counts of answers, request ids."""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

GOOD_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Stopwatch:
    """Times the stages of one request."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what runs inside, also where it fails."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begin

    def server_timing(self) -> str:
        """Give the stages as a Server-Timing header says them, in milliseconds."""
        return ", ".join(f"{name};dur={seconds * 1e3:.2f}" for name, seconds in self.seconds.items())


class Telemetry:
    """The metrics of one gateway; each gateway has its own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "box2seg_requests", "Answers by route and status.", ["route", "status"], registry=self.registry
        )
        self._stages = Histogram(
            "box2seg_stage_seconds",
            "Time of one photo in each stage.",
            ["stage", "model", "version"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._ready = Gauge("box2seg_ready", "1 after a readiness check that held.", registry=self.registry)

    def count_request(self, route: str, status: int) -> None:
        """Count an answer."""
        self._requests.labels(route, str(status)).inc()

    def observe_stages(self, watch: Stopwatch, *, model: str, version: int) -> None:
        """Take the times of one photo."""
        for stage, seconds in watch.seconds.items():
            self._stages.labels(stage, model, str(version)).observe(seconds)

    def note_ready(self, ready: bool) -> None:
        """Take the outcome of a readiness check."""
        self._ready.set(ready)

    def exposition(self) -> bytes:
        """Give all metrics in the text form that Prometheus reads."""
        return generate_latest(self.registry)


def request_id(wanted: str | None) -> str:
    """Give the id that the client wants if it is a harmless one, else a new one."""
    return wanted if wanted and GOOD_ID.fullmatch(wanted) else uuid.uuid4().hex
