"""The real server in a process of its own, a real Triton behind it, and what `ps` says of them."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests.serving import processes
from tests.serving.colours import draw_photo, encode
from tests.serving.processes import wait_until

PROC = Path("/proc")
MIB = 2**20
START_S = 240.0
GOLDEN = encode(draw_photo(70, 130))
SECRETS = ("Traceback", ".py", "/tmp", "/home", "0x")
"""What no answer says: of code, of folders, of memory."""


@dataclass(slots=True)
class House:
    """
    A running server.

    Args:
        process: The gateway.
        log: What it says.
        address: Where it answers.
        repository: Its models.
    """

    process: "subprocess.Popen[bytes]"
    log: Path
    address: str
    repository: Path
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        hooks = {"response": [_keeps_secrets]}
        self.client = httpx.Client(base_url=self.address, timeout=300.0, event_hooks=hooks)

    @property
    def pid(self) -> int:
        """The gateway's process id."""
        return self.process.pid

    @property
    def triton_pid(self) -> int:
        """Triton's process id."""
        started = processes.descendants(self.pid)
        (pid,) = [each for each, command in started.items() if "tritonserver" in command.partition(" ")[0]]
        return pid

    @property
    def triton_url(self) -> str:
        """Host and port of Triton's gRPC."""
        words = (PROC / str(self.triton_pid) / "cmdline").read_text().split("\0")
        return "127.0.0.1:" + next(
            word.partition("=")[2] for word in words if word.startswith("--grpc-port=")
        )

    def segment(self, photo: bytes = GOLDEN, **question: object) -> httpx.Response:
        """Ask for a mask."""
        return self.client.post("/v1/segment", content=photo, params=question)  # type: ignore[arg-type]

    def ready(self) -> bool:
        """Tell whether the server says that it is ready."""
        return self.client.get("/readyz").status_code == 200

    def metric(self, line: str) -> float:
        """Read one of the gateway's metrics; 0 where it is not there yet."""
        return read_metric(self.client.get("/metrics").text, line)

    def triton_metric(self, line: str) -> float:
        """Add up one of Triton's metrics; it writes them anew every two seconds."""
        found = re.search(r"its metrics are at (\S+)", self.said())
        assert found, "this gateway has no Triton of its own"
        return read_metric(httpx.get(found[1], timeout=30.0).text, line)

    def said(self, since: int = 0) -> str:
        """Give what the gateway has logged after so many characters."""
        return self.log.read_text(encoding="utf-8", errors="replace")[since:]

    def open_files(self) -> int:
        """Count the gateway's open files and connections."""
        return len(list((PROC / str(self.pid) / "fd").iterdir()))

    def memory(self, name: str = "VmRSS") -> int:
        """Give the gateway's memory; VmHWM is the most since `forget_peak` [bytes]."""
        status = (PROC / str(self.pid) / "status").read_text()
        found = re.search(rf"{name}:\s+(\d+) kB", status)
        assert found
        return int(found[1]) * 1024

    @contextmanager
    def peak(self) -> Iterator[Callable[[], float]]:
        """Watch the memory; what is given says how far it rose at most [MiB]."""
        (PROC / str(self.pid) / "clear_refs").write_text("5")
        before = self.memory()
        yield lambda: max(0, self.memory("VmHWM") - before) / MIB


@contextmanager
def running_house(
    log: Path, repository: Path, *words: str, before: Sequence[str] = (), **settings: object
) -> Iterator[House]:
    """
    Run `box2seg serve`; ends with all that it started.

    Args:
        log: File for what it says.
        repository: Its models.
        words: More options.
        before: A command that runs the server's.
        settings: Become environment variables.
    """
    variables = os.environ | {f"BOX2SEG_{name.upper()}": str(value) for name, value in settings.items()}
    serve = [sys.executable, "-m", "cli", "serve", "--port", "0", "--repository", str(repository)]
    command = [*before, *serve, *words]
    with log.open("wb") as stream:
        process = subprocess.Popen(command, stderr=stream, stdout=subprocess.DEVNULL, env=variables)
    try:
        house = House(process, log, _wait_for_address(process, log), repository)
        with house.client:
            yield house
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(60)
        process.kill()
        process.wait()


@contextmanager
def goes_on(house: House) -> Iterator[None]:
    """Abuse inside; afterwards it is the same process, ready, as exact, as small and as tidy as before."""
    before = house.segment().content
    memory, files, said = house.memory(), house.open_files(), len(house.said())
    yield
    assert house.process.poll() is None
    wait_until(house.ready, timeout_s=5.0)
    assert house.segment().content == before
    wait_until(lambda: house.open_files() <= files + 2, timeout_s=15.0)
    assert house.memory() <= memory + 64 * MIB
    assert "Traceback" not in house.said(said)


def read_metric(text: str, line: str) -> float:
    """Add up the metrics whose lines begin so."""
    return sum(float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line))


def _wait_for_address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if found := re.search(r"answers at (\S+)", log.read_text(encoding="utf-8", errors="replace")):
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text()}")


def _keeps_secrets(answer: httpx.Response) -> None:
    if answer.is_error:
        answer.read()
        assert not [secret for secret in SECRETS if secret in answer.text], answer.text
