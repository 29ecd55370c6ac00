"""Scores of labels on drawn masks: what is counted where, and when a difference is called one."""

import math
from pathlib import Path

import numpy as np
import pytest

from contract.annotations import AnnotatedImage, Box
from contract.classes import IGNORE, ClassMap
from training.score import Score, Tally, count_photo

BOXED = AnnotatedImage("boxed", Path("boxed.jpg"), (4, 6), (Box(1, 0, 0, 4, 2), Box(2, 1, 1, 4, 2)))
TRUTH = np.array(
    [
        [0, 1, 1, IGNORE, 0, 0],
        [0, 1, 2, 2, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, IGNORE, 0],
    ],
    dtype=np.uint8,
)
PREDICTED = np.array(
    [
        [1, 1, 0, 2, 0, 1],
        [0, 1, 1, 2, 0, 0],
        [0, 0, 0, 0, 0, 0],
        [0, 0, 0, 0, 2, 0],
    ],
    dtype=np.uint8,
)


def score(*predictions: np.ndarray, truth: np.ndarray = TRUTH) -> Score:
    """Score as many photos as there are predictions, all with the same mask and boxes."""
    classes = ClassMap(("background", "cat", "dog"))
    counts = [count_photo(BOXED, truth, predicted, len(classes)) for predicted in predictions]
    return Score(classes, tuple(f"photo_{n}" for n in range(len(counts))), Tally(np.stack(counts)))


def test_errors_inside_and_outside_boxes() -> None:
    """Of 7 counted pixels in boxes 3 are wrong: 1 background, 2 of objects; of 15 outside 1 is an object."""
    found = score(PREDICTED).named("val")
    assert found["val in-box error"] == round(3 / 7, 4)
    assert found["val in-box false positives"] == round(1 / 7, 4)
    assert found["val in-box false negatives"] == round(2 / 7, 4)
    assert found["val out-of-box error"] == round(1 / 15, 4)


def test_names_stay_and_new_ones_come_after_them() -> None:
    """Checkpoints and manifests keep scores by these names, as plain numbers."""
    found = score(PREDICTED).named("val", unscored=["dog"])
    assert list(found) == [
        *("val mIoU3", "val mIoU2", "val IoU background", "val IoU cat", "val IoU dog", "val boundary F"),
        *("val in-box error", "val in-box false positives", "val in-box false negatives"),
        "val out-of-box error",
    ]
    assert {type(value) for value in found.values()} == {float}
    assert found["val IoU cat"] == round(2 / 6, 4)
    assert found["val mIoU2"] == pytest.approx(
        (found["val IoU background"] + found["val IoU cat"]) / 2, abs=1e-4
    )


def test_unscored_classes_are_left_out_of_the_boundary() -> None:
    """The boundary F is the mean over the classes of the second mean IoU."""
    truth, wrong_dog = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint8)
    truth[10:20, 10:20] = wrong_dog[10:20, 10:20] = 1
    truth[10:20, 40:50] = 2
    found = score(wrong_dog, truth=truth)
    assert found.named("val")["val boundary F"] == 0.5
    assert found.named("val", unscored=["dog"])["val boundary F"] == 1.0


def test_without_boxes_there_is_no_error_in_them() -> None:
    """A photo without boxes is all outside: errors in boxes are no number."""
    counts = count_photo(AnnotatedImage("none", Path("none.jpg"), (4, 6)), TRUTH, PREDICTED, 3)
    found = Score(ClassMap(("background", "cat", "dog")), ("none",), Tally(counts[None])).named("val")
    assert math.isnan(found["val in-box error"])
    assert found["val out-of-box error"] == round(6 / 22, 4)


def test_an_interval_holds_its_score() -> None:
    """Intervals carry the scores' own names and values, and lie around them."""
    found = score(PREDICTED, TRUTH % IGNORE, PREDICTED)
    intervals = found.intervals("val")
    assert {name: round(interval.value, 4) for name, interval in intervals.items()} == found.named("val")
    assert all(interval.low <= interval.value <= interval.high for interval in intervals.values())


def test_photos_alike_have_no_interval() -> None:
    """Where every photo says the same, so does every draw."""
    interval = score(*[PREDICTED] * 5).intervals("val")["val mIoU3"]
    assert interval.low == pytest.approx(interval.value, abs=1e-12)
    assert interval.high == pytest.approx(interval.value, abs=1e-12)


def noisy(share: float, photos: int = 20) -> list[np.ndarray]:
    """Draw predictions that have this share of their pixels wrong, at random."""
    generator = np.random.default_rng(int(100 * share))
    right = TRUTH % IGNORE
    return [np.where(generator.random(right.shape) < share, (right + 1) % 3, right) for _ in range(photos)]


def test_a_network_is_no_better_than_itself() -> None:
    """The difference of identical runs is 0, its interval is [0, 0], and none is shown."""
    found = score(*noisy(0.2))
    for difference in found.differences(score(*noisy(0.2)), "val").values():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0)
        assert not difference.excludes_zero


def test_a_better_network_is_shown_to_be() -> None:
    """With a tenth of the wrong pixels over 20 photos, mean IoU is higher and the error in boxes lower."""
    better, worse = score(*noisy(0.03)), score(*noisy(0.3))
    found = better.differences(worse, "val")
    assert found["val mIoU3"].excludes_zero
    assert found["val mIoU3"].low > 0
    assert found["val in-box error"].high < 0


def test_chance_is_not_shown_as_a_difference() -> None:
    """Two networks that are wrong equally often, elsewhere, differ by nothing that is shown."""
    found = score(*noisy(0.20)).differences(score(*noisy(0.21)), "val")
    assert found["val mIoU3"].value != 0
    assert not found["val mIoU3"].excludes_zero


def test_photos_have_their_own_mean_iou() -> None:
    """A photo's mean is over the classes that its mask or its prediction shows."""
    empty = np.zeros_like(TRUTH)
    ious = score(empty, PREDICTED, truth=empty).photo_ious()
    assert ious.tolist() == pytest.approx([1, (16 / 24 + 0 + 0) / 3])


def test_pixels_of_a_large_photo_are_counted_exactly() -> None:
    """Counts of a photo fit 32 bits, and those of many are summed in 64."""
    rows = np.full((3, 2, 8), 2**30, np.int32)
    assert (
        Score(ClassMap(("background", "cat")), ("a", "b", "c"), Tally(rows)).total.counts.max() == 3 * 2**30
    )
