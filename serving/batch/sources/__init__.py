"""Where photos come from: one file per kind, all of them lazy; a place is recognised by what it is."""

import glob
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from contract.errors import DataError
from serving.batch.items import Found, file_item, is_photo, printable
from serving.batch.sources.folder import find_in_folder
from serving.batch.sources.lists import find_in_list
from serving.batch.sources.table import find_in_table
from serving.batch.sources.tar import find_in_tar
from serving.batch.sources.video import find_in_video
from serving.batch.sources.zip import find_in_zip

Find = Callable[[Path], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One kind of file with many photos.

    Args:
        name: What to call it.
        suffixes: What it ends in.
        find: Gives what is in it, one after the other.
        counted: Going through it is cheap, so that it can be counted beforehand.
        package: What it is read with, where that may not be installed.
    """

    name: str
    suffixes: tuple[str, ...]
    find: Find
    counted: bool
    package: str | None = None


KINDS = (
    Kind("a list of photos", (".txt",), find_in_list, counted=True),
    Kind(
        "a tar archive",
        (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz"),
        find_in_tar,
        counted=False,
    ),
    Kind("a zip archive", (".zip",), find_in_zip, counted=True),
    Kind("a Parquet table", (".parquet",), find_in_table, counted=False, package="pyarrow"),
    Kind(
        "a video",
        (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v"),
        find_in_video,
        counted=False,
        package="av",
    ),
)


def check_places(places: Sequence[str], out: Path) -> None:
    """
    Make sure that each place can be looked into; photos that are missing are found out later.

    Raises:
        DataError: If one is not there, or holds the folder for the masks itself.
        ModuleNotFoundError: If a package is missing that one is read with.
    """
    for place in places:
        path = Path(place)
        if path.is_dir() and path.resolve() == out.resolve():
            raise DataError(f"{place}: masks would lie among the photos", hint="name another --out")
        if not (path.exists() or _is_pattern(place) or is_photo(place)):
            raise DataError(f"{place}: no such file or folder")
        if (kind := _kind_of(path)) is not None and kind.package is not None:
            import_module(kind.package)


def find_items(places: Sequence[str], out: Path) -> Iterator[Found]:
    """
    Give the photos of places, one after the other.

    Args:
        places: Photos, folders, patterns such as "*/a*.jpg", lists, archives, tables and videos.
        out: The folder for the masks, into which no look is taken.

    Raises:
        ModuleNotFoundError: If a package is missing that one is read with.
    """
    for place in places:
        yield from _find_in(Path(place), place, out)


def count_items(places: Sequence[str], out: Path) -> int | None:
    """Count what `find_items` gives; None where that would be as long as reading all of it."""
    kinds = [_kind_of(Path(place)) for place in places]
    if any(kind is not None and not kind.counted for kind in kinds):
        return None
    return sum(1 for _ in find_items(places, out))


def _find_in(path: Path, place: str, out: Path) -> Iterator[Found]:
    if path.is_dir():
        yield from find_in_folder(path, out)
    elif (kind := _kind_of(path)) is not None:
        yield from kind.find(path)
    elif not path.exists() and _is_pattern(place):
        yield from _find_by_pattern(place)
    else:
        yield file_item(path, printable(path.name))


def _find_by_pattern(pattern: str) -> Iterator[Found]:
    """Give the photos that a pattern names, each by its path below the folder where the pattern begins."""
    parts = Path(pattern).parts
    first = next(index for index, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:first])
    below = str(Path(*parts[first:]))
    for found in glob.iglob(below, root_dir=root, recursive=True):  # noqa: PTH207 -- lazy
        if is_photo(found) and (root / found).is_file():
            yield file_item(root / found, printable(found))


def _is_pattern(place: str) -> bool:
    return glob.has_magic(place)


def _kind_of(path: Path) -> Kind | None:
    name = path.name.lower()
    for kind in KINDS:
        if name.endswith(kind.suffixes) and path.is_file():
            return kind
    return None
