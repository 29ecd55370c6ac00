"""A trained network's opinion inside the boxes, sharpened by GrabCut: the prior of a second round."""

import hashlib
import multiprocessing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from contract.annotations import Box
from contract.arrays import Uint8
from contract.classes import BACKGROUND
from contract.errors import CheckpointError
from contract.geometry import FitRule
from training.checkpoint import CHECKPOINT_FILE, load_checkpoint
from training.evaluate import mean_probabilities, scaled_rules
from training.networks.segmentation import SegmentationNetwork
from training.priors.grabcut import GrabCut
from training.priors.stacking import stack_objects

CPU = torch.device("cpu")

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Teacher:
    """
    What a trained network sees in each box, cut along edges by GrabCut, large boxes first.

    The network's probability of the box's class against all that the boxes allow there says where
    GrabCut begins; GrabCut alone would begin with the whole box.

    Args:
        run: A run's folder or checkpoint.
        long_side: Long side at which its network sees the photo [px].
        grabcut: Cuts, and guesses alone where the network sees too little of a box.
        scales: Of that side; probabilities are averaged over them, and over mirror images.
    """

    run: Path
    long_side: int
    grabcut: GrabCut
    scales: tuple[float, ...] = (1.0,)

    @property
    def key(self) -> str:
        """Names weights and settings; see `Prior.key`."""
        several = "" if self.scales == (1.0,) else "-" + "-".join(f"{scale:g}" for scale in self.scales)
        return f"teacher-{_digest(self.run)}-{self.long_side}{several}-{self.grabcut.key}"

    def guess(self, image: Uint8, boxes: tuple[Box, ...]) -> Uint8:
        """Guess the label of each pixel; see `Prior.guess`."""
        size = (image.shape[0], image.shape[1])
        likely = allowed(self._see(image), boxes) if boxes else None

        def cut(box: Box) -> npt.NDArray[np.bool_]:
            assert likely is not None
            mask = self.grabcut.cut_object(image, box, likely[box.label])
            # Where the network sees hardly anything of the box, GrabCut alone knows more.
            return mask if mask.mean() >= self.grabcut.least_fill else self.grabcut.cut_object(image, box)

        return stack_objects(size, boxes, cut, least_fill=self.grabcut.least_fill)

    def _see(self, image: Uint8) -> Probabilities:
        network, fit = _load(self.run)
        rules = scaled_rules(FitRule(self.long_side, fit.multiple), self.scales)
        size = (image.shape[0], image.shape[1])
        seen: Probabilities = mean_probabilities(network, image, rules, CPU, size, flip=True).numpy()
        return seen


def allowed(probabilities_KHW: Probabilities, boxes: tuple[Box, ...]) -> Probabilities:
    """Leave each pixel the classes of its boxes and background, and bring their sum back to one."""
    allowed_KHW = np.zeros(probabilities_KHW.shape, dtype=bool)
    allowed_KHW[BACKGROUND] = True
    for box in boxes:
        allowed_KHW[(box.label, *box.slices)] = True
    left = np.where(allowed_KHW, probabilities_KHW, 0)
    whole: Probabilities = left / left.sum(axis=0, keepdims=True).clip(min=np.finfo(np.float32).tiny)
    return whole


@lru_cache(maxsize=1)
def _load(run: Path) -> tuple[SegmentationNetwork, FitRule]:
    """Load once per process."""
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)  # the processes already fill the cores
    checkpoint = load_checkpoint(run)
    return checkpoint.segmentation(), checkpoint.fit


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
