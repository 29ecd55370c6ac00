"""`box2seg predict` from and to URIs: fsspec's memory, and a real S3."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from contract.errors import WriteError
from serving.batch import listing
from serving.batch.account import ledger_file
from serving.batch.opening import open_remote
from serving.batch.places import place_of
from serving.batch.remote import SHORT, Remote
from tests.cli.test_predict import run
from tests.serving.batch.filling import fill, pack, results
from tests.serving.batch.stores import PASSWORD, USER, s3, web
from tests.serving.batch.test_videos import ALL, draw_film
from tests.serving.colours import draw_photo, encode

FORMATS = [word for name in ("png", "panoptic", "coco", "parquet", "sheet") for word in ("--format", name)]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where ledgers lie."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def memory() -> Iterator[fsspec.AbstractFileSystem]:
    """Fsspec's memory, empty before and after."""
    files = fsspec.filesystem("memory")
    files.store.clear()
    yield files
    files.store.clear()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[fsspec.AbstractFileSystem]:
    """A real S3 with a bucket."""
    with s3(tmp_path_factory.mktemp("s3") / "log") as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        files = fsspec.filesystem("s3")
        files.mkdir("bucket")
        yield files


def below(files: fsspec.AbstractFileSystem, root: str) -> dict[str, bytes]:
    """Give what lies below a prefix, but for the report and the batch's own, as `results` does."""
    files.invalidate_cache()
    found = {path.rpartition(root + "/")[2]: files.cat_file(path) for path in files.find(root)}
    return {name: data for name, data in found.items() if name != "report.html" and name[0] != "."}


def test_masks_in_a_store_are_those_of_a_folder(
    repository: Path, photos: Path, memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    """From a prefix to a prefix: the same files, a report, and the second time nothing is done again."""
    memory.put(f"{photos}/", "/in", recursive=True)
    here = run(photos, "--out", tmp_path / "out", "--repository", repository, *FORMATS)
    words = ("memory://in/", "--out", "memory://out", "--repository", repository, *FORMATS)
    there = run(*words)
    assert here.exit_code == there.exit_code == 1, there.output
    assert below(memory, "/out") == results(tmp_path / "out")
    assert b"broken.jpg" in memory.cat_file("/out/report.html")
    assert "memory://in/broken.jpg" in there.output
    again = run(*words)
    assert "segmented         0" in again.output, again.output
    assert below(memory, "/out") == results(tmp_path / "out")


def test_a_store_that_is_not_ours_is_left_alone(
    repository: Path, photos: Path, memory: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    """What lies there already is refused; what --fresh removes is what the ledger knows."""
    memory.pipe_file("/out/mine.txt", b"mine")
    words = (photos / "first.jpg", "--out", "memory://out", "--repository", repository)
    refused = run(*words)
    assert refused.exit_code == 2
    assert "is not empty" in refused.output
    memory.rm_file("/out/mine.txt")
    assert run(*words, "--ledger", tmp_path / "ledgers").exit_code == 0
    assert ledger_file(place_of("memory://out"), tmp_path / "ledgers").exists()
    memory.pipe_file("/out/mine.txt", b"mine")
    assert "no ledger of it here" in run(*words).output
    fresh = (*words, "--ledger", tmp_path / "ledgers", "--fresh", "--format", "rle")
    assert "is not empty" in run(*fresh).output
    assert list(below(memory, "/out")) == ["mine.txt"]
    memory.rm_file("/out/mine.txt")
    assert run(*fresh).exit_code == 0
    assert list(below(memory, "/out")) == ["first.json"]


def test_a_ledger_may_lie_elsewhere(repository: Path, photos: Path, tmp_path: Path) -> None:
    """That of a folder too, as SQLite does not like every network's disks."""
    words = (photos / "first.jpg", "--out", tmp_path / "out", "--repository", repository)
    words += ("--ledger", tmp_path / "ledgers")
    assert run(*words).exit_code == 0
    assert "segmented before  1" in run(*words).output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["first.png", "report.html"]


def test_videos_go_to_a_store(repository: Path, memory: fsspec.AbstractFileSystem, tmp_path: Path) -> None:
    """From a URI to a URI: the frames, and both videos as of a folder."""
    film = draw_film(tmp_path / "film.mp4", 3)
    memory.put_file(str(film), "/in/film.mp4")
    words = ("--repository", repository, *ALL)
    assert run(film, "--out", tmp_path / "out", *words).exit_code == 0
    done = run("memory://in/film.mp4", "--out", "memory://out", *words)
    assert done.exit_code == 0, done.output
    assert len(below(memory, "/out")) == 5
    assert below(memory, "/out") == results(tmp_path / "out")


def test_a_pattern_below_the_masks_own_folder(repository: Path, memory: fsspec.AbstractFileSystem) -> None:
    """Masks among the photos are refused, and those below them are not taken for photos."""
    memory.pipe_file("/in/a.png", encode(draw_photo()))
    memory.pipe_file("/in/b.txt", b"none")
    among = run("memory://in/", "--out", "memory://in", "--repository", repository)
    assert among.exit_code == 2
    assert "among the photos" in among.output
    for _ in range(2):
        done = run("memory://in/**/*.png", "--out", "memory://in/masks", "--repository", repository)
        assert done.exit_code == 0, done.output
        assert "1 of 1 photos" in done.output
    assert list(below(memory, "/in/masks")) == ["a.png"]


def test_passwords_reach_neither_ledger_nor_report(
    repository: Path, photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a locked server's photos, good, bad and refused, nothing written or said has the password."""
    (tmp_path / "web" / "locked").mkdir(parents=True)
    photos.rename(tmp_path / "web" / "locked" / "photos")
    with web(tmp_path / "web") as host, caplog.at_level("INFO"):
        base = f"http://{USER}:{PASSWORD}@{host}/locked/photos/"
        (tmp_path / "list.txt").write_text(f"{base}first.jpg?sig=topsecretsig\n{base}none.jpg\n")
        wrong = base.replace(USER, "eve") + "other.jpg"
        done = run(base, tmp_path / "list.txt", wrong, "--out", tmp_path / "out", "--repository", repository)
    assert done.exit_code == 1, done.output
    assert "3 of 7 photos" in done.output, done.output
    kept = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    for secret in (PASSWORD, "topsecretsig"):
        assert secret not in done.output
        assert secret not in caplog.text
        assert secret.encode() not in kept


@pytest.mark.parametrize(("scheme", "package"), [("gs", "gcsfs"), ("abfs", "adlfs"), ("nothing", "nothing")])
def test_what_speaks_to_a_store_is_named(repository: Path, photos: Path, scheme: str, package: str) -> None:
    """A package that is missing, or a scheme that nobody knows, ends in a sentence."""
    for words in ((f"{scheme}://b/photos/", "--out", "out"), (photos, "--out", f"{scheme}://b/masks")):
        refused = run(*words, "--repository", repository)
        assert refused.exit_code == 2
        assert package in refused.output
    assert not Path("out").exists()


def test_an_s3_killed_in_the_middle_goes_on(
    repository: Path, store: fsspec.AbstractFileSystem, tmp_path: Path
) -> None:
    """From a prefix and a tar to a prefix: kill -9, the same command, and the files of an unbroken run."""
    folder = fill(tmp_path / "photos", 60, bad=2)
    archive = pack(fill(tmp_path / "more", 20), tmp_path / "more.tar.gz")
    store.put(f"{folder}/", "bucket/in", recursive=True)
    store.put_file(str(archive), "bucket/more.tar.gz")
    unbroken = run(folder, archive, "--out", tmp_path / "out", "--repository", repository, *FORMATS)
    assert unbroken.exit_code == 1, unbroken.output
    words = ["s3://bucket/in/", "s3://bucket/more.tar.gz", "--out", "s3://bucket/out", *FORMATS]
    words += ["--repository", str(repository)]
    kill_at(40, words, store, tmp_path / "log")
    before = len(store.find("bucket/out/png"))
    resumed = run(*words)
    assert resumed.exit_code == 1, resumed.output
    assert 40 <= before < 78
    assert "78 of 80 photos" in resumed.output
    assert "segmented before" in resumed.output
    assert below(store, "bucket/out") == results(tmp_path / "out")
    assert json.loads(store.cat_file("bucket/out/.box2seg/batch.json"))["model"] == "box2seg"
    fresh = run("s3://bucket/in/0000.jpg", "--out", "s3://bucket/out", *words[-2:], "--fresh")
    assert fresh.exit_code == 0, fresh.output
    assert list(below(store, "bucket/out")) == ["0000.png"]


def kill_at(masks: int, words: list[str], store: fsspec.AbstractFileSystem, log: Path) -> None:
    """Run the verb in a process of its own and kill it when there are so many masks."""
    with log.open("wb") as said:
        command = [sys.executable, "-m", "cli", "predict", *words]
        process = subprocess.Popen(command, stdout=said, stderr=said, env=os.environ)
    end = time.monotonic() + 120
    try:
        while len(store.find("bucket/out/png", refresh=True)) < masks:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL


def test_a_bucket_is_listed_page_by_page(
    store: fsspec.AbstractFileSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many keys there are, a page of them is in memory."""
    monkeypatch.setattr(listing, "PAGE", 50)
    store.pipe({f"bucket/many/{number:04d}.png": b"x" for number in range(120)})
    pages = listing.list_pages(open_remote("s3://bucket/many"))
    assert [len(page) for page in pages] == [50, 50, 20, 0]


def test_long_files_go_in_parts(store: fsspec.AbstractFileSystem) -> None:
    """What is longer than one question may be is there whole; what is broken off is not there at all."""
    place = open_remote("s3://bucket/long/film.mkv")
    content = bytes(range(256)) * (SHORT // 256 + 1)
    write(place, content)
    assert place.read_bytes() == content
    with pytest.raises(KeyError):
        write(place.parent / "other", content, KeyError())
    assert not (place.parent / "other").exists()


def test_a_bucket_that_cannot_be_written_is_named(
    repository: Path, photos: Path, store: fsspec.AbstractFileSystem
) -> None:
    """Before the first photo, and without a trace."""
    refused = run(photos, "--out", "s3://nobodys-bucket/masks", "--repository", repository)
    assert refused.exit_code == 2
    assert "s3://nobodys-bucket/masks" in refused.output
    assert "cannot be written" in refused.output


def test_where_a_put_is_not_whole_a_rename_is(tmp_path: Path) -> None:
    """On a disk behind a URI a file gets its name when it is all there; nothing is left of one that fails."""
    disk = Remote(fsspec.filesystem("file"), str(tmp_path), "sftp://host/masks")
    for content in (b"first", b"second"):
        write(disk / "deep" / "a.png", content)
        assert (tmp_path / "deep" / "a.png").read_bytes() == content
    with pytest.raises(WriteError, match=r"sftp://host/masks/deep/a\.png/b\.png"):
        write(disk / "deep" / "a.png" / "b.png", b"third")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.png", "deep"]


def write(place: Remote, content: bytes, broken: Exception | None = None) -> None:
    """Write a file, or half of it."""
    with place.written_whole() as stream:
        stream.write(content)
        if broken is not None:
            raise broken
