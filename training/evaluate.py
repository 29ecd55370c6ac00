"""How good a network is: its labels at the photos' own size, through the same geometry as the server."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from contract.annotations import AnnotatedImage
from contract.arrays import Size, Uint8
from contract.errors import ConfigurationError
from contract.geometry import CERTAIN, FitRule
from contract.images import read_image
from training.datasets import Dataset
from training.networks.segmentation import SegmentationNetwork, labels_and_confidence
from training.priors import Prior
from training.score import Score, Tally, count_photo, tally_columns

Segmenter = Callable[[AnnotatedImage], Uint8]
"""Gives an image's labels (H, W) uint8 at its own size."""

MAX_SCALE = 4
"""A photo enlarged more than this shows nothing new and fills the memory."""


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
    names, counts = [], []
    for image in images:
        names.append(image.name)
        counts.append(count_photo(image, dataset.truth(image), segment(image), classes))
    rows = np.array(counts, dtype=np.int32).reshape(-1, classes, tally_columns(classes))
    return Score(dataset.classes, tuple(names), Tally(rows))


def network_segmenter(network: SegmentationNetwork, fit: FitRule, device: torch.device) -> Segmenter:
    """Give a segmenter that runs a network, one image at a time, at a single scale."""
    network.eval()

    @torch.inference_mode()
    def segment(annotated: AnnotatedImage) -> Uint8:
        way = fit.fit(annotated.size)
        logits = _logits(network, way.fit_image(read_image(annotated.path)), device)
        labels, confidence = labels_and_confidence(logits, way.network)
        return way.bring_back(labels[0].cpu().numpy(), confidence[0].cpu().numpy())

    return segment


def multi_scale_segmenter(
    network: SegmentationNetwork,
    fit: FitRule,
    device: torch.device,
    *,
    scales: Sequence[float],
    flip: bool = False,
) -> Segmenter:
    """
    Give a segmenter that averages a network's probabilities over scales and mirror images.

    Args:
        network: What is run, one image at a time.
        fit: How images enter it at scale 1.
        device: Where it runs.
        scales: Of the rule's long side; each is rounded to the rule's multiple.
        flip: Look at each scale's mirror image too.

    Raises:
        ConfigurationError: If there is no scale, or one is out of (0, MAX_SCALE].
    """
    network.eval()
    rules = scaled_rules(fit, scales)

    def segment(annotated: AnnotatedImage) -> Uint8:
        image, way = read_image(annotated.path), fit.fit(annotated.size)
        seen = mean_probabilities(network, image, rules, device, way.inner, flip=flip)
        best, labels = seen.max(dim=0)
        beside = (0, way.network[1] - way.inner[1], 0, way.network[0] - way.inner[0])
        parts = (labels, (best * CERTAIN).round())
        return way.bring_back(*(F.pad(part.to(torch.uint8), beside).cpu().numpy() for part in parts))

    return segment


def scaled_rules(fit: FitRule, scales: Sequence[float]) -> list[FitRule]:
    """
    Give the rule at each scale.

    Raises:
        ConfigurationError: If there is no scale, or one is out of (0, MAX_SCALE].
    """
    if not scales or not all(0 < scale <= MAX_SCALE for scale in scales):
        raise ConfigurationError(
            f"scales: expected numbers above 0 and up to {MAX_SCALE}, got {list(scales)}",
            hint="such as 0.75,1,1.25",
        )
    steps = (max(1, round(fit.long_side * scale / fit.multiple)) for scale in scales)
    return [FitRule(step * fit.multiple, fit.multiple) for step in steps]


@torch.inference_mode()
def mean_probabilities(
    network: SegmentationNetwork,
    image: Uint8,
    rules: Sequence[FitRule],
    device: torch.device,
    size: Size,
    *,
    flip: bool,
) -> Tensor:
    """
    Average a network's probabilities over scales and mirror images: (K, *size).

    Args:
        network: In evaluation mode.
        image: (H, W, 3) uint8 RGB.
        rules: How the image enters it, one per scale.
        device: Where it runs.
        size: Of the answer [px].
        flip: Look at each scale's mirror image too.
    """
    views = (False, True) if flip else (False,)
    seen = [
        _probabilities(network, image, rule, device, size, mirrored=mirrored)
        for rule in rules
        for mirrored in views
    ]
    return torch.stack(seen).mean(dim=0)


def _probabilities(
    network: SegmentationNetwork,
    image: Uint8,
    rule: FitRule,
    device: torch.device,
    size: Size,
    *,
    mirrored: bool,
) -> Tensor:
    """Give each class's probability (K, *size) as the network sees it at one scale, padding cut off."""
    height, width = image.shape[:2]
    way = rule.fit((height, width))
    logits = _logits(network, way.fit_image(image[:, ::-1] if mirrored else image), device)
    whole = F.interpolate(logits, way.network, mode="bilinear", align_corners=False).softmax(dim=1)
    inner = whole[..., : way.inner[0], : way.inner[1]]
    turned = inner.flip(-1) if mirrored else inner
    return F.interpolate(turned, size, mode="bilinear", align_corners=False)[0]


def _logits(network: SegmentationNetwork, frame: Uint8, device: torch.device) -> Tensor:
    """Run a network on one fitted image, (h, w, 3) uint8."""
    pixels = torch.from_numpy(frame).to(device).permute(2, 0, 1)[None]
    logits: Tensor = network(network.normalise(pixels))
    return logits


def prior_segmenter(prior: Prior) -> Segmenter:
    """Give a segmenter that runs a prior on an image's own boxes: how good the labels are that it teaches."""
    return lambda annotated: prior.guess(read_image(annotated.path), annotated.boxes)
