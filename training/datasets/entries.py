"""One photo as its annotation file has it: boxes under class names, and how they become ours."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from contract.annotations import AnnotatedImage, Box
from contract.arrays import Size
from contract.errors import AnnotationError, ImageError
from contract.images import Header, read_header

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".JPG", ".JPEG", ".PNG", ".WEBP", ".BMP")
"""What a photo's name may end in, the common ones first."""

OVERHANG_PX = 1.0
"""A box that ends less than this outside its photo was rounded there, and is cut at the edge."""

ROUNDING_PX = 0.01
"""A box reaches into a pixel if by more than this: coordinates of six digits are not exact."""


@dataclass(frozen=True, slots=True)
class NamedBox:
    """
    A box under its class's name.

    Args:
        name: The class's, as it stands in the file.
        corners: left, top, right, bottom [px], counted from 0, ends exclusive; not yet checked.
        where: Its place in the file, such as "object 3" or "line 2".
        text: The coordinates as they stand in the file, for messages.
        difficult: Whether the annotator flagged it so.
    """

    name: str
    corners: tuple[float, float, float, float]
    where: str
    text: object
    difficult: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One photo of a split, before classes are chosen.

    Args:
        name: Its id in the data set.
        photo: The photo's file.
        header: What that says of itself.
        file: The file that the boxes stand in.
        boxes: All that were drawn; crowds are left out.
        drawn_on: (height, width) that the file says the boxes were drawn on [px]; None where it says nothing.
    """

    name: str
    photo: Path
    header: Header
    file: Path
    boxes: tuple[NamedBox, ...]
    drawn_on: Size | None = None


def annotate(entry: Entry, labels: Mapping[str, int]) -> AnnotatedImage:
    """
    Give an entry's photo with the boxes that have a label; others count as background.

    Args:
        entry: As it was read.
        labels: Label by name.

    Raises:
        AnnotationError: If one of these boxes lies outside the photo or has no area.
    """
    boxes = (pixel_box(entry, box, labels[box.name]) for box in entry.boxes if box.name in labels)
    return AnnotatedImage(entry.name, entry.photo, entry.header.size, tuple(boxes))


def pixel_box(entry: Entry, box: NamedBox, label: int) -> Box:
    """
    Give the box of all pixels that a box reaches into.

    An overhang below one pixel is cut off at the photo's edge.

    Raises:
        AnnotationError: If it reaches further out, or has no area.
    """
    height, width = entry.header.size
    left, top, right, bottom = box.corners
    inside = min(left, top) > -OVERHANG_PX and right < width + OVERHANG_PX and bottom < height + OVERHANG_PX
    if inside and left < right and top < bottom:
        columns = max(0, math.floor(left + ROUNDING_PX)), min(width, math.ceil(right - ROUNDING_PX))
        rows = max(0, math.floor(top + ROUNDING_PX)), min(height, math.ceil(bottom - ROUNDING_PX))
        if columns[0] < columns[1] and rows[0] < rows[1]:
            return Box(label, columns[0], rows[0], columns[1], rows[1])
    problem = f"{box.where}: box {box.text} lies outside its {width} x {height} photo or has no area"
    raise AnnotationError(entry.file, problem)


def photo_header(photo: Path) -> Header:
    """
    Read the header of a photo that is listed.

    Raises:
        AnnotationError: If it is missing or no photo.
    """
    try:
        return read_header(photo)
    except ImageError as error:
        raise AnnotationError.of_photo(photo, error) from error


def said_size(height: object, width: object) -> Size | None:
    """Give (height, width) as an annotation file says them; None of what is missing, no number, or 0."""
    try:
        size = int(str(height)), int(str(width))
    except ValueError:
        return None
    return size if min(size) > 0 else None


def read_text(path: Path) -> str:
    """
    Read a list or an annotation file of plain text.

    Raises:
        AnnotationError: If it is missing or no UTF-8 text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")  # editors on Windows put a mark in front
    except FileNotFoundError as error:
        raise AnnotationError(path, "no such file") from error
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(path, f"not readable as UTF-8 text ({error})") from error


def read_lines(path: Path) -> list[str]:
    """
    Read a list: one item a line, blank lines left out; raises as `read_text`.

    An item may hold blanks, as photos' names do.
    """
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]
