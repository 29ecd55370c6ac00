"""A version as it is served: its manifest, and the engine's answer to a photo."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from contract.arrays import Size, Uint8
from contract.classes import IGNORE
from contract.errors import ModelOutputInvalid
from contract.manifest import MODEL_FILE, Manifest

Engine = Callable[[Uint8], tuple[Uint8, Uint8]]
"""Runs frames (N, h, w, 3) uint8: labels and confidence, (N, h, w) uint8 each."""

Opener = Callable[[Path], Engine]
"""Opens an ONNX file in the engine that serves it; a module's function, which processes can be sent."""


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """
    What a version says about a photo.

    Args:
        frame: (h, w, 3) uint8, the photo as its network sees it.
        inner: Rows and columns of the frame that are the photo; the rest is padding.
        labels: (h, w) uint8 in the frame.
        confidence: (h, w) uint8 in the frame, probability times 255.
        whole: (H, W) uint8, labels at the photo's own size, as the server would give them.
    """

    frame: Uint8
    inner: tuple[slice, slice]
    labels: Uint8
    confidence: Uint8
    whole: Uint8


@dataclass(frozen=True, slots=True, eq=False)
class Contender:
    """
    One version that is looked at.

    Args:
        folder: Where its files lie.
        manifest: What it says of itself.
        engine: Runs it.
        table: (256,) uint8, from its labels to those of the golden set.
    """

    folder: Path
    manifest: Manifest
    engine: Engine
    table: Uint8

    def answer(self, photo: Uint8) -> Answer:
        """
        Give what the server would.

        Args:
            photo: (H, W, 3) uint8 RGB.

        Raises:
            ModelOutputInvalid: If a label is none of its classes.
            EngineError: If the engine fails.
        """
        fit = self.manifest.fit.fit((photo.shape[0], photo.shape[1]))
        frame = fit.fit_image(photo)
        found, confidence = self.engine(frame[np.newaxis])
        if found.max() >= len(self.manifest.classes):
            raise ModelOutputInvalid(
                f"the network gave label {found.max()}, its manifest has {len(self.manifest.classes)} classes"
            )
        labels = self.table[found[0]]
        inner = slice(fit.inner[0]), slice(fit.inner[1])
        return Answer(frame, inner, labels, confidence[0], fit.bring_back(labels, confidence[0]))

    def frame_size(self, photo: Uint8) -> Size:
        """Give the size of a photo's frame (height, width) [px]."""
        return self.manifest.fit.fit((photo.shape[0], photo.shape[1])).network


def open_contender(folder: Path, manifest: Manifest, opener: Opener, table: Uint8 | None = None) -> Contender:
    """Load a version; `table` is left out where its labels are the golden set's."""
    same = np.arange(IGNORE + 1, dtype=np.uint8)
    return Contender(folder, manifest, opener(folder / MODEL_FILE), same if table is None else table)
