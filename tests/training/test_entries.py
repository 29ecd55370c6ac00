import math
from pathlib import Path

import pytest

from contract.annotations import Box
from contract.errors import AnnotationError
from contract.images import Header
from training.datasets.entries import Entry, NamedBox, annotate, pixel_box, read_lines

Corners = tuple[float, float, float, float]


def entry(*boxes: NamedBox) -> Entry:
    return Entry("a", Path("a.jpg"), Header((64, 96), "RGB"), Path("a.txt"), boxes)


def named(corners: Corners, name: str = "cat") -> NamedBox:
    return NamedBox(name, corners, "line 2", "as written")


@pytest.mark.parametrize(
    ("corners", "pixels"),
    [
        ((3, 4, 10, 20), (3, 4, 10, 20)),
        ((3.2, 4.9, 9.1, 19.5), (3, 4, 10, 20)),
        ((2.996, 4.004, 10.003, 19.998), (3, 4, 10, 20)),
        ((5.2, 5.2, 5.7, 5.7), (5, 5, 6, 6)),
        ((-0.4, -0.9, 96.3, 64.9), (0, 0, 96, 64)),
        ((0, 0, 1, 64), (0, 0, 1, 64)),
    ],
    ids=["whole", "fractions", "rounded", "within a pixel", "overhang below a pixel", "one pixel wide"],
)
def test_a_box_covers_the_pixels_it_reaches_into(corners: Corners, pixels: tuple[int, ...]) -> None:
    """Fractions cover whole pixels, rounding errors none, and an overhang below one pixel is cut off."""
    assert pixel_box(entry(), named(corners), 1) == Box(1, *pixels)


@pytest.mark.parametrize(
    "corners",
    [
        (-1, 0, 5, 5),
        (0, 0, 97, 5),
        (0, 0, 5, 70),
        (96.2, 0, 96.8, 5),
        (5, 5, 5, 9),
        (9, 5, 5, 9),
        (0, 0, math.nan, 5),
        (0, 0, math.inf, 5),
    ],
    ids=["left", "right", "below", "wholly outside", "no width", "turned round", "nan", "infinite"],
)
def test_a_box_that_cannot_be_is_refused(corners: Corners) -> None:
    """No area, or a pixel or more outside: refused with file, line and what stands there."""
    with pytest.raises(
        AnnotationError, match=r"a\.txt: line 2: box as written lies outside its 96 x 64 photo"
    ):
        pixel_box(entry(), named(corners), 1)


def test_boxes_without_a_label_are_background() -> None:
    """Names that are not asked for give no box, not even when they lie outside."""
    image = annotate(entry(named((0, 0, 5, 5)), named((0, 0, 500, 5), name="dog")), {"cat": 1})
    assert image.boxes == (Box(1, 0, 0, 5, 5),)


def test_lists_keep_blanks_in_names(tmp_path: Path) -> None:
    """A list from Windows has a mark in front, other line ends and names with blanks; all are read."""
    (tmp_path / "list.txt").write_bytes(b"\xef\xbb\xbfIMG 1\r\n\r\nIMG 2\r\n")
    assert read_lines(tmp_path / "list.txt") == ["IMG 1", "IMG 2"]


def test_a_list_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 end as a sentence with the file's name."""
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(AnnotationError, match=r"list\.txt: not readable as UTF-8 text"):
        read_lines(tmp_path / "list.txt")
