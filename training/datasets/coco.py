"""Reads COCO instances JSON: boxes, and masks when asked."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from pycocotools import mask as rle

from contract.annotations import AnnotatedImage
from contract.arrays import Size, Uint8
from contract.classes import IGNORE
from contract.errors import AnnotationError, DataError
from training.datasets.entries import Entry, NamedBox, photo_header
from training.datasets.folder import Folder, FolderDataset
from training.datasets.instances import Drawn, Instances, read_instances
from training.datasets.polygons import Inside, draw_objects, fill_polygons

PREFIX = "instances_"


@dataclass(frozen=True)
class CocoFolder(Folder):
    """Holds annotations/instances_<split>.json; photos in <split>/, images/<split>/, images/ or here."""

    layout = "COCO"
    _listed: dict[str, Instances] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Boxes of the split that is being listed."""
    _masked: dict[str, Instances] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Masks of the splits that were asked for any."""
    _places: dict[str, tuple[str, str]] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Split and image id by the name of a photo that was read."""

    @staticmethod
    def fits(root: Path) -> bool:
        """Tell whether there is a file of instances."""
        return any((root / "annotations").glob(f"{PREFIX}*.json"))

    def splits(self) -> tuple[str, ...]:
        """Name the splits that have a file of instances."""
        paths = (self.root / "annotations").glob(f"{PREFIX}*.json")
        return tuple(sorted(path.stem.removeprefix(PREFIX) for path in paths))

    def keys(self, split: str) -> list[str]:
        """List the image ids."""
        return list(self._instances(split).photos)

    def read(self, split: str, key: str) -> Entry:
        """Read one image's header and boxes; it is named by its file's path in the folder."""
        instances = self._instances(split)
        photo = self._photo(split, instances.photos[key])
        header = photo_header(photo)
        name = self.photo_name(photo)
        self._places[name] = split, key
        boxes = (_named_box(instances, drawn) for drawn in instances.drawn.get(key, ()) if not drawn.crowd)
        return Entry(name, photo, header, instances.path, tuple(boxes), instances.sizes.get(key))

    def declared(self, split: str) -> tuple[str, ...]:
        """Name the categories."""
        return tuple(self._instances(split).categories.values())

    def mask(self, image: AnnotatedImage, labels: Mapping[str, int]) -> Uint8:
        """Draw the image's instance masks, large first; crowds are IGNORE."""
        split, key = self._places[image.name]
        if split not in self._masked:
            self._masked[split] = read_instances(self._file(split), masks=True)
        return draw_objects(image.size, _objects(self._masked[split], key, image.size, labels))

    def forget(self) -> None:
        """Let go of the split that was listed."""
        self._listed.clear()

    def _instances(self, split: str) -> Instances:
        if split not in self._listed:
            self.forget()
            self._listed[split] = read_instances(self._file(split), masks=False)
        return self._listed[split]

    def _file(self, split: str) -> Path:
        path = self.root / "annotations" / f"{PREFIX}{split}.json"
        if not path.is_file():
            raise DataError(f"{path}: no such split", hint=f"there are: {', '.join(self.splits()) or 'none'}")
        return path

    def _photo(self, split: str, file_name: str) -> Path:
        usual = self.root / split / file_name
        places = (Path(split), Path("images", split), Path("images"), Path())
        paths = (self.root / place / file_name for place in places)
        return next((path for path in paths if path.is_file()), usual)


class CocoDataset(FolderDataset):
    """A COCO folder with the classes to read."""

    kind: ClassVar = CocoFolder


def _named_box(instances: Instances, drawn: Drawn) -> NamedBox:
    try:
        x, y, width, height = map(float, drawn.bbox)
    except (TypeError, ValueError) as error:
        problem = f"{drawn.where}: bbox is {drawn.bbox!r}, not [x, y, w, h]"
        raise AnnotationError(instances.path, problem) from error
    return NamedBox(instances.class_name(drawn), (x, y, x + width, y + height), drawn.where, drawn.bbox)


def _objects(
    instances: Instances, key: str, size: Size, labels: Mapping[str, int]
) -> Iterator[tuple[float, int, partial[Inside]]]:
    """Give area, label and pixels of each object that has a label."""
    for drawn in instances.drawn.get(key, ()):
        name = instances.class_name(drawn)
        if name not in labels:
            continue
        area = 0 if drawn.area is None else drawn.area  # without it, in the file's order
        if not isinstance(area, int | float):
            raise AnnotationError(instances.path, f"{drawn.where}: area is {drawn.area!r}, no number")
        yield (
            area,
            IGNORE if drawn.crowd else labels[name],
            partial(_decode, instances.path, drawn, size),
        )


def _decode(path: Path, drawn: Drawn, size: Size) -> Inside:
    """Give an object's pixels."""
    if not drawn.segmentation:
        raise AnnotationError(path, f"{drawn.where} has no mask")
    try:
        if isinstance(drawn.segmentation, list):
            return fill_polygons(drawn.segmentation, size)
        return _decode_runs(drawn.segmentation, size)
    except (TypeError, ValueError, KeyError) as error:
        raise AnnotationError(path, f"{drawn.where}: unreadable mask ({error})") from error


def _decode_runs(segmentation: dict[str, Any], size: Size) -> Inside:
    """Decode run lengths, packed into a string or plain."""
    counts = segmentation["counts"]
    if tuple(segmentation["size"]) != size:
        raise ValueError(f"of size {segmentation['size']}, the photo is {list(size)}")
    if isinstance(counts, list) and sum(counts) != size[0] * size[1]:
        raise ValueError(f"run lengths of {sum(counts)} pixels, the photo has {size[0] * size[1]}")
    packed = rle.frPyObjects(segmentation, *size) if isinstance(counts, list) else segmentation
    inside: Inside = rle.decode(packed).astype(bool)
    return inside
