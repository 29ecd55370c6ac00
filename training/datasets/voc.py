"""Reads the PASCAL VOC devkit layout: photos, XML boxes, indexed PNG masks; its own classes or others."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import DefusedXmlException, ElementTree
from PIL import Image

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import BACKGROUND
from contract.errors import AnnotationError, DataError
from training.datasets.entries import PHOTO_SUFFIXES, Entry, NamedBox, photo_header, read_lines, said_size
from training.datasets.folder import Folder, FolderDataset
from training.datasets.labelmap import LABELMAP_FILE, VOC_CLASSES, find_labelmap

LIST_FOLDERS = ("Segmentation", "Main")
"""Where in ImageSets/ a split's list is looked for; data with boxes alone have Main only."""

CLASS_LIST_LINE = re.compile(r"\S+\s+(-1|0|1)$")
"""What a line of the devkit's lists of one class, such as Main/cat_train.txt, looks like."""

SIDES = ("xmin", "ymin", "xmax", "ymax")


class VocFolder(Folder):
    """Holds JPEGImages/, Annotations/, ImageSets/ and, for masks, SegmentationClass/."""

    layout = "VOC"

    @staticmethod
    def fits(root: Path) -> bool:
        """Tell whether Annotations/ and ImageSets/ are there."""
        return (root / "Annotations").is_dir() and (root / "ImageSets").is_dir()

    def splits(self) -> tuple[str, ...]:
        """Name all lists of ImageSets/Segmentation and ImageSets/Main, but for lists of one class."""
        lists = (path for folder in LIST_FOLDERS for path in (self.root / "ImageSets" / folder).glob("*.txt"))
        return tuple(sorted({path.stem for path in lists if not _is_class_list(path)}))

    def keys(self, split: str) -> list[str]:
        """List the photos of a split by their names without suffix."""
        paths = [self.root / "ImageSets" / folder / f"{split}.txt" for folder in LIST_FOLDERS]
        path = next((path for path in paths if path.is_file()), None)
        if path is None:
            there = ", ".join(self.splits()) or "none"
            raise DataError(f"{paths[0]}: no such split", hint=f"there are: {there}")
        return read_lines(path)

    def read(self, split: str, key: str) -> Entry:
        """Read JPEGImages/<key>.jpg or another suffix, and Annotations/<key>.xml."""
        photo, xml = self._photo(key), self.root / "Annotations" / f"{key}.xml"
        header = photo_header(photo)
        root = _parse(xml)
        boxes = (_box(xml, index, element) for index, element in enumerate(root.iter("object")))
        drawn_on = said_size(root.findtext("size/height"), root.findtext("size/width"))
        return Entry(key, photo, header, xml, tuple(boxes), drawn_on)

    def declared(self, split: str) -> tuple[str, ...]:
        """Name the classes of labelmap.txt."""
        if not (self.root / LABELMAP_FILE).is_file():
            return ()
        return tuple(name for name in find_labelmap(self.root).names if name != VOC_CLASSES[BACKGROUND])

    def knows(self, split: str, name: str) -> bool:
        """Look among the devkit's classes, those declared, and in the XML files of all splits."""
        if name in VOC_CLASSES or name in self.declared(split):
            return True
        return any(_mentions(path, name) for path in (self.root / "Annotations").glob("*.xml"))

    def mask(self, image: AnnotatedImage, labels: Mapping[str, int]) -> Uint8:
        """Read SegmentationClass/<name>.png, indexed or in colour."""
        path = self.root / "SegmentationClass" / f"{image.name}.png"
        try:
            with Image.open(path) as file:
                mask = np.asarray(file.convert("RGB") if file.mode == "RGBA" else file)
        except (OSError, SyntaxError, ValueError) as error:  # Pillow says SyntaxError of a broken PNG
            raise AnnotationError(path, f"no readable mask ({error})") from error
        if mask.shape not in (image.size, (*image.size, 3)) or mask.dtype != np.uint8:
            raise AnnotationError(
                path, f"expected an indexed {image.size} PNG, got {mask.shape} {mask.dtype}"
            )
        return find_labelmap(self.root).decode(path, mask, labels)

    def _photo(self, key: str) -> Path:
        folder = self.root / "JPEGImages"
        paths = (folder / f"{key}{suffix}" for suffix in PHOTO_SUFFIXES)
        return next((path for path in paths if path.is_file()), folder / f"{key}.jpg")


class VocDataset(FolderDataset):
    """A VOC folder with the classes to read."""

    kind: ClassVar = VocFolder


def _is_class_list(path: Path) -> bool:
    """Tell cat_train.txt beside train.txt, whose lines have a sign, from a list of photos named "IMG 1"."""
    split = f"{path.stem.rpartition('_')[2]}.txt"
    if split == path.name or not any((path.parents[1] / folder / split).is_file() for folder in LIST_FOLDERS):
        return False
    with path.open(encoding="utf-8", errors="replace") as stream:
        return CLASS_LIST_LINE.match(stream.readline().strip()) is not None


def _mentions(xml: Path, name: str) -> bool:
    try:
        return any(_name(element) == name for element in _parse(xml).iter("object"))
    except AnnotationError:  # it is named when it is read for its own split
        return False


def _parse(xml: Path) -> Element:
    try:
        root: Element = ElementTree.parse(xml).getroot()
        return root
    except FileNotFoundError as error:
        raise AnnotationError(xml, "no such file") from error
    except (ParseError, DefusedXmlException, OSError, ValueError) as error:
        raise AnnotationError(xml, f"broken XML ({error})") from error


def _box(xml: Path, index: int, element: Element) -> NamedBox:
    xmin, ymin, xmax, ymax = (_coordinate(xml, index, element, side) for side in SIDES)
    name = _name(element)
    if not name:
        raise AnnotationError(xml, f"object {index}: it has no name")
    return NamedBox(
        name,
        (_from_zero(xmin), _from_zero(ymin), xmax, ymax),
        where=f"object {index}",
        text=f"xmin={xmin} ymin={ymin} xmax={xmax} ymax={ymax}",
        difficult=element.findtext("difficult", "0").strip() == "1",
    )


def _from_zero(first: int) -> int:
    # The devkit counts pixels from 1 and includes both ends; ours count from 0, ends exclusive.
    # A 0 was written by a tool that counts from 0: the first pixel as well.
    return first - 1 if first else 0


def _name(element: Element) -> str:
    return element.findtext("name", "").strip()


def _coordinate(xml: Path, index: int, element: Element, side: str) -> int:
    text = element.findtext(f"bndbox/{side}", "")
    try:
        return round(float(text))
    except (ValueError, OverflowError) as error:
        raise AnnotationError(xml, f"object {index}: {side} is {text!r}, no number") from error
