"""Photos that a list or a table names; file systems at URIs are asked about many of them at once."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from contract.errors import DataError, InvalidImage
from serving.batch.items import Found, Item, Trouble, check_length, file_item, inside
from serving.batch.places import LOCAL, Place, place_of, stamp_by
from serving.batch.remote import Remote
from serving.batch.uris import is_uri, is_web, shown, uri_name

AT_ONCE = 64
"""Questions on their way together: alone each would take a journey, and a million photos a night."""

HERE = (LOCAL, "local://")

Link = tuple[Remote, str]
"""A photo's place and its name, before its file system was asked about it."""


def folder_of(path: Place) -> Place:
    """Give the folder of a list or table, as its paths are relative to it."""
    if isinstance(path, Remote):
        return path.parent
    return Path(os.path.abspath(path.parent))  # noqa: PTH100 -- a link's own name, where resolve() gives its target


def resolve(folder: Place, words: str) -> Found | Link:
    """
    Give the photo that a line names.

    Args:
        folder: That of the list; paths are relative to it.
        words: A URI, or a path.

    Returns:
        The photo or a Trouble; a Link where its file system is yet to be asked.

    Raises:
        DependencyMissing: If a package is missing that speaks to it.
    """
    if "\0" in words:
        return Trouble(shown(words), "no path has a NUL in it")
    if isinstance(folder, Remote):
        return _resolve_uri(words) if _is_far(words) else _resolve_below(folder, words)
    if is_uri(words) and not words.lower().startswith(LOCAL):
        return _resolve_uri(words)
    above = str(folder)
    whole = os.path.normpath(os.path.join(above, _without_scheme(words)))  # noqa: PTH118 -- a million times
    name = whole.removeprefix(above.rstrip("/") + "/")
    return file_item(Path(whole), name.lstrip("/"))


def look_up(photos: Iterable[Found | Link]) -> Iterator[Found]:
    """Give photos in their order, those at URIs with what tells whether they are the same as before."""
    for linked, those in groupby(photos, lambda each: isinstance(each, tuple)):
        if not linked:
            yield from those  # type: ignore[misc] # no link among them
            continue
        while portion := list(islice(those, AT_ONCE)):
            for (place, name), info in zip(portion, _infos([place for place, _ in portion]), strict=True):  # type: ignore[misc]
                yield remote_item(place, name, info)


def remote_item(place: Remote, name: str, info: dict[str, Any]) -> Item:
    """Give the item of a file at a URI; empty where its file system says nothing, reading then says why."""
    return Item(name, str(place), partial(_read, place, info.get("size")), stamp_by(info))


def _resolve_uri(uri: str) -> Found | Link:
    name = inside(uri_name(uri))
    if name is None:
        return Trouble(shown(uri), "its path leaves its host")
    try:
        place = place_of(uri)
    except DataError as error:
        return Trouble(shown(uri), error.message)
    assert isinstance(place, Remote), "file:// was seen to before"
    return place, name


def _resolve_below(folder: Remote, words: str) -> Found | Link:
    """Give what a list at a URI names by a path; it says nothing of this machine's own files."""
    name = inside(unquote(words) if is_web(str(folder)) else words)
    if name is None or is_uri(words):
        return Trouble(f"{folder}/{words}", "leaves the folder of its list; name it by its URI")
    return folder / words, name


def _is_far(words: str) -> bool:
    """Tell whether words are a URI that leads to no file of this machine, not even by a detour."""
    return is_uri(words) and not words.lower().startswith(HERE) and "::" not in words


def _without_scheme(words: str) -> str:
    return words[len(LOCAL) :] if words.lower().startswith(LOCAL) else words


def _infos(places: list[Remote]) -> list[dict[str, Any]]:
    """Ask for many files at once where their file system can; what it does not say is empty."""
    from fsspec.asyn import AsyncFileSystem, sync

    infos: list[dict[str, Any]] = []
    for _, group in groupby(places, lambda place: id(place.files)):
        those = list(group)
        files = those[0].files
        if isinstance(files, AsyncFileSystem):
            told = sync(files.loop, _ask_all, files, [place.path for place in those])
            infos += [info if isinstance(info, dict) else {} for info in told]
        else:
            infos += [_info(place) for place in those]
    return infos


async def _ask_all(files: Any, paths: list[str]) -> list[Any]:
    return await asyncio.gather(*(files._info(path) for path in paths), return_exceptions=True)


def _info(place: Remote) -> dict[str, Any]:
    try:
        return place.info()
    except OSError:
        return {}


def _read(place: Remote, size: int | None) -> bytes:
    try:
        if size is None:
            return _read_unknown(place)
        check_length(size or 0)
        return place.read_bytes()
    except FileNotFoundError as error:
        raise InvalidImage("no such file") from error
    except OSError as error:
        raise InvalidImage(f"cannot be read ({error.strerror or error})") from error


def _read_unknown(place: Remote) -> bytes:
    """Read what nobody knows the length of, no further than a photo may be long."""
    data = bytearray()
    with place.streamed() as stream:
        while portion := stream.read(2**20):
            data += portion
            check_length(len(data))
    return bytes(data)
