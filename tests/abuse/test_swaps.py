"""E3, E4, E5, E7, E10: versions change while people ask, in several workers before one Triton."""

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from contract.manifest import MANIFEST_FILE, MODEL_FILE
from serving.triton.environment import Environment
from tests.abuse.conftest import Seen
from tests.abuse.house import MIB, House
from tests.abuse.swapping import (
    PHOTO,
    VERSIONS,
    Crowd,
    make_repository,
    promote,
    publish_numbers,
    swapping_house,
    version_of,
)
from tests.serving import processes
from tests.serving.colours import colour_graph, publish_colours
from tests.serving.processes import wait_until

pytestmark = pytest.mark.triton

NUMBERS = 1, 2, 3, 4, 5, 6
WORKERS = 2
PEOPLE = 3


@pytest.fixture(scope="module")
def house(triton_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server of two workers with six versions, of which the newest is live."""
    folder = tmp_path_factory.mktemp("swaps")
    make_repository(folder / "models", *NUMBERS)
    with swapping_house(folder, "--workers", str(WORKERS), timeout_s=3.0) as house:
        wait_until(lambda: house.metric("box2seg_workers") == WORKERS)
        yield house


def live(house: House) -> int:
    """Give the version that the history says answers."""
    version: int = house.client.get(VERSIONS).json()["live"]
    return version


def swap(house: House, times: int) -> tuple[Crowd, list[tuple[int, float, float]]]:
    """Promote again and again under load; gives who asked, and when each version was sure to answer."""
    crowd, stretches = Crowd(house), []
    with crowd.asking(PEOPLE):
        for _ in range(times):
            version = live(house) % len(NUMBERS) + 1
            promoted = promote(house, version)
            assert promoted.status_code == 200, promoted.text
            begin, count = time.monotonic(), len(crowd.asked)
            wait_until(lambda count=count: len(crowd.asked) > count + 2 * PEOPLE)
            stretches.append((version, begin, time.monotonic()))
    return crowd, stretches


def check_swaps(house: House, times: int, seen: Seen) -> None:
    """Swap under load: nothing fails, and what begins after a promotion is answered by what was promoted."""
    crowd, stretches = swap(house, times)
    assert not crowd.failures, crowd.failures[:3]
    assert len({version for version, _, _ in stretches}) == min(times, len(NUMBERS))
    for version, begin, end in stretches:
        assert {each.version for each in crowd.between(begin, end)} == {version}
    seen(f"{times} swaps, {len(crowd.asked)} requests in {WORKERS} workers, 0 failed")


@pytest.mark.case("E4")
def test_e4_swaps_under_load(house: House, seen: Seen) -> None:
    """E4, short: five swaps while three people ask, in both workers at once."""
    check_swaps(house, 5, seen)


def test_a_promotion_loads_no_other_version(house: House) -> None:
    """Triton leaves those alone that it serves already, though the history beside them has grown."""
    version = live(house)
    for each in (version % len(NUMBERS) + 1, version):
        assert promote(house, each).status_code == 200
    before = _stubs(house)
    assert promote(house, (version + 1) % len(NUMBERS) + 1).status_code == 200
    # Two workers that load it at the same time have Triton begin twice, and end one of the two.
    wait_until(lambda: len(_stubs(house) - before) <= 1)


def _stubs(house: House) -> set[int]:
    """List the processes in which Triton runs a version each."""
    return {pid for pid, command in processes.descendants(house.pid).items() if "backend_stub" in command}


@pytest.mark.abuse
@pytest.mark.case("E4")
@pytest.mark.timeout(1800)
def test_e4_a_hundred_swaps_under_load(house: House, seen: Seen) -> None:
    """E4: a hundred swaps; memory does not grow with them."""
    check_swaps(house, 2 * len(NUMBERS), seen)  # each version once or twice: memory has its size
    before = memory(house)
    check_swaps(house, 100, seen)
    wait_until(lambda: memory(house) <= 1.05 * before + 64 * MIB)
    seen(f"100 swaps, 0 failed; memory of all processes {before / MIB:.0f} -> {memory(house) / MIB:.0f} MiB")


def memory(house: House) -> int:
    """Add up the memory that the server's processes have for themselves [bytes]."""
    total = 0
    for pid in [house.pid, *processes.descendants(house.pid)]:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it ended meanwhile
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Private"))
    return total * 1024


@pytest.mark.case("E7")
def test_e7_rollback(house: House, seen: Seen) -> None:
    """E7: in all workers the version before answers again, and its masks are the same bytes."""
    before, version = house.segment(PHOTO).content, live(house)
    assert promote(house, version % len(NUMBERS) + 1).status_code == 200
    assert house.segment(PHOTO).content != before
    begin = time.monotonic()
    rolled = house.client.post(f"{VERSIONS}:rollback", json={"why": "a test"}, timeout=5.0)  # at most
    assert rolled.status_code == 200
    took = time.monotonic() - begin
    for _ in range(20):  # on connections of their own, so that each worker answers some
        answer = httpx.post(f"{house.address}/v1/segment", content=PHOTO, headers=house.client.headers)
        assert version_of(answer) == version
        assert answer.content == before
    seen(f"after {took:.2f} s, 20 masks of the same bytes")


@pytest.mark.case("E10")
def test_e10_two_promotions_at_once(house: House, seen: Seen) -> None:
    """E10: of two at once one is done, and the other is told that somebody else is at it."""
    publish_numbers(house.repository, 21, 22)
    answers: dict[int, httpx.Response] = {}
    people = [
        threading.Thread(target=lambda version=version: answers.update({version: promote(house, version)}))
        for version in (21, 22)
    ]
    for each in people:
        each.start()
    for each in people:
        each.join()
    assert sorted(each.status_code for each in answers.values()) == [200, 409]
    won = next(version for version, answer in answers.items() if answer.status_code == 200)
    assert live(house) == version_of(house.segment(PHOTO)) == won
    (lost,) = (answer for answer in answers.values() if answer.status_code == 409)
    assert "somebody else" in lost.json()["detail"]
    seen("one 200, one 409; the first answers")


@pytest.mark.case("E3")
def test_e3_a_folder_that_is_still_copied(house: House, tmp_path: Path, seen: Seen) -> None:
    """E3: without its manifest it is no version; with it, a candidate that answers nobody."""
    version, model = live(house), house.repository / "box2seg"
    publish_numbers(tmp_path, 31)
    source, target = tmp_path / "box2seg" / "31", model / "31"
    target.mkdir()
    half = (source / MODEL_FILE).read_bytes()
    (target / MODEL_FILE).write_bytes(half[: len(half) // 2])
    assert promote(house, 31).status_code == 404
    (target / f".{MANIFEST_FILE}.partial").write_bytes((source / MANIFEST_FILE).read_bytes())
    assert promote(house, 31).status_code == 404
    shutil.copy(source / MANIFEST_FILE, target)  # as a copier that keeps no order would
    refused = promote(house, 31)
    assert (refused.status_code, "sha256" in refused.json()["detail"]) == (409, True)
    assert version_of(house.segment(PHOTO)) == live(house) == version
    shutil.copy(source / MODEL_FILE, target)
    cards = {each["version"]: each["state"] for each in house.client.get(VERSIONS).json()["versions"]}
    assert cards[31] == "candidate"
    assert version_of(house.segment(PHOTO)) == version
    seen("404 until the manifest is there, 409 until the files are whole; then a candidate")


def check_failed_loads(house: House, seen: Seen) -> None:
    """Promote 20 versions that cannot be loaded: the live one answers on, and no memory stays with them."""
    version = live(house)
    publish_broken(house.repository, range(40, 63))
    for each in range(40, 43):  # the first ones bring in what all of them need
        assert promote(house, each).status_code == 409
    before = memory(house)
    for each in range(43, 63):
        refused = promote(house, each)
        assert (refused.status_code, "cannot be loaded" in refused.json()["detail"]) == (409, True), (
            refused.text
        )
        assert version_of(house.segment(PHOTO)) == version
    wait_until(lambda: memory(house) <= before + 32 * MIB)
    seen(f"20 refused; memory of all processes {before / MIB:.0f} -> {memory(house) / MIB:.0f} MiB")


def publish_broken(repository: Path, versions: range) -> None:
    """Publish versions whose files are whole and no network."""
    graph = colour_graph()
    del graph.graph.node[2:]
    for version in versions:
        publish_colours(repository, version=version, graph=graph)


@pytest.mark.case("E5")
def test_e5_twenty_failed_loads_in_this_process(tmp_path: Path, seen: Seen) -> None:
    """E5, with the engine in the gateway's own process."""
    make_repository(tmp_path / "models", 1)
    with swapping_house(tmp_path, engine="local") as house:
        check_failed_loads(house, seen)


@pytest.mark.abuse
@pytest.mark.case("E5")
@pytest.mark.timeout(900)
def test_e5_twenty_failed_loads(house: House, seen: Seen) -> None:
    """E5, with Triton, which is told to load each of them."""
    check_failed_loads(house, seen)
