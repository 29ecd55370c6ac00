"""A trained network's opinion inside the boxes, sharpened by GrabCut: the prior of a second round."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F

from contract.annotations import Box
from contract.arrays import Uint8
from contract.classes import BACKGROUND
from contract.errors import CheckpointError
from contract.geometry import FitRule
from training.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint
from training.networks.segmentation import SegmentationNetwork
from training.priors.grabcut import GrabCut

SCALES = (5 / 6, 1, 4 / 3)
"""Sizes at which the network is asked, as shares of the one it was trained for; at each also mirrored."""

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Teacher:
    """
    What a trained network sees in each box, cut along edges by GrabCut, large boxes first.

    The network's probability of the box's class against all that the boxes allow there says where
    GrabCut begins; GrabCut alone would begin with the whole box.

    Args:
        run: A run's folder or checkpoint.
        grabcut: Cuts, and guesses alone where the network sees too little of a box.
    """

    run: Path
    grabcut: GrabCut

    @property
    def key(self) -> str:
        """Names weights and settings; see `Prior.key`."""
        return f"teacher-{_digest(self.run)}-{self.grabcut.key}"

    def guess(self, image: Uint8, boxes: tuple[Box, ...]) -> Uint8:
        """Guess the label of each pixel; see `Prior.guess`."""
        labels = np.full(image.shape[:2], BACKGROUND, dtype=np.uint8)
        seen = allowed(_see(self.run, image), boxes) if boxes else None
        for box in sorted(boxes, key=lambda box: -box.area):
            assert seen is not None
            inside = labels[box.slices]
            inside[self.grabcut.cut_object(image, box, seen[box.label])] = box.label
        return labels


def allowed(probabilities_KHW: Probabilities, boxes: tuple[Box, ...]) -> Probabilities:
    """Leave each pixel the classes of its boxes and background, and bring their sum back to one."""
    allowed_KHW = np.zeros(probabilities_KHW.shape, dtype=bool)
    allowed_KHW[BACKGROUND] = True
    for box in boxes:
        allowed_KHW[(box.label, *box.slices)] = True
    left = np.where(allowed_KHW, probabilities_KHW, 0)
    whole: Probabilities = left / left.sum(axis=0, keepdims=True).clip(min=np.finfo(np.float32).tiny)
    return whole


@torch.inference_mode()
def probabilities(network: SegmentationNetwork, fit: FitRule, image: Uint8) -> Probabilities:
    """
    Average a network's softmax over scales and mirror images: (K, H, W) float32 at the photo's own size.

    Args:
        network: In evaluation mode.
        fit: The geometry that it was trained with.
        image: (H, W, 3) uint8 RGB.
    """
    height, width = image.shape[:2]
    total = torch.zeros(())
    for scale in SCALES:
        way = FitRule(round(fit.long_side * scale / fit.multiple) * fit.multiple).fit((height, width))
        for turn in (slice(None), slice(None, None, -1)):
            frame = way.fit_image(np.ascontiguousarray(image[:, turn]))
            pixels = torch.from_numpy(frame).permute(2, 0, 1)[None]
            scores = F.interpolate(network(network.normalise(pixels)), way.network, mode="bilinear")
            inner = scores[:, :, : way.inner[0], : way.inner[1]].softmax(dim=1)
            whole = F.interpolate(inner, (height, width), mode="bilinear")
            total = total + (whole if turn.step is None else whole.flip(-1))
    averaged: Probabilities = (total[0] / (2 * len(SCALES))).numpy()
    return averaged


def _see(run: Path, image: Uint8) -> Probabilities:
    checkpoint, network = _load(run)
    return probabilities(network, checkpoint.fit, image)


@lru_cache(maxsize=1)
def _load(run: Path) -> tuple[Checkpoint, SegmentationNetwork]:
    """Load once per process; as many processes as cores guess at once, so each has one thread."""
    torch.set_num_threads(1)
    checkpoint = load_checkpoint(run)
    return checkpoint, checkpoint.segmentation()


@lru_cache(maxsize=8)
def _digest(run: Path) -> str:
    file = run / CHECKPOINT_FILE if run.is_dir() else run
    try:
        with file.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()[:12]
    except OSError as error:
        raise CheckpointError(
            f"teacher {run}: {error.strerror or error}", hint="name a run: teacher=RUN"
        ) from error
