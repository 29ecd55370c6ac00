"""Jobs handed in to a running gateway, and what comes of them."""

import io
import time
import zipfile
from pathlib import Path
from typing import Any

import httpx

Status = dict[str, Any]

JOBS = "/v1/jobs"


def zipped(folder: Path) -> bytes:
    """Put a folder's files into a zip archive."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return stream.getvalue()


def hand_in(client: httpx.Client, archive: bytes, **question: str) -> str:
    """Hand in an archive; gives the job's path."""
    answer = client.post(JOBS, content=archive, params=question)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"{JOBS}/{answer.json()['id']}"
    return answer.headers["location"]


def status_of(client: httpx.Client, job: str) -> Status:
    """Ask after a job."""
    answer = client.get(job)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(client: httpx.Client, job: str, *, timeout_s: float = 120.0) -> Status:
    """Wait until a job has ended; gives its status."""
    deadline = time.monotonic() + timeout_s
    while (status := status_of(client, job))["state"] in ("queued", "running"):
        assert time.monotonic() < deadline, status
        time.sleep(0.05)
    return status


def unpacked(client: httpx.Client, job: str) -> dict[str, bytes]:
    """Fetch a job's result; gives its files by name."""
    answer = client.get(f"{job}/result")
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
