"""Each kind of place gives its photos one after the other, and says what it cannot give."""

import errno
import io
import itertools
import os
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import av
import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.errors import Box2SegError, DataError
from contract.images import decode_image
from serving.batch import items
from serving.batch.items import Found, Item, Trouble, inside, stem
from serving.batch.places import place_of
from serving.batch.remote import Remote
from serving.batch.sources import are_far, check_places, count_items, find_items
from tests.serving.batch.filling import add_member, fill, pack
from tests.serving.colours import draw_photo, encode

PHOTO = encode(draw_photo(32, 48))
OUT = Path("no such folder")


def find(*places: object, out: Path = OUT) -> list[Found]:
    return list(find_items([str(place) for place in places], out))


def contents(*places: object, out: Path = OUT) -> dict[str, bytes]:
    """Read each item as it comes, as a run does."""
    found = find_items([str(place) for place in places], out)
    return {item.name: item.read() for item in found if isinstance(item, Item)}


def troubles(*places: object) -> list[str]:
    return [f"{each.origin}: {each.reason}" for each in find(*places) if isinstance(each, Trouble)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos, one deeper, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.png").write_bytes(PHOTO)
    (folder / "deep" / "b.JPG").write_bytes(PHOTO)
    (folder / "notes.md").write_text("none")
    return folder


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


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "tgz", "tar.xz"])
def test_a_tar_is_a_stream(folder: Path, tmp_path: Path, kind: str) -> None:
    """Photos come in the archive's order, packed or not, each read before the next."""
    archive = tmp_path / f"photos.{kind}"
    pack(folder, tmp_path / kind.replace("tgz", "tar.gz")).rename(archive)
    assert contents(archive) == {"packed/a.png": PHOTO, "packed/deep/b.JPG": PHOTO}


def test_a_tar_leads_nowhere(tmp_path: Path) -> None:
    """Names that leave it are named, and links in it are not followed."""
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for name in ("../out.png", "/root.png", "good.png", "a/../../b.png"):
            add_member(tar, name, PHOTO)
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    assert contents(tmp_path / "bad.tar") == {"good.png": PHOTO}
    assert len([each for each in troubles(tmp_path / "bad.tar") if "leaves the archive" in each]) == 3


def photos_tar(path: Path, **form: int) -> bytes:
    """Make a tar of four photos, with names that take several headers each; gives it."""
    with tarfile.open(path, "w", **form) as tar:  # type: ignore[call-overload]
        for number in range(4):
            add_member(tar, f"{number}{'long' * 40}.png", PHOTO)
    return path.read_bytes()


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_is_whole_or_says_so(tmp_path: Path, form: int) -> None:
    """Cut anywhere before its end, or with a header spoiled, it has a Trouble besides its photos."""
    path = tmp_path / "x.tar"
    whole = photos_tar(path, format=form)
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    assert [type(each) for each in find(path)] == [Item] * 4
    for length in range(0, end + 1, 256):
        path.write_bytes(whole[:length])
        assert isinstance(find(path)[-1], Trouble), length
    for block in range(0, end, 512):
        if b"ustar" in whole[block : block + 512]:
            path.write_bytes(whole[: block + 20] + b"\xff" + whole[block + 21 :])
            assert isinstance(find(path)[-1], Trouble), block


def test_any_name_can_be_written_down(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are written so in names, origins and reasons."""
    with tarfile.open(tmp_path / "x.tar", "w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
        add_member(tar, "é.png", PHOTO)
        add_member(tar, "../é.png", PHOTO)
    Path(f"{tmp_path}/\udce9.zip").write_bytes(b"none")
    item, trouble = find(tmp_path / "x.tar")
    assert isinstance(item, Item)
    assert item.name == r"\udce9.png"
    for words in (item.origin, str(trouble), *troubles(f"{tmp_path}/\udce9.zip")):
        assert r"\udce9" in words
        words.encode()


@pytest.mark.parametrize("time", ["inf", "nan", "1e30"])
def test_a_tar_may_tell_any_time(tmp_path: Path, time: str) -> None:
    """What is no time that can be written down is no stamp."""
    with tarfile.open(tmp_path / "x.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        member = tarfile.TarInfo("a.png")
        member.size, member.pax_headers = len(PHOTO), {"mtime": time}
        tar.addfile(member, io.BytesIO(PHOTO))
    (item,) = find(tmp_path / "x.tar")
    assert isinstance(item, Item)
    assert item.stamp is None


@pytest.mark.parametrize(("place", "byte"), [(46, b"\xff"), (6, b"\xff")])
def test_a_zip_with_a_bad_list_says_so(tmp_path: Path, place: int, byte: bytes) -> None:
    """A name that is no UTF-8, or a version from the future, is trouble, counted as such."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("é.png", PHOTO)
    data = (tmp_path / "x.zip").read_bytes()
    at = data.index(b"PK\x01\x02") + place
    (tmp_path / "x.zip").write_bytes(data[:at] + byte + data[at + 1 :])
    (said,) = troubles(tmp_path / "x.zip")
    assert "is no zip archive that can be read" in said
    assert count_items([str(tmp_path / "x.zip")], OUT) == 1


def test_a_zip_packed_by_lzma_may_be_damaged(tmp_path: Path) -> None:
    """That is said of the photo, as of one packed otherwise."""
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.png", PHOTO)
    data = (tmp_path / "x.zip").read_bytes()
    (tmp_path / "x.zip").write_bytes(data[:39] + b"\xff" * 9 + data[48:])
    with pytest.raises(Box2SegError, match="damaged in the archive"):
        contents(tmp_path / "x.zip")


@pytest.mark.parametrize("name", ["half.tar", "half.tar.gz", "half.zip"])
def test_half_an_archive_says_so(folder: Path, tmp_path: Path, name: str) -> None:
    """What can be read is given; that there is no more is trouble, not the end of the batch."""
    fill(folder, 30)
    whole = tmp_path / f"whole.{name.partition('.')[2]}"
    if name.endswith("zip"):
        with zipfile.ZipFile(whole, "w") as archive:
            archive.write(folder / "a.png", "a.png")
    else:
        pack(folder, whole)
    (tmp_path / name).write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (said,) = troubles(tmp_path / name)
    assert name in said


def test_a_zip_gives_its_photos(tmp_path: Path) -> None:
    """Folders in it are names; a photo whose bytes are damaged says so when it is read."""
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.mkdir("deep")
        archive.writestr("deep/a.png", PHOTO)
        archive.writestr("../b.png", PHOTO)
        archive.writestr("c.txt", "none")
    assert contents(tmp_path / "photos.zip") == {"deep/a.png": PHOTO}
    assert troubles(tmp_path / "photos.zip") == [
        f"{tmp_path}/photos.zip/../b.png: its path leaves the archive"
    ]
    spoiled = (tmp_path / "photos.zip").read_bytes().replace(PHOTO[60:70], b"0123456789", 1)
    (tmp_path / "spoiled.zip").write_bytes(spoiled)
    with pytest.raises(Box2SegError, match="damaged in the archive"):
        contents(tmp_path / "spoiled.zip")


def test_an_encrypted_zip_says_what_to_do(tmp_path: Path) -> None:
    """A member that needs a password is named."""
    with zipfile.ZipFile(tmp_path / "secret.zip", "w") as archive:
        archive.writestr("a.png", PHOTO)
    data = bytearray((tmp_path / "secret.zip").read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1  # the flag in the archive's list
    (tmp_path / "secret.zip").write_bytes(data)
    (said,) = troubles(tmp_path / "secret.zip")
    assert "is encrypted; unpack" in said


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_an_archive_does_not_unfold_in_memory(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its header says is longer than a photo may be is refused before it is read."""
    monkeypatch.setattr(items, "MAX_BYTES", 1_000_000)
    bomb, path = bytes(2_000_000), tmp_path / f"bomb.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.png", bomb)
    else:
        with tarfile.open(path, "w:gz") as tar:
            add_member(tar, "a.png", bomb)
    with pytest.raises(Box2SegError, match="2,000,000 bytes are more than a photo has"):
        contents(path)


def test_a_video_gives_its_frames(tmp_path: Path) -> None:
    """Frames are named by their number, and have the film's colours and size."""
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(5):
            for packet in stream.encode(av.VideoFrame.from_ndarray(draw_photo(64, 96), format="rgb24")):
                film.mux(packet)
        film.mux(stream.encode())
    found = contents(tmp_path / "film.mp4")
    assert list(found) == [f"film.mp4/{number:06d}" for number in range(5)]
    for frame in found.values():
        pixels = decode_image(frame)
        assert pixels.shape == (64, 96, 3)
        assert np.abs(pixels[32, 20].astype(int) - [250, 10, 10]).max() < 30
    (tmp_path / "none.mp4").write_bytes(b"no film")
    assert "no video" in troubles(tmp_path / "none.mp4")[0]


def test_a_table_gives_bytes_or_paths(folder: Path) -> None:
    """A column of bytes, of Hugging Face's images, or of paths; one with neither names its columns."""
    pq.write_table(pa.table({"image": [PHOTO, None]}), folder / "bytes.parquet")
    pq.write_table(pa.table({"image": [{"bytes": PHOTO, "path": "x/y.png"}]}), folder / "hf.parquet")
    pq.write_table(pa.table({"file_name": ["deep/b.JPG", "none.png"]}), folder / "paths.parquet")
    pq.write_table(pa.table({"number": [1]}), folder / "other.parquet")
    assert contents(folder / "bytes.parquet") == {"bytes.parquet/000000000": PHOTO}
    assert "neither bytes nor a path" in troubles(folder / "bytes.parquet")[0]
    assert contents(folder / "hf.parquet") == {"x/y.png": PHOTO}
    assert [each.name for each in find(folder / "paths.parquet") if isinstance(each, Item)] == [
        "deep/b.JPG",
        "none.png",
    ]
    (said,) = troubles(folder / "other.parquet")
    assert "no column of photos among number; call it image" in said


def test_a_table_of_odd_paths(folder: Path) -> None:
    """Paths elsewhere are named as those of a list; one with a NUL fails alone, and text is UTF-8."""
    paths = ["a..b.png", "../other.png", "x\0y.png", "a.png"]
    pq.write_table(pa.table({"path": paths}), folder / "odd.parquet")
    first, second, nul, last = find(folder / "odd.parquet")
    assert isinstance(first, Item)
    assert first.name == "a..b.png"
    assert isinstance(second, Item)
    assert second.name == f"{folder.parent}/other.png".lstrip("/")
    assert isinstance(nul, Trouble)
    assert isinstance(last, Item)
    latin = pa.array([b"\xe9.png"]).view(pa.string())
    pq.write_table(pa.table({"path": latin}), folder / "latin.parquet")
    assert "'utf-8' codec can't decode" in troubles(folder / "latin.parquet")[0]
    pq.write_table(pa.table({"image": [{"bytes": PHOTO, "path": "x\0.png"}]}), folder / "hf.parquet")
    assert contents(folder / "hf.parquet") == {"hf.parquet/000000000": PHOTO}


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
