"""What a data set holds and what is odd about it: counts, sizes of boxes, broken files and their reasons."""

import random
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rich.console import Console

from contract.annotations import AnnotatedImage, Box
from contract.classes import ClassMap, class_map
from contract.errors import AnnotationError, DataError, ImageError
from contract.images import read_image
from training.datasets.entries import Entry, annotate, pixel_box
from training.datasets.folder import Folder
from training.datasets.renames import label_names
from training.progress import progress_bar

TINY_PX = 16
"""Side below which a box is tiny; a network's finest labels are some pixels wide."""

SAME_IOU = 0.9
"""Two boxes of one class that overlap by this much are likely one object, drawn twice."""

QUANTILES = (0.05, 0.5, 0.95)
GREY = ("1", "L", "LA", "I", "I;16")
"""Pillow's modes without colour."""

SAMPLE = 12
SEED = 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    What is looked at.

    Args:
        classes: The classes to count, after renaming; empty for all there are.
        renames: New name by the name in the annotations.
        pixels: Decode every photo, not its header alone.
    """

    classes: tuple[str, ...] = ()
    renames: Mapping[str, str] = field(default_factory=dict)
    pixels: bool = False

    def name(self, written: str) -> str | None:
        """Give the class that a name in the annotations means, or None if it is not looked at."""
        name = self.renames.get(written, written)
        return name if not self.classes or name in self.classes else None


@dataclass(slots=True)
class ClassCount:
    """
    One class in one split.

    Args:
        photos: Photos that show it.
        difficult: Objects flagged difficult.
        sides: Each box's side, the root of its area [px].
    """

    photos: int = 0
    difficult: int = 0
    sides: "array[float]" = field(default_factory=lambda: array("f"))

    @property
    def objects(self) -> int:
        """Number of boxes."""
        return len(self.sides)

    @property
    def tiny(self) -> float:
        """Share of the boxes whose side is less than `TINY_PX`; 0 of no boxes."""
        return float(np.mean(np.asarray(self.sides) < TINY_PX)) if self.sides else 0.0

    @property
    def quantiles(self) -> dict[float, float]:
        """The sides [px] by quantile; none of no boxes."""
        if not self.sides:
            return {}
        return dict(zip(QUANTILES, map(float, np.quantile(self.sides, QUANTILES)), strict=True))


@dataclass(slots=True)
class Oddity:
    """Something worth a look: how often, and the first photo to look at."""

    count: int
    first: str


@dataclass(slots=True)
class SplitSurvey:
    """
    What one split holds; filled photo by photo.

    Args:
        split: Its name.
        listed: Photos in its list.
        classes: By name; those declared or asked for, too, where they have no box.
        oddities: By what they are.
        broken: What cannot be used, and why.
        unmet: Names to be renamed that no box has had yet.
        sample: Some entries with boxes, drawn evenly from all.
    """

    split: str
    listed: int = 0
    classes: dict[str, ClassCount] = field(default_factory=dict)
    oddities: dict[str, Oddity] = field(default_factory=dict)
    broken: list[DataError] = field(default_factory=list)
    unmet: set[str] = field(default_factory=set)
    sample: list[Entry] = field(default_factory=list)
    _boxed: int = 0
    _random: random.Random = field(default_factory=lambda: random.Random(SEED))

    @property
    def warnings(self) -> list[str]:
        """What to look at, each a sentence's worth."""
        empty = [name for name, count in self.classes.items() if not count.objects]
        difficult = [
            name for name, count in self.classes.items() if count.objects and count.difficult == count.objects
        ]
        return [
            *([f"no box of {', '.join(empty)}"] if empty else []),
            *([f"renamed, but no box has it: {', '.join(sorted(self.unmet))}"] if self.unmet else []),
            *([f"every box is flagged difficult: {', '.join(difficult)}"] if difficult else []),
            *(f"{kind}: {odd.count}, first {odd.first}" for kind, odd in self.oddities.items()),
        ]

    def add(self, entry: Entry, wanted: Wanted) -> None:
        """
        Count one photo.

        Raises:
            AnnotationError: If one of its boxes cannot be used.
        """
        drawn = [(name, box) for box in entry.boxes if (name := wanted.name(box.name)) is not None]
        labels = {name: label for label, name in enumerate(dict.fromkeys(name for name, _ in drawn))}
        boxes = [pixel_box(entry, box, labels[name]) for name, box in drawn]
        for (name, written), box in zip(drawn, boxes, strict=True):
            count = self.classes.setdefault(name, ClassCount())
            count.sides.append(box.area**0.5)
            count.difficult += written.difficult
        for name in labels:
            self.classes[name].photos += 1
        self.unmet.difference_update(box.name for box in entry.boxes)
        all_difficult = bool(drawn) and all(box.difficult for _, box in drawn)
        for kind, times in find_oddities(entry, boxes, all_difficult=all_difficult).items():
            self.oddities.setdefault(kind, Oddity(0, entry.name)).count += times
        if boxes:
            self._keep(entry)

    def _keep(self, entry: Entry) -> None:
        """Keep each entry with equal chance (reservoir sampling)."""
        self._boxed += 1
        if len(self.sample) < SAMPLE:
            self.sample.append(entry)
        elif (place := self._random.randrange(self._boxed)) < SAMPLE:
            self.sample[place] = entry

    def as_dict(self) -> dict[str, Any]:
        """Give all but the sample, for JSON."""
        return {
            "photos": self.listed,
            "classes": {
                name: {
                    "objects": count.objects,
                    "photos": count.photos,
                    "difficult": count.difficult,
                    "side_px": {f"{share:.0%}": side for share, side in count.quantiles.items()},
                    "tiny": count.tiny,
                }
                for name, count in self.classes.items()
            },
            "warnings": self.warnings,
            "broken": [error.message for error in self.broken],
        }


def survey_split(folder: Folder, split: str, wanted: Wanted, console: Console) -> SplitSurvey:
    """
    Look at each photo of a split; broken ones are counted, and do not stop it.

    Args:
        folder: The data set.
        split: One of its splits.
        wanted: What to look at.
        console: Where progress is shown.
    """
    survey = SplitSurvey(split, unmet=set(wanted.renames))
    try:
        keys = folder.keys(split)
        names = wanted.classes or tuple(wanted.renames.get(name, name) for name in folder.declared(split))
    except DataError as error:
        survey.broken.append(error)
        return survey
    survey.listed = len(keys)
    survey.classes.update((name, ClassCount()) for name in names)
    with progress_bar(console, f"checking {split}", len(keys)) as bar:
        for key in bar.around(keys):
            try:
                entry = folder.read(split, key)
                if wanted.pixels:
                    check_pixels(entry)
                survey.add(entry, wanted)
            except AnnotationError as error:
                survey.broken.append(error)
    if not wanted.classes:
        survey.classes = dict(sorted(survey.classes.items()))
    return survey


def find_oddities(entry: Entry, boxes: Sequence[Box], *, all_difficult: bool) -> dict[str, int]:
    """Count what is odd about one photo, by what it is."""
    header = entry.header
    counts = {
        "photos without a box": not boxes,
        "photos of another size than their boxes were drawn on": entry.drawn_on not in (None, header.size),
        "photos whose boxes are all flagged difficult": all_difficult,
        f"boxes of less than {TINY_PX} px": sum(box.area < TINY_PX**2 for box in boxes),
        "boxes on top of another of their class": count_doubles(boxes),
        "photos one pixel wide or high": min(header.size) == 1,
        "grey photos (fine)": header.mode in GREY,
        "CMYK photos (fine)": header.mode == "CMYK",
    }
    return {kind: int(count) for kind, count in counts.items() if count}


def sound_sample(survey: SplitSurvey) -> list[Entry]:
    """Give the sample's entries whose photos can be decoded; the others are counted as broken."""
    sound = []
    for entry in survey.sample:
        try:
            check_pixels(entry)
            sound.append(entry)
        except AnnotationError as error:
            survey.broken.append(error)
    return sound


def check_pixels(entry: Entry) -> None:
    """
    Decode an entry's photo.

    Raises:
        AnnotationError: If its pixels are damaged.
    """
    try:
        read_image(entry.photo)
    except ImageError as error:
        raise AnnotationError.of_photo(entry.photo, error) from error


def count_doubles(boxes: Sequence[Box]) -> int:
    """Count the boxes that nearly cover an earlier one of their class."""
    labels, areas = np.array([box.label for box in boxes]), np.array([box.area for box in boxes])
    if len(set(labels.tolist())) == len(boxes):
        return 0
    sides = np.array([(box.left, box.top, box.right, box.bottom) for box in boxes], dtype=np.float32)
    first = np.maximum(sides[:, None, :2], sides[None, :, :2])
    last = np.minimum(sides[:, None, 2:], sides[None, :, 2:])
    overlap = (last - first).clip(min=0).prod(axis=2)
    iou = overlap / (areas[:, None] + areas[None, :] - overlap)
    same = (iou >= SAME_IOU) & (labels[:, None] == labels[None, :])
    return int(np.triu(same, 1).any(axis=0).sum())


def sheet_images(
    surveys: Sequence[SplitSurvey], wanted: Wanted
) -> tuple[list[AnnotatedImage], ClassMap] | None:
    """
    Give the samples' photos that can be decoded, to be drawn, and what their boxes' labels mean.

    Returns:
        None if no photo has a box.
    """
    entries = [entry for survey in surveys for entry in sound_sample(survey)]
    if not entries:
        return None
    met = dict.fromkeys(wanted.name(box.name) for entry in entries for box in entry.boxes)
    classes = class_map([name for name in met if name and name != "background"])
    labels = label_names(classes, wanted.renames)
    return [annotate(entry, labels) for entry in entries], classes
