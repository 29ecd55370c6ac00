"""Keeps a local Triton running: notices when it dies, and starts it again with growing pauses."""

import logging
import threading
import time
from dataclasses import dataclass

from contract.errors import EngineError
from serving.triton.server import TritonServer

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How soon Triton is started again.

    Args:
        first_s: Pause before the first try; doubles with each failure.
        longest_s: The pause grows no longer than this.
        calm_s: A Triton that ran this long starts again from the first pause.
    """

    first_s: float = 0.2
    longest_s: float = 30.0
    calm_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        """Give the pause after so many failures in a row [s]."""
        return min(self.longest_s, self.first_s * 2.0 ** min(failures, 32))


class Supervisor:
    """
    Runs a Triton until told to stop.

    Args:
        server: The Triton to run.
        patience: How soon it is started again.
    """

    def __init__(self, server: TritonServer, patience: Patience | None = None) -> None:
        self.server = server
        self.restarts = 0
        self._patience = patience or Patience()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """
        Start Triton, and from then on keep it running.

        Raises:
            TritonUnavailable, TritonCheckFailed: If the first start fails; then nothing is supervised.
        """
        self._stopping.clear()
        self.server.start()
        self._thread = threading.Thread(target=self._watch, name="triton-supervisor", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop Triton for good."""
        self._stopping.set()
        self.server.stop()
        if self._thread is not None:
            self._thread.join(self.server.launch.grace_s + 10.0)
            self.server.stop()  # it may have been in the middle of a start
            self._thread = None

    def _watch(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            since = time.monotonic()
            status = self.server.wait()
            failures = 0 if time.monotonic() - since > self._patience.calm_s else failures
            if self._stopping.is_set():
                return
            log.error("Triton ended with status %s; starting it again", status)
            failures = self._revive(failures)

    def _revive(self, failures: int) -> int:
        """Start Triton again, trying until it runs or we are told to stop; gives the failures in a row."""
        while not self._stopping.wait(self._patience.pause_s(failures)):
            failures += 1
            try:
                self.server.stop()
                self.server.start()
            except (EngineError, OSError) as error:
                log.error("Triton does not start (try %d): %s", failures, error)
                continue
            self.restarts += 1
            log.warning("Triton runs again, process %s", self.server.pid)
            break
        return failures
