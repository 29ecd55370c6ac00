"""Photos of a real web server, as each kind of source."""

import shutil
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from contract.errors import Box2SegError, ConfigurationError, DataError
from serving.batch.account import destination_of
from serving.batch.items import Found, Item, Trouble
from serving.batch.sources import check_places, find_items
from serving.batch.sources.prefix import is_pattern
from tests.serving.batch.filling import pack
from tests.serving.batch.stores import PASSWORD, USER, web
from tests.serving.colours import draw_photo, encode

PHOTO = encode(draw_photo(32, 48))
OUT = Path("no such folder")


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of photos in every form, once more behind a password."""
    root = tmp_path_factory.mktemp("web")
    photos = root / "open" / "photos"
    (photos / "deep").mkdir(parents=True)
    (photos / "a b.png").write_bytes(PHOTO)
    (photos / "deep" / "c.png").write_bytes(PHOTO)
    pack(photos, root / "open" / "x.tar.gz")
    with zipfile.ZipFile(root / "open" / "x.zip", "w") as archive:
        archive.writestr("d.png", PHOTO)
    pq.write_table(pa.table({"path": ["photos/deep/c.png", "none.png"]}), root / "open" / "x.parquet")
    shutil.copytree(root / "open", root / "locked")
    with web(root) as host:
        (root / "open" / "x.txt").write_text(
            f"photos/a%20b.png\n# none\nhttp://{host}/open/photos/deep/c.png?token=abc\n../x.png\n/etc/a.png\n"
            "file:///etc/a.png\nlocal:///etc/a.png\nsimplecache::file:///etc/a.png\n"
        )
        yield host


def find(*places: str) -> list[Found]:
    return list(find_items(places, OUT))


def contents(*places: str) -> dict[str, bytes]:
    """Read each item as it comes, as a run does."""
    return {item.name: item.read() for item in find_items(places, OUT) if isinstance(item, Item)}


@pytest.mark.parametrize(
    ("place", "names"),
    [
        ("photos/", ["a b.png", "deep/c.png"]),
        ("photos/**/c*.png", ["deep/c.png"]),
        ("photos/*.png", ["a b.png"]),
        ("photos/deep/c.png", ["c.png"]),
        ("x.tar.gz", ["packed/a b.png", "packed/deep/c.png"]),
        ("x.zip", ["d.png"]),
    ],
)
@pytest.mark.parametrize("locked", [False, True])
def test_every_kind_comes_over_the_web(host: str, place: str, names: list[str], locked: bool) -> None:
    """With a password where one is asked for; no name, origin or state has it."""
    base = f"http://{USER}:{PASSWORD}@{host}/locked/" if locked else f"http://{host}/open/"
    check_places([base + place], OUT)
    assert contents(base + place) == dict.fromkeys(names, PHOTO)
    assert PASSWORD not in str(find(base + place))


@pytest.mark.parametrize(
    ("uri", "many"),
    [
        ("http://[::1]:8000/photos/a.png", False),
        ("http://[::1]:8000/photos/*.png", True),
        ("s3://bucket/photos/[ab].png", True),
        ("http://host/a.png?size=*", False),
    ],
)
def test_what_a_pattern_is(uri: str, many: bool) -> None:
    """Neither brackets around a host nor what stands behind a question mark make one."""
    assert is_pattern(uri) is many


def test_a_list_on_the_web_leads_nowhere_here(host: str) -> None:
    """Its lines are URIs or paths below its folder; this machine's files are none of its business."""
    uri = f"http://{host}/open/x.txt"
    found = find(uri)
    assert [each.origin for each in found[:4]] == [
        f"http://{host}/open/photos/a%20b.png",
        f"http://{host}/open/photos/deep/c.png",
        f"http://{host}/open/../x.png",
        f"http://{host}/open//etc/a.png",
    ]
    good = [each for each in found if isinstance(each, Item)]
    assert [each.name for each in good] == ["photos/a b.png", f"{host}/open/photos/deep/c.png"]
    assert all(each.stamp is not None and each.read() == PHOTO for each in good)
    assert len(found) == 7
    assert all("leaves the folder" in each.reason for each in found if isinstance(each, Trouble))


def test_a_list_here_names_photos_there(host: str, tmp_path: Path) -> None:
    """Paths and URIs take turns, in the list's order; what is missing says so when it is read."""
    (tmp_path / "here.png").write_bytes(PHOTO)
    there = f"http://{host}/open/photos"
    lines = [f"{there}/a%20b.png", "here.png", f"{there}/none.png", f"{there}/deep/c.png", "odd://x/y.png"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    first, second, missing, last, odd = find(str(tmp_path / "list.txt"))
    assert [each.read() for each in (first, second, last) if isinstance(each, Item)] == [PHOTO] * 3
    assert isinstance(missing, Item)
    with pytest.raises(Box2SegError, match="no such file"):
        missing.read()
    assert isinstance(odd, Trouble)
    assert "odd" in odd.reason


def test_a_table_there_names_photos_beside_it(host: str) -> None:
    """Its paths are below its own folder."""
    good, missing = find(f"http://{host}/open/x.parquet")
    assert isinstance(good, Item)
    assert good.read() == PHOTO
    assert isinstance(missing, Item)
    with pytest.raises(Box2SegError, match="no such file"):
        missing.read()


def test_what_goes_wrong_is_said_without_the_password(host: str) -> None:
    """A wrong password, a missing folder, a server that is not there."""
    wrong = f"http://{USER}:wrongsecret@{host}/locked/x.zip"
    with pytest.raises(DataError, match="401") as refused:
        check_places([wrong], OUT)
    (trouble,) = find(wrong)
    (photo,) = find(wrong.replace("x.zip", "photos/deep/c.png"))
    assert isinstance(photo, Item)
    with pytest.raises(Box2SegError, match="401") as unread:
        photo.read()
    for words in (refused.value, trouble, unread.value):
        assert "wrongsecret" not in str(words)
    with pytest.raises(DataError, match="no such file or folder"):
        check_places([f"http://{host}/none/"], OUT)
    with pytest.raises(DataError, match="cannot be read"):
        check_places(["http://127.0.0.1:9/photos/"], OUT)


def test_half_an_archive_says_so(host: str, tmp_path: Path) -> None:
    """What a server cuts short is trouble, not the end."""
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        archive.add(__file__, "a.png")
        archive.add(__file__, "b.png")
    whole = (tmp_path / "x.tar").read_bytes()
    (tmp_path / "x.tar").write_bytes(whole[: len(whole) // 2])
    with web(tmp_path) as half:
        assert [type(each) for each in find(f"http://{half}/x.tar")][-1] is Trouble


def test_masks_go_to_no_web_server() -> None:
    """It is refused before anything is asked for."""
    with pytest.raises(ConfigurationError, match="takes no files"):
        destination_of("https://host/masks")
