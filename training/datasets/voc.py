"""Reads the PASCAL VOC devkit layout: photos, XML boxes, indexed PNG masks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException, ElementTree
from PIL import Image

from contract.annotations import AnnotatedImage, Box
from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE, ClassMap
from contract.errors import AnnotationError, DataError, ImageError
from contract.images import read_size
from training.datasets import Listing

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
"""The devkit's label order in its indexed masks."""


@dataclass(frozen=True, slots=True)
class VocDataset:
    """
    A VOC devkit folder.

    Args:
        root: Holds JPEGImages/, Annotations/, ImageSets/Segmentation/ and, for masks, SegmentationClass/.
        classes: Classes to read, any subset of the devkit's; boxes of others count as background.

    Raises:
        DataError: If a class is none of the devkit's.
    """

    root: Path
    classes: ClassMap

    def __post_init__(self) -> None:
        unknown = set(self.classes.names) - set(VOC_CLASSES)
        if unknown:
            raise DataError(
                f"{sorted(unknown)} are no VOC classes", hint=f"choose from {', '.join(VOC_CLASSES[1:])}"
            )

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.root.resolve().name

    def load(self, split: str, *, skip_bad: bool = False) -> Listing:
        """List the images of ImageSets/Segmentation/<split>.txt; see `Dataset.load`."""
        return gather(self._names(split), self._image, skip_bad=skip_bad)

    def truth(self, image: AnnotatedImage) -> Uint8:
        """Read SegmentationClass/<name>.png; see `Dataset.truth`."""
        path = self.root / "SegmentationClass" / f"{image.name}.png"
        try:
            with Image.open(path) as mask:
                indices = np.asarray(mask)
        except OSError as error:
            raise AnnotationError(path, f"no readable mask ({error})") from error
        if indices.shape != image.size or indices.dtype != np.uint8:
            raise AnnotationError(
                path, f"expected an indexed {image.size} PNG, got {indices.shape} {indices.dtype}"
            )
        labels: Uint8 = self._label_table()[indices]
        return labels

    def _names(self, split: str) -> list[str]:
        folder = self.root / "ImageSets" / "Segmentation"
        path = folder / f"{split}.txt"
        if not path.is_file():
            there = ", ".join(sorted(other.stem for other in folder.glob("*.txt"))) or "none"
            raise DataError(f"{path}: no such split", hint=f"there are: {there}")
        return path.read_text(encoding="utf-8").split()

    def _image(self, name: str) -> AnnotatedImage:
        photo = self.root / "JPEGImages" / f"{name}.jpg"
        xml = self.root / "Annotations" / f"{name}.xml"
        try:
            size = read_size(photo)
        except ImageError as error:
            raise AnnotationError(photo, error.message.removeprefix(f"{photo}: ")) from error
        return AnnotatedImage(name, photo, size, tuple(_boxes(xml, size, self.classes)))

    def _label_table(self) -> Uint8:
        table = np.full(256, BACKGROUND, dtype=np.uint8)
        for label, name in enumerate(self.classes.names):
            table[VOC_CLASSES.index(name)] = label
        table[IGNORE] = IGNORE
        return table


def gather(names: Iterable[str], read: Callable[[str], AnnotatedImage], *, skip_bad: bool) -> Listing:
    """
    Read each name's image; bad ones are collected where they are to be skipped.

    Raises:
        AnnotationError: For the first bad one otherwise.
    """
    images, bad = [], []
    for name in names:
        try:
            images.append(read(name))
        except AnnotationError as error:
            if not skip_bad:
                raise
            bad.append(error)
    return Listing(tuple(images), tuple(bad))


def _boxes(xml: Path, size: tuple[int, int], classes: ClassMap) -> Iterable[Box]:
    for index, element in enumerate(_parse(xml).iter("object")):
        name = element.findtext("name", "").strip()
        if name in classes.foreground:
            yield _box(xml, index, element, size, classes.index(name))


def _parse(xml: Path) -> Element:
    try:
        root: Element = ElementTree.parse(xml).getroot()
        return root
    except FileNotFoundError as error:
        raise AnnotationError(xml, "no such file") from error
    except (ParseError, DefusedXmlException, OSError, UnicodeDecodeError) as error:
        raise AnnotationError(xml, f"broken XML ({error})") from error


def _box(xml: Path, index: int, element: Element, size: tuple[int, int], label: int) -> Box:
    # The devkit counts pixels from 1 and includes both ends; ours count from 0, ends exclusive.
    left, top, right, bottom = (
        _coordinate(xml, index, element, side) for side in ("xmin", "ymin", "xmax", "ymax")
    )
    if not (1 <= left <= right <= size[1] and 1 <= top <= bottom <= size[0]):
        raise AnnotationError(
            xml,
            f"object {index}: box xmin={left} ymin={top} xmax={right} ymax={bottom} "
            f"lies outside its {size[1]} x {size[0]} photo or has no area",
        )
    return Box(label, left - 1, top - 1, right, bottom)


def _coordinate(xml: Path, index: int, element: Element, side: str) -> int:
    text = element.findtext(f"bndbox/{side}", "")
    try:
        return round(float(text))
    except (ValueError, OverflowError) as error:
        raise AnnotationError(xml, f"object {index}: {side} is {text!r}, no number") from error
