"""Jobs over HTTP, by the real gateway: handed in, asked after, cancelled, fetched, and gone in the end."""

import gzip
import io
import json
import socket
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from serving.engines.local import LocalEngine
from serving.keys import ADMIN, INFER, change_keys, make_key
from serving.settings import Settings
from tests.serving.batch.filling import add_member, fill
from tests.serving.colours import draw_photo, encode
from tests.serving.jobs.handing import JOBS, ended, hand_in, status_of, unpacked, zipped
from tests.serving.processes import wait_until
from tests.serving.running import running_gateway


@contextmanager
def office(repository: Path, tmp_path: Path, **settings: object) -> Iterator[httpx.Client]:
    """A gateway that takes jobs, and a client of it."""
    chosen = {"jobs_folder": tmp_path / "jobs", "jobs_free_bytes": 0, "max_body_bytes": 2_000_000, **settings}
    with (
        running_gateway(Settings(engine="local", repository=repository, **chosen), LocalEngine()) as address,
        httpx.Client(base_url=address, timeout=60.0) as client,
    ):
        yield client


@pytest.fixture
def client(repository: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a gateway that takes jobs, of photos and to results below the test's own folders."""
    for name in ("photos", "results"):
        (tmp_path / name).mkdir()
    roots = {
        "jobs_roots": {"photos": tmp_path / "photos"},
        "jobs_out_roots": {"results": tmp_path / "results"},
    }
    with office(repository, tmp_path, **roots) as client:
        yield client


def test_an_archive_becomes_an_archive_of_masks(client: httpx.Client, tmp_path: Path) -> None:
    """Every photo has the mask that it has alone, bad ones are named with reasons, and all is counted."""
    folder = fill(tmp_path / "mine", 30, bad=2)
    job = hand_in(client, zipped(folder), formats="png,coco,sheet")
    status = ended(client, job)
    assert (status["state"], status["version"], status["share"]) == ("partial", 1, 1.0)
    assert status["photos"] == {"total": 30, "done": 28, "failed": 2, "twice": 0}
    assert [each["photo"] for each in status["failures"]] == ["0014.jpg", "0029.jpg"]
    assert all("damaged or incomplete" in each["reason"] for each in status["failures"])
    files = unpacked(client, job)
    masks = {name for name in files if name.endswith(".png")}
    assert masks == {f"{number:04d}.png" for number in range(30)} - {"0014.png", "0029.png"}
    alone = client.post("/v1/segment", content=(folder / "0003.jpg").read_bytes())
    assert files["0003.png"] == alone.content
    assert len(json.loads(files["coco.json"])["images"]) == 28
    assert "0014.jpg" in files["report.html"].decode()
    assert str(tmp_path) not in files["report.html"].decode() + json.dumps(status)
    assert [each["id"] for each in client.get(JOBS).json()["jobs"]] == [status["id"]]


def test_a_part_of_the_result(client: httpx.Client, tmp_path: Path) -> None:
    """A broken download goes on where it stopped; a part that there is not is refused."""
    job = hand_in(client, zipped(fill(tmp_path / "mine", 3)))
    ended(client, job)
    whole = client.get(f"{job}/result").content
    part = client.get(f"{job}/result", headers={"Range": f"bytes=10-{len(whole)}"})
    assert (part.status_code, part.content) == (206, whole[10:])
    none = client.get(f"{job}/result", headers={"Range": f"bytes={len(whole) + 1}-"})
    assert (none.status_code, none.headers["content-type"]) == (416, "application/problem+json")


def test_allowed_folders_are_read_and_written(client: httpx.Client, tmp_path: Path) -> None:
    """Places below a root are read where they lie, and results are left in a new folder below another."""
    fill(tmp_path / "photos" / "may", 4)
    (tmp_path / "photos" / "one.png").write_bytes(encode(draw_photo()))
    asked = {
        "places": ["photos/may", "photos/one.png"],
        "result": "results/may",
        "formats": ["png", "overlay"],
    }
    answer = client.post(JOBS, json=asked)
    assert answer.status_code == 202, answer.text
    status = ended(client, answer.headers["location"])
    assert (status["state"], status["result"], status["photos"]["done"]) == ("done", "results/may", 5)
    assert len(list((tmp_path / "results" / "may" / "overlay").glob("*.jpg"))) == 5
    assert client.get(f"{answer.headers['location']}/result").status_code == 409
    again = client.post(JOBS, json=asked)
    assert (again.status_code, "there already" in again.text) == (422, True)
    assert client.delete(answer.headers["location"]).status_code == 200
    assert (tmp_path / "results" / "may" / "report.html").exists()  # it was handed over


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({"places": ["elsewhere"]}, 422),
        ({"places": ["photos/../results"]}, 422),
        ({"places": ["photos//etc"]}, 422),
        ({"places": ["/etc"]}, 422),
        ({"places": ["photos/out"]}, 422),
        ({"places": ["photos/list.txt"]}, 422),
        ({"places": ["photos/a\0b"]}, 422),
        ({"places": []}, 422),
        ({"places": ["photos"], "result": "photos/new"}, 422),
        ({"places": ["photos"], "result": "results"}, 422),
        ({"places": ["photos"], "result": "results/../../new"}, 422),
        ({"places": ["photos"], "formats": ["gif"]}, 406),
        ({"places": ["photos"], "model": "nobody"}, 404),
        ({"places": ["photos"], "max_failures": "many"}, 422),
        ({"places": ["photos"], "other": 1}, 422),
        ({}, 422),
    ],
)
def test_what_cannot_be_done_is_refused(
    client: httpx.Client, tmp_path: Path, asked: dict[str, object], status: int
) -> None:
    """Wrong roots, ways out of them, and wrong wishes are refused in words without the server's paths."""
    (tmp_path / "photos" / "out").symlink_to("/etc")
    (tmp_path / "photos" / "list.txt").write_text("/etc/passwd\n")
    answer = client.post(JOBS, json=asked)
    assert answer.status_code == status, answer.text
    assert str(tmp_path) not in answer.text
    assert client.get(JOBS).json()["jobs"] == []


@pytest.mark.parametrize(
    ("body", "question", "status"),
    [(b"", {}, 400), (b"hello", {}, 400), (b"\xff\xd8\xff", {}, 400), (b"{}", {"formats": "png"}, 422)],
)
def test_other_bodies_are_refused(
    client: httpx.Client, tmp_path: Path, body: bytes, question: dict[str, str], status: int
) -> None:
    """What is no archive is refused, and leaves nothing."""
    assert client.post(JOBS, content=body, params=question).status_code == status
    assert [path for path in (tmp_path / "jobs").iterdir() if path.is_dir()] == []
    assert client.get(JOBS).json()["jobs"] == []


def test_links_do_not_lead_out_of_a_root(client: httpx.Client, tmp_path: Path) -> None:
    """Of links in a folder those that stay below its root are followed, the others are failures."""
    photo, secret = encode(draw_photo()), tmp_path / "secret"
    secret.mkdir()
    (secret / "secret.png").write_bytes(photo)
    inside = tmp_path / "photos"
    (inside / "real.png").write_bytes(photo)
    (inside / "link.png").symlink_to("real.png")
    (inside / "out.png").symlink_to(secret / "secret.png")
    (inside / "folder").symlink_to(secret)
    status = ended(client, client.post(JOBS, json={"places": ["photos"]}).headers["location"])
    assert (status["photos"]["done"], status["photos"]["failed"]) == (2, 2)
    assert {each["photo"] for each in status["failures"]} == {"photos/out.png", "photos/folder"}
    assert all("leads out" in each["reason"] for each in status["failures"])


def test_archives_stay_in_their_folder(client: httpx.Client, tmp_path: Path) -> None:
    """Names that lead out, links, and photos that unfold too far are failures, or passed over."""
    stream, photo = io.BytesIO(), encode(draw_photo())
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        add_member(tar, "good.png", photo)
        add_member(tar, "../bad.png", photo)
        add_member(tar, "/tmp/worse.png", photo)
        add_member(tar, "bomb.png", bytes(50_000_000))
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    job = hand_in(client, stream.getvalue())
    status = ended(client, job)
    assert (status["photos"]["done"], status["photos"]["failed"]) == (1, 3)
    reasons = {each["photo"]: each["reason"] for each in status["failures"]}
    assert "50,000,000 bytes" in reasons["bomb.png"]
    assert set(unpacked(client, job)) == {"good.png", "report.html"}
    assert not (tmp_path / "jobs" / "bad.png").exists()
    assert str(tmp_path) not in json.dumps(status)


def test_archives_that_unfold_without_end_are_left(client: httpx.Client) -> None:
    """Of an archive that is a bomb no more is read than photos can be, and no list that is too long."""
    stream, photo = io.BytesIO(), encode(draw_photo())
    with gzip.GzipFile(fileobj=stream, mode="wb", compresslevel=1) as squeezed:
        squeezed.write(tar_head("good.png", len(photo)) + photo.ljust(-(-len(photo) // 512) * 512, b"\0"))
        squeezed.write(tar_head("bomb.txt", 2**40) + bytes(2**20))
    status = ended(client, hand_in(client, stream.getvalue()))
    assert (status["photos"]["done"], status["photos"]["failed"]) == (1, 1)
    assert "unfolds to more than" in status["failures"][0]["reason"]
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(600):
            archive.writestr(f"{'x' * 60_000}{number}.png", b"")
    status = ended(client, hand_in(client, stream.getvalue()))
    assert (status["state"], "list of more than" in status["failures"][0]["reason"]) == ("failed", True)


def tar_head(name: str, size: int) -> bytes:
    """Give the head of a file in a tar archive that claims to be so long."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def test_cancelled_it_is_stopped_and_gone(client: httpx.Client, tmp_path: Path) -> None:
    """F5: a running job is stopped within 5 s and leaves no file; so is one that waits."""
    job = hand_in(client, zipped(fill(tmp_path / "many", 900)), formats="overlay")
    next_job = hand_in(client, zipped(fill(tmp_path / "few", 2)))
    wait_until(lambda: status_of(client, job)["photos"]["done"] > 0)
    assert client.delete(next_job).json()["state"] == "cancelled"
    answer = client.delete(job, timeout=5.0)
    assert answer.json()["state"] == "cancelled", answer.text
    assert not (tmp_path / "jobs" / job.rpartition("/")[2]).exists()
    assert client.get(f"{job}/result").status_code == 409
    assert {each["state"] for each in client.get(JOBS).json()["jobs"]} == {"cancelled"}
    assert client.delete(job).status_code == 200
    assert client.get(job).status_code == 404


def test_too_many_failures_stop_it(client: httpx.Client, tmp_path: Path) -> None:
    """Above max_failures a job fails early, and its report says why."""
    job = hand_in(client, zipped(fill(tmp_path / "mine", 60, bad=30)), max_failures="2")
    status = ended(client, job)
    assert status["state"] == "failed"
    assert "more than 2" in status["reason"]
    assert status["photos"]["done"] < 30
    assert "Stopped" in unpacked(client, job)["report.html"].decode()


def test_a_job_without_photos_fails(client: httpx.Client, tmp_path: Path) -> None:
    """An archive in which nothing ends as photos do has failed, with the endings there are."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("none")
    status = ended(client, hand_in(client, zipped(tmp_path / "mine")))
    assert (status["state"], ".jpg" in status["reason"], status["result"]) == ("failed", True, None)


def test_a_job_is_its_keys_alone(repository: Path, tmp_path: Path) -> None:
    """Another key sees nothing of it and cannot end it; one that may do all does; none is 401."""
    made = {name: make_key(name, scopes) for name, scopes in KEYS.items()}
    change_keys(tmp_path / "keys.json", lambda _: [key for key, _ in made.values()])
    with office(repository, tmp_path, keys_file=tmp_path / "keys.json") as client:
        alice, bob, root = ({"X-API-Key": made[name][1]} for name in KEYS)
        archive = zipped(fill(tmp_path / "mine", 2))
        assert client.post(JOBS, content=archive).status_code == 401
        job = client.post(JOBS, content=archive, headers=alice).headers["location"]
        for path in (job, f"{job}/result"):
            assert client.get(path, headers=bob).status_code == 404
        assert client.delete(job, headers=bob).status_code == 404
        assert client.get(JOBS, headers=bob).json()["jobs"] == []
        wait_until(lambda: client.get(job, headers=alice).json()["state"] == "done")
        (card,) = client.get(JOBS, headers=root).json()["jobs"]
        assert (card["key"], card["state"]) == ("alice", "done")
        assert client.get(f"{job}/result", headers=root).status_code == 200
        assert client.delete(job, headers=root).status_code == 200
        assert client.get(job, headers=alice).status_code == 404


KEYS = {"alice": (INFER,), "bob": (INFER,), "root": (INFER, ADMIN)}


def test_limits_are_kept(repository: Path, tmp_path: Path) -> None:
    """Too long an archive, one job too many, and a disk without room are refused, and leave nothing."""
    archive = zipped(fill(tmp_path / "mine", 500))
    limits = {"jobs_max_bytes": len(archive), "jobs_per_key": 1}
    with office(repository, tmp_path, **limits) as client:
        long = client.post(JOBS, content=archive + b"0")
        assert (long.status_code, "BOX2SEG_JOBS_MAX_BYTES" in long.text) == (413, True)
        chunked = client.post(JOBS, content=iter([archive, b"0"]))
        assert chunked.status_code == 413
        job = hand_in(client, archive)
        second = client.post(JOBS, content=archive)
        assert (second.status_code, int(second.headers["retry-after"]) > 0) == (429, True)
        assert client.delete(job).status_code == 200
    with office(repository, tmp_path, jobs_free_bytes=2**60) as client:
        full = client.post(JOBS, content=archive)
        assert full.status_code == 507
        assert len(client.get(JOBS).json()["jobs"]) == 1
    assert [path for path in (tmp_path / "jobs").iterdir() if path.is_dir()] == []


def test_jobs_expire(repository: Path, tmp_path: Path) -> None:
    """After its time a job is unknown, and its files are gone."""
    with office(repository, tmp_path, jobs_keep_s=1.0) as client:
        job = hand_in(client, zipped(fill(tmp_path / "mine", 2)))
        assert ended(client, job)["expires"] is not None
        wait_until(lambda: client.get(job).status_code == 404)
        wait_until(lambda: [path for path in (tmp_path / "jobs").iterdir() if path.is_dir()] == [])


def test_a_server_without_a_folder_takes_none(gateway: str) -> None:
    """Where no folder is set, the answer names the setting."""
    for answer in (httpx.get(f"{gateway}{JOBS}"), httpx.post(f"{gateway}{JOBS}", content=b"PK\3\4")):
        assert (answer.status_code, "BOX2SEG_JOBS_FOLDER" in answer.json()["hint"]) == (404, True)


def test_metrics_count_jobs(client: httpx.Client, tmp_path: Path) -> None:
    """Jobs are counted by state, their photos by what became of them."""
    ended(client, hand_in(client, zipped(fill(tmp_path / "mine", 10, bad=1))))
    said = client.get("/metrics").text
    assert 'box2seg_jobs{state="partial"} 1.0' in said
    assert 'box2seg_job_photos_total{outcome="done"} 9.0' in said
    assert 'box2seg_job_photos_total{outcome="failed"} 1.0' in said


def test_half_an_archive_is_no_job(client: httpx.Client, tmp_path: Path) -> None:
    """Who hangs up while an archive comes leaves nothing behind."""
    host, port = client.base_url.host, client.base_url.port
    assert port is not None
    with socket.create_connection((host, port)) as connection:
        head = f"POST {JOBS} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 9000000\r\n\r\n"
        connection.sendall(head.encode() + b"PK\3\4" + bytes(2_000_000))
        wait_until(lambda: any((tmp_path / "jobs").glob("*/coming")))
    wait_until(lambda: [path for path in (tmp_path / "jobs").iterdir() if path.is_dir()] == [])
    assert client.get(JOBS).json()["jobs"] == []


def test_without_room_a_job_waits(repository: Path, tmp_path: Path) -> None:
    """Where the disk is full a job says so and can be cancelled; with room it goes on where it stopped."""
    archive = zipped(fill(tmp_path / "mine", 300))
    with office(repository, tmp_path) as client:
        jobs = [hand_in(client, archive, formats="overlay") for _ in range(2)]
        wait_until(lambda: status_of(client, jobs[0])["photos"]["done"] > 0)
    with office(repository, tmp_path, jobs_free_bytes=2**60) as client:
        wait_until(lambda: "no room" in (status_of(client, jobs[0])["reason"] or ""))
        assert client.delete(jobs[1], timeout=5.0).json()["state"] == "cancelled"
        assert status_of(client, jobs[0])["state"] == "running"
    with office(repository, tmp_path) as client:
        status = ended(client, jobs[0])
        assert (status["state"], status["photos"]["done"], status["reason"]) == ("done", 300, None)
