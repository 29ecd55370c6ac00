"""One run of a local Triton: start it, wait until it is ready and proven, stop it."""

import os
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from contract.errors import TritonUnavailable
from contract.processors import available_processors
from serving.triton import check, leash
from serving.triton.environment import Environment
from serving.triton.machine import LOCAL_ENGINE_HINT
from serving.triton.runtime import KNOWN_MODELS, Runtime, assemble_runtime

ADDRESS = "127.0.0.1"
"""Triton has no authentication; only this machine may ask it."""

ASK_EVERY_S = 0.1
CALL_TIMEOUT_S = 2.0
LAST_LINES = 12


@dataclass(frozen=True, slots=True)
class Ports:
    """Where Triton listens; all on the loopback address."""

    http: int = 8100
    grpc: int = 8101
    metrics: int = 8102


def free_ports() -> Ports:
    """Choose three ports that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind((ADDRESS, 0))
        return Ports(*(each.getsockname()[1] for each in sockets))


@dataclass(frozen=True, slots=True)
class Launch:
    """
    How Triton is started.

    Args:
        repository: The model repository, with one folder per model.
        log: File that gets what Triton and its backends write; appended to.
        models: Names of the models to load at the start.
        ports: Where to listen.
        environment: The environment that Triton is installed in.
        ready_timeout_s: How long loading and warming up may take.
        grace_s: How long Triton may finish requests when it is stopped; then it is killed.
    """

    repository: Path
    log: Path
    models: tuple[str, ...] = ("box2seg",)
    ports: Ports = field(default_factory=Ports)
    environment: Environment = field(default_factory=Environment)
    ready_timeout_s: float = 120.0
    grace_s: float = 10.0


class TritonServer:
    """
    One local Triton; can be started again after it stopped or died.

    Args:
        launch: How it is started.
    """

    def __init__(self, launch: Launch) -> None:
        self.launch = launch
        self._leash: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def grpc_url(self) -> str:
        """Give host and port for `tritonclient.grpc`."""
        return f"{ADDRESS}:{self.launch.ports.grpc}"

    @property
    def metrics_url(self) -> str:
        """Give where Prometheus finds Triton's figures."""
        return f"http://{ADDRESS}:{self.launch.ports.metrics}/metrics"

    @property
    def pid(self) -> int | None:
        """Triton's process id while it runs."""
        return self._pid if self.is_alive() else None

    def is_alive(self) -> bool:
        """Tell whether the process runs; it may still be loading."""
        return self._leash is not None and self._leash.poll() is None

    def is_ready(self) -> bool:
        """Tell whether it answers and all its models are ready; asks it, within a short time."""
        if not self.is_alive():
            return False
        try:
            return bool(self.client().is_server_ready(client_timeout=CALL_TIMEOUT_S))
        except _call_error():
            return False

    def start(self) -> None:
        """
        Start Triton, wait until its models are loaded and warm, and prove that it keeps tensors intact.

        Raises:
            TritonUnavailable: If it cannot be started, ends at once (with its last words), or is too slow.
            TritonCheckFailed: If it corrupts tensors.
        """
        self._spawn()
        try:
            self._wait_until_ready()
            check.check_tensors(self.client())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop Triton and everything that belongs to it; does nothing where none runs."""
        with self._lock:
            leash_process, self._leash = self._leash, None
            self._close_client()
        if leash_process is None:
            return
        _close(leash_process)
        try:
            leash_process.wait(self.launch.grace_s + 5.0)
        except subprocess.TimeoutExpired:
            leash_process.kill()  # the kernel then kills Triton, and its stubs notice
            leash_process.wait()

    def wait(self) -> int | None:
        """Wait until Triton ends; gives its exit status, 128 + n where signal n ended it."""
        process = self._leash
        return None if process is None else process.wait()

    def client(self) -> Any:
        """Give a `tritonclient.grpc.InferenceServerClient` of this Triton, for control; made once per run."""
        from tritonclient.grpc import InferenceServerClient

        with self._lock:
            if self._client is None:
                self._client = InferenceServerClient(self.grpc_url)
            return self._client

    def _spawn(self) -> None:
        if self.is_alive():
            raise TritonUnavailable("this Triton runs already", hint="stop it first")
        _check_ports(self.launch.ports)
        runtime = assemble_runtime(self.launch.environment)
        self.launch.log.parent.mkdir(parents=True, exist_ok=True)
        with self._lock, self.launch.log.open("ab") as log:
            self._close_client()
            self._leash = subprocess.Popen(
                leash_command(self.launch, runtime),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=triton_variables(runtime),
                start_new_session=True,  # a Ctrl-C in the terminal is for the gateway, which then stops us
            )
        self._pid = _read_pid(self._leash)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.launch.ready_timeout_s
        while not self.is_ready():
            if not self.is_alive():
                raise TritonUnavailable(
                    f"Triton ended before it was ready:\n{_last_lines(self.launch.log)}",
                    hint=self._log_hint(),
                )
            if time.monotonic() > deadline:
                raise TritonUnavailable(
                    f"Triton was not ready within {self.launch.ready_timeout_s:g} s", hint=self._log_hint()
                )
            time.sleep(ASK_EVERY_S)

    def _close_client(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _log_hint(self) -> str:
        return f"its log is {self.launch.log}; or {LOCAL_ENGINE_HINT}"


def leash_command(launch: Launch, runtime: Runtime) -> list[str]:
    """Give the command that runs Triton on its leash."""
    grace = [f"--grace-s={launch.grace_s}", f"--memory={_memory_prefix(launch)}"]
    return [sys.executable, "-I", str(leash.__file__), *grace, "--", *triton_command(launch, runtime)]


def triton_command(launch: Launch, runtime: Runtime) -> list[str]:
    """Give Triton's own command line."""
    ports = launch.ports
    return [
        str(runtime.program),
        f"--model-repository={launch.repository.resolve()}",
        f"--model-repository={KNOWN_MODELS}",
        "--model-control-mode=explicit",
        *(f"--load-model={name}" for name in (check.MODEL, *launch.models)),
        f"--backend-directory={runtime.backends}",
        f"--backend-config=python,shm-region-prefix-name={_memory_prefix(launch)}",
        *(f"--{door}-address={ADDRESS}" for door in ("http", "grpc", "metrics")),
        f"--http-port={ports.http}",
        f"--grpc-port={ports.grpc}",
        f"--metrics-port={ports.metrics}",
        f"--exit-timeout-secs={max(1, int(launch.grace_s))}",
        "--disable-auto-complete-config",
    ]


def triton_variables(runtime: Runtime) -> dict[str, str]:
    """Give Triton's environment variables: ours, less what would lead its Python to our packages."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    libraries = [*map(str, runtime.libraries), *filter(None, [kept.get("LD_LIBRARY_PATH")])]
    return kept | {
        "PATH": f"{runtime.programs}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
        "OMP_NUM_THREADS": str(available_processors()),
    }


def _memory_prefix(launch: Launch) -> str:
    """Name shared memory by the port, which only one Triton of this machine can have."""
    return f"box2seg_triton_{launch.ports.grpc}_"


def _check_ports(ports: Ports) -> None:
    """Refuse a port that somebody listens on; else we would talk to another Triton."""
    for door, port in (("http", ports.http), ("grpc", ports.grpc), ("metrics", ports.metrics)):
        with socket.socket() as probe:
            probe.settimeout(1.0)
            if probe.connect_ex((ADDRESS, port)) == 0:
                raise TritonUnavailable(
                    f"port {port}, wanted for Triton's {door}, is taken", hint="start again"
                )


def _read_pid(process: "subprocess.Popen[bytes]") -> int | None:
    assert process.stdout is not None
    line = process.stdout.readline()
    return int(line) if line.strip().isdigit() else None


def _close(process: "subprocess.Popen[bytes]") -> None:
    """Close the leash's standard input, which ends it, and its output."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()


def _last_lines(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return "\n".join(lines[-LAST_LINES:])


def _call_error() -> type[Exception]:
    from tritonclient.utils import InferenceServerException

    error: type[Exception] = InferenceServerException
    return error
