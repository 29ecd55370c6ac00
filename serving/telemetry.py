"""What can be known of the gateway from outside: times by stage, counts of answers, request ids."""

import re
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from serving.engines import Tally
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
    """
    The metrics of one gateway; each gateway has its own registry.

    Args:
        shared: The folder that workers keep their metrics in (`METRICS_VARIABLE` names it); what is given is
            then the sum over all of them, counts of the dead included.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
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
            "Time of one photo, or of a tensor of several, in each stage.",
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
        self._in_flight = Gauge(
            "box2seg_in_flight", "Photos in work.", registry=self.registry, multiprocess_mode="livesum"
        )
        self._waiting = Gauge(
            "box2seg_waiting",
            "Photos that wait for their turn.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        self._circuit = Gauge(
            "box2seg_circuit_open",
            "1 while the engine hangs and nothing is sent to it.",
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._jobs = Gauge(
            "box2seg_jobs",
            "Jobs by their state.",
            ["state"],
            registry=self.registry,
            multiprocess_mode="livemostrecent",  # all workers count the same jobs
        )
        self._job_photos = Counter(
            "box2seg_job_photos",
            "Photos of jobs by what became of them; those with masks are among the photos too.",
            ["outcome"],
            registry=self.registry,
        )
        self._known_devices: set[tuple[str, str]] = set()
        self._devices = Gauge(
            "box2seg_model_device",
            "1 for what computes a model: cpu or gpu.",
            ["model", "device"],
            registry=self.registry,
            multiprocess_mode="livemax",
        )
        self._ready = Gauge(
            "box2seg_ready",
            "1 after a readiness check that held.",
            registry=self.registry,
            multiprocess_mode="livemostrecent",  # the check that the last question for metrics made
        )
        workers = Gauge(
            "box2seg_workers",
            "Gateway processes that live.",
            registry=self.registry,
            multiprocess_mode="livesum",
        )
        workers.set(1)

    def count_request(self, route: str, status: int, seconds: float) -> None:
        """Count an answer, and the time from the request's headers to the answer's end."""
        self._requests.labels(route, str(status)).inc()
        self._request_times.labels(route).observe(seconds)

    def observe_photos(
        self, watch: Stopwatch, *, model: str, version: int, outcome: str = "ok", photos: int = 1
    ) -> None:
        """Take the times of photos that went together, by the stages they came to, and their outcome."""
        for stage, seconds in watch.seconds.items():
            self._stages.labels(stage, model, str(version), outcome).observe(seconds)
        for _ in range(photos):
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

    def totals(
        self, stages: Iterable[str], *, model: str, version: int
    ) -> tuple[int, dict[str, tuple[int, float]]]:
        """
        Give what became of photos that were answered; takes milliseconds where there are workers.

        Returns:
            How many photos, and by stage how often it was passed and how long it took in all [s].
        """
        registry = self.gathered()
        labels = {"model": model, "version": str(version), "outcome": "ok"}

        def sample(name: str, **more: str) -> float:
            return registry.get_sample_value(name, labels | more) or 0.0

        passed = {
            stage: (
                int(sample("box2seg_stage_seconds_count", stage=stage)),
                sample("box2seg_stage_seconds_sum", stage=stage),
            )
            for stage in stages
        }
        return int(sample("box2seg_photos_total")), passed

    def note_load(self, in_work: int, waiting: int) -> None:
        """Take how many photos are in work and how many wait."""
        self._in_flight.set(in_work)
        self._waiting.set(waiting)

    def note_device(self, model: str, device: str) -> None:
        """Take what computes a model."""
        for model_before, device_before in self._known_devices - {(model, device)}:
            if model_before == model:  # Triton came back on something else
                self._devices.labels(model, device_before).set(0)
        self._known_devices.add((model, device))
        self._devices.labels(model, device).set(1)

    def note_circuit(self, is_open: bool) -> None:
        """Take whether the engine hangs."""
        self._circuit.set(is_open)

    def note_jobs(self, counts: Mapping[str, int]) -> None:
        """Take how many jobs there are in each state."""
        for state, count in counts.items():
            self._jobs.labels(state).set(count)

    def count_job_photos(self, *, done: int, failed: int) -> None:
        """Count what became of photos of jobs."""
        self._job_photos.labels("done").inc(done)
        self._job_photos.labels("failed").inc(failed)

    def count_cut(self, slow: str) -> None:
        """Count a connection that was cut: "headers", or "reading"."""
        self._cut.labels(slow).inc()

    def note_ready(self, ready: bool) -> None:
        """Take the outcome of a readiness check."""
        self._ready.set(ready)

    def exposition(self, tallies: Iterable[Tally] = (), *more: Collector) -> bytes:
        """Give all metrics, and what the engine says of itself, in the text form that Prometheus reads."""
        computed = CollectorRegistry()
        for collector in (_EngineCounts(tallies), *more):
            computed.register(collector)
        return generate_latest(self.gathered()) + generate_latest(computed)

    def gathered(self) -> CollectorRegistry:
        """Give what all workers counted; our own where there are no others."""
        if not self._shared:
            return self.registry
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(self._shared))  # type: ignore[no-untyped-call]
        return registry


class _EngineCounts(Collector):
    """Counts that the engine keeps itself, and for all workers."""

    def __init__(self, tallies: Iterable[Tally]) -> None:
        self._tallies = tallies

    def collect(self) -> list[Metric]:
        labels = ["model", "version"]
        photos = CounterMetricFamily("box2seg_engine_photos", "Photos that Triton computed.", labels=labels)
        batches = CounterMetricFamily("box2seg_engine_batches", "Batches that they came in.", labels=labels)
        for tally in self._tallies:
            photos.add_metric([tally.model, str(tally.version)], tally.photos)
            batches.add_metric([tally.model, str(tally.version)], tally.batches)
        return [photos, batches]


def forget_process(pid: int, shared: Path) -> None:
    """Take a dead worker's gauges away from the folder that workers share; what it counted stays."""
    mark_process_dead(pid, path=str(shared))  # type: ignore[no-untyped-call]


def request_id(wanted: str | None) -> str:
    """Give the id that the client wants if it is a harmless one, else a new one."""
    return wanted if wanted and GOOD_ID.fullmatch(wanted) else uuid.uuid4().hex
