"""A second run into a folder: what lies there is trusted only where it is this photo's, and is there."""

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving.batch.findings import Keep, Read
from serving.batch.items import Found, Item, Stamp, file_item
from serving.batch.sources import find_items
from tests.serving.batch.filling import add_member, results
from tests.serving.batch.test_run import items, run


def test_a_disk_that_is_away_costs_no_masks(tmp_path: Path) -> None:
    """Photos that cannot be read now fail by name and keep their masks; back again, they are as before."""
    photos = [tmp_path / "disk" / name for name in ("a.jpg", "b.jpg")]
    out = tmp_path / "out"

    def found() -> Iterator[Found]:
        return (file_item(photo, photo.name) for photo in photos)

    photos[0].parent.mkdir()
    for photo in photos:
        photo.write_bytes(b"photo")
    run(out, found())
    before = results(out)
    photos[0].parent.rename(tmp_path / "away")
    for _ in range(2):
        tally, told = run(out, found())
        assert (tally.failed, tally.settled) == (2, 2)
        assert told[0].reason == "no such file; the masks that it had before are left"
        assert results(out) == before
    (tmp_path / "away").rename(photos[0].parent)
    tally, _ = run(out, found())
    assert (tally.before, tally.settled) == (2, 2)


def archive(path: Path, content: bytes) -> Iterator[Found]:
    """Give the photos of a tar archive with one photo, of a name, length and time as all such archives."""
    with tarfile.open(path, "w") as tar:
        add_member(tar, "x.jpg", content)
    return find_items([str(path)], path.parent / "out")


def test_another_archive_is_not_the_same(tmp_path: Path) -> None:
    """A photo of another origin with its name, length and time: its content decides whose masks lie there."""
    out = tmp_path / "out"
    run(out, archive(tmp_path / "day1.tar", b"one"))
    tally, told = run(out, archive(tmp_path / "day2.tar", b"two"))
    assert (tally.failed, tally.settled) == (1, 1)
    assert f"another photo, {tmp_path}/day1.tar/x.jpg" in told[0].reason
    assert results(out) == {"x.png": b"one"}
    tally, _ = run(out, archive(tmp_path / "copy.tar", b"one"))
    assert (tally.before, tally.settled) == (1, 1)
    tally, _ = run(out, archive(tmp_path / "copy.tar", b"one"))
    assert (tally.before, tally.settled) == (1, 1)
    tally, told = run(out, archive(tmp_path / "day2.tar", b"two"))
    assert f"another photo, {tmp_path}/copy.tar/x.jpg" in told[0].reason


@pytest.mark.parametrize("stamp", [Stamp(5, 1), Stamp(5, 2)], ids=["passed over", "read again"])
def test_masks_that_were_taken_away_are_made_again(tmp_path: Path, stamp: Stamp) -> None:
    """A photo is segmented "before" only as long as its mask lies there."""
    run(tmp_path, items("a.jpg", "b.jpg"))
    (tmp_path / "a.png").unlink()
    again = (Item(name, name, lambda: b"photo", stamp) for name in ("a.jpg", "b.jpg"))
    tally, _ = run(tmp_path, again)
    assert (tally.done, tally.before) == (1, 1)
    assert results(tmp_path) == {"a.png": b"photo", "b.png": b"photo"}


def test_a_later_member_of_the_name_is_told(tmp_path: Path) -> None:
    """What was appended to an archive by a name it has is another photo, unless length and time are too."""
    path = tmp_path / "more.tar"
    with tarfile.open(path, "w") as tar:
        for content in (b"first", b"first", b"a later one"):
            add_member(tar, "x.jpg", content)
    tally, told = run(tmp_path / "out", find_items([str(path)], tmp_path / "out"))
    assert (tally.done, tally.twice, tally.failed) == (1, 1, 1)
    assert "more than once" in told[0].reason
    assert results(tmp_path / "out") == {"x.png": b"first"}


def test_a_photo_that_broke_has_no_mask(tmp_path: Path) -> None:
    """Read, but not as a photo any more, it loses the mask of what it was."""

    async def refuse(read: Read, keep: Keep) -> None:
        read()
        raise ValueError("broken since")

    run(tmp_path, items("a.jpg"))
    tally, _ = run(tmp_path, items("a.jpg", content=b"broken since"), refuse)
    assert tally.failed == 1
    assert results(tmp_path) == {}
