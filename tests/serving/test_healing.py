"""The gateway before a real Triton that is killed, hangs, and gets new versions."""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from serving.engines.triton import TritonEngine
from serving.settings import Settings
from serving.triton.environment import Environment
from serving.triton.server import Launch, TritonServer, free_ports
from serving.triton.supervisor import Supervisor
from tests.serving.colours import colour_graph, draw_photo, encode, publish_colours, read_labels
from tests.serving.running import running_gateway

pytestmark = pytest.mark.triton

CONFIG = Path(__file__).parents[2] / "model_repository" / "box2seg" / "config.pbtxt"
PHOTO = encode(draw_photo())
PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Stack:
    """A gateway and the Triton behind it."""

    client: httpx.Client
    server: TritonServer
    repository: Path
    deadline_s: float


@pytest.fixture(scope="module")
def stack(triton_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A gateway before a supervised Triton of its own, as `box2seg serve` runs them."""
    repository = tmp_path_factory.mktemp("repository")
    publish_colours(repository)
    shutil.copy(CONFIG, repository / "box2seg")
    log = repository.parent / "triton.log"
    server = TritonServer(Launch(repository, log, ports=free_ports(), environment=triton_environment))
    supervisor = Supervisor(server)
    supervisor.start()
    settings = Settings(repository=repository, watch_every_s=0.2, timeout_s=3.0)
    try:
        with (
            running_gateway(settings, TritonEngine(server.grpc_url, timeout_s=settings.timeout_s)) as address,
            httpx.Client(base_url=address, timeout=30.0) as client,
        ):
            yield Stack(client, server, repository, settings.timeout_s)
    finally:
        supervisor.stop()


def segment(stack: Stack) -> httpx.Response:
    """Ask for the mask of the drawn photo."""
    return stack.client.post("/v1/segment", content=PHOTO)


def until(fact: Callable[[], bool]) -> None:
    """Wait for a fact."""
    end = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


def test_triton_gives_the_mask(stack: Stack) -> None:
    """A photo goes through the gateway and the real Triton, and its rectangles come back."""
    until(lambda: stack.client.get("/readyz").status_code == 200)
    labels = read_labels(segment(stack).content)
    assert (labels[32, 20], labels[32, 70], labels[4, 4]) == (1, 3, 0)


def test_killed_triton_is_503_and_heals(stack: Stack) -> None:
    """After kill -9 under requests each is answered, with 503 and at once, until a new Triton gives 200."""
    until(lambda: segment(stack).status_code == 200)
    assert stack.server.pid is not None
    with ThreadPoolExecutor(4) as people:
        asking = [people.submit(segment, stack) for _ in range(24)]
        os.kill(stack.server.pid, signal.SIGKILL)
        assert {answer.result().status_code for answer in asking} <= {200, 503}
    answers = [segment(stack)]
    assert answers[0].status_code == 503
    assert stack.client.get("/readyz").status_code == 503
    assert stack.client.get("/livez").status_code == 200

    def healed() -> bool:
        answers.append(segment(stack))
        return answers[-1].status_code == 200

    until(healed)
    assert {answer.status_code for answer in answers} == {200, 503}
    # A hang would last to the deadline; connecting to a Triton that is not there is over long before.
    assert max(answer.elapsed.total_seconds() for answer in answers) < stack.deadline_s
    until(lambda: stack.client.get("/readyz").status_code == 200)


def test_hanging_triton_is_a_504_and_then_a_fast_503(stack: Stack) -> None:
    """D2: a stopped Triton is given up at the deadline; later requests do not wait; it is found again."""
    until(lambda: segment(stack).status_code == 200)
    assert stack.server.pid is not None
    os.kill(stack.server.pid, signal.SIGSTOP)
    try:
        until(lambda: segment(stack).status_code == 504)  # its threads stop one after the other
        assert stack.client.get("/readyz").status_code == 503
        until(lambda: segment(stack).status_code == 503)
        assert segment(stack).elapsed.total_seconds() < stack.deadline_s / 2
    finally:
        os.kill(stack.server.pid, signal.SIGCONT)
    until(lambda: segment(stack).status_code == 200)


def test_published_version_takes_over_without_a_gap(stack: Stack) -> None:
    """While Triton loads a new version every request is answered, each by the version it names."""
    until(lambda: segment(stack).status_code == 200)
    publish_colours(stack.repository, version=2, graph=colour_graph(first=0))
    seen = []

    def switched() -> bool:
        answer = segment(stack)
        assert answer.status_code == 200
        seen.append(int(answer.headers["x-model-version"]))
        assert read_labels(answer.content)[32, 20] == {1: 1, 2: 0}[seen[-1]]
        return seen[-5:] == [2] * 5

    until(switched)
    assert seen == sorted(seen)
