"""C6 and F5 for jobs over HTTP: beside people, and cancelled; with the shipped model."""

import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from serving.triton.environment import CHECKOUT, Environment
from tests.abuse.conftest import Seen
from tests.abuse.house import House, running_house
from tests.abuse.test_overload import PICTURE, timed
from tests.serving.jobs.handing import hand_in, status_of
from tests.serving.processes import wait_until

PHOTOS, SINGLES = 2000, 400
CANCEL_S = 5.0

pytestmark = [pytest.mark.triton, pytest.mark.abuse]


@pytest.fixture
def office(triton_environment: Environment, tmp_path: Path) -> Iterator[House]:
    """The server with the shipped model, that takes jobs."""
    shutil.copytree(CHECKOUT / "model_repository", tmp_path / "models")
    settings = {"jobs_folder": tmp_path / "jobs", "queue": 400, "timeout_s": 120.0}
    with running_house(tmp_path / "gateway.log", tmp_path / "models", **settings) as house:
        yield house


@pytest.fixture
def archive(tmp_path: Path) -> bytes:
    """More photos than are segmented while anybody looks."""
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as stream:
        for number in range(PHOTOS):
            stream.writestr(f"{number:04d}.jpg", PICTURE)
    return path.read_bytes()


@pytest.mark.case("C6")
def test_c6_a_job_beside_people(office: House, archive: bytes, seen: Seen) -> None:
    """While a job runs at full speed, single photos take hardly longer; without them it has the engine."""
    alone = float(np.percentile(timed(office, SINGLES), 99))
    job = hand_in(office.client, archive, formats="png,coco")
    wait_until(lambda: status_of(office.client, job)["photos"]["done"] > 50)
    speed = status_of(office.client, job)["photos_per_s"]
    beside = float(np.percentile(timed(office, SINGLES), 99))
    status = status_of(office.client, job)
    assert status["state"] == "running", status
    seen(
        f"p99 {1e3 * beside:.0f} ms beside a job, alone {1e3 * alone:.0f} ms: {beside / alone:.1f} times; "
        f"by itself the job did {speed:.0f} photos/s"
    )
    assert office.client.delete(job).json()["state"] == "cancelled"
    assert beside <= 1.3 * alone


@pytest.mark.case("F5")
def test_f5_a_job_is_cancelled(office: House, archive: bytes, tmp_path: Path, seen: Seen) -> None:
    """A job in the middle is stopped within 5 s, nothing of it is left, nothing more is computed."""
    job = hand_in(office.client, archive, formats="png,overlay")
    wait_until(lambda: status_of(office.client, job)["photos"]["done"] > 20)
    begin = time.monotonic()
    answer = office.client.delete(job, timeout=CANCEL_S)
    took_s = time.monotonic() - begin
    assert answer.json()["state"] == "cancelled", answer.text
    assert [path for path in (tmp_path / "jobs").iterdir() if path.is_dir()] == []
    done = office.metric("box2seg_photos_total")
    time.sleep(2.0)
    assert office.metric("box2seg_photos_total") == done
    assert office.segment(PICTURE).status_code == 200
    seen(f"stopped after {took_s:.1f} s, no file left, nothing computed afterwards")
