"""How good a network is: mean IoU at the photos' own size, through the same geometry as the server."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
import torch

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.geometry import FitRule
from contract.images import read_image
from contract.metrics import Confusion, class_iou, confusion_matrix, mean_iou
from training.datasets import Dataset
from training.networks.segmentation import SegmentationNetwork, labels_and_confidence
from training.priors import Prior

Segmenter = Callable[[AnnotatedImage], Uint8]
"""Gives an image's labels (H, W) uint8 at its own size."""


@dataclass(frozen=True, slots=True, eq=False)
class Score:
    """
    How well labels agree with masks over a split.

    Args:
        classes: What the labels mean.
        confusion: (K, K) pixel counts; row = truth.
        images: Number of images.
    """

    classes: ClassMap
    confusion: Confusion
    images: int

    def named(self, split: str, *, unscored: Collection[str] = ()) -> dict[str, float]:
        """
        Give the scores by name, as checkpoints and manifests keep them.

        Args:
            split: First word of each name.
            unscored: Classes that a second mean leaves out, such as one too rare to score.
        """
        iou = class_iou(self.confusion)
        scores = {f"{split} mIoU{len(self.classes)}": mean_iou(self.confusion)}
        if unscored:
            kept = [label for label, name in enumerate(self.classes.names) if name not in unscored]
            scores[f"{split} mIoU{len(kept)}"] = mean_iou(self.confusion, kept)
        scores |= {f"{split} IoU {name}": float(iou[label]) for label, name in enumerate(self.classes.names)}
        return {name: round(value, 4) for name, value in scores.items()}


def evaluate(segment: Segmenter, dataset: Dataset, images: Iterable[AnnotatedImage]) -> Score:
    """
    Compare labels with the data set's masks.

    Args:
        segment: What is evaluated: a network, or a prior.
        dataset: Gives the masks.
        images: What to evaluate on; may be a progress bar around them.

    Raises:
        AnnotationError: If an image has no mask.
    """
    classes = len(dataset.classes)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    count = 0
    for image in images:
        confusion += confusion_matrix(dataset.truth(image), segment(image), classes)
        count += 1
    return Score(dataset.classes, confusion, count)


def network_segmenter(network: SegmentationNetwork, fit: FitRule, device: torch.device) -> Segmenter:
    """Give a segmenter that runs a network, one image at a time, at a single scale."""
    network.eval()

    @torch.inference_mode()
    def segment(annotated: AnnotatedImage) -> Uint8:
        image = read_image(annotated.path)
        way = fit.fit(annotated.size)
        pixels = torch.from_numpy(way.fit_image(image)).to(device).permute(2, 0, 1)[None]
        logits = network(network.normalise(pixels))
        labels, confidence = labels_and_confidence(logits, way.network)
        return way.bring_back(labels[0].cpu().numpy(), confidence[0].cpu().numpy())

    return segment


def prior_segmenter(prior: Prior) -> Segmenter:
    """Give a segmenter that runs a prior on an image's own boxes: how good the labels are that it teaches."""
    return lambda annotated: prior.guess(read_image(annotated.path), annotated.boxes)
