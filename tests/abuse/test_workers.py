"""D3, G7: several gateway processes on one port."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from tests.abuse.conftest import Seen
from tests.abuse.house import GOLDEN, PROC, House, running_house
from tests.serving.processes import descendants, wait_until

pytestmark = [pytest.mark.triton, pytest.mark.abuse]

WORKERS = 2


@pytest.fixture(scope="module")
def several(the_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server of two gateway processes, before the Triton that there is."""
    usage = subprocess.run([sys.executable, "-m", "cli", "serve", "--help"], capture_output=True, text=True)
    if "--workers" not in usage.stdout:
        pytest.skip("this server has one gateway process")
    log = tmp_path_factory.mktemp("several") / "gateway.log"
    words = ("--triton-url", the_house.triton_url, "--workers", str(WORKERS))
    with running_house(log, the_house.repository, *words) as house:
        wait_until(lambda: house.metric("box2seg_workers") == WORKERS)
        yield house


def workers(house: House) -> set[int]:
    """Give the processes that answer: those that log with a number of their own have the door open."""
    door = int(house.address.rpartition(":")[2])
    return {pid for pid in descendants(house.pid) if _listens(pid, door)}


def _listens(pid: int, door: int) -> bool:
    """Tell whether a process has a socket that listens at a port."""
    try:
        table = (PROC / str(pid) / "net" / "tcp").read_text()
        files = [str(each.readlink()) for each in (PROC / str(pid) / "fd").iterdir()]
    except OSError:  # it has ended, or one of its files was closed
        return False
    sockets = set(re.findall(rf": \w+:{door:04X} \w+:0000 0A (?:\S+ +){{5}}(\d+)", table))
    return any(f"socket:[{inode}]" in files for inode in sockets)


def ask(house: House) -> int:
    """Ask for a mask on a connection of its own; 0 where it is lost."""
    try:
        return httpx.post(f"{house.address}/v1/segment", content=GOLDEN, timeout=60.0).status_code
    except httpx.TransportError:
        return 0


@pytest.mark.case("G7")
def test_g7_metrics_add_up(several: House, seen: Seen) -> None:
    """Whichever process is asked for metrics counts what all of them answered."""
    line = 'box2seg_requests_total{route="/v1/segment",status="200"}'
    before = several.metric(line)
    assert [ask(several) for _ in range(200)] == [200] * 200
    counts = {read(several, line) - before for _ in range(10)}
    assert counts == {200}
    seen(f"200 answers of {WORKERS} processes: 200 counted, 10 times of 10")


def read(house: House, line: str) -> float:
    """Read a metric on a connection of its own, so that any process may answer."""
    with House(house.process, house.log, house.address, house.repository).client as client:
        text = client.get("/metrics").text
    return sum(float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line))


@pytest.mark.case("D3")
def test_d3_a_worker_is_killed(several: House, seen: Seen) -> None:
    """The others go on, only what the killed one had begun is lost, and another takes its place."""
    answers: list[int] = []
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set():
            answers.append(ask(several))

    people = [threading.Thread(target=go_on) for _ in range(4)]
    for each in people:
        each.start()
    wait_until(lambda: len(answers) > 20)
    victim = min(workers(several))
    os.kill(victim, signal.SIGKILL)
    begin = time.monotonic()
    wait_until(lambda: victim not in workers(several) and len(workers(several)) == WORKERS)
    replaced = time.monotonic() - begin
    count = len(answers)
    wait_until(lambda: len(answers) > count + 50)
    stop.set()
    for each in people:
        each.join()
    assert set(answers) <= {0, 200}
    assert answers.count(0) <= len(people)
    assert several.process.poll() is None
    seen(f"{answers.count(0)} of {len(answers)} requests lost, a new process after {replaced:.1f} s")
