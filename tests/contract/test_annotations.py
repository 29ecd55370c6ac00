from pathlib import Path

import numpy as np
import pytest

from contract.annotations import AnnotatedImage, Annotation, Box, Point, Scribble, Tag
from contract.errors import AnnotationError

PHOTO = Path("photos/cat.jpg")


def test_a_box_cuts_its_pixels_out_of_an_array() -> None:
    """A box's ends are exclusive: 2 columns by 1 row here."""
    drawn = np.zeros((4, 4), np.uint8)
    box = Box(1, left=1, top=2, right=3, bottom=3)
    drawn[box.slices] = 1
    assert drawn.tolist() == [
        [0, 0, 0, 0],
        [0, 0, 0, 0],
        [0, 1, 1, 0],
        [0, 0, 0, 0],
    ]
    assert box.area == 2


@pytest.mark.parametrize(
    "corners",
    [
        pytest.param((3, 0, 3, 2), id="no width"),
        pytest.param((0, 2, 3, 2), id="no height"),
        pytest.param((3, 0, 1, 2), id="turned"),
        pytest.param((-1, 0, 3, 2), id="negative"),
    ],
)
def test_a_box_without_area_is_refused(corners: tuple[int, int, int, int]) -> None:
    """A box encloses at least one pixel, at coordinates from 0."""
    with pytest.raises(AnnotationError, match="expected 0 <= left < right"):
        Box(1, *corners)


@pytest.mark.parametrize(
    "outside",
    [
        pytest.param(Box(1, 0, 0, 97, 64), id="box, right"),
        pytest.param(Box(1, 0, 0, 96, 65), id="box, bottom"),
        pytest.param(Point(1, 96, 0), id="point"),
        pytest.param(Scribble(1, ((0, 0), (95, 64))), id="scribble"),
    ],
)
def test_an_annotation_outside_the_photo_is_refused(outside: Annotation) -> None:
    """The message names the photo, its size and the annotation's index."""
    with pytest.raises(AnnotationError, match=r"cat.jpg: annotation 1 lies outside the photo of 96 x 64"):
        AnnotatedImage("cat", PHOTO, (64, 96), (Tag(1), outside))


def test_annotations_up_to_the_border_are_taken() -> None:
    """The last pixel belongs to the photo; boxes are found among the other annotations."""
    whole = Box(1, 0, 0, 96, 64)
    photo = AnnotatedImage(
        "cat", PHOTO, (64, 96), (Tag(1), whole, Point(1, 95, 63), Scribble(1, ((0, 0), (95, 63))))
    )
    assert photo.boxes == (whole,)
