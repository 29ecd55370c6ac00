from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from contract.annotations import AnnotatedImage, Box
from contract.errors import ConfigurationError
from tests.drawing import draw_photo
from tests.untrained import untrained
from training.evaluate import network_segmenter
from training.inspection import inspect_photo
from training.panels import choose_panels, draw_inspection

CHECKPOINT = untrained("cat", "dog")
CAT, DOG = Box(1, 20, 10, 70, 55), Box(2, 60, 30, 90, 60)


@pytest.fixture
def photo(tmp_path: Path) -> AnnotatedImage:
    """Give a photo of 64 x 96 without boxes."""
    path = tmp_path / "photo.png"
    Image.fromarray(draw_photo([(8, 20, 10, 70, 55)], seed=0)[0]).save(path)
    return AnnotatedImage("photo", path, (64, 96))


@pytest.fixture
def boxed(photo: AnnotatedImage) -> AnnotatedImage:
    """Give the same photo with two boxes."""
    return AnnotatedImage("photo", photo.path, photo.size, (CAT, DOG))


def test_it_shows_what_is_scored(boxed: AnnotatedImage) -> None:
    """The prediction is the one that `evaluate` scores."""
    seen = inspect_photo(CHECKPOINT, boxed, pixel=None)
    segment = network_segmenter(CHECKPOINT.segmentation(), CHECKPOINT.fit, torch.device("cpu"))
    assert np.array_equal(seen.labels, segment(boxed))


def test_maps_show_the_whole_photo(photo: AnnotatedImage) -> None:
    """Padding is cut off: a photo of 50 x 90 fills 53 x 96 of a frame of 64 x 96."""
    Image.open(photo.path).crop((0, 0, 90, 50)).save(photo.path)
    seen = inspect_photo(CHECKPOINT, AnnotatedImage("photo", photo.path, (50, 90)), pixel=(3, 3))
    assert {array.shape for array in (seen.confidence, seen.affinity, *seen.attention.values())} == {(53, 96)}
    assert 1 / 3 <= seen.confidence.min() <= seen.confidence.max() <= 1


def test_attention_is_of_the_boxes_classes(boxed: AnnotatedImage) -> None:
    """Each class with a box has a map within [0, 1]."""
    seen = inspect_photo(CHECKPOINT, boxed, pixel=None)
    assert list(seen.attention) == [1, 2]
    assert all(0 <= values.min() <= values.max() <= 1 for values in seen.attention.values())


@pytest.mark.parametrize("pixel", [(0, 0), (95, 63), (30, 20)])
def test_a_pixel_is_most_like_itself(boxed: AnnotatedImage, pixel: tuple[int, int]) -> None:
    """Affinity is a cosine: 1 at the pixel itself, and nowhere more (float32: 1e-5)."""
    seen = inspect_photo(CHECKPOINT, boxed, pixel=pixel)
    assert seen.pixel == pixel
    assert seen.affinity[pixel[1], pixel[0]] == pytest.approx(1, abs=1e-5)
    assert -1 - 1e-5 <= seen.affinity.min() <= seen.affinity.max() <= 1 + 1e-5


def test_the_pixel_is_in_the_largest_object(photo: AnnotatedImage, boxed: AnnotatedImage) -> None:
    """Where none is named it is the middle of the largest box, or lies in what is predicted."""
    assert inspect_photo(CHECKPOINT, boxed, pixel=None).pixel == (45, 32)
    seen = inspect_photo(CHECKPOINT, photo, pixel=None)
    predicted = seen.labels[seen.pixel[1], seen.pixel[0]]
    assert predicted > 0 or not seen.labels.any()


def test_a_pixel_outside_is_refused(photo: AnnotatedImage) -> None:
    """The message has the photo's size."""
    with pytest.raises(ConfigurationError, match=r"pixel 96,0 lies outside .* of 96 x 64"):
        inspect_photo(CHECKPOINT, photo, pixel=(96, 0))


def test_masks_from_elsewhere_stand_before_the_prediction(
    photo: AnnotatedImage, boxed: AnnotatedImage
) -> None:
    """Each has its title; without any there are the networks' own panels alone."""
    truth = np.full((64, 96), 255, dtype=np.uint8)
    masks = {"GrabCut in the boxes": truth, "ground truth": truth}
    panels = choose_panels(inspect_photo(CHECKPOINT, boxed, pixel=None), CHECKPOINT.classes, masks)
    assert list(panels) == [
        *("photo", "GrabCut in the boxes", "ground truth", "prediction"),
        *("attention: cat", "attention: dog", "affinity to the marked pixel", "confidence"),
    ]
    alone = choose_panels(inspect_photo(CHECKPOINT, photo, pixel=None), CHECKPOINT.classes, {})
    assert list(alone)[:2] == ["photo", "prediction"]


@pytest.mark.parametrize("name", ["seen.png", "seen.JPG"])
def test_the_picture_is_written_whole(boxed: AnnotatedImage, tmp_path: Path, name: str) -> None:
    """One picture in the form that its name says, in a folder that is made, and nothing else."""
    seen = inspect_photo(CHECKPOINT, boxed, pixel=None)
    out = draw_inspection(seen, CHECKPOINT.classes, tmp_path / "out" / name, title="a photo", masks={})
    with Image.open(out) as picture:
        assert picture.format == ("PNG" if name.endswith("png") else "JPEG")
        picture.load()
    assert list(out.parent.iterdir()) == [out]
