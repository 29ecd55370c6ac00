"""A batch on a real Ray cluster ends as one on this machine does, whoever dies on the way."""

import asyncio
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from contract.errors import Box2SegError, ClusterError
from serving.batch.attempt import Attempt, Unchanged
from serving.batch.budget import Budget
from serving.batch.claims import Claim
from serving.batch.cluster import stream
from serving.batch.cluster.driver import Cluster
from serving.batch.cluster.orders import Order, Outcome, Parcel
from serving.batch.cluster.photo import NotHere, Photo
from serving.batch.cluster.pool import Wish
from serving.batch.cluster.segmenting import Site, cluster_segment
from serving.batch.findings import Failure, Finding, Product
from serving.batch.identity import Identity
from serving.batch.items import Item, Trouble, file_item, find_stamp
from serving.batch.ledger import Ledger
from serving.batch.outputs import Outputs
from serving.batch.run import Batch
from serving.versions import live_version
from tests.serving.batch.clusters import DEADLY, Mortal, kill_worker, running_cluster, start_predict
from tests.serving.batch.filling import fill, pack, results
from tests.serving.colours import draw_photo, encode

PNG = Outputs({"png": ".png"})
IDENTITY = Identity("none", 1, "", ("png",))
OUTPUTS = ("--format", "png", "--format", "coco", "--format", "sheet")
PHOTO = encode(draw_photo(32, 48))


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A cluster for all tests of this file."""
    with running_cluster() as cluster:
        yield cluster


def wait_for(process: "subprocess.Popen[str]", out: Path, masks: int) -> None:
    """Wait until so many masks lie there while the run goes on."""
    while sum(1 for _ in out.rglob("*.png")) < masks:
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.005)


def end(process: "subprocess.Popen[str]", code: int) -> str:
    """Wait for the run's end, with this exit code; gives what it said."""
    said, _ = process.communicate(timeout=120)
    assert process.returncode == code, said
    assert "Traceback" not in said
    return said


def test_a_batch_outlives_its_workers(cluster: Any, repository: Path, tmp_path: Path) -> None:
    """Stopped by Ctrl-C, then with a worker killed and a machine lost: the same results."""
    fill(tmp_path / "photos", 500, bad=5)
    places = [tmp_path / "photos", pack(fill(tmp_path / "more", 40), tmp_path / "more.tar")]
    start = partial(start_predict, cluster.address, repository, *places, "--out", tmp_path / "out", *OUTPUTS)

    stopped = start()
    wait_for(stopped, tmp_path / "out", 10)
    stopped.send_signal(signal.SIGINT)
    assert "the same command, without --fresh, goes on" in end(stopped, 130)

    there = sum(1 for _ in (tmp_path / "out").rglob("*.png"))
    killed = start()
    wait_for(killed, tmp_path / "out", there + 10)
    kill_worker(cluster)
    wait_for(killed, tmp_path / "out", there + 100)
    cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
    cluster.add_node(num_cpus=1)
    assert "535 of 540 photos" in end(killed, 1)

    words = [sys.executable, "-m", "cli", "predict", *map(str, places), "--repository", str(repository)]
    for out in ("here", "out"):
        here = [*words, "--out", str(tmp_path / out), *OUTPUTS]
        done = subprocess.run(here, stderr=subprocess.PIPE, text=True, check=False)
        assert done.returncode == 1
    assert "segmented before  535" in done.stderr
    assert results(tmp_path / "out") == results(tmp_path / "here")


@pytest.mark.abuse
def test_a_photo_that_kills_workers_fails_alone(
    cluster: Any, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tried with its neighbours and then alone it fails with its reason, and all others get their masks."""
    monkeypatch.setattr(stream, "Worker", Mortal)
    contents = [PHOTO] * 20
    contents[3] += DEADLY
    found = (Item(f"{n}.png", f"{n}.png", lambda data=data: data) for n, data in enumerate(contents))  # type: ignore[misc]
    told: list[Trouble] = []

    async def work_off(ledger: Ledger) -> None:
        site = Site(cluster.address, Wish(2, 2))
        version = live_version(repository, "box2seg")
        async with cluster_segment(site, version, PNG, 10**6, ledger) as segment:
            batch = Batch(
                ledger, segment, 1, Budget(), lambda _, trouble: told.append(trouble) if trouble else None
            )
            await batch.work_off(found)

    with Ledger(tmp_path, IDENTITY, PNG) as ledger:
        asyncio.run(work_off(ledger))
    assert len(results(tmp_path)) == 19
    assert [each.origin for each in told] == ["3.png"]
    assert "the worker that had it ended without a word" in told[0].reason


class Post:
    """Takes parcels as the feed's actor does, for a test to answer."""

    def __init__(self) -> None:
        self.parcels: asyncio.Queue[Parcel] = asyncio.Queue()
        self.put = self.forget = self.end = self

    def remote(self, number: int = 0, parcel: bytes = b"") -> None:
        """Take a parcel; what else the actor is told does not matter here."""
        if parcel:
            self.parcels.put_nowait(pickle.loads(parcel))


@asynccontextmanager
async def segmenting(ledger: Ledger, *names: str) -> AsyncIterator[tuple[Post, Cluster, list[Any]]]:
    """Hand photos over to a cluster whose workers are the test itself."""
    post = Post()
    cluster = Cluster(post, lambda: 1.0, "")
    with ledger.transaction():
        claims = [ledger.sift(file_item(ledger.out / name, name)) for name in names]
    attempts = [Attempt(claim, ledger) for claim in claims if isinstance(claim, Claim)]
    tasks = [asyncio.create_task(cluster.segment(attempt)) for attempt in attempts]
    try:
        yield post, cluster, tasks
    finally:
        cluster.close()


def test_photos_travel_where_disks_are_not_shared(tmp_path: Path) -> None:
    """A path goes out; a worker without that file is sent the bytes, as are all workers from then on."""
    photos = fill(tmp_path / "photos", 2)

    async def talk(ledger: Ledger) -> None:
        async with segmenting(ledger, "photos/0000.jpg") as (post, cluster, tasks):
            (order,) = (await post.parcels.get()).orders
            assert (order.path, order.data) == (str(photos / "0000.jpg"), None)
            cluster.receive(1, [Outcome(order.ticket, wants="bytes")])
            (again,) = (await post.parcels.get()).orders
            assert (again.path, again.data) == (None, (photos / "0000.jpg").read_bytes())
            product = Product({"png": b"a mask"}, Finding((1, 1), 1))
            for _ in range(2):  # the second time from a worker that was thought lost
                cluster.receive(2, [Outcome(again.ticket, "abc", product)])
            await tasks[0]
            with ledger.transaction():
                claim = ledger.sift(file_item(photos / "0001.jpg", "1.jpg"))
            assert isinstance(claim, Claim)
            task = asyncio.create_task(cluster.segment(Attempt(claim, ledger)))
            (order,) = (await post.parcels.get()).orders
            assert order.data == (photos / "0001.jpg").read_bytes()
            task.cancel()

    with Ledger(tmp_path, IDENTITY, PNG) as ledger:
        asyncio.run(talk(ledger))
    assert (tmp_path / "photos" / "0000.png").read_bytes() == b"a mask"


@pytest.mark.parametrize(("digest", "left"), [("another", False), ("", True)])
def test_a_photo_that_broke_elsewhere(tmp_path: Path, digest: str, left: bool) -> None:
    """One whose mask lies there loses it where a worker read other bytes, and not where none could."""
    (photo,) = fill(tmp_path / "photos", 1).iterdir()

    async def talk(ledger: Ledger, outcome: Outcome) -> None:
        with ledger.transaction():
            claim = ledger.sift(file_item(photo, "0.jpg"))
        assert isinstance(claim, Claim)
        cluster, attempt = Cluster(Post(), lambda: 1.0, ""), Attempt(claim, ledger)
        task = asyncio.create_task(cluster.segment(attempt))
        await asyncio.sleep(0)
        cluster.receive(1, [replace(outcome, ticket=0)])
        try:
            await task
            attempt.finish()
        except Box2SegError as error:
            attempt.fail(attempt.reason(error))
        finally:
            cluster.close()

    product = Product({"png": b"a mask"}, Finding((1, 1), 1))
    for outcome in (Outcome(0, "abc", product), Outcome(0, digest, failure=Failure("broken"))):
        with Ledger(tmp_path, IDENTITY, PNG) as ledger:
            asyncio.run(talk(ledger, outcome))
        photo.write_bytes(b"another")
    assert (tmp_path / "0.png").exists() is left


def test_a_lost_cluster_ends_the_batch(tmp_path: Path) -> None:
    """Whoever waits is told so at once, and so is who comes later; no photo fails by it."""
    fill(tmp_path / "photos", 1)

    async def talk(ledger: Ledger) -> None:
        async with segmenting(ledger, "photos/0000.jpg") as (post, cluster, tasks):
            await post.parcels.get()
            cluster.lose(ClusterError("gone"))
            with pytest.raises(ClusterError, match="gone"):
                await tasks[0]
            with ledger.transaction():
                claim = ledger.sift(file_item(tmp_path / "photos" / "0000.jpg", "1.jpg"))
            assert isinstance(claim, Claim)
            attempt = Attempt(claim, ledger)
            with pytest.raises(ClusterError, match="gone") as raised:
                await cluster.segment(attempt)
            with pytest.raises(ClusterError, match="gone"):
                attempt.reason(raised.value)

    with Ledger(tmp_path, IDENTITY, PNG) as ledger:
        asyncio.run(talk(ledger))


def test_a_worker_knows_its_files(tmp_path: Path) -> None:
    """Only a file of the same length and time is the photo; what is there already is not segmented."""
    path = tmp_path / "a.png"
    path.write_bytes(PHOTO)
    order = Order(1, "a.png", str(path), find_stamp(path))
    assert Photo(order).read() == PHOTO
    with pytest.raises(Unchanged):
        Photo(Order(1, "a.png", str(path), find_stamp(path), known=sha256(PHOTO).hexdigest())).read()
    path.write_bytes(PHOTO + b"more")
    with pytest.raises(NotHere):
        Photo(order).read()
    path.unlink()
    with pytest.raises(NotHere):
        Photo(order).read()
    assert Photo(Order(1, "a.png", data=PHOTO)).read() == PHOTO


def test_what_comes_after_the_end_is_passed_over() -> None:
    """A parcel that comes in while a stopped run is cleared away asks nothing of Ray, which may be gone."""

    async def stop_and_receive() -> None:
        driver = Cluster(None, lambda: 0.0, "no workers")
        driver.close()
        driver.receive(1, [])

    asyncio.run(stop_and_receive())
