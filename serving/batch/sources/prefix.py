"""The photos below a URI, and those that a pattern of URIs names; listed as they are worked off."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from urllib.parse import unquote

from contract.errors import DataError
from serving.batch.items import Found, Trouble, inside, is_photo
from serving.batch.listing import Info, has_pages, list_pages
from serving.batch.opening import open_remote
from serving.batch.places import Place
from serving.batch.remote import Remote
from serving.batch.sources.links import Link, look_up, remote_item
from serving.batch.uris import is_web, shown

DEEPEST = 64
"""Folders in each other; deeper there is only a link that leads back up."""

MAGIC = re.compile(r"[*[]")

HOST = 3
"""Parts of a URI between slashes that say where it leads; brackets in them are those of an IPv6 address."""


def find_in_prefix(root: Remote, out: Place) -> Iterator[Found]:
    """
    Give the photos below a URI as its file system lists them.

    S3's is one list, read page by page; others are read folder by folder, those of the web from their pages.

    Args:
        root: Where to look.
        out: Passed over if it lies below: masks are no photos.

    Yields:
        Items named by their path below the root; a Trouble for each folder that cannot be read.
    """
    return _known(_walk(root, out, None))


def find_by_pattern(uri: str, out: Place) -> Iterator[Found]:
    """Give the photos that a pattern names, each by its path below the folder where the pattern begins."""
    root, below, pattern = split_pattern(uri)
    depth = DEEPEST if "**" in below else len(below)
    return _known(_walk(open_remote(root), out, pattern, depth))


def split_pattern(uri: str) -> tuple[str, list[str], re.Pattern[str]]:
    """
    Give the URI of the folder where a pattern begins, its parts below, and what fits them.

    Raises:
        DataError: If nothing can fit it.
    """
    from fsspec.utils import glob_translate

    parts = uri.split("/")
    first = next(index for index, part in enumerate(parts) if index >= HOST and MAGIC.search(part))
    below = parts[first:]
    try:
        return "/".join(parts[:first]) + "/", below, re.compile(glob_translate("/".join(below)))
    except ValueError as error:
        raise DataError(f"{shown(uri)}: {error}", hint="such as photos/**/a*.jpg") from error


def is_pattern(uri: str) -> bool:
    """Tell whether a URI names many; a question mark does not, as it begins a query."""
    path = uri.partition("?")[0].split("/")[HOST:]
    return any(MAGIC.search(part) for part in path)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A file's place, its path below the root, and what its file system said of it."""

    place: Remote
    name: str
    info: Info


def _walk(
    root: Remote, out: Place, pattern: re.Pattern[str] | None, depth: int = DEEPEST
) -> Iterator[_Entry | Trouble]:
    kept_out = out if isinstance(out, Remote) else None
    for each in _entries(root, depth, kept_out):
        if isinstance(each, Trouble):
            yield each
        elif _is_below(each.place, kept_out):
            continue
        elif is_photo(each.name) and (pattern is None or pattern.match(each.name)):
            yield each


def _is_below(place: Remote, folder: Remote | None) -> bool:
    """Tell whether a place is below another or is it, by whichever of its schemes both are named."""
    if folder is None or _server(place) != _server(folder):
        return False
    return f"{place.path.rstrip('/')}/".startswith(f"{folder.path.rstrip('/')}/")


def _server(place: Remote) -> tuple[object, ...]:
    """Give what tells file systems apart; fsspec's own comparison tells threads apart too."""
    files = place.files
    return type(files), files.storage_args, files.storage_options


def _known(entries: Iterator[_Entry | Trouble]) -> Iterator[Found]:
    """Give items of entries; a list that says nothing but names is asked after."""
    return look_up(_found(each) for each in entries)


def _found(entry: _Entry | Trouble) -> Found | Link:
    if isinstance(entry, Trouble):
        return entry
    name = inside(unquote(entry.name) if is_web(str(entry.place)) else entry.name)
    if name is None:
        return Trouble(str(entry.place), "its path leaves the folder")
    if entry.info.get("size") is None:
        return entry.place, name
    return remote_item(entry.place, name, entry.info)


def _entries(root: Remote, depth: int, kept_out: Remote | None) -> Iterator[_Entry | Trouble]:
    if has_pages(root):
        yield from _pages(root)
    else:
        yield from _folders(root, "", depth, kept_out)


def _pages(root: Remote) -> Iterator[_Entry | Trouble]:
    try:
        for info in chain.from_iterable(list_pages(root)):
            name = info["name"].removeprefix(root.path).lstrip("/")
            yield _Entry(root / name, name, info)
    except OSError as error:
        yield Trouble(str(root), f"cannot be read ({error.strerror or error})")


def _folders(root: Remote, name: str, depth: int, kept_out: Remote | None) -> Iterator[_Entry | Trouble]:
    """Give all that is in a folder and those below it, with one folder's list in memory."""
    folder = root / name if name else root
    if _is_below(folder, kept_out):
        return
    try:
        with root.asking():
            infos = root.files.ls(
                f"{folder.path.rstrip('/')}/" if is_web(str(root)) else folder.path, detail=True
            )
    except OSError as error:
        yield Trouble(str(folder), f"cannot be read ({error.strerror or error})")
        return
    for info in infos:
        last = info["name"].rstrip("/").rpartition("/")[2]
        inner = f"{name}/{last}" if name else last
        if info.get("type") != "directory":
            yield _Entry(root / inner, inner, info)
        elif depth > 1:
            yield from _folders(root, inner, depth - 1, kept_out)
