"""
Several gateway processes behind one port: starts them, starts again what dies, and ends them together.

Written here, as uvicorn's own supervisor runs uvicorn's plain server: ours drains, a second signal hurries
it, and the gauges of the dead are taken away. All processes accept from one socket, so that connections which
wait when one of them dies go to the others.
"""

import logging
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from contract.errors import ConfigurationError
from serving.settings import Settings
from serving.triton.supervisor import Patience

log = logging.getLogger(__name__)

DIVIDED = ("concurrency",)
"""Limits that each worker has its part of. The queue is each one's: connections are not dealt out evenly."""

LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Post:
    """
    What a worker is told of itself.

    Args:
        number: From 0.
        is_first: No worker was started before it.
        started: It sends a word here once it takes requests.
    """

    number: int
    is_first: bool
    started: Connection


Work = Callable[[Post], None]
"""Runs in a process of its own, so it is a function of a module, or a `partial` of one."""


class Worker:
    """
    A process at work.

    Args:
        process: It, started.
        ear: Hears that it takes requests.
    """

    def __init__(self, process: SpawnProcess, ear: Connection) -> None:
        assert process.pid is not None
        self.process = process
        self.pid = process.pid
        self.since_s = time.monotonic()
        self._ear = ear
        self._has_started = False

    def has_started(self) -> bool:
        """Tell whether it came to take requests."""
        with suppress(EOFError):
            if not self._has_started and self._ear.poll():
                self._has_started = bool(self._ear.recv_bytes())
        return self._has_started

    def tell(self, sig: int) -> None:
        """Send a signal; one that has not started yet is ended, as it has nothing to finish."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, sig if self.has_started() else signal.SIGTERM)

    def close(self) -> None:
        """Give back what the system keeps of one that has ended."""
        self.process.join()
        self.process.close()
        self._ear.close()


@dataclass(slots=True)
class Place:
    """
    Where one worker belongs.

    Args:
        number: From 0.
        worker: Who is there.
        failures: How many ended there soon after their start, in a row.
        due_s: When the next may be started [s].
    """

    number: int
    worker: Worker | None = None
    failures: int = 0
    due_s: float = field(default_factory=time.monotonic)


class Workers:
    """
    Keeps a number of processes at work.

    Args:
        work: What each does.
        count: How many.
        door: The socket that they listen on; closed here when they are told to end.
        grace_s: How long they may take to end; then they are killed [s].
        bury: Told the process id of each that has ended.
        patience: How soon one that died is started again.
    """

    def __init__(
        self,
        work: Work,
        *,
        count: int,
        door: socket.socket,
        grace_s: float,
        bury: Callable[[int], None],
        patience: Patience | None = None,
    ) -> None:
        self._work = work
        self._door = door
        self._grace_s = grace_s
        self._bury_pid = bury
        self._patience = patience or Patience()
        self._places = [Place(number) for number in range(count)]
        self._spawn = multiprocessing.get_context("spawn")  # a fork would copy locks that threads hold
        self._starts = 0
        self._proven = False

    def run(self) -> None:
        """
        Keep them at work until SIGTERM or Ctrl-C, which they are told, and until they have ended.

        Raises:
            ConfigurationError: If one ends before any of them could start.
        """
        with _noted_signals() as told:
            try:
                while not told:
                    self._fill()
                    self._look()
                self._door.close()
                self._see_off(told)
            finally:
                self._kill()

    def _fill(self) -> None:
        for place in self._places:
            if place.worker is None and time.monotonic() >= place.due_s:
                try:
                    place.worker = self._start(place.number)
                except OSError as error:  # too many processes, or files, just now
                    self._try_later(place, f"worker {place.number} cannot be started ({error})")

    def _start(self, number: int) -> Worker:
        ear, mouth = self._spawn.Pipe(duplex=False)
        post = Post(number, is_first=self._starts == 0, started=mouth)
        process = self._spawn.Process(target=self._work, args=[post], name=f"worker {number}", daemon=True)
        process.start()
        mouth.close()
        self._starts += 1
        return Worker(process, ear)

    def _look(self) -> None:
        """Wait a moment, or until one ends; those that have are started again after a pause."""
        self._wait()
        self._proven = self._proven or any(worker.has_started() for worker in self._present())
        for place in self._places:
            if place.worker and not place.worker.process.is_alive():
                self._replace(place, place.worker)

    def _replace(self, place: Place, worker: Worker) -> None:
        if time.monotonic() - worker.since_s > self._patience.calm_s:
            place.failures = 0
        status = worker.process.exitcode
        self._bury(place)
        self._try_later(place, f"worker {place.number} ({worker.pid}) ended with status {status}")

    def _try_later(self, place: Place, reason: str) -> None:
        if not self._proven:
            raise ConfigurationError(f"the gateway could not start: {reason}", hint="the log above says why")
        pause_s = self._patience.pause_s(place.failures)
        place.failures += 1
        place.due_s = time.monotonic() + pause_s
        log.error("%s; another one starts in %g s", reason, pause_s)

    def _see_off(self, told: list[int]) -> None:
        """Hand on signals until all have ended, as long as they may take."""
        until_s = time.monotonic() + self._grace_s
        while self._present() and time.monotonic() < until_s:
            while told:
                sig = told.pop(0)
                for worker in self._present():
                    worker.tell(sig)
            self._wait()
            for place in self._places:
                if place.worker and not place.worker.process.is_alive():
                    self._bury(place)

    def _kill(self) -> None:
        """End those that are left, without their leave."""
        for place in self._places:
            if place.worker:
                log.error("worker %d (%d) does not end and is killed", place.number, place.worker.pid)
                place.worker.process.kill()
                self._bury(place)

    def _bury(self, place: Place) -> None:
        assert place.worker is not None
        place.worker.close()
        self._bury_pid(place.worker.pid)
        place.worker = None

    def _present(self) -> list[Worker]:
        return [place.worker for place in self._places if place.worker]

    def _wait(self) -> None:
        wait([worker.process.sentinel for worker in self._present()], LOOK_EVERY_S)


def share_of(settings: Settings, number: int) -> Settings:
    """Give a worker's own settings: of the limits on all photos together it has its part."""
    parts = {name: _part(getattr(settings, name), settings.workers, number) for name in DIVIDED}
    return settings.model_copy(update=parts)


def _part(total: int, count: int, number: int) -> int:
    return total // count + (number < total % count)


@contextmanager
def _noted_signals() -> Iterator[list[int]]:
    """Note SIGTERM and Ctrl-C while inside, in place of what they do else."""
    told: list[int] = []
    before = {
        sig: signal.signal(sig, lambda sig, _: told.append(sig)) for sig in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield told
    finally:
        for sig, handler in before.items():
            signal.signal(sig, handler)
