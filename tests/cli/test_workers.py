"""`box2seg serve --workers 2`: several processes that are one server."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from contract.errors import ConfigurationError
from serving.keys import INFER, change_keys, make_key
from serving.triton.environment import CHECKOUT, Environment
from serving.workers import Workers
from tests.serving.colours import colour_graph, draw_photo, encode, publish_colours, read_labels
from tests.serving.processes import alive, descendants, wait_until

PHOTO = encode(draw_photo())
CONFIG = CHECKOUT / "model_repository" / "box2seg" / "config.pbtxt"
SEGMENTED = 'box2seg_requests_total{route="/v1/segment",status="200"}'
PATIENCE_S = 120
MANY = 400
"""Connections after which each of two workers has had some, if it takes any at all."""


@dataclass
class Server:
    """A server process, and what it wrote."""

    process: "subprocess.Popen[bytes]"
    log: Path
    folder: Path

    @property
    def address(self) -> str:
        """Wait for the greeting; give the address in it."""
        wait_until(lambda: "answers at" in self.said() or self.process.poll() is not None, timeout_s=200)
        found = re.search(r"answers at (\S+)", self.said())
        assert found, self.said()
        return found[1]

    def said(self) -> str:
        """Give all that it wrote."""
        return self.log.read_text(encoding="utf-8")

    def workers(self) -> set[int]:
        """Give the workers' process ids."""
        return {pid for pid, command in descendants(self.process.pid).items() if "spawn_main" in command}

    def answered(self) -> list[int]:
        """Give the process id of each answer to a photo."""
        lines = [json.loads(line) for line in self.said().splitlines() if line.startswith("{")]
        return [line["process"] for line in lines if line.get("path") == "/v1/segment"]


Start = Callable[..., Server]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a server with two workers, with its temporary files in a folder of the test's own."""
    started: list[Server] = []

    def start(*words: object, **variables: object) -> Server:
        log, folder = tmp_path / "log", tmp_path / "temporary"
        folder.mkdir()
        given = {
            "TMPDIR": folder,
            "BOX2SEG_LOG_FORMAT": "json",
            "BOX2SEG_DRAIN_S": 4,
            "BOX2SEG_TIMEOUT_S": PATIENCE_S,  # a machine that has much else to do loses no request either
        } | variables
        command = [sys.executable, "-m", "cli", "serve", "--workers", "2", "--port", "0", *map(str, words)]
        environment = os.environ | {name: str(value) for name, value in given.items()}
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stderr=stream, env=environment, cwd=CHECKOUT)
        started.append(Server(process, log, folder))
        return started[-1]

    yield start
    for server in started:
        server.process.kill()
        server.process.wait()


@pytest.fixture
def server(start: Start, tmp_path: Path) -> Server:
    """Two workers, each with a local engine for the colour network."""
    publish_colours(tmp_path / "models")
    server = start("--engine", "local", "--repository", tmp_path / "models")
    wait_until(lambda: metric(server.address, "box2seg_workers") == 2)
    return server


def metric(address: str, line: str) -> float:
    """Read one metric, on a connection of its own."""
    text = httpx.get(f"{address}/metrics", timeout=PATIENCE_S).text
    return next((float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line)), 0.0)


def segment(address: str, **more: object) -> httpx.Response:
    """Ask for a mask, on a connection of its own."""
    return httpx.post(f"{address}/v1/segment", content=PHOTO, timeout=PATIENCE_S, **more)


def ask_until(fact: Callable[[], bool], address: str) -> int:
    """Ask until a fact holds, each time on a connection of its own; gives how often."""
    for count in range(MANY):
        if fact():
            return count
        answer = segment(address)
        assert answer.status_code == 200
        assert read_labels(answer.content)[32, 20] == 1
    raise AssertionError(f"not so after {MANY} answers")


def ended(server: Server, pids: set[int]) -> None:
    """Check that a server ended well: with 0, and without processes or files that stay."""
    assert server.process.wait(60) == 0
    wait_until(lambda: not any(map(alive, pids)))
    assert not list(server.folder.iterdir())
    with socket.socket() as probe:
        assert probe.connect_ex(_place(server.address)) != 0


def test_both_answer_and_metrics_add_up(server: Server) -> None:
    """Each worker answers some of the photos, and whoever is asked for metrics counts all of them."""
    asked = ask_until(lambda: len(set(server.answered())) == 2, server.address)
    assert set(server.answered()) == server.workers()
    wait_until(lambda: metric(server.address, SEGMENTED) == asked)  # an answer is counted when it is out
    for _ in range(8):
        assert metric(server.address, SEGMENTED) == asked
        assert metric(server.address, 'box2seg_photos_total{model="box2seg",outcome="ok"') == asked
        timed = 'box2seg_stage_seconds_bucket{le="+Inf",model="box2seg",outcome="ok",stage="infer"'
        assert metric(server.address, timed) == asked
        assert metric(server.address, "box2seg_ready") == 1
        assert metric(server.address, "box2seg_in_flight") == 0


def test_a_killed_worker_loses_its_own_requests_alone(server: Server) -> None:
    """After kill -9 nobody loses more than the request under way; another worker comes, and counts go on."""
    ask_until(lambda: len(set(server.answered())) == 2, server.address)
    before, workers = metric(server.address, SEGMENTED), server.workers()
    victim = min(workers)

    def ask(_: int) -> int:
        lost = 0
        for _ in range(6):
            try:
                assert segment(server.address).status_code == 200
            except httpx.TransportError:
                lost += 1
        return lost

    with ThreadPoolExecutor(4) as people:
        asking = people.map(ask, range(4))
        wait_until(lambda: metric(server.address, SEGMENTED) > before)
        os.kill(victim, signal.SIGKILL)
        lost = list(asking)
    assert max(lost) <= 1
    wait_until(lambda: metric(server.address, SEGMENTED) >= before + 4 * 6 - sum(lost))
    wait_until(lambda: metric(server.address, "box2seg_workers") == 2)
    (new,) = server.workers() - workers
    ask_until(lambda: new in server.answered(), server.address)
    assert server.said().count("answers at") == 1
    server.process.terminate()
    ended(server, workers | {new})


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "Ctrl-C"])
def test_what_was_begun_is_finished(server: Server, sig: signal.Signals) -> None:
    """Told to end, workers answer the photos that are still on their way to them, and all ends with 0."""
    pids = set(descendants(server.process.pid))
    uploads = [begin_upload(server.address) for _ in range(8)]
    metric(server.address, SEGMENTED)  # accepted in order: the uploads are with a worker now
    server.process.send_signal(sig)
    if sig is signal.SIGTERM:
        wait_until(lambda: httpx.get(f"{server.address}/readyz").status_code == 503)
    answers = [finish_upload(upload) for upload in uploads]
    assert {answer.partition(b"\r\n")[0] for answer in answers} == {b"HTTP/1.1 200 OK"}
    ended(server, pids)


def test_workers_do_not_outlive_who_watches_them(server: Server) -> None:
    """After kill -9 of the first process its workers end by themselves, and the port is free."""
    pids = set(descendants(server.process.pid))
    server.process.kill()
    wait_until(lambda: not any(map(alive, pids)))
    assert not list(server.folder.iterdir())


def test_workers_that_cannot_start_end_it_all() -> None:
    """Where no worker can start, all ends at once with a sentence, rather than trying for ever."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        fails = partial(sys.exit, 1)  # it takes no post, so it fails before anything else
        workers = Workers(fails, count=2, door=door, grace_s=5.0, bury=lambda _: None)
        with pytest.raises(ConfigurationError, match="could not start"):
            workers.run()


def test_a_missing_file_of_keys_ends_the_server(start: Start, tmp_path: Path) -> None:
    """Nothing slow begins where the keys cannot be read, and nothing is left behind."""
    publish_colours(tmp_path / "models")
    words = "--engine", "local", "--repository", tmp_path / "models"
    server = start(*words, BOX2SEG_KEYS_FILE=tmp_path / "none.json")
    assert server.process.wait(200) == 2
    assert "no such file of keys" in server.said()
    assert not list(server.folder.iterdir())


def test_a_keys_rate_is_of_all_workers(start: Start, tmp_path: Path) -> None:
    """A key with five requests at once has five, whichever workers it meets."""
    publish_colours(tmp_path / "models")
    key, token = make_key("alice", (INFER,), rate_per_s=1 / 86_400, burst=5)
    change_keys(tmp_path / "keys.json", lambda _: [key])
    words = "--engine", "local", "--repository", tmp_path / "models"
    server = start(*words, BOX2SEG_KEYS_FILE=tmp_path / "keys.json")
    named = {"X-API-Key": token}
    statuses = [segment(server.address, headers=named).status_code for _ in range(20)]
    assert statuses == [200] * 5 + [429] * 15


@pytest.mark.triton
def test_one_triton_serves_all_workers(start: Start, tmp_path: Path, triton_environment: Environment) -> None:
    """One Triton runs behind two workers, each of which takes up new versions; nothing is left at the end."""
    publish_colours(tmp_path / "models")
    shutil.copy(CONFIG, tmp_path / "models" / "box2seg")
    server = start("--repository", tmp_path / "models", BOX2SEG_WATCH_EVERY_S=0.2)
    ask_until(lambda: len(set(server.answered())) == 2, server.address)
    below = descendants(server.process.pid)
    (triton,) = (pid for pid, command in below.items() if command.startswith(str(triton_environment.triton)))
    publish_colours(tmp_path / "models", version=2, graph=colour_graph(first=0))
    wait_until(lambda: server.said().count("serving box2seg version 2") == 2)
    versions = [segment(server.address).headers["x-model-version"] for _ in range(30)]
    assert set(versions) == {"2"}
    assert alive(triton)
    server.process.terminate()
    ended(server, set(below))


def begin_upload(address: str) -> socket.socket:
    """Send a photo but for its last byte."""
    connection = socket.create_connection(_place(address), timeout=PATIENCE_S)
    head = "POST /v1/segment HTTP/1.1", "Host: here", f"Content-Length: {len(PHOTO)}", "Connection: close"
    connection.sendall("\r\n".join([*head, "", ""]).encode() + PHOTO[:-1])
    return connection


def finish_upload(connection: socket.socket) -> bytes:
    """Send the last byte and read the answer."""
    with connection, connection.makefile("rb") as stream:
        connection.sendall(PHOTO[-1:])
        return stream.read()


def _place(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    assert parts.hostname
    assert parts.port
    return parts.hostname, parts.port
