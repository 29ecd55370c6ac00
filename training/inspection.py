"""All that a checkpoint's networks make of one photo: prediction, confidence, attention and affinity."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from contract.annotations import AnnotatedImage, Box
from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE
from contract.errors import ConfigurationError
from contract.geometry import Fit
from contract.images import read_image
from training.checkpoint import Checkpoint
from training.networks.box2seg import Prediction
from training.networks.segmentation import labels_and_confidence

Map = npt.NDArray[np.float32]
Point = tuple[int, int]
"""(x, y) [px] in the photo."""


@dataclass(frozen=True, slots=True, eq=False)
class Inspection:
    """
    What there is to see of one photo.

    Args:
        image: (H, W, 3) uint8 RGB.
        boxes: In its pixels; empty where none are known.
        labels: (H, W) uint8, the prediction.
        confidence: (h, w) probability of the predicted class, in [0, 1]; shows the whole photo.
        attention: By label of a class that is there, (h, w) in [0, 1].
        pixel: The pixel that `affinity` is about.
        affinity: (h, w) cosine of each pixel's embedding with that pixel's, in [-1, 1].
    """

    image: Uint8
    boxes: tuple[Box, ...]
    labels: Uint8
    confidence: Map
    attention: dict[int, Map]
    pixel: Point
    affinity: Map


def inspect_photo(checkpoint: Checkpoint, annotated: AnnotatedImage, *, pixel: Point | None) -> Inspection:
    """
    Ask all three networks about a photo.

    Args:
        checkpoint: The networks.
        annotated: The photo, with boxes or without.
        pixel: Whose affinity to look at; None for the middle of the largest object.

    Raises:
        ConfigurationError: If the pixel lies outside the photo.
    """
    image, boxes = read_image(annotated.path), annotated.boxes
    fit = checkpoint.fit.fit(annotated.size)
    prediction = _predict(checkpoint, fit, image)
    labels, confidence = labels_and_confidence(prediction.logits_BKhw, fit.network)
    seen = fit.bring_back(labels[0].numpy(), confidence[0].numpy())
    chosen = _checked(pixel, annotated) if pixel else _middle(boxes, seen)
    return Inspection(
        image=image,
        boxes=boxes,
        labels=seen,
        confidence=(confidence[0, : fit.inner[0], : fit.inner[1]] / 255).numpy(),
        attention=_attention(prediction.attention_BLhw, fit, boxes, seen),
        pixel=chosen,
        affinity=_affinity(prediction.embedding_BDhw, fit, chosen),
    )


@torch.inference_mode()
def _predict(checkpoint: Checkpoint, fit: Fit, image: Uint8) -> Prediction:
    pixels = torch.from_numpy(fit.fit_image(image)).permute(2, 0, 1)[None]
    prediction: Prediction = checkpoint.box2seg()(pixels)
    return prediction


def _attention(attention_BLhw: Tensor, fit: Fit, boxes: tuple[Box, ...], labels: Uint8) -> dict[int, Map]:
    """Give the maps of the classes that boxes name; without boxes, of those predicted."""
    there = {box.label for box in boxes} or set(np.unique(labels).tolist()) - {BACKGROUND, IGNORE}
    enlarged_LHW = _enlarge(attention_BLhw, fit)
    return {label: enlarged_LHW[label - 1].numpy() for label in sorted(there)}


def _affinity(embedding_BDhw: Tensor, fit: Fit, pixel: Point) -> Map:
    """Give each pixel's cosine with one pixel."""
    column, row = (
        int((at + 0.5) * inner / own)
        for at, inner, own in zip(pixel, fit.inner[::-1], fit.original[::-1], strict=True)
    )
    embedding_DHW = F.normalize(_enlarge(embedding_BDhw, fit), dim=0)
    affinity: Map = torch.einsum("dhw,d->hw", embedding_DHW, embedding_DHW[:, row, column]).numpy()
    return affinity


def _enlarge(maps_BChw: Tensor, fit: Fit) -> Tensor:
    """Bring the first image's maps to the frame's size and cut the padding off: (C, H, W)."""
    enlarged_BCHW = F.interpolate(maps_BChw, fit.network, mode="bilinear", align_corners=False)
    return enlarged_BCHW[0, :, : fit.inner[0], : fit.inner[1]]


def _checked(pixel: Point, annotated: AnnotatedImage) -> Point:
    height, width = annotated.size
    if not (0 <= pixel[0] < width and 0 <= pixel[1] < height):
        raise ConfigurationError(
            f"pixel {pixel[0]},{pixel[1]} lies outside {annotated.path} of {width} x {height}"
        )
    return pixel


def _middle(boxes: tuple[Box, ...], labels: Uint8) -> Point:
    """Give the middle of the largest box; without boxes, the pixel nearest to the largest class's middle."""
    if boxes:
        largest = max(boxes, key=lambda box: box.area)
        return (largest.left + largest.right) // 2, (largest.top + largest.bottom) // 2
    counts = np.bincount(labels.ravel(), minlength=IGNORE + 1)
    counts[[BACKGROUND, IGNORE]] = 0
    if not counts.any():
        return labels.shape[1] // 2, labels.shape[0] // 2
    rows, columns = np.nonzero(labels == counts.argmax())
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    return int(columns[nearest]), int(rows[nearest])
