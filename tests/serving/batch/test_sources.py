"""Folders, patterns and lists give their photos one after the other, and say what they cannot give."""

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import fsspec
import pytest

from contract.errors import Box2SegError, DataError
from serving.batch import items
from serving.batch.items import Item, Trouble, inside, stem
from serving.batch.places import place_of
from serving.batch.remote import Remote
from serving.batch.sources import are_far, check_places, count_items, find_items
from tests.serving.batch.filling import pack
from tests.serving.batch.finding import OUT, PHOTO, contents, find, troubles


def test_a_folder_gives_photos_by_their_path_in_it(folder: Path) -> None:
    """Other files are passed over, and so is the folder for the masks where it lies inside."""
    (folder / "masks").mkdir()
    (folder / "masks" / "c.png").write_bytes(PHOTO)
    assert contents(folder, out=folder / "masks") == {"a.png": PHOTO, "deep/b.JPG": PHOTO}


def test_a_folder_is_never_listed_as_a_whole(folder: Path) -> None:
    """The first photo is there before the last is looked for: a link may even lead nowhere near an end."""
    (folder / "deep" / "up").symlink_to(folder)
    assert len(find(folder)) == 2
    assert len(list(itertools.islice(find_items([str(folder)], OUT), 1))) == 1


def test_a_disk_may_fail_in_the_midst_of_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was listed until then is given; the others go on."""
    real = os.scandir

    @contextmanager
    def failing(path: str) -> Iterator[Iterator["os.DirEntry[str]"]]:
        def entries() -> Iterator["os.DirEntry[str]"]:
            with real(path) as whole:
                yield from whole
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        yield entries()

    monkeypatch.setattr(os, "scandir", failing)
    found = find(folder)
    assert len([each for each in found if isinstance(each, Item)]) == 2
    assert [each.reason for each in found if isinstance(each, Trouble)] == [
        "cannot be read (Input/output error)"
    ] * 2


def test_no_path_stumbles(folder: Path) -> None:
    """One that is too long for the disk, and a link to itself, are photos that cannot be read."""
    (folder / "masks").mkdir()
    (folder / "loop.png").symlink_to(folder / "loop.png")
    long = f"{'long' * 70}.png"
    check_places([long, f"{folder}/l*.png"], folder / "masks")
    found = find(long, f"{folder}/l*.png", f"{'long' * 70}*.png", out=folder / "masks")
    assert [each.origin for each in found] == [long, f"{folder}/loop.png", f"{'long' * 70}*.png"]
    for item in found[:2]:
        assert isinstance(item, Item)
        with pytest.raises(Box2SegError, match="cannot be read"):
            item.read()


def test_a_pattern_gives_what_fits(folder: Path) -> None:
    """Photos are named by their path below the folder in which the pattern begins."""
    assert contents(folder / "**" / "*.JPG") == {"deep/b.JPG": PHOTO}
    assert sorted(contents(f"{folder}/**/*")) == ["a.png", "deep/b.JPG"]


def test_a_pattern_keeps_out_of_the_masks(folder: Path, tmp_path: Path) -> None:
    """Masks below it are no photos, nor through a link; one that begins where they lie is refused."""
    masks = folder / "masks"
    masks.mkdir()
    (masks / "a.png").write_bytes(PHOTO)
    (folder / "link").symlink_to(masks)
    assert list(contents(f"{folder}/**/*.png", out=masks)) == ["a.png"]
    assert list(contents(f"{folder}/*/*", out=masks)) == ["deep/b.JPG"]
    assert count_items([f"{folder}/**/*.png"], masks) == 1
    assert list(contents(f"{folder}/deep/*", out=folder)) == ["b.JPG"]
    with pytest.raises(DataError, match="masks would lie among the photos"):
        check_places([f"{folder}/**/*.png"], folder)


@pytest.mark.parametrize("place", ["a2/", "a2/**/*.png"])
def test_masks_are_known_by_another_scheme(place: str) -> None:
    """Two may lead to one place, as s3 and s3a do; what only begins like the masks' folder is none of it."""
    files = fsspec.filesystem("memory")
    for name in ("a2/a.png", "a2/masks/a.png", "a2/masks2/a.png"):
        files.pipe_file(f"/{name}", PHOTO)
    out = place_of("memory://a2/masks")
    assert isinstance(out, Remote)
    names = list(contents(f"memory://{place}", out=replace(out, shown="mem://a2/masks")))
    assert names == ["a.png", "masks2/a.png"]


def test_a_pattern_leads_nowhere(folder: Path) -> None:
    """What it finds outside of the folder where it begins has no name, so no mask lands elsewhere."""
    (folder / "in").mkdir()
    (said,) = troubles(f"{folder}/i*/../../photos/*.png")
    assert "its path leaves the folder of the pattern" in said


def test_a_pattern_that_fits_nothing_says_so(folder: Path) -> None:
    """Beside photos too; one of a URI that cannot be is refused beforehand."""
    assert troubles(folder / "a.png", f"{folder}/**/*.webp") == [f"{folder}/**/*.webp: fits no photo"]
    fsspec.filesystem("memory").pipe_file("/there/a.txt", b"none")
    assert troubles("memory://there/*.png") == ["memory://there/*.png: fits no photo"]
    with pytest.raises(DataError, match="masks would lie among the photos"):
        check_places(["memory://there/*.png"], place_of("memory://there/"))
    with pytest.raises(DataError, match="an entire path component"):
        check_places(["memory://photos/**x/a.png"], OUT)


def test_a_list_gives_its_lines(folder: Path, tmp_path: Path) -> None:
    """Paths are relative to the list; those elsewhere keep their whole path as a name, without a way out."""
    (folder / "list.txt").write_text(f"deep/b.JPG\n\n# none\n../photos/a.png\n{tmp_path}/other.png\n")
    (tmp_path / "other.png").write_bytes(PHOTO)
    other = f"{tmp_path}/other.png".lstrip("/")
    assert contents(folder / "list.txt") == {"deep/b.JPG": PHOTO, "a.png": PHOTO, other: PHOTO}


def test_places_that_are_not_there_are_named(tmp_path: Path) -> None:
    """A photo that is missing is a photo that fails; a folder or archive that is missing is a mistake."""
    check_places([str(tmp_path), str(tmp_path / "none.jpg"), "none*.jpg"], tmp_path / "out")
    with pytest.raises(DataError, match=r"none\.tar: no such file or folder"):
        check_places([str(tmp_path / "none.tar")], tmp_path / "out")


@pytest.mark.parametrize(
    ("place", "far"),
    [
        ("s3://bucket/a/", True),
        ("far.txt", True),
        ("near.txt", False),
        ("a.png", False),
        ("file:///a.png", False),
        ("none.txt", False),
    ],
)
def test_what_is_far_is_known_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, far: bool
) -> None:
    """URIs, and lists of them, are worked on by more threads, as these wait."""
    monkeypatch.chdir(tmp_path)
    Path("far.txt").write_text("# photos\nhttps://host/a.png\n")
    Path("near.txt").write_text("a.png\nhttps://host/a.png\n")
    assert are_far(["b.png", place]) is far


def test_what_is_cheap_is_counted(folder: Path) -> None:
    """Folders are counted beforehand; a tar would have to be unpacked."""
    assert count_items([str(folder), str(folder / "a.png")], OUT) == 3
    pack(folder, folder.parent / "photos.tar")
    assert count_items([str(folder), str(folder.parent / "photos.tar")], OUT) is None


@pytest.mark.parametrize(
    ("name", "without"),
    [("a.jpg", "a"), ("b.tar/c.PNG", "b.tar/c"), ("film.mp4/000001", None), (".png", None)],
)
def test_masks_are_named_without_a_photos_suffix(name: str, without: str | None) -> None:
    """Only what photos end in is cut off."""
    assert stem(name) == (without or name)


@pytest.mark.parametrize("path", ["../a", "/a", "a/../../b", "", "."])
def test_paths_stay_inside(path: str) -> None:
    """No name leads out of a folder."""
    assert inside(path) is None


def test_only_plain_files_are_read(tmp_path: Path) -> None:
    """A pipe, which has no end, and a device say so at once."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    found = find(tmp_path)
    assert len(found) == 2
    for item in found:
        assert isinstance(item, Item)
        with pytest.raises(Box2SegError, match="is no plain file"):
            item.read()


def test_what_grows_is_read_no_further_than_a_photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose length is said to be 0, as of those of the system, is read to its end or to the limit."""
    monkeypatch.setattr(items, "MAX_BYTES", 10)
    (tmp_path / "long.png").symlink_to("/proc/self/status")
    (item,) = find(tmp_path)
    assert isinstance(item, Item)
    with pytest.raises(Box2SegError, match="more than a photo has"):
        item.read()


def test_reading_is_later(folder: Path) -> None:
    """Finding opens no photo: one that goes missing meanwhile says so when it is read."""
    (item,) = find(folder / "a.png")
    assert isinstance(item, Item)
    (folder / "a.png").unlink()
    with pytest.raises(Box2SegError, match="no such file"):
        item.read()
