"""Jobs by the client, waiting and async alike, against the real gateway."""

import asyncio
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from client import AsyncClient, Client, Job
from contract.errors import InvalidImage, RequestRefused, ServerUnavailable
from serving.engines.local import LocalEngine
from serving.settings import Settings
from tests.serving.batch.filling import fill, pack
from tests.serving.running import running_gateway


@pytest.fixture
def office(repository: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a gateway that takes jobs, one at a time of each key."""
    settings = Settings(
        engine="local",
        repository=repository,
        jobs_folder=tmp_path / "jobs",
        jobs_roots={"photos": tmp_path / "photos"},
        jobs_free_bytes=0,
        jobs_per_key=1,
    )
    with running_gateway(settings, LocalEngine()) as address:
        yield address


def names(archive: Path) -> list[str]:
    """List an archive's masks."""
    with zipfile.ZipFile(archive) as stream:
        return sorted(name for name in stream.namelist() if name.endswith(".png"))


def test_a_folder_is_handed_in_and_fetched(office: str, tmp_path: Path) -> None:
    """A folder becomes a job, its progress is told to the end, and its result is a file."""
    folder, told = fill(tmp_path / "photos", 12, bad=1), list[Job]()
    with Client(office) as client:
        job = client.wait(client.submit(folder, max_failures="50%"), tell=told.append, every_s=0.05)
        assert (job.state, job.done, job.failed, job.total) == ("partial", 11, 1, 12)
        assert job.failures[0][0] == "0011.jpg"
        assert told[-1] == job
        archive = client.fetch_result(job, tmp_path / "masks.zip")
        assert names(archive) == [f"{number:04d}.png" for number in range(11)]
        assert [each.id for each in client.jobs()] == [job.id]
        assert client.cancel(job).id == job.id
        with pytest.raises(RequestRefused, match="no such job"):
            client.job(job.id)
        with pytest.raises(RequestRefused, match="no such job"):
            client.fetch_result(job, tmp_path / "none.zip")
    assert not (tmp_path / "none.zip").exists()


def test_async_an_archive_and_a_place(office: str, tmp_path: Path) -> None:
    """The same for an archive and for a folder that the server knows, without waiting."""
    folder = fill(tmp_path / "photos", 5)
    archive = pack(folder, tmp_path / "photos.tar.gz")

    async def ask() -> list[Path]:
        async with AsyncClient(office) as client:
            first = await client.wait(await client.submit(archive), every_s=0.05)
            second = await client.wait(await client.submit_places(["photos"]), every_s=0.05)
            assert {first.state, second.state} == {"done"}
            assert len(await client.jobs()) == 2
            return [
                await client.fetch_result(job, tmp_path / f"{number}.zip")
                for number, job in enumerate((first, second))
            ]

    first, second = asyncio.run(ask())
    assert names(first) == [f"photos/{name}".replace("photos", "packed") for name in names(second)]
    assert len(names(second)) == 5


def test_refusals_are_told(office: str, tmp_path: Path) -> None:
    """What is not there, a wrong format and one job too many are errors with their reasons."""
    folder = fill(tmp_path / "many", 600)
    fill(tmp_path / "photos", 1)
    with Client(office, patience_s=0.1) as client:
        with pytest.raises(InvalidImage, match="no such archive or folder"):
            client.submit(tmp_path / "nothing")
        with pytest.raises(RequestRefused, match="no format 'gif'"):
            client.submit(folder, formats=["gif"])
        job = client.submit(folder, formats=["overlay"])
        with pytest.raises(ServerUnavailable, match="as many as one key may have"):
            client.submit_places(["photos"])
        assert client.cancel(job).state == "cancelled"
