"""C: more than can be answered, in less time than there is; with the shipped model."""

import shutil
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest

from serving.triton.environment import CHECKOUT, Environment
from tests.abuse.conftest import Seen
from tests.abuse.flood import flood, percentile, saturate
from tests.abuse.house import House, running_house
from tests.serving.colours import draw_photo, encode
from tests.serving.processes import wait_until

pytestmark = [pytest.mark.triton, pytest.mark.abuse]

PICTURE = (CHECKOUT / "docs" / "pictures" / "chelsea.jpg").read_bytes()
DEADLINE_S = 10.0
RAN = 'nv_inference_count{model="box2seg"'
RUNS = 'nv_inference_exec_count{model="box2seg"'
FAILED = 'nv_inference_request_failure{model="box2seg"'


@pytest.mark.case("C1", "C2")
def test_c1_c2_three_times_too_much(triton_environment: Environment, tmp_path: Path, seen: Seen) -> None:
    """For a minute three times what can be answered is asked; afterwards it is as before within 5 s."""
    shutil.copytree(CHECKOUT / "model_repository", tmp_path / "models")
    photo, log = CHECKOUT / "docs" / "pictures" / "chelsea.jpg", tmp_path / "h2load.tsv"
    with (
        running_house(tmp_path / "gateway.log", tmp_path / "models") as house,
        ThreadPoolExecutor(1) as people,
    ):
        most = len(saturate(house.address, photo, log, clients=16, seconds=20.0)) / 20
        ask = partial(flood, house.address, photo, log)
        calm = ask(rate_per_s=most / 4, seconds=15.0)
        waits = people.submit(_ask_each_second, house, 60)
        answers = ask(rate_per_s=3 * most, seconds=60.0)
        time.sleep(5.0)
        after = ask(rate_per_s=most / 4, seconds=15.0)
        assert house.process.poll() is None
    good = sum(status == 200 for status, _ in answers)
    shed = sum(status == 429 for status, _ in answers)
    assert good + shed == len(answers)
    assert len(answers) >= 0.9 * 60 * 3 * most  # it was three times indeed
    assert all(1 <= wait <= 60 for wait in waits.result())
    assert percentile(answers, 99) <= DEADLINE_S
    assert good / 60 >= 0.9 * most
    assert {status for status, _ in after} == {200}
    assert percentile(after, 99) <= 2 * percentile(calm, 99)
    seen(
        f"{most:.1f}/s at most; of {len(answers) / 60:.1f}/s for 60 s {good / 60:.1f}/s were answered "
        f"({100 * good / 60 / most:.0f} %), {shed} got 429 with Retry-After, no 5xx; "
        f"admitted p99 {percentile(answers, 99):.1f} s (deadline {DEADLINE_S:g}); "
        f"p99 before {1e3 * percentile(calm, 99):.0f} ms, from 5 s after on "
        f"{1e3 * percentile(after, 99):.0f} ms"
    )


def _ask_each_second(house: House, times: int) -> list[int]:
    """Give the Retry-After of those that are sent away."""
    waits = []
    for _ in range(times):
        answer = house.segment(PICTURE)
        if answer.status_code == 429:
            waits.append(int(answer.headers["Retry-After"]))
        time.sleep(1.0)
    return waits


@pytest.mark.case("C3")
def test_c3_too_late_is_not_run(triton_environment: Environment, tmp_path: Path, seen: Seen) -> None:
    """Behind a queue of a second, photos with 100 ms are 504 and dropped in Triton's queue."""
    shutil.copytree(CHECKOUT / "model_repository", tmp_path / "models")
    log = tmp_path / "gateway.log"
    with running_house(log, tmp_path / "models", concurrency=200, queue=400, timeout_s=240.0) as house:
        before = _tritons(house)
        with ThreadPoolExecutor(80) as people:
            queue = [people.submit(house.segment, PICTURE) for _ in range(30)]
            wait_until(lambda: house.metric("box2seg_in_flight") >= 25)
            hurry = {"X-Request-Timeout": "0.1"}
            late = [
                people.submit(house.client.post, "/v1/segment", content=PICTURE, headers=hurry)
                for _ in range(10)
            ]
            statuses = [each.result().status_code for each in late]
            assert {each.result().status_code for each in queue} == {200}
        time.sleep(2.5)
        ran, _, failed = (now - then for now, then in zip(_tritons(house), before, strict=True))
    assert set(statuses) == {504}
    assert 30 <= ran <= 30 + 5  # probes
    seen(f"10 of 10: 504; Triton ran {ran:.0f} photos for 30 (and probes), dropped {failed:.0f} in its queue")


def _tritons(house: House) -> tuple[float, float, float]:
    return house.triton_metric(RAN), house.triton_metric(RUNS), house.triton_metric(FAILED)


def ask_and_leave(address: str) -> None:
    """Send a photo and hang up without waiting."""
    host, _, port = urlsplit(address).netloc.partition(":")
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST /v1/segment HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(PICTURE)}\r\n\r\n"
        connection.sendall(head.encode() + PICTURE)
        time.sleep(0.1)


@pytest.mark.case("C4")
def test_c4_all_hang_up(shipped: House, seen: Seen) -> None:
    """Of 200 clients that hang up at once, hardly any is worked for, and each is counted."""
    line = 'box2seg_requests_total{route="/v1/segment",status="%d"}'

    def counted() -> list[float]:
        return [shipped.metric(line % status) for status in (499, 200)]

    assert shipped.segment(PICTURE).status_code == 200
    time.sleep(2.5)
    before, ran_before = counted(), _tritons(shipped)[0]
    with ThreadPoolExecutor(200) as people:
        list(people.map(ask_and_leave, [shipped.address] * 200))
    wait_until(lambda: shipped.metric("box2seg_in_flight") + shipped.metric("box2seg_waiting") == 0)
    wait_until(lambda: sum(counted()) - sum(before) == 200)
    left, done = (now - then for now, then in zip(counted(), before, strict=True))
    time.sleep(2.5)
    ran = _tritons(shipped)[0] - ran_before
    assert ran <= done + 2 * 8 + 5  # a batch under way, one behind it, and probes
    assert shipped.segment(PICTURE).status_code == 200
    seen(
        f"200 hung up: {left:.0f} counted as 499, {done:.0f} as 200; Triton ran {ran:.0f} photos, probes too"
    )


def timed(house: House, count: int) -> list[float]:
    """Ask one after the other; gives the times [s]."""
    times = []
    for _ in range(count):
        answer = house.segment(PICTURE)
        assert answer.status_code == 200
        times.append(answer.elapsed.total_seconds())
    return times


@pytest.mark.case("C6")
def test_c6_batches_beside_people(shipped: House, seen: Seen) -> None:
    """While a batch is worked on, single photos take hardly longer; then it has the engine for itself."""
    photos, singles = 64, 400
    alone = float(np.percentile(timed(shipped, singles), 99))
    ran = shipped.metric("box2seg_photos_total")
    with ThreadPoolExecutor(1) as people, httpx.Client(base_url=shipped.address, timeout=120.0) as client:
        batch = people.submit(client.post, "/v1/segment:batch", files=[("image", PICTURE)] * photos)
        time.sleep(0.3)
        beside = float(np.percentile(timed(shipped, singles), 99))
        beside_it = shipped.metric("box2seg_photos_total") - ran - singles
        assert batch.result().text.count('"status": 200') == photos
    seen(
        f"p99 {1e3 * beside:.0f} ms beside a batch of {photos}, alone {1e3 * alone:.0f} ms: "
        f"{beside / alone:.1f} times; {beside_it:.0f} of the batch were done by then"
    )
    assert beside <= 1.3 * alone


@pytest.mark.case("C7")
def test_c7_mixed_sizes(shipped: House, tmp_path: Path, seen: Seen) -> None:
    """Photos of several shapes at once are run in batches by shape, where the server is told to join them."""
    shapes = [(375, 500), (500, 375), (400, 600), (600, 400), (500, 500), (450, 800)]
    photos = [encode(draw_photo(*shape), "JPEG") for shape in shapes]
    joining = {"join": 8, "concurrency": 24, "queue": 400, "timeout_s": 120.0}
    with (
        running_house(tmp_path / "gateway.log", shipped.repository, **joining) as house,
        ThreadPoolExecutor(24) as people,
    ):
        list(people.map(house.segment, photos))  # each shape is compiled once
        time.sleep(2.5)
        before = _tritons(house)
        answers = list(people.map(house.segment, photos * 20))
        assert {answer.status_code for answer in answers} == {200}
        time.sleep(2.5)
        ran, runs, _ = (now - then for now, then in zip(_tritons(house), before, strict=True))
    infer = [float(a.headers["server-timing"].split("infer;dur=")[1].split(",")[0]) for a in answers]
    assert ran / runs > 1
    seen(
        f"{len(answers)} photos of {len(shapes)} shapes, BOX2SEG_JOIN=8: mean batch {ran / runs:.2f}; "
        f"median time in the engine {statistics.median(infer):.0f} ms"
    )
