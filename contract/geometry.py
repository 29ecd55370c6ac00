"""
Bring an image into the network's frame and its mask back, exactly.

The one geometry rule of the project: training, evaluation, parity and server use it. An image is resized
so that its long side has the rule's length, each axis by its own exact ratio (so the image's area maps
onto the resized area without a remainder), and padded at the bottom and right to a multiple.
Pixel centres lie at half coordinates; no rounding of scales or offsets is left over for the way back.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from contract.arrays import Size, Uint8, check_array
from contract.classes import IGNORE
from contract.errors import ConfigurationError

PADDING_VALUE = 127
"""Grey that the networks see beside the image; near the mean photo, so near zero after normalisation."""

CERTAIN = 255
HALF_CERTAIN = np.uint8(128)
LEAST_WEIGHT = 16


@dataclass(frozen=True, slots=True)
class FitRule:
    """
    How images of any size enter the network.

    Args:
        long_side: Length of the longer side in the network's frame [px].
        multiple: Both sides are padded up to a multiple of this, the encoder's coarsest stride [px].

    Raises:
        ConfigurationError: If a value is not positive or the long side is no multiple.
    """

    long_side: int
    multiple: int = 32

    def __post_init__(self) -> None:
        if self.multiple < 1 or self.long_side < 1 or self.long_side % self.multiple:
            raise ConfigurationError(
                f"fit rule: long_side must be a positive multiple of {self.multiple}, got {self.long_side}"
            )

    def fit(self, original: Size) -> "Fit":
        """Work out the fit of an image of size (height, width) [px]."""
        scale = self.long_side / max(original)
        height, width = (max(1, round(side * scale)) for side in original)
        return Fit(
            original=original,
            inner=(height, width),
            network=(_round_up(height, self.multiple), _round_up(width, self.multiple)),
        )


@dataclass(frozen=True, slots=True)
class Fit:
    """
    One image's way into the network's frame and back; all sizes (height, width) [px].

    Args:
        original: The image's own size.
        inner: Its size after resizing; it lies at the top left of the frame.
        network: The frame's size, padding included.
    """

    original: Size
    inner: Size
    network: Size

    def fit_image(self, image: Uint8) -> Uint8:
        """
        Bring an image into the frame.

        Args:
            image: (H, W, 3) uint8 RGB at the original size.

        Returns:
            (h, w, 3) uint8 RGB of the network size; see `resize`; padded with grey.
        """
        check_array("image", image, shape=(*self.original, 3), dtype=np.uint8)
        frame = np.full((*self.network, 3), PADDING_VALUE, dtype=np.uint8)
        frame[: self.inner[0], : self.inner[1]] = resize(image, self.inner)
        return frame

    def fit_labels(self, labels: Uint8) -> Uint8:
        """
        Bring a label map into the frame.

        Args:
            labels: (H, W) uint8 at the original size.

        Returns:
            (h, w) uint8 of the network size; nearest neighbour, padded with IGNORE.
        """
        check_array("labels", labels, shape=self.original, dtype=np.uint8)
        frame = np.full(self.network, IGNORE, dtype=np.uint8)
        frame[: self.inner[0], : self.inner[1]] = resize(labels, self.inner, nearest=True)
        return frame

    def bring_back(self, labels: Uint8, confidence: Uint8) -> Uint8:
        """
        Bring a network's labels to the image's own size.

        Each class's confidence above one half is interpolated and the largest wins, so edges fall
        between pixels where the network put them, without stair steps.

        Args:
            labels: (h, w) uint8 of the network size.
            confidence: (h, w) uint8, the winner's probability times 255.

        Returns:
            (H, W) uint8 labels at the original size. Padding never reaches them.
        """
        check_array("labels", labels, shape=self.network, dtype=np.uint8)
        check_array("confidence", confidence, shape=self.network, dtype=np.uint8)
        inner = (slice(self.inner[0]), slice(self.inner[1]))
        return _enlarge_labels(labels[inner], confidence[inner], self.original)

    def bring_confidence_back(self, confidence: Uint8) -> Uint8:
        """
        Bring a network's confidence to the image's own size, interpolated.

        Args:
            confidence: (h, w) uint8 of the network size, the winner's probability times 255.

        Returns:
            (H, W) uint8 at the original size. Padding never reaches it.
        """
        check_array("confidence", confidence, shape=self.network, dtype=np.uint8)
        return resize(confidence[: self.inner[0], : self.inner[1]], self.original)


def resize(image: Uint8, size: Size, *, nearest: bool = False) -> Uint8:
    """
    Resize to (height, width) with pixel centres at half coordinates.

    Halved while it stays larger than wanted, which is fast and keeps all pixels in, then bilinear.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        size: The size wanted.
        nearest: Take the nearest pixel (labels) instead of interpolating.
    """
    if nearest:
        return _resized(image, size, cv2.INTER_NEAREST_EXACT)
    while (halved := _halved(image.shape[:2], size)) != image.shape[:2]:
        image = _resized(image, halved, cv2.INTER_AREA)
    return _resized(image, size, cv2.INTER_LINEAR)


def _halved(size: tuple[int, ...], least: Size) -> Size:
    """Halve each side that stays as long as wanted, or longer."""
    height, width = (
        -(-side // 2) if side >= 2 * wanted else side for side, wanted in zip(size, least, strict=True)
    )
    return height, width


def _resized(image: Uint8, size: Size, method: int) -> Uint8:
    if image.shape[:2] == size:
        return image
    return np.asarray(cv2.resize(image, size[::-1], interpolation=method), dtype=np.uint8)


def _enlarge_labels(labels: Uint8, confidence: Uint8, size: Size) -> Uint8:
    if labels.shape == size:
        return labels
    present = np.flatnonzero(np.bincount(labels.ravel(), minlength=CERTAIN + 1)).astype(np.uint8)
    if len(present) == 1:
        return np.full(size, present[0], dtype=np.uint8)
    # Between two classes the margin over one half crosses zero exactly at the edge. The least weight
    # keeps an unsure pixel its label, and 8-bit rounding away from ties.
    weight = np.maximum((confidence.clip(HALF_CERTAIN) - HALF_CERTAIN) * np.uint8(2), LEAST_WEIGHT)
    if len(present) == 2:
        return _enlarge_two(labels == present[1], weight, present, size)
    best = resize(weight * (labels == present[0]), size)
    winner = np.full(size, present[0], dtype=np.uint8)
    for label in present[1:]:
        rival = resize(weight * (labels == label), size)
        np.copyto(winner, label, where=rival > best)
        np.maximum(best, rival, out=best)
    return winner


def _enlarge_two(second: npt.NDArray[np.bool_], weight: Uint8, present: Uint8, size: Size) -> Uint8:
    """Enlarge two labels by one resize: of the second's weight less the first's, about the middle grey."""
    half = weight // 2
    balance = np.where(second, HALF_CERTAIN + half, HALF_CERTAIN - half)
    table = np.where(np.arange(CERTAIN + 1) > HALF_CERTAIN, present[1], present[0])
    return np.asarray(cv2.LUT(resize(balance, size), table), dtype=np.uint8)


def _round_up(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple
