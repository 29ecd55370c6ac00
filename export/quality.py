"""How good a file is as it is served, beside the network that it was written from: with people's masks."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from rich.console import Console

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.geometry import FitRule
from contract.images import read_image
from export.parity import Runner
from training.checkpoint import Checkpoint
from training.datasets import Dataset
from training.evaluate import Segmenter, evaluate, network_segmenter
from training.progress import Bar, progress_bar


@dataclass(frozen=True, slots=True)
class Truth:
    """
    Photos with people's masks.

    Args:
        dataset: Gives the masks.
        images: Those to measure on.
        split: Where they are from; the first word of each score's name.
    """

    dataset: Dataset
    images: tuple[AnnotatedImage, ...]
    split: str


def measure_quality(
    checkpoint: Checkpoint, run: Runner, truth: Truth, console: Console
) -> tuple[dict[str, float], float]:
    """
    Score a file, and the network that it was written from, on the same photos.

    Args:
        checkpoint: The network, in fp32.
        run: The file in an engine.
        truth: The photos.
        console: Where progress is shown.

    Returns:
        The file's scores by name, and its mean IoU over the network's.
    """
    unscored = tuple(checkpoint.recipe.get("unscored", ()))
    network = network_segmenter(checkpoint.segmentation(), checkpoint.fit, torch.device("cpu"))
    with progress_bar(console, f"scoring {truth.split}", 2 * len(truth.images)) as bar:
        before = _scores(network, truth, bar, unscored)
        after = _scores(runner_segmenter(run, checkpoint.fit), truth, bar, unscored)
    name = f"{truth.split} mIoU{len(checkpoint.classes) - len(unscored)}"
    return after, after[name] / before[name]


def runner_segmenter(run: Runner, rule: FitRule) -> Segmenter:
    """Give a segmenter that has an engine run a file, through the server's own geometry."""

    def segment(annotated: AnnotatedImage) -> Uint8:
        fit = rule.fit(annotated.size)
        labels, confidence = run(fit.fit_image(read_image(annotated.path))[np.newaxis])
        return fit.bring_back(labels[0], confidence[0])

    return segment


def _scores(segment: Segmenter, truth: Truth, bar: Bar, unscored: Collection[str]) -> dict[str, float]:
    score = evaluate(segment, truth.dataset, bar.around(truth.images))
    return score.named(truth.split, unscored=unscored)
