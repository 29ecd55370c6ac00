"""What can be known of the gateway from outside: times by stage, counts of answers, request ids."""

import re
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from serving.traces import stage_span

BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

UNKNOWN = "none"
"""The model and version of a photo whose request was refused before it was read."""

COUNTED: ContextVar[list[str] | None] = ContextVar("counted", default=None)
"""The outcomes of the photos of the request that is answered now; its tasks share the list."""

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
            with stage_span(name):
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
        self._request_times = Histogram(
            "box2seg_request_seconds",
            "Time of a request from its headers to its answer's end, all waiting included.",
            ["route"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._stages = Histogram(
            "box2seg_stage_seconds",
            "Time of one photo in each stage.",
            ["stage", "model", "version", "outcome"],
            buckets=BUCKETS_S,
            registry=self.registry,
        )
        self._photos = Counter(
            "box2seg_photos",
            "Photos by what became of them.",
            ["model", "version", "outcome"],
            registry=self.registry,
        )
        self._cut = Counter(
            "box2seg_connections_cut",
            "Connections cut by what was too slow.",
            ["slow"],
            registry=self.registry,
        )
        self._in_flight = Gauge("box2seg_in_flight", "Photos in work.", registry=self.registry)
        self._waiting = Gauge("box2seg_waiting", "Photos that wait for their turn.", registry=self.registry)
        self._circuit = Gauge(
            "box2seg_circuit_open",
            "1 while the engine hangs and nothing is sent to it.",
            registry=self.registry,
        )
        self._devices = Gauge(
            "box2seg_model_device",
            "1 for what computes a model: cpu or gpu.",
            ["model", "device"],
            registry=self.registry,
        )
        self._ready = Gauge("box2seg_ready", "1 after a readiness check that held.", registry=self.registry)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer, and the time from the request's headers to the answer's end."""
        self._requests.labels(route, str(status)).inc()
        self._request_times.labels(route).observe(seconds)

    def observe_photo(self, watch: Stopwatch, *, model: str, version: int, outcome: str = "ok") -> None:
        """Take the times of one photo, in the stages that it came to, and what became of it."""
        for stage, seconds in watch.seconds.items():
            self._stages.labels(stage, model, str(version), outcome).observe(seconds)
        self._count_photo(model, str(version), outcome)

    @contextmanager
    def photos_of_a_request(self) -> Iterator[list[str]]:
        """Give a list that holds, at the end, the outcome of each photo that was counted inside."""
        outcomes: list[str] = []
        token = COUNTED.set(outcomes)
        try:
            yield outcomes
        finally:
            COUNTED.reset(token)

    def count_unread_photo(self, outcome: str) -> None:
        """Count a request for photos that ended before any was worked on, as one photo."""
        self._count_photo(UNKNOWN, UNKNOWN, outcome)

    def _count_photo(self, model: str, version: str, outcome: str) -> None:
        self._photos.labels(model, version, outcome).inc()
        counted = COUNTED.get()
        if counted is not None:
            counted.append(outcome)

    def note_load(self, in_work: int, waiting: int) -> None:
        """Take how many photos are in work and how many wait."""
        self._in_flight.set(in_work)
        self._waiting.set(waiting)

    def note_device(self, model: str, device: str) -> None:
        """Take what computes a model."""
        self._devices.labels(model, device).set(1)

    def note_circuit(self, is_open: bool) -> None:
        """Take whether the engine hangs."""
        self._circuit.set(is_open)

    def count_cut(self, slow: str) -> None:
        """Count a connection that was cut: "headers", or "reading"."""
        self._cut.labels(slow).inc()

    def note_ready(self, ready: bool) -> None:
        """Take the outcome of a readiness check."""
        self._ready.set(ready)

    def exposition(self) -> bytes:
        """Give all metrics in the text form that Prometheus reads."""
        return generate_latest(self.registry)


def request_id(wanted: str | None) -> str:
    """Give the id that the client wants if it is a harmless one, else a new one."""
    return wanted if wanted and GOOD_ID.fullmatch(wanted) else uuid.uuid4().hex
