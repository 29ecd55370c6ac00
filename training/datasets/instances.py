"""A COCO instances file in memory, no more of it than is needed: boxes alone are a small part of it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from contract.arrays import Size
from contract.errors import DataError
from training.datasets.entries import read_text, said_size


@dataclass(frozen=True, slots=True)
class Drawn:
    """
    One annotation, its fields as they stand in the file.

    Args:
        id: Its own; for messages.
        image_id: Of its photo.
        category_id: Of its class.
        bbox: Not yet checked.
        area: [px]
        crowd: Whether it is many objects in one.
        segmentation: Its mask; None where masks are not kept.
    """

    id: Any
    image_id: Any
    category_id: Any
    bbox: Any
    area: Any
    crowd: bool
    segmentation: Any

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return f"annotation {self.id}"


@dataclass(frozen=True, slots=True)
class Instances:
    """
    The file's content.

    Args:
        path: The file.
        photos: File name by image id.
        sizes: (height, width) of the photo by image id, as the file says it, where it does [px].
        categories: Class name by category id.
        drawn: Annotations by image id; those of images that are not listed are of no use and harmless.
    """

    path: Path
    photos: dict[str, str]
    sizes: dict[str, Size]
    categories: dict[str, str]
    drawn: dict[str, list[Drawn]]

    def class_name(self, drawn: Drawn) -> str:
        """Give the class of an annotation."""
        return self.categories[str(drawn.category_id)]


def read_instances(path: Path, *, masks: bool) -> Instances:
    """
    Read an instances file.

    Args:
        path: The file.
        masks: Keep the masks too; they are most of the file.

    Raises:
        DataError: If the file is missing, no JSON, or lacks a field.
    """
    try:
        content = json.loads(read_text(path), object_hook=partial(_compact, masks=masks))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: broken JSON ({error})") from error
    photos = _photos(path, content)
    categories = {str(key): str(name) for key, name in _rows(path, content, "categories", ("id", "name"))}
    return Instances(path, photos, _sizes(content), categories, _by_image(path, content, categories))


def _photos(path: Path, content: Any) -> dict[str, str]:
    """Give file names by image id; a name is what a photo is known by, so it belongs to one id."""
    photos: dict[str, str] = {}
    ids: dict[str, str] = {}
    for row in _rows(path, content, "images", ("id", "file_name")):
        key, name = map(str, row)
        if key in photos:
            raise DataError(f"{path}: images {photos[key]} and {name} have one id, {key}")
        if name in ids:
            hint = "give the annotations of both to one image"
            raise DataError(f"{path}: images {ids[name]} and {key} are one file, {name}", hint=hint)
        photos[key], ids[name] = name, key
    return photos


def _sizes(content: Any) -> dict[str, Size]:
    """Give the sizes of the images that have one; all that share one share it in memory."""
    met: dict[Size, Size] = {}
    sizes = {str(row["id"]): said_size(row.get("height"), row.get("width")) for row in content["images"]}
    return {key: met.setdefault(size, size) for key, size in sizes.items() if size is not None}


def _compact(row: dict[str, Any], *, masks: bool) -> Any:
    """Replace an annotation by its few fields while the file is parsed: the others never pile up."""
    if "image_id" not in row or "category_id" not in row:
        return row
    get = row.get
    mask = get("segmentation") if masks else None
    crowd = bool(get("iscrowd"))
    return Drawn(get("id"), row["image_id"], row["category_id"], get("bbox"), get("area"), crowd, mask)


def _by_image(path: Path, content: Any, categories: dict[str, str]) -> dict[str, list[Drawn]]:
    by_image: dict[str, list[Drawn]] = {}
    for index, drawn in enumerate(_list(path, content, "annotations")):
        if not isinstance(drawn, Drawn):
            raise DataError(f"{path}: annotations[{index}] lacks one of image_id, category_id")
        if str(drawn.category_id) not in categories:
            problem = f"{drawn.where} is of category {drawn.category_id!r}, which is not in categories"
            raise DataError(f"{path}: {problem}")
        by_image.setdefault(str(drawn.image_id), []).append(drawn)
    return by_image


def _rows(path: Path, content: Any, kind: str, fields: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Give fields of each row of a list."""
    for index, row in enumerate(_list(path, content, kind)):
        try:
            yield tuple(row[field] for field in fields)
        except (KeyError, TypeError) as error:
            raise DataError(f"{path}: {kind}[{index}] lacks one of {', '.join(fields)}") from error


def _list(path: Path, content: Any, kind: str) -> list[Any]:
    rows = content.get(kind) if isinstance(content, dict) else None
    if not isinstance(rows, list):
        raise DataError(f"{path}: no COCO instances file: it has no list {kind!r}")
    return rows
