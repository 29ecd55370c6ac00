"""What labels are worth over a split: counted photo by photo, so that each score has its interval."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE, ClassMap
from contract.metrics import (
    Counts,
    Shares,
    boundary_counts,
    boundary_f,
    class_iou,
    confusion_matrix,
    mean_known,
    share,
)
from training.bootstrap import Interval, draw_sums, percentile_interval

DIGITS = 4
"""Decimals that are kept of a score."""

EDGE_COUNTS = 4
"""Columns of `boundary_counts`."""


@dataclass(frozen=True, slots=True, eq=False)
class Tally:
    """
    What was counted on a photo, on each of many, or over all of them.

    Args:
        counts: (..., K, 2K + 4), a row per true class; the leading axes are photos, or draws of them.
            K columns of pixels inside a box by predicted label, K of those outside all boxes, and the
            four of `boundary_counts`.
    """

    counts: Counts

    @property
    def inside(self) -> Counts:
        """Confusion (..., K, K) of the pixels inside at least one box; row = truth."""
        return self.counts[..., : self._classes]

    @property
    def outside(self) -> Counts:
        """Confusion (..., K, K) of the pixels outside all boxes."""
        return self.counts[..., self._classes : 2 * self._classes]

    @property
    def confusion(self) -> Counts:
        """Confusion (..., K, K) of all pixels."""
        return self.inside + self.outside

    @property
    def boundary(self) -> Counts:
        """Edge pixels (..., K, 4); see `boundary_counts`."""
        return self.counts[..., 2 * self._classes :]

    @property
    def _classes(self) -> int:
        return int(self.counts.shape[-2])


def tally_columns(classes: int) -> int:
    """Give the number of columns of a tally of so many classes."""
    return 2 * classes + EDGE_COUNTS


Measure = Callable[[Tally], Shares]
"""One score of a tally, with the tally's leading axes."""


def count_photo(image: AnnotatedImage, truth: Uint8, predicted: Uint8, classes: int) -> Counts:
    """
    Count what one photo adds to all scores.

    Args:
        image: Gives the boxes.
        truth: (H, W) uint8, IGNORE where void; void is counted nowhere.
        predicted: (H, W) uint8, labels below `classes`.
        classes: Number of classes K.

    Returns:
        (K, 2K + 4) int32 as `Tally` holds them; a photo's pixels fit 32 bits.
    """
    boxed = np.zeros(truth.shape, dtype=bool)
    for box in image.boxes:
        boxed[box.slices] = True
    parts = (
        confusion_matrix(np.where(boxed, truth, IGNORE), predicted, classes),
        confusion_matrix(np.where(boxed, IGNORE, truth), predicted, classes),
        boundary_counts(truth, predicted, classes),
    )
    return np.concatenate(parts, axis=1).astype(np.int32)


@dataclass(frozen=True, eq=False)  # no slots: the drawn sums are kept
class Score:
    """
    How well labels agree with masks over a split.

    Args:
        classes: What the labels mean.
        names: The photos' names.
        photos: What was counted on each, (N, K, 2K + 4).
    """

    classes: ClassMap
    names: tuple[str, ...]
    photos: Tally

    @property
    def total(self) -> Tally:
        """All photos' counts together."""
        return Tally(self.photos.counts.sum(axis=0, dtype=np.int64))

    def named(self, split: str, *, unscored: Collection[str] = ()) -> dict[str, float]:
        """
        Give the scores by name, as checkpoints and manifests keep them.

        Args:
            split: First word of each name.
            unscored: Classes, such as one too rare to score, that a second mean IoU and the mean
                boundary F leave out.
        """
        total = self.total
        return {
            name: round(float(measure(total)), DIGITS)
            for name, measure in measures(self.classes, split, unscored=unscored).items()
        }

    def intervals(self, split: str, *, unscored: Collection[str] = ()) -> dict[str, Interval]:
        """Give the same scores with their 95 % intervals over photos."""
        total = self.total
        return {
            name: percentile_interval(float(measure(total)), measure(self._drawn))
            for name, measure in measures(self.classes, split, unscored=unscored).items()
        }

    def differences(
        self, reference: "Score", split: str, *, unscored: Collection[str] = ()
    ) -> dict[str, Interval]:
        """
        Give what these scores have over a reference's, paired photo by photo, with 95 % intervals.

        An interval speaks of other photos for these two networks, not of other trainings of them.

        Args:
            reference: The other network's score, of the same photos in the same order.
            split: First word of each name.
            unscored: As in `named`.
        """
        own, other = self.total, reference.total
        return {
            name: percentile_interval(
                float(measure(own) - measure(other)), measure(self._drawn) - measure(reference._drawn)
            )
            for name, measure in measures(self.classes, split, unscored=unscored).items()
        }

    def photo_ious(self) -> Shares:
        """Give each photo's mean IoU, (N,), over the classes that its mask or its prediction shows."""
        return mean_known(class_iou(self.photos.confusion))

    @cached_property
    def _drawn(self) -> Tally:
        """Sums over photos drawn many times; slow, so made once."""
        return Tally(draw_sums(self.photos.counts))


def measures(classes: ClassMap, split: str, *, unscored: Collection[str] = ()) -> dict[str, Measure]:
    """Give what is measured, by the names that checkpoints and manifests keep."""
    kept = [label for label, name in enumerate(classes.names) if name not in unscored]
    chosen: dict[str, Measure] = {f"mIoU{len(classes)}": partial(overlap, labels=None)}
    if unscored:
        chosen[f"mIoU{len(kept)}"] = partial(overlap, labels=kept)
    for label, name in enumerate(classes.names):
        chosen[f"IoU {name}"] = partial(overlap, labels=[label])
    chosen |= {
        "boundary F": partial(edge_agreement, labels=kept),
        "in-box error": in_box_error,
        "in-box false positives": in_box_false_positives,
        "in-box false negatives": in_box_false_negatives,
        "out-of-box error": out_of_box_error,
    }
    return {f"{split} {name}": measure for name, measure in chosen.items()}


def overlap(tally: Tally, *, labels: list[int] | None) -> Shares:
    """Give the mean IoU over these classes."""
    return mean_known(class_iou(tally.confusion), labels)


def edge_agreement(tally: Tally, *, labels: list[int]) -> Shares:
    """Give the mean over these classes of the F-score of their edges at 3 px; see `boundary_counts`."""
    return mean_known(boundary_f(tally.boundary), labels)


def in_box_error(tally: Tally) -> Shares:
    """Give the share of the pixels inside boxes that have a wrong label."""
    return in_box_false_positives(tally) + in_box_false_negatives(tally)


def in_box_false_positives(tally: Tally) -> Shares:
    """Give the share of the pixels inside boxes that are background and called an object."""
    wrong = tally.inside[..., BACKGROUND, BACKGROUND + 1 :].sum(axis=-1)
    return share(wrong, _pixels(tally.inside))


def in_box_false_negatives(tally: Tally) -> Shares:
    """Give the share of the pixels inside boxes that are an object's and called background or another's."""
    objects = tally.inside[..., BACKGROUND + 1 :, :]
    right = np.diagonal(tally.inside, axis1=-2, axis2=-1)[..., BACKGROUND + 1 :]
    return share(_pixels(objects) - right.sum(axis=-1), _pixels(tally.inside))


def out_of_box_error(tally: Tally) -> Shares:
    """Give the share of the pixels outside all boxes that are called an object."""
    return share(_pixels(tally.outside[..., BACKGROUND + 1 :]), _pixels(tally.outside))


def _pixels(confusion: Counts) -> Counts:
    pixels: Counts = confusion.sum(axis=(-2, -1))
    return pixels
