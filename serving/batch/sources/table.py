"""The photos of a Parquet table: their bytes, or the paths to them."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from serving.batch.items import Found, Item, Trouble, check_length, inside
from serving.batch.places import Place, seekable
from serving.batch.sources.links import Link, folder_of, look_up, resolve

AT_ONCE = 16
"""Rows in memory."""

BYTES = ("image", "bytes", "content", "data", "jpeg", "png")
PATHS = ("path", "file_name", "filename", "file", "image_path")
"""Columns that are looked for, in this order."""


def find_in_table(path: Place) -> Iterator[Found]:
    """
    Give the photos of a Parquet table in its order, row by row.

    A column of bytes, or of Hugging Face's {bytes, path}, is called image, bytes, content or data; one of
    URIs, or of paths relative to the table's folder, path, file_name or file. Photos are named by their path
    where there is one, else table.parquet/000000000 and on.

    Yields:
        Items; a Trouble where there is no such column, with those there are, or the table is damaged.

    Raises:
        DependencyMissing: If a package is missing that speaks to a URI.
        ModuleNotFoundError: Without the package pyarrow; it comes with the extra "batch".
    """
    return look_up(_resolved(path))


def _resolved(path: Place) -> Iterator[Found | Link]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with seekable(path) as stream, pq.ParquetFile(stream) as table:
            names = table.schema_arrow.names
            content = next((name for name in BYTES if name in names), None)
            places = next((name for name in PATHS if name in names), None)
            if content is None and places is None:
                words = f"call it {BYTES[0]} (bytes) or {PATHS[0]} (paths)"
                yield Trouble(str(path), f"no column of photos among {', '.join(names)}; {words}")
                return
            wanted = [name for name in (content, places) if name is not None]
            number = 0
            for batch in table.iter_batches(batch_size=AT_ONCE, columns=wanted):
                for row in batch.to_pylist():
                    yield _item(path, number, row.get(content), row.get(places))
                    number += 1
    except (pa.ArrowException, OSError, ValueError) as error:  # ValueError: of a text that is no UTF-8
        yield Trouble(str(path), f"is damaged or no Parquet table ({error}); what stands behind is not seen")


def _item(table: Place, number: int, content: Any, place: Any) -> Found | Link:
    row = f"{table.name}/{number:09d}"
    if isinstance(content, dict):  # as Hugging Face's data sets keep images
        content, place = content.get("bytes"), content.get("path") or place
    name = inside(place) if isinstance(place, str) else None
    if isinstance(content, bytes):
        return Item(name or row, f"{table}/{number:09d}", partial(_checked, content))
    if isinstance(place, str):
        return resolve(folder_of(table), place)
    return Trouble(f"{table}/{number:09d}", "has neither bytes nor a path")


def _checked(content: bytes) -> bytes:
    check_length(len(content))
    return content
