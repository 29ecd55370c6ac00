"""Reads COCO instances JSON: boxes, and masks when asked."""

import json
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pycocotools import mask as rle

from contract.annotations import AnnotatedImage, Box
from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE, ClassMap
from contract.errors import AnnotationError, DataError, ImageError
from contract.images import read_size
from training.datasets import Listing
from training.datasets.voc import gather


@dataclass(frozen=True)
class CocoDataset:
    """
    A COCO folder: annotations/instances_<split>.json, photos in <split>/.

    Args:
        root: The folder.
        classes: Classes to read, by category name; boxes of others count as background.
    """

    root: Path
    classes: ClassMap

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.resolve().name

    def load(self, split: str, *, skip_bad: bool = False) -> Listing:
        """List the images of annotations/instances_<split>.json; see `Dataset.load`."""
        instances = self._instances(split)
        return gather(instances.photos, lambda name: self._image(split, instances, name), skip_bad=skip_bad)

    def truth(self, image: AnnotatedImage) -> Uint8:
        """Draw the image's instance masks, large first; crowds are IGNORE. See `Dataset.truth`."""
        instances = self._instances(image.path.relative_to(self.root).parts[0])
        labels = np.full(image.size, BACKGROUND, dtype=np.uint8)
        drawn = sorted(instances.objects.get(image.name, []), key=lambda entry: -entry.get("area", 0))
        for entry in drawn:
            label = instances.labels.get(entry["category_id"], BACKGROUND)
            if label != BACKGROUND:
                inside = _decode(instances.path, entry, image.size)
                labels[inside] = IGNORE if entry.get("iscrowd") else label
        return labels

    def _instances(self, split: str) -> "Instances":
        if split not in self._splits:
            self._splits[split] = read_instances(self.root, split, self.classes)
        return self._splits[split]

    @cached_property
    def _splits(self) -> dict[str, "Instances"]:
        return {}

    def _image(self, split: str, instances: "Instances", name: str) -> AnnotatedImage:
        photo = self.root / split / instances.photos[name]
        try:
            size = read_size(photo)
        except ImageError as error:
            raise AnnotationError(photo, error.message.removeprefix(f"{photo}: ")) from error
        boxes = [
            _box(instances, entry, size)
            for entry in instances.objects.get(name, [])
            if entry.get("category_id") in instances.labels and not entry.get("iscrowd")
        ]
        return AnnotatedImage(name, photo, size, tuple(boxes))


@dataclass(frozen=True, slots=True)
class Instances:
    """One instances file: file name and objects by image id, label by category id."""

    path: Path
    photos: dict[str, str]
    objects: dict[str, list[dict[str, Any]]]
    labels: dict[int, int]


def read_instances(root: Path, split: str, classes: ClassMap) -> Instances:
    """
    Read an instances file.

    Raises:
        DataError: If it is missing, no JSON, lacks a field, or has none of a class's name.
    """
    path = root / "annotations" / f"instances_{split}.json"
    if not path.is_file():
        there = ", ".join(p.stem.removeprefix("instances_") for p in path.parent.glob("instances_*.json"))
        raise DataError(f"{path}: no such split", hint=f"there are: {there or 'none'}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        photos = {str(entry["id"]): entry["file_name"] for entry in content["images"]}
        categories = {entry["name"]: entry["id"] for entry in content["categories"]}
        objects: dict[str, list[dict[str, Any]]] = {}
        for entry in content["annotations"]:
            objects.setdefault(str(entry["image_id"]), []).append(entry)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: no COCO instances file ({error!r})") from error
    missing = [name for name in classes.foreground if name not in categories]
    if missing:
        there = ", ".join(categories)
        raise DataError(f"{path}: no category {', '.join(missing)}", hint=f"there are: {there}")
    labels = {categories[name]: classes.index(name) for name in classes.foreground}
    return Instances(path, photos, objects, labels)


def _box(instances: Instances, entry: dict[str, Any], size: tuple[int, int]) -> Box:
    where = f"annotation {entry.get('id')}"
    try:
        x, y, width, height = (float(value) for value in entry["bbox"])
        # COCO boxes are xywh in fractions of a pixel; ours cover every pixel they touch.
        corners = (math.floor(x), math.floor(y), math.ceil(x + width), math.ceil(y + height))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        problem = f"{where}: bbox is {entry.get('bbox')!r}, not [x, y, w, h]"
        raise AnnotationError(instances.path, problem) from error
    left, top, right, bottom = corners
    if not (0 <= left < right <= size[1] and 0 <= top < bottom <= size[0]):
        raise AnnotationError(
            instances.path,
            f"{where}: bbox {entry['bbox']} lies outside its {size[1]} x {size[0]} photo or has no area",
        )
    return Box(instances.labels[entry["category_id"]], *corners)


def _decode(path: Path, entry: dict[str, Any], size: tuple[int, int]) -> npt.NDArray[np.bool_]:
    segmentation = entry.get("segmentation")
    if not segmentation:
        raise AnnotationError(path, f"annotation {entry.get('id')} has no mask")
    try:
        if isinstance(segmentation, list):
            encoded = rle.merge(rle.frPyObjects(segmentation, *size))
        elif isinstance(segmentation["counts"], list):
            encoded = rle.frPyObjects(segmentation, *size)
        else:
            encoded = segmentation
        inside: npt.NDArray[np.bool_] = rle.decode(encoded).astype(bool)
        return inside
    except (TypeError, ValueError, KeyError) as error:
        raise AnnotationError(path, f"annotation {entry.get('id')}: unreadable mask ({error})") from error
