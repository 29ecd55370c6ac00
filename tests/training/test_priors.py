import dataclasses
from pathlib import Path

import numpy as np
import pytest

from contract.annotations import Box
from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import AnnotationError
from tests.drawing import draw_photo, random_shapes
from training.datasets.voc import VocDataset
from training.priors.cache import PriorCache, read_guess
from training.priors.grabcut import GrabCut


def photo_with_box(*shape: int) -> tuple[Uint8, Uint8, Box]:
    photo, mask = draw_photo([(8, *shape)], seed=0)  # type: ignore[list-item]
    return photo, mask == 8, Box(1, *shape)


def iou(first: Uint8, second: Uint8) -> float:
    return float((first & second).sum() / (first | second).sum())


def test_grabcut_finds_the_disc_in_its_box() -> None:
    """A disc fills 79 % of its box; GrabCut's mask is the disc, not the box."""
    photo, disc, box = photo_with_box(20, 10, 70, 55)
    assert iou(GrabCut().guess(photo, (box,)) == 1, disc) > 0.95


def test_mask_never_leaves_its_box() -> None:
    """Outside its boxes a guess is background."""
    photo, _, box = photo_with_box(20, 10, 70, 55)
    guess = GrabCut().guess(photo, (box,))
    guess[box.slices] = 0
    assert not guess.any()


def test_a_box_over_the_whole_photo_is_taken_whole() -> None:
    """With nothing outside to learn from, the box is the mask."""
    photo, _, _ = photo_with_box(20, 10, 70, 55)
    assert (GrabCut().guess(photo, (Box(1, 0, 0, 96, 64),)) == 1).all()


def test_an_unbelievable_mask_falls_back_to_the_box() -> None:
    """A mask that fills less of its box than demanded is not believed: the whole box is the mask."""
    photo, _, box = photo_with_box(20, 10, 70, 55)
    assert (GrabCut(least_fill=0.9).guess(photo, (box,))[box.slices] == 1).all()


def test_tiny_boxes_do_not_fail() -> None:
    """Boxes of one pixel, at the border too, give a mask."""
    photo, _, _ = photo_with_box(20, 10, 70, 55)
    boxes = (Box(1, 0, 0, 1, 1), Box(2, 95, 63, 96, 64), Box(1, 40, 30, 42, 31))
    guess = GrabCut().guess(photo, boxes)
    assert guess[0, 0] == 1
    assert guess[63, 95] == 2


def test_small_objects_lie_on_top() -> None:
    """Where boxes overlap, the smaller one's object is seen, in whatever order they come."""
    photo, _ = draw_photo([(12, 5, 5, 90, 60), (8, 30, 20, 60, 50)], seed=0)
    large, small = Box(2, 5, 5, 90, 60), Box(1, 30, 20, 60, 50)
    first, second = (GrabCut().guess(photo, boxes) for boxes in ((large, small), (small, large)))
    assert np.array_equal(first, second)
    assert first[35, 45] == 1


def test_cache_is_filled_once(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """A second run finds every mask, over two processes the same ones as over one."""
    images = VocDataset(drawn_voc, classes).load("train").images
    cache = PriorCache(GrabCut(), tmp_path)
    files = dict(cache.fill(images, workers=2))
    before = {path: path.stat().st_mtime_ns for path in files.values()}
    assert dict(cache.fill(images, workers=1)) == files
    assert {path: path.stat().st_mtime_ns for path in files.values()} == before
    photo = draw_photo(random_shapes(0), 0)[0]
    assert iou(read_guess(files[images[0]]) > 0, GrabCut().guess(photo, images[0].boxes) > 0) > 0.95


def test_cache_goes_by_content(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """Another box or another setting is another file; the same photo under another name is not."""
    image = VocDataset(drawn_voc, classes).load("train").images[0]
    cache = PriorCache(GrabCut(), tmp_path)
    moved = dataclasses.replace(image, annotations=(Box(1, 0, 0, 10, 10),))
    renamed = dataclasses.replace(image, name="other")
    assert cache.path(image) != cache.path(moved)
    assert cache.path(image) != PriorCache(GrabCut(iterations=3), tmp_path).path(image)
    assert cache.path(image) == cache.path(renamed)


def test_damaged_mask_is_named(tmp_path: Path) -> None:
    """A cut-off file in the cache is refused with what to do."""
    (tmp_path / "guess.png").write_bytes(b"\x89PNG")
    with pytest.raises(AnnotationError, match="delete the file"):
        read_guess(tmp_path / "guess.png")
