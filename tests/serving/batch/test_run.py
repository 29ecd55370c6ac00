"""A batch keeps its word whatever one photo meets, and whoever ends it."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.errors import InvalidImage, WriteError
from serving.batch.budget import Budget
from serving.batch.findings import Finding, Keep, Product, Read
from serving.batch.identity import Identity
from serving.batch.items import Found, Item, Stamp, Trouble
from serving.batch.ledger import Ledger
from serving.batch.outputs import Outputs
from serving.batch.run import Batch, Segment, Tally
from tests.serving.batch.filling import fill, results
from tests.serving.colours import draw_photo, encode

PNG = Outputs({"png": ".png"})
IDENTITY = Identity("none", 1, "", ("png",))


def items(*names: str, content: bytes = b"photo") -> Iterator[Found]:
    return (Item(name, name, lambda: content, Stamp(len(content), 1)) for name in names)


async def segment(read: Read, keep: Keep) -> None:
    """Make a mask of the photo's own bytes."""
    keep(Product({"png": read()}, Finding((1, 1), 1)))


def run(out: Path, found: Iterator[Found], how: Segment = segment) -> tuple[Tally, list[Trouble]]:
    """Work a batch off, three photos at a time; gives what became of it."""
    told: list[Trouble] = []
    with Ledger(out, IDENTITY, PNG) as ledger:
        batch = Batch(ledger, how, 3, Budget(), lambda _, trouble: told.append(trouble) if trouble else None)
        return asyncio.run(batch.work_off(found)), told


def test_an_error_of_ours_is_one_photos(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What nobody thought of is told as that photo's failure, with its trace in the log; the others go on."""

    async def stumble(read: Read, keep: Keep) -> None:
        if read() == b"odd":
            raise ZeroDivisionError("an odd photo")
        await segment(read, keep)

    odd = Item("odd.jpg", "odd.jpg", lambda: b"odd")
    tally, told = run(tmp_path, iter([odd, *items("a.jpg", "b.jpg")]), stumble)
    assert (tally.done, tally.failed) == (2, 1)
    assert "ZeroDivisionError: an odd photo" in told[0].reason
    assert "Traceback" in caplog.text


def test_a_changed_photo_is_done_again(tmp_path: Path) -> None:
    """Another content gives another mask, and the same is not computed."""
    run(tmp_path, items("a.jpg", "c.jpg"))
    touched = Item("c.jpg", "c.jpg", lambda: b"photo", Stamp(5, 2))
    tally, _ = run(tmp_path, iter([*items("a.jpg", content=b"another"), touched]))
    assert (tally.done, tally.before) == (1, 1)
    assert results(tmp_path) == {"a.png": b"another", "c.png": b"photo"}


def raising() -> bytes:
    raise InvalidImage("broken since")


def test_streams_are_read_in_their_turn(tmp_path: Path) -> None:
    """What can be read only until the next comes is read until then, however late it is segmented."""
    now = {"name": ""}

    def stream() -> Iterator[Found]:
        for number in range(40):
            name = now["name"] = f"{number}.jpg"
            yield Item(name, name, lambda: now["name"].encode(), passing=True)
        now["name"] = "over"

    async def late(read: Read, keep: Keep) -> None:
        await asyncio.sleep(0.01)
        await segment(read, keep)

    run(tmp_path, stream(), late)
    assert results(tmp_path) == {f"{number}.png": f"{number}.jpg".encode() for number in range(40)}


def test_a_stream_may_fail_in_any_way(tmp_path: Path) -> None:
    """Whatever reading a photo of it raises, that photo fails alone."""

    def odd() -> bytes:
        raise ValueError("a frame of an odd format")

    stream = [Item("odd.jpg", "odd.jpg", odd, passing=True), *items("a.jpg")]
    tally, told = run(tmp_path, iter(stream))
    assert (tally.done, tally.failed) == (1, 1)
    assert "a frame of an odd format" in told[0].reason


def test_few_photos_are_in_memory(tmp_path: Path) -> None:
    """However many there are, not many more are begun than are worked on."""
    most = [0, 0]

    async def counted(read: Read, keep: Keep) -> None:
        most[0] += 1
        most[1] = max(most[1], most[0])
        await asyncio.sleep(0.001)
        await segment(read, keep)
        most[0] -= 1

    tally, _ = run(tmp_path, items(*(f"{number}.jpg" for number in range(200))), counted)
    assert tally.done == 200
    assert most[1] == 3


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_what_keeps_all_masks_from_being_written_ends_it(tmp_path: Path, number: int) -> None:
    """Such a fault is no photo's: the batch ends with it and fails none."""

    async def full(read: Read, keep: Keep) -> None:
        read()
        raise WriteError(tmp_path / "a.png", OSError(number, os.strerror(number))) from OSError(number, "")

    with pytest.raises(WriteError, match=r"a\.png: cannot be written"):
        run(tmp_path, items(*(f"{number}.jpg" for number in range(50))), full)
    tally, _ = run(tmp_path, items(*(f"{number}.jpg" for number in range(50))))
    assert tally.done == 50


def test_a_name_that_no_disk_takes_is_one_photos(tmp_path: Path) -> None:
    """A path too long for the disk fails alone; one that just fits is written."""
    longest = "x" * 251
    tally, told = run(tmp_path, items("a.jpg", f"{longest}.jpg", f"{'long' * 70}.jpg"))
    assert (tally.done, tally.failed) == (2, 1)
    assert "File name too long" in told[0].reason
    assert results(tmp_path).keys() == {"a.png", f"{longest}.png"}


def test_no_photo_is_lost_in_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even a failure can be written down, the batch ends with what kept it from that."""

    def stumble(*_: object) -> None:
        raise ZeroDivisionError("in the account itself")

    monkeypatch.setattr(Ledger, "fail", stumble)
    with pytest.raises(ZeroDivisionError, match="in the account itself"):
        run(tmp_path, iter([Item("b.jpg", "b.jpg", raising), *items("a.jpg")]))


def test_every_beginning_of_a_jpeg_is_accounted_for(tmp_path: Path) -> None:
    """Cut anywhere, in its header too, a photo is one that failed, with what can be seen of it or without."""

    async def refuse(read: Read, keep: Keep) -> None:
        read()
        raise InvalidImage("cut")

    whole = encode(draw_photo(32, 48), "JPEG")
    cut = (Item(f"{n}.jpg", f"{n}.jpg", lambda n=n: whole[:n]) for n in range(0, len(whole), 20))  # type: ignore[misc]
    tally, told = run(tmp_path, cut, refuse)
    assert tally.failed == len(told) == len(range(0, len(whole), 20))


def test_ctrl_c_keeps_what_was_done(repository: Path, tmp_path: Path) -> None:
    """Stopped by Ctrl-C the verb says how to go on, has no traceback, and goes on."""
    folder = fill(tmp_path / "photos", 150)
    words = [sys.executable, "-m", "cli", "predict", str(folder), "--out", str(tmp_path / "out")]
    words += ["--repository", str(repository)]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while len(list((tmp_path / "out").glob("*.png"))) < 10:
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "the same command, without --fresh, goes on" in said
    assert "Traceback" not in said
    assert not list((tmp_path / "out").glob("*.partial"))
    done = subprocess.run(words, stderr=subprocess.PIPE, text=True, check=True)
    assert "150 of 150 photos" in done.stderr
    assert "segmented before" in done.stderr


def test_threads_are_gone_afterwards(tmp_path: Path) -> None:
    """A batch leaves no thread behind."""
    before = threading.active_count()
    run(tmp_path, items("a.jpg"))
    assert threading.active_count() == before
