"""Tar and zip give their photos as they come, and say so where they are damaged, cut or hostile."""

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from contract.errors import Box2SegError
from serving.batch import items
from serving.batch.items import Item, Trouble
from serving.batch.sources import count_items
from tests.serving.batch.filling import add_member, fill, pack
from tests.serving.batch.finding import OUT, PHOTO, contents, find, troubles


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
    with pytest.raises(Box2SegError, match="cannot be unpacked"):
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
    with pytest.raises(Box2SegError, match="cannot be unpacked"):
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
