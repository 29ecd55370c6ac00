import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.triton.environment import CHECKOUT, Environment
from serving.triton.server import Launch, TritonServer, free_ports
from serving.triton.supervisor import Patience, Supervisor
from tests.serving.processes import alive, members, wait_until

GATEWAY = """
import sys, time
from pathlib import Path
from serving.triton.environment import Environment
from serving.triton.server import Launch, Ports, TritonServer
folder, log, *ports = sys.argv[1:]
environment, ports = Environment(Path(folder)), Ports(*map(int, ports))
server = TritonServer(Launch(Path("."), Path(log), models=(), ports=ports, environment=environment))
server.start()
print(server.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def supervisor(
    triton_environment: Environment, triton_repository: Path, tmp_path: Path
) -> Iterator[Supervisor]:
    """A supervised Triton of the test's own."""
    log = tmp_path / "triton.log"
    launch = Launch(triton_repository, log, ports=free_ports(), environment=triton_environment)
    supervisor = Supervisor(TritonServer(launch))
    supervisor.start()
    yield supervisor
    supervisor.stop()


@pytest.mark.triton
def test_a_killed_triton_comes_back(supervisor: Supervisor) -> None:
    """After kill -9 nothing old is left, a new Triton is ready by itself, and stopping ends that too."""
    server = supervisor.server
    first = server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: not server.is_ready(), timeout_s=10)
    wait_until(lambda: supervisor.restarts == 1, timeout_s=120)
    assert server.is_ready()
    assert not members(first)
    second = server.pid
    assert second not in (None, first)
    supervisor.stop()
    assert not members(second or 0)


@pytest.mark.triton
def test_a_killed_backend_comes_back(supervisor: Supervisor) -> None:
    """A Triton whose computing process was killed says it is ready but is not; it is started anew."""
    server = supervisor.server
    first = server.pid
    assert first is not None
    stubs = [pid for pid in members(first) if pid != first]
    os.kill(stubs[-1], signal.SIGKILL)
    wait_until(lambda: supervisor.restarts == 1, timeout_s=120)
    assert server.is_ready()
    assert not any(map(alive, [first, *stubs]))


@pytest.mark.triton
def test_triton_does_not_outlive_a_killed_gateway(triton_environment: Environment, tmp_path: Path) -> None:
    """After kill -9 of the process that started it, Triton and all that belongs to it end."""
    ports = free_ports()
    arguments = [triton_environment.folder, tmp_path / "log", ports.http, ports.grpc, ports.metrics]
    command = [sys.executable, "-c", GATEWAY, *map(str, arguments)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE) as gateway:
        assert gateway.stdout is not None
        group = int(gateway.stdout.readline())
        assert members(group)
        gateway.kill()
    wait_until(lambda: not members(group), timeout_s=60)


def test_pauses_grow_to_a_limit() -> None:
    """The first try comes at once, later ones ever more rarely, but they do come."""
    pauses = [Patience(first_s=0.5, longest_s=10.0).pause_s(failures) for failures in (0, 1, 2, 6, 1000)]
    assert pauses == [0.5, 1.0, 2.0, 10.0, 10.0]
