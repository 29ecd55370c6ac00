"""Reads the YOLO layout: data.yaml, images/, and a text file of boxes or polygons per photo in labels/."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import yaml

from contract.annotations import AnnotatedImage
from contract.arrays import Size, Uint8
from contract.errors import AnnotationError, DataError
from training.datasets.entries import PHOTO_SUFFIXES, Entry, NamedBox, photo_header, read_lines, read_text
from training.datasets.folder import Folder, FolderDataset
from training.datasets.polygons import Inside, draw_objects, fill_polygons

SPLITS = ("train", "val", "test")
BOX_NUMBERS = 4


@dataclass(frozen=True, slots=True)
class Line:
    """
    One object of a label file.

    Args:
        number: The line's, counted from 1.
        name: The class's.
        numbers: cx, cy, w, h of a box or x1, y1, x2, y2, ... of a polygon, as shares of the photo's sides.
    """

    number: int
    name: str
    numbers: tuple[float, ...]

    @property
    def text(self) -> object:
        """The coordinates for messages."""
        return "around its polygon" if self.is_polygon else self.numbers

    @property
    def is_polygon(self) -> bool:
        """Whether an outline was drawn."""
        return len(self.numbers) > BOX_NUMBERS

    def corners(self, size: Size) -> tuple[float, float, float, float]:
        """Give left, top, right, bottom [px]; of a polygon, those of its points."""
        height, width = size
        if self.is_polygon:
            across, down = self.numbers[::2], self.numbers[1::2]
            return min(across) * width, min(down) * height, max(across) * width, max(down) * height
        x, y, w, h = self.numbers
        return (x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height


@dataclass(frozen=True)
class YoloFolder(Folder):
    """Holds data.yaml with `names` and each split's photos; labels lie in labels/ as photos in images/."""

    layout = "YOLO"

    @staticmethod
    def fits(root: Path) -> bool:
        """Tell whether there is a data.yaml."""
        return _find_yaml(root) is not None

    def splits(self) -> tuple[str, ...]:
        """Name the splits that data.yaml gives."""
        return tuple(split for split in SPLITS if self._description.get(split))

    def keys(self, split: str) -> list[str]:
        """List a split's photos: of its folders in order of their names, of its lists line by line."""
        if split not in self.splits():
            there = ", ".join(self.splits()) or "none"
            raise DataError(f"{self._yaml}: no such split: {split}", hint=f"there are: {there}")
        places = self._description[split]
        return [
            str(photo)
            for place in (places if isinstance(places, list) else [places])
            for photo in self._photos(split, self._place(split, str(place)))
        ]

    def read(self, split: str, key: str) -> Entry:
        """Read a photo's header and its label file; a photo without one has no boxes."""
        photo, labels = Path(key), _label_file(Path(key))
        header = photo_header(photo)
        boxes = (
            NamedBox(line.name, line.corners(header.size), f"line {line.number}", line.text)
            for line in self._lines(labels)
        )
        return Entry(self.photo_name(photo), photo, header, labels, tuple(boxes))

    def declared(self, split: str) -> tuple[str, ...]:
        """Give data.yaml's names."""
        return tuple(self._names.values())

    def mask(self, image: AnnotatedImage, labels: Mapping[str, int]) -> Uint8:
        """Draw the polygons, large first."""
        path = _label_file(image.path)
        objects = [
            (_area(line, image.size), labels[line.name], partial(_fill, path, line, image.size))
            for line in self._lines(path)
            if line.name in labels
        ]
        return draw_objects(image.size, objects)

    @property
    def _yaml(self) -> Path:
        return _find_yaml(self.root) or self.root / "data.yaml"

    @cached_property
    def _description(self) -> dict[str, Any]:
        try:
            content = yaml.safe_load(read_text(self._yaml))
        except yaml.YAMLError as error:
            raise DataError(f"{self._yaml}: broken YAML ({' '.join(str(error).split())})") from error
        if not isinstance(content, dict):
            raise DataError(f"{self._yaml}: expected fields such as train, val, names")
        if "kpt_shape" in content:
            raise DataError(f"{self._yaml}: keypoints are not read", hint="export boxes or polygons")
        return content

    @cached_property
    def _names(self) -> dict[int, str]:
        names = self._description.get("names")
        pairs = (
            enumerate(names) if isinstance(names, list) else names.items() if isinstance(names, dict) else ()
        )
        try:
            by_index = {int(index): str(name) for index, name in pairs}
        except (TypeError, ValueError) as error:
            raise DataError(f"{self._yaml}: names: an index is no whole number ({error})") from error
        if not by_index:
            raise DataError(f"{self._yaml}: names: expected a list, or names by index, got {names!r}")
        return by_index

    def _place(self, split: str, place: str) -> Path:
        base = self.root / str(self._description.get("path") or "")
        path = base / place
        if not path.exists() and place.startswith("../"):
            path = base / place.removeprefix("../")  # as Ultralytics reads exports that lie one folder higher
        if not path.exists():
            raise DataError(
                f"{self._yaml}: {split}: {base / place} does not exist",
                hint="`path` counts from data.yaml's folder, and `train`, `val`, `test` count from `path`",
            )
        return path

    def _photos(self, split: str, place: Path) -> list[Path]:
        if place.is_dir():
            return sorted(path for path in place.rglob("*") if path.suffix in PHOTO_SUFFIXES)
        return [self._listed(place, line) for line in read_lines(place)]

    def _listed(self, listing: Path, line: str) -> Path:
        """Give a photo of a list: its path counts from the list's folder, or else from the data set's."""
        beside = listing.parent / line
        return beside if beside.is_file() else self.root / line

    def _lines(self, path: Path) -> list[Line]:
        if not path.is_file():
            return []
        return [
            self._line(path, number, text.split())
            for number, text in enumerate(read_text(path).splitlines(), start=1)
            if text.strip()
        ]

    def _line(self, path: Path, number: int, words: list[str]) -> Line:
        try:
            index, numbers = int(words[0]), tuple(map(float, words[1:]))
        except ValueError as error:
            raise AnnotationError(
                path, f"line {number}: expected a class's index and numbers ({error})"
            ) from error
        count = len(numbers)
        if count != BOX_NUMBERS and (count < 6 or count % 2):
            raise AnnotationError(
                path, f"line {number}: {count} numbers follow the class; a box has 4, a polygon 6, 8, 10, ..."
            )
        if index not in self._names:
            there = f"{min(self._names)} to {max(self._names)}"
            raise AnnotationError(path, f"line {number}: class {index}, but {self._yaml.name} names {there}")
        return Line(number, self._names[index], numbers)


class YoloDataset(FolderDataset):
    """A YOLO folder with the classes to read."""

    kind: ClassVar = YoloFolder


def _find_yaml(root: Path) -> Path | None:
    """Give data.yaml, or the folder's only YAML file."""
    named = [path for path in (root / "data.yaml", root / "data.yml") if path.is_file()]
    found = named or [*root.glob("*.yaml"), *root.glob("*.yml")]
    return found[0] if len(found) == 1 or named else None


def _label_file(photo: Path) -> Path:
    """Give labels/x.txt for images/x.jpg, at the last folder of this name; elsewhere the file beside."""
    parts = list(photo.parent.parts)
    if "images" in parts:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts) / f"{photo.stem}.txt"


def _area(line: Line, size: Size) -> float:
    left, top, right, bottom = line.corners(size)
    return (right - left) * (bottom - top)


def _fill(path: Path, line: Line, size: Size) -> Inside:
    if not line.is_polygon:
        raise AnnotationError(path, f"line {line.number}: a box, no polygon: the photo has no mask")
    height, width = size
    points = [share * (width, height)[index % 2] for index, share in enumerate(line.numbers)]
    try:
        return fill_polygons([points], size)
    except ValueError as error:
        raise AnnotationError(path, f"line {line.number}: {error}") from error
