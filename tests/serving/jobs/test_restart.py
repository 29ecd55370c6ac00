"""Jobs outlive the gateway: killed or ended in the middle, the next goes on, one worker at a time."""

import os
import signal
import time
from pathlib import Path

import httpx
import pytest

from tests.abuse.house import House, running_house
from tests.serving.colours import draw_photo, encode
from tests.serving.jobs.handing import ended, hand_in, unpacked, zipped
from tests.serving.processes import alive, descendants, wait_until

PHOTOS = 50
LOCAL = ("--engine", "local")


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """Photos that take long enough to be killed among."""
    folder = tmp_path / "photos"
    folder.mkdir()
    kinds = [encode(draw_photo(400 + 16 * number, 600), "JPEG") for number in range(5)]
    for number in range(PHOTOS):
        (folder / f"{number:03d}.jpg").write_bytes(kinds[number % 5])
    (folder / "bad.jpg").write_bytes(kinds[0][:2000])
    return zipped(folder)


def masks(jobs: Path) -> int:
    """Count the masks that lie there, of jobs that are not packed yet."""
    return len(list(jobs.glob("*/masks/overlay/*.jpg")))


def wait_for_masks(house: House, jobs: Path, count: int) -> None:
    """Wait until so many masks lie there."""
    deadline = time.monotonic() + 120.0
    while masks(jobs) < count:
        assert house.process.poll() is None, house.said()
        assert time.monotonic() < deadline, house.said()
        time.sleep(0.002)


def test_killed_and_ended_a_job_is_as_unbroken(repository: Path, tmp_path: Path, archive: bytes) -> None:
    """After kill -9 and after SIGTERM, which waits for no job, all is as of an unbroken one."""
    jobs, log = tmp_path / "jobs", tmp_path / "log"
    settings = {"jobs_folder": jobs, "jobs_free_bytes": 0, "drain_s": 0}
    with running_house(log, repository, *LOCAL, **settings) as house:
        job = hand_in(house.client, archive, formats="png,overlay,coco")
        wait_for_masks(house, jobs, 3)
        house.process.kill()
    with running_house(log, repository, *LOCAL, **settings) as house:
        wait_for_masks(house, jobs, PHOTOS // 2)
        house.process.terminate()
        assert house.process.wait(60) == 0
        assert "Traceback" not in house.said()
        assert 0 < masks(jobs) < PHOTOS
    with running_house(log, repository, *LOCAL, **settings) as house:
        status = ended(house.client, job)
        assert status["photos"] == {"total": PHOTOS + 1, "done": PHOTOS, "failed": 1, "twice": 0}
        broken = unpacked(house.client, job)
        unbroken_job = hand_in(house.client, archive, formats="png,overlay,coco")
        assert ended(house.client, unbroken_job)["state"] == status["state"] == "partial"
        unbroken = unpacked(house.client, unbroken_job)
    for files in (broken, unbroken):
        del files["report.html"]  # tells times
    assert broken == unbroken
    assert len(broken) == 2 * PHOTOS + 1


def test_another_worker_takes_over(repository: Path, tmp_path: Path, archive: bytes) -> None:
    """Of two workers one works; when it is killed, the other goes on, and either says how far it is."""
    jobs = tmp_path / "jobs"
    settings = {"jobs_folder": jobs, "jobs_free_bytes": 0, "workers": 2}
    with running_house(tmp_path / "log", repository, *LOCAL, **settings) as house:
        job = hand_in(house.client, archive, formats="png,overlay")
        wait_for_masks(house, jobs, 3)
        (holder,) = {pid for pid in descendants(house.pid) if _holds(pid, jobs)}
        os.kill(holder, signal.SIGKILL)
        wait_until(lambda: not alive(holder))
        with httpx.Client(base_url=house.address, timeout=60.0) as client:
            assert ended(client, job)["photos"]["done"] == PHOTOS
            assert len(unpacked(client, job)) == 2 * PHOTOS + 1


def _holds(pid: int, jobs: Path) -> bool:
    """Tell whether a process works on a job: it has the ledger open."""
    try:
        opened = [str(path.readlink()) for path in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return False
    return any(path.startswith(str(jobs)) and path.endswith("ledger.sqlite") for path in opened)
