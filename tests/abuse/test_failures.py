"""D: what is behind the gateway, or under it, dies, hangs, is full or far away."""

import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pytest

from serving.triton.environment import CHECKOUT, Environment
from tests.abuse.conftest import Seen
from tests.abuse.house import GOLDEN, MIB, PROC, House, running_house
from tests.abuse.test_slow import connect
from tests.abuse.wire import running_wire
from tests.serving.colours import CLASSES, draw_photo, encode, read_labels
from tests.serving.processes import wait_until
from tests.serving.test_problems import check_problem

pytestmark = pytest.mark.triton

DEADLINE_S = 3.0
PICTURE = (CHECKOUT / "docs" / "pictures" / "chelsea.jpg").read_bytes()


@dataclass(slots=True)
class Crowd:
    """
    People who ask for masks all the time, while inside; each answer is kept.

    Args:
        house: Whom they ask.
        people: How many.
    """

    house: House
    people: int = 4
    answers: list[httpx.Response] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> "Crowd":
        """Begin to ask."""
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.people)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Ask no more."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def statuses(self) -> set[int]:
        """Give what was answered."""
        return {answer.status_code for answer in self.answers}

    def _ask(self) -> None:
        with httpx.Client(base_url=self.house.address, timeout=60.0) as client:
            while not self._stop.is_set():
                self.answers.append(client.post("/v1/segment", content=GOLDEN))
                if self.answers[-1].status_code != 200:
                    time.sleep(0.02)


@pytest.fixture(scope="module")
def mortal(
    triton_environment: Environment, colour_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """A server whose Triton may be killed."""
    log = tmp_path_factory.mktemp("mortal") / "gateway.log"
    with running_house(log, colour_models, timeout_s=DEADLINE_S) as house:
        yield house


def seconds_until(house: House, status: int, path: str = "/readyz") -> float:
    """Wait until a path answers so; gives how long it took [s]."""
    begin = time.monotonic()
    wait_until(lambda: house.client.get(path).status_code == status)
    return time.monotonic() - begin


@pytest.mark.abuse
@pytest.mark.case("D1")
def test_d1_triton_is_killed(mortal: House, seen: Seen) -> None:
    """All that was asked meanwhile is 503 at once, and a new Triton answers without anybody's help."""
    pid = mortal.pid
    with Crowd(mortal) as crowd:
        wait_until(lambda: len(crowd.answers) > 50)
        os.kill(mortal.triton_pid, signal.SIGKILL)
        noticed = seconds_until(mortal, 503)
        assert mortal.client.get("/livez").status_code == 200
        healed = seconds_until(mortal, 200)
        count = len(crowd.answers)
        wait_until(lambda: len(crowd.answers) > count + 50)
    refused = [answer for answer in crowd.answers if answer.status_code != 200]
    assert crowd.statuses() == {200, 503}
    assert all("retry-after" in answer.headers for answer in refused)
    slowest = max(answer.elapsed.total_seconds() for answer in refused)
    assert slowest <= 1.0
    assert noticed <= 2.0
    assert mortal.process.poll() is None
    assert mortal.pid == pid
    seen(
        f"{len(refused)} answers of 503 with Retry-After, the slowest after {slowest:.2f} s; "
        f"readyz 503 after {noticed:.1f} s, 200 by itself after {healed:.1f} s; the same gateway"
    )


@pytest.mark.abuse
@pytest.mark.case("D2")
def test_d2_triton_hangs(mortal: House, seen: Seen) -> None:
    """Requests under way are given up at their deadline, later ones at once; it is found again."""
    wait_until(lambda: mortal.segment().status_code == 200)
    triton, begin = mortal.triton_pid, time.monotonic()
    os.kill(triton, signal.SIGSTOP)
    try:
        late = mortal.segment()
        while late.status_code == 200:  # its threads stop one after the other
            late = mortal.segment()
        assert late.status_code == 504
        wait_until(lambda: mortal.segment().status_code == 503, timeout_s=10.0)
        opened = time.monotonic() - begin
        assert mortal.client.get("/readyz").status_code == 503
        assert mortal.metric("box2seg_circuit_open") == 1
        quick = max(mortal.segment().elapsed.total_seconds() for _ in range(20))
    finally:
        os.kill(triton, signal.SIGCONT)
    healed = seconds_until(mortal, 200)
    assert late.elapsed.total_seconds() < DEADLINE_S + 0.5
    assert opened < 10
    assert quick < 0.5
    wait_until(lambda: mortal.segment().status_code == 200)
    seen(
        f"504 after {late.elapsed.total_seconds():.1f} s (deadline {DEADLINE_S:g}); "
        f"circuit open and readyz 503 after {opened:.1f} s, then 503 in {1e3 * quick:.0f} ms at most; "
        f"well {healed:.1f} s after it woke"
    )


@pytest.mark.case("D6")
def test_d6_no_gpu(house: House, seen: Seen) -> None:
    """Where there is no GPU the CPU computes, and the server says so."""
    card = house.client.get("/v1/models/box2seg").json()
    line = 'box2seg_model_device{device="%s",model="box2seg"}'
    assert card["device"] == "cpu"
    assert house.metric(line % "cpu") == 1
    assert house.metric(line % "gpu") == 0
    seen('"device": "cpu" in /v1/models, box2seg_model_device{device="cpu"} 1')


@pytest.mark.case("D8")
def test_d8_impossible_outputs(the_house: House, seen: Seen) -> None:
    """A label without a class is a 500 that says so and is counted; NaN inside never leaves the palette."""
    line = 'box2seg_photos_total{model="wrong",outcome="failed",version="1"}'
    before = the_house.metric(line)
    for form in ("png", "rle", "npz", "overlay"):
        answer = the_house.segment(model="wrong", format=form)
        check_problem(answer, 500, "model-output-invalid")
    assert the_house.metric(line) == before + 4
    labels = read_labels(the_house.segment(model="nan").raise_for_status().content)
    assert labels.max() < len(CLASSES)
    assert the_house.segment().status_code == 200
    seen(
        f"label 11 of 4 classes: 500 model-output-invalid, counted; NaN: labels {np.unique(labels).tolist()}"
    )


CRAMP = """
mount -t tmpfs -o size=64m tmpfs /dev/shm && mkdir -p "$TMPDIR" &&
mount -t tmpfs -o size=4m tmpfs "$TMPDIR" && exec "$@"
"""


@pytest.fixture(scope="module")
def cramped(
    triton_environment: Environment, colour_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """A server with 64 MB of shared memory and 4 MB of disk of its own; needs the right to mount."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small /dev/shm")
    folder = tmp_path_factory.mktemp("cramped")
    before = ("env", f"TMPDIR={folder / 'tmp'}", "unshare", "-m", "sh", "-c", CRAMP, "sh")
    with running_house(folder / "gateway.log", colour_models, before=before, timeout_s=DEADLINE_S) as house:
        yield house


def fill(file: Path) -> None:
    """Write until nothing more goes in."""
    with suppress(OSError), file.open("wb", buffering=0) as stream:
        while True:
            stream.write(bytes(64 * 1024))


@pytest.mark.abuse
@pytest.mark.case("D9")
def test_d9_shared_memory_is_full(cramped: House, seen: Seen) -> None:
    """Without shared memory Triton's trouble is 503 or 504, nothing else, and ends with it."""
    stuffing = PROC / str(cramped.pid) / "root" / "dev" / "shm" / "stuffing"
    fill(stuffing)
    large = encode(draw_photo(384, 384))
    with ThreadPoolExecutor(12) as people:
        asked = [people.submit(cramped.segment, large, model="fine") for _ in range(48)]
        statuses = {each.result().status_code for each in asked}
    assert statuses <= {200, 503, 504}
    assert cramped.client.get("/livez").status_code == 200
    stuffing.unlink()
    healed = seconds_until(cramped, 200)
    wait_until(lambda: cramped.segment(large, model="fine").status_code == 200)
    seen(f"/dev/shm full: {sorted(statuses)}, well {healed:.1f} s after there was room")


@pytest.mark.abuse
@pytest.mark.case("D9")
def test_d9_disk_is_full(cramped: House, seen: Seen) -> None:
    """A form that the disk has no room for is 507; bodies need no disk."""
    wait_until(cramped.ready)
    noise = encode(np.random.default_rng(0).integers(0, 256, (1600, 1300, 3), np.uint8), compress_level=0)
    answer = cramped.client.post("/v1/segment", files={"image": noise})
    check_problem(answer, 507, "out-of-room")
    assert cramped.segment(noise).status_code == 200
    assert cramped.client.post("/v1/segment", files={"image": GOLDEN}).status_code == 200
    seen(f"disk full: a form of {len(noise) // MIB} MiB 507, the same as the body 200")


@pytest.mark.abuse
@pytest.mark.case("D9")
def test_d9_no_file_left(the_house: House, tmp_path: Path, seen: Seen) -> None:
    """With 256 files, 400 connections leave those answered that were there, and all when they are gone."""
    words = ("--triton-url", the_house.triton_url)
    with running_house(tmp_path / "gateway.log", the_house.repository, *words) as house:
        expected = house.segment().content
        resource.prlimit(house.pid, resource.RLIMIT_NOFILE, (256, 256))
        crowd = []
        for _ in range(400):
            with suppress(OSError):
                crowd.append(connect(house.address))
        beside = [house.segment().status_code for _ in range(5)]
        for each in crowd:
            each.close()
        begin = time.monotonic()
        wait_until(lambda: _answers(house.address, expected), timeout_s=20.0)
        healed = time.monotonic() - begin
        assert house.process.poll() is None
    assert beside == [200] * 5
    seen(f"256 files, 400 connections: an open one is served, new ones {healed:.1f} s after they left")


def _answers(address: str, expected: bytes) -> bool:
    with suppress(httpx.TransportError):
        return httpx.post(f"{address}/v1/segment", content=GOLDEN, timeout=5.0).content == expected
    return False


@pytest.mark.abuse
@pytest.mark.case("D10")
def test_d10_the_way_to_triton(the_house: House, tmp_path: Path, seen: Seen) -> None:
    """Over a way of 100 ms photos are segmented; one that forgets everything is left for another in 5 s."""
    with running_wire(int(the_house.triton_url.partition(":")[2])) as wire:
        words = ("--triton-url", wire.url)
        with running_house(
            tmp_path / "gateway.log", the_house.repository, *words, timeout_s=DEADLINE_S
        ) as house:
            wire.delay_s = 0.1
            slow = [house.segment() for _ in range(10)]
            assert {answer.status_code for answer in slow} == {200}
            hurried = house.client.post("/v1/segment", content=GOLDEN, headers={"X-Request-Timeout": "0.15"})
            assert hurried.status_code == 504
            wire.delay_s = 0.0
            wire.forget()
            begin, answers = time.monotonic(), [house.segment()]
            while answers[-1].status_code != 200:
                answers.append(house.segment())
                time.sleep(0.05)
            healed = time.monotonic() - begin
    late = max(answer.elapsed.total_seconds() for answer in answers)
    assert {answer.status_code for answer in answers} <= {200, 503, 504}
    assert late < DEADLINE_S + 0.5
    assert healed <= 5.0
    typical = 1e3 * float(np.median([answer.elapsed.total_seconds() for answer in slow]))
    seen(
        f"100 ms each way: 200 in {typical:.0f} ms, 504 at a deadline of 150 ms; "
        f"connection lost without a word: no answer later than {late:.1f} s "
        f"(deadline {DEADLINE_S:g}), well after {healed:.1f} s"
    )


@pytest.mark.abuse
@pytest.mark.case("D11")
def test_d11_sigterm(shipped: House, seen: Seen) -> None:
    """Told to end, it is not ready at once, answers all that it has begun, and ends with 0."""
    with httpx.Client(base_url=shipped.address, timeout=60.0) as client, ThreadPoolExecutor(40) as people:
        asking = [people.submit(client.post, "/v1/segment", content=PICTURE) for _ in range(40)]
        wait_until(lambda: shipped.metric("box2seg_in_flight") + shipped.metric("box2seg_waiting") >= 20)
        begin = time.monotonic()
        shipped.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        assert shipped.client.get("/readyz").status_code == 503
        statuses = [each.result().status_code for each in asking]
    code = shipped.process.wait(40)
    took = time.monotonic() - begin
    assert statuses == [200] * 40
    assert code == 0
    with (
        pytest.raises(OSError, match=r"refused|reset"),
        socket.create_connection(("127.0.0.1", _port(shipped))),
    ):
        pass
    seen(f"readyz 503 at once, 40 of 40 answered, exit code {code} after {took:.1f} s, Triton's end included")


def _port(house: House) -> int:
    return int(house.address.rpartition(":")[2])
