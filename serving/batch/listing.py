"""What lies below a URI, page by page where its file system can."""

from collections.abc import Iterator
from typing import Any

from serving.batch.remote import Remote

PAGE = 1000
"""Entries of a store's list in memory: as many as it gives in one answer."""

Info = dict[str, Any]
"""What a file system says of a file or folder: its name, type, size, and more."""


def has_pages(root: Remote) -> bool:
    """Tell whether all below a place can be had page by page; s3fs's public ls would hold all of it."""
    return hasattr(root.files, "_iterdir")


def list_pages(root: Remote) -> Iterator[list[Info]]:
    """Give all that is below a prefix, with a page of it in memory; raises OSError."""
    from fsspec.asyn import sync

    files = root.files
    bucket, key, _ = files.split_path(root.path)
    listing = files._iterdir(bucket, delimiter="", prefix=f"{key}/" if key else "")
    page: list[Info] = [{}]
    while page:
        with root.asking():
            page = sync(files.loop, _take, listing)
        yield page


def is_empty(root: Remote) -> bool:
    """
    Tell whether nothing lies below a place.

    Raises:
        OSError: If nobody says so.
    """
    try:
        if has_pages(root):
            return not next(list_pages(root))
        with root.asking():
            return not root.files.ls(root.path, detail=False)
    except FileNotFoundError:
        return True


async def _take(listing: Any) -> list[Info]:
    page = []
    async for info in listing:
        page.append(info)
        if len(page) == PAGE:
            break
    return page
