"""Where photos come from: one file per kind, all of them lazy; a place is recognised by what it is."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote

from contract.errors import DataError
from serving.batch.items import Found, file_item, inside, is_photo
from serving.batch.places import LOCAL, Place, place_of
from serving.batch.remote import Remote
from serving.batch.sources.folder import find_in_folder
from serving.batch.sources.globs import find_by_glob, is_glob, one_at_least, split_glob
from serving.batch.sources.links import look_up
from serving.batch.sources.lists import count_in_list, find_in_list, first_in_list
from serving.batch.sources.prefix import find_by_pattern, find_in_prefix, is_pattern, split_pattern
from serving.batch.sources.table import find_in_table
from serving.batch.sources.tar import find_in_tar
from serving.batch.sources.video import find_in_video
from serving.batch.sources.zip import count_in_zip, find_in_zip
from serving.batch.uris import is_uri, is_web, shown

Find = Callable[[Place], Iterator[Found]]
Count = Callable[[Path], int]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of file with many photos.

    Args:
        name: What to call it.
        suffixes: What it ends in.
        find: Gives what is in it, one after the other.
        count: Counts them beforehand, where that is cheap.
        package: What it is read with, where that may not be installed.
    """

    name: str
    suffixes: tuple[str, ...]
    find: Find
    count: Count | None = None
    package: str | None = None


VIDEO = Kind("a video", (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"), find_in_video, package="av")
KINDS = (
    Kind("a list of photos", (".txt",), find_in_list, count_in_list),
    Kind(
        "a tar archive",
        (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"),
        find_in_tar,
    ),
    Kind("a zip archive", (".zip",), find_in_zip, count_in_zip),
    Kind("a Parquet table", (".parquet",), find_in_table, package="pyarrow"),
    VIDEO,
)


def check_places(places: Sequence[str], out: Place) -> None:
    """
    Make sure that each place can be looked into; photos that are missing are found out later.

    Raises:
        DataError: If one is not there, is that of the masks or a pattern that begins there, or no pattern at
            all.
        DependencyMissing, ModuleNotFoundError: If a package is missing that one is read with.
    """
    for words in places:
        place = place_of(words)
        pattern = _is_pattern(place, words)
        if _is_same(place, out) or (pattern and _begins_at(place, words, out)):
            raise DataError(f"{place}: masks would lie among the photos", hint="name another --out")
        if not (pattern or is_photo(place.name)):
            _check_there(place)
        if (kind := _kind_of(place)) is not None and kind.package is not None:
            import_module(kind.package)


def find_items(places: Sequence[str], out: Place) -> Iterator[Found]:
    """
    Give the photos of places, one after the other.

    Args:
        places: Photos, folders, patterns such as "*/a*.jpg", lists, archives, tables and videos, by paths or
            URIs.
        out: The folder for the masks, into which neither folders nor patterns look.

    Raises:
        DependencyMissing, ModuleNotFoundError: If a package is missing that one is read with.
    """
    for words in places:
        place = place_of(words)
        if isinstance(place, Remote):
            yield from _find_remote(place, words, out)
        else:
            yield from _find_local(place, out)


def count_items(places: Sequence[str], out: Place) -> int | None:
    """Count what `find_items` gives; None where that would be as long as reading all of it."""
    total = 0
    for words in places:
        place = place_of(words)
        if isinstance(place, Remote):
            return None
        kind = _kind_of(place)
        if kind is not None and kind.count is None:
            return None
        total += kind.count(place) if kind and kind.count else sum(1 for _ in _find_local(place, out))
    return total


def are_far(places: Sequence[str]) -> bool:
    """Tell whether some of the places are at URIs, or the photos of a list, by its first line."""
    return any(_is_far(place) or _is_far(first_in_list(Path(place))) for place in places)


def videos_among(places: Sequence[str]) -> list[Place]:
    """Give those of the places that are videos."""
    found = [place_of(words) for words in places if not words.endswith("/")]
    return [place for place in found if _kind_of(place) is VIDEO]


def _is_far(words: str) -> bool:
    return is_uri(words) and not words.lower().startswith(LOCAL)


def _find_local(path: Path, out: Place) -> Iterator[Found]:
    if os.path.isdir(path):  # noqa: PTH112 -- never raises, as Path's does of too long a name
        yield from find_in_folder(path, out)
    elif (kind := _kind_of(path)) is not None:
        yield from kind.find(path)
    elif is_glob(path):
        yield from one_at_least(find_by_glob(path, out), str(path))
    else:
        yield file_item(path, path.name)


def _find_remote(place: Remote, uri: str, out: Place) -> Iterator[Found]:
    if is_pattern(uri):
        yield from one_at_least(find_by_pattern(uri, out), str(place))
    elif _is_prefix(place, uri):
        yield from find_in_prefix(place, out)
    elif (kind := _kind_of(place)) is not None:
        yield from kind.find(place)
    else:
        yield from look_up([(place, inside(unquote(place.name)) or "photo")])


def _is_pattern(place: Place, words: str) -> bool:
    return is_pattern(words) if isinstance(place, Remote) else is_glob(place)


def _begins_at(pattern: Place, words: str, out: Place) -> bool:
    """
    Tell whether the folder where a pattern begins is that of the masks.

    Raises:
        DataError: If it is no pattern that can be.
    """
    if isinstance(pattern, Remote):
        return shown(split_pattern(words)[0]).rstrip("/") == str(out)
    return _is_same(split_glob(pattern)[0], out)


def _is_prefix(place: Remote, uri: str) -> bool:
    """Tell whether a URI is a folder's: by its last slash, or by what its file system says of it."""
    if uri.endswith("/") or is_photo(place.name) or _kind_of(place) is not None:
        return uri.endswith("/")
    return not is_web(uri) and place.is_folder()


def _check_there(place: Place) -> None:
    try:
        there = place.exists()
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({error.strerror or error})") from error
    if not there:
        raise DataError(f"{place}: no such file or folder")


def _is_same(place: Place, out: Place) -> bool:
    if isinstance(place, Remote) or isinstance(out, Remote):
        return str(place) == str(out)
    return os.path.isdir(place) and place.resolve() == out.resolve()  # noqa: PTH112 -- never raises


def _kind_of(place: Place) -> Kind | None:
    name = place.name.lower()
    for kind in KINDS:
        if name.endswith(kind.suffixes):
            there = isinstance(place, Remote) or os.path.isfile(place)  # noqa: PTH113 -- never raises
            return kind if there else None
    return None
