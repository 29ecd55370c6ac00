"""C3, C4, D2: deadlines hold, clients that leave cost nothing, a hanging engine keeps nobody."""

import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from serving.settings import Settings
from tests.abuse.engines import HangingEngine, SlowEngine
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.running import running_gateway

PHOTO = encode(draw_photo())


def until(fact: Callable[[], bool], *, timeout_s: float = 30.0) -> None:
    """Wait for a fact."""
    end = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < end, "it did not come true"
        time.sleep(0.05)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository of this test alone."""
    publish_colours(tmp_path)
    return tmp_path


def metric(address: str, line: str) -> float:
    """Read one metric; 0 where it is not there yet."""
    text = httpx.get(f"{address}/metrics", timeout=30.0).text
    return next((float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line)), 0.0)


def test_c3_deadline_holds_in_the_queue(repository: Path) -> None:
    """C3: a client that allows 100 ms before a queue of a second gets 504, and its photo is never run."""
    engine = SlowEngine(1.5)
    settings = Settings(engine="local", repository=repository, timeout_s=60.0)
    with (
        running_gateway(settings, engine) as address,
        httpx.Client(base_url=address, timeout=60.0) as client,
        ThreadPoolExecutor(4) as people,
    ):
        others = [people.submit(client.post, "/v1/segment", content=PHOTO) for _ in range(3)]
        until(lambda: metric(address, "box2seg_in_flight") >= 2)
        hurried = client.post("/v1/segment", content=PHOTO, headers={"X-Request-Timeout": "0.1"})
        assert hurried.status_code == 504
        assert hurried.json()["type"] == "urn:box2seg:problem:deadline-exceeded"
        assert hurried.elapsed.total_seconds() < 1.4
        assert [each.result().status_code for each in others] == [200] * 3
        assert engine.given_up >= 1
        line = 'box2seg_photos_total{model="box2seg",outcome="late",version="1"}'
        assert metric(address, line) == 1


@pytest.mark.parametrize("words", ["0", "-1", "nan", "soon", ""])
def test_timeout_that_is_none_is_refused(repository: Path, words: str) -> None:
    """A time-out that is no number of seconds above 0 is refused with an example."""
    with running_gateway(Settings(engine="local", repository=repository), SlowEngine(0)) as address:
        answer = httpx.post(f"{address}/v1/segment", content=PHOTO, headers={"X-Request-Timeout": words})
    assert answer.status_code == 400
    assert "X-Request-Timeout: 2.5" in answer.json()["hint"]


def hang_up(address: str) -> None:
    """Send a photo and leave before the answer."""
    host, _, port = urlsplit(address).netloc.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/segment HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(PHOTO)}\r\n\r\n"
        connection.sendall(head.encode() + PHOTO)
        time.sleep(0.3)


def test_c4_clients_that_leave_are_not_worked_for(repository: Path) -> None:
    """C4: of 40 clients that hang up at once, those not yet run are never run, and each is counted."""
    engine = SlowEngine(0.25)
    settings = Settings(engine="local", repository=repository)
    counted = 'box2seg_requests_total{route="/v1/segment",status="%d"}'
    with running_gateway(settings, engine) as address, ThreadPoolExecutor(40) as people:
        list(people.map(hang_up, [address] * 40))
        until(lambda: metric(address, "box2seg_in_flight") == 0)
        assert engine.executed <= 8  # what was run while they were still there
        until(lambda: metric(address, counted % 499) + metric(address, counted % 200) == 40)
        assert metric(address, "box2seg_waiting") == 0
        assert httpx.post(f"{address}/v1/segment", content=PHOTO).status_code == 200


def test_d2_hanging_engine_is_refused_at_once_and_found_again(repository: Path) -> None:
    """D2: after an engine hung, requests get a fast 503 and are not sent to it; it is found when it wakes."""
    engine = HangingEngine()
    settings = Settings(engine="local", repository=repository, timeout_s=2.0)
    with running_gateway(settings, engine) as address, httpx.Client(base_url=address, timeout=30.0) as client:
        assert client.post("/v1/segment", content=PHOTO).status_code == 200
        engine.hangs = True
        first = client.post("/v1/segment", content=PHOTO)
        assert first.status_code == 504
        assert client.get("/readyz").status_code == 503
        until(lambda: metric(address, "box2seg_circuit_open") == 1, timeout_s=10.0)
        asked = engine.asked
        answers = [client.post("/v1/segment", content=PHOTO) for _ in range(20)]
        assert {answer.status_code for answer in answers} == {503}
        assert {answer.headers["retry-after"] for answer in answers} == {"1"}
        assert sorted(answer.elapsed.total_seconds() for answer in answers)[10] < 0.5
        assert engine.asked - asked < 10  # probes alone
        assert client.get("/livez").status_code == 200
        engine.hangs = False
        until(lambda: client.post("/v1/segment", content=PHOTO).status_code == 200, timeout_s=10.0)


def test_hurried_clients_do_not_open_the_circuit(repository: Path) -> None:
    """A client that allows less than an answer takes gets 504 each time, and others their masks."""
    settings = Settings(engine="local", repository=repository)
    with running_gateway(settings, SlowEngine(0.2)) as address:
        for _ in range(6):
            hurried = httpx.post(
                f"{address}/v1/segment", content=PHOTO, headers={"X-Request-Timeout": "0.01"}
            )
            assert hurried.status_code == 504
        assert httpx.post(f"{address}/v1/segment", content=PHOTO).status_code == 200
        assert metric(address, "box2seg_circuit_open") == 0
