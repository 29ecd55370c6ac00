"""What contenders make of the golden photos: counted photo by photo, side by side."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from rich.console import Console

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.errors import DataError, EngineError
from contract.images import read_image
from contract.manifest import CONFIDENCE, IMAGE, LABELS, MODEL_FILE
from contract.metrics import label_agreement
from contract.profile import Profile, look_at, profile_of
from export.gate.contender import Contender, Engine
from training.datasets import Dataset
from training.progress import progress_bar
from training.score import Score, Tally, count_photo

UNKNOWN_TO_ONNXRUNTIME = ("bf16",)
"""Precisions for which its CPU kernels have no arithmetic."""


@dataclass(frozen=True, slots=True)
class Golden:
    """
    Labelled photos that no version learns from.

    Args:
        dataset: Gives their masks.
        split: Of it.
        images: The photos.
    """

    dataset: Dataset
    split: str
    images: tuple[AnnotatedImage, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    What was seen of the golden photos.

    Args:
        candidate: Its scores.
        live: The live version's, where there is one.
        fp32: Those of the fp32 version that the candidate was made from, where it is of fewer bits.
        disagreements: Photos and the share of pixels in [0, 1] that the two label differently, most first.
        agreement: Share of pixels that the candidate's engine and ONNX Runtime label alike; None where ONNX
            Runtime does not compute in the candidate's precision.
        profile: What the golden photos and the candidate's answers look like.
    """

    candidate: Score
    live: Score | None
    fp32: Score | None
    disagreements: list[tuple[AnnotatedImage, float]]
    agreement: float | None
    profile: Profile


def compare(
    golden: Golden, candidate: Contender, live: Contender | None, fp32: Contender | None, console: Console
) -> Comparison:
    """
    Run all contenders on each golden photo.

    Raises:
        AnnotationError: If a photo or its mask is missing or damaged.
    """
    classes = len(golden.dataset.classes)
    counts: dict[str, list[np.ndarray]] = {"candidate": [], "live": [], "fp32": []}
    runs = candidate.manifest.precision not in UNKNOWN_TO_ONNXRUNTIME
    reference = open_onnxruntime(candidate.folder / MODEL_FILE) if runs else None
    disagreements, alike, looks = [], [], []
    with progress_bar(console, "golden photos", len(golden.images)) as bar:
        for image in bar.around(golden.images):
            photo, truth = read_image(image.path), golden.dataset.truth(image)
            seen = candidate.answer(photo)
            counts["candidate"].append(count_photo(image, truth, seen.whole, classes))
            inner = seen.inner
            looks.append(look_at(seen.frame[inner], seen.labels[inner], seen.confidence[inner], classes))
            if reference is not None:
                labels, _ = reference(seen.frame[np.newaxis])
                alike.append((label_agreement(seen.labels, labels[0]), labels.size))
            if fp32 is not None:
                counts["fp32"].append(count_photo(image, truth, fp32.answer(photo).whole, classes))
            if live is not None:
                other = live.answer(photo).whole
                counts["live"].append(count_photo(image, truth, other, classes))
                disagreements.append((image, 1 - label_agreement(seen.whole, other)))
    disagreements.sort(key=lambda pair: -pair[1])
    pixels = sum(size for _, size in alike)
    return Comparison(
        _score(golden, counts["candidate"]),
        _score(golden, counts["live"]) if live else None,
        _score(golden, counts["fp32"]) if fp32 else None,
        disagreements,
        sum(share * size for share, size in alike) / pixels if pixels else None,
        profile_of(looks, golden.dataset.classes),
    )


def open_golden(dataset: Dataset, split: str) -> Golden:
    """
    List a split's photos.

    Raises:
        DataError: If there are none, or no such split.
        AnnotationError: For the first that is not usable, or has no mask.
    """
    images = dataset.load(split).images
    if not images:
        raise DataError(f"{dataset.name} {split}: no photo to compare on", hint="choose another --split")
    for image in images:
        dataset.truth(image)
    return Golden(dataset, split, images)


def open_onnxruntime(model: Path) -> Engine:
    """
    Open a file in ONNX Runtime, on the processor.

    Raises:
        EngineError: If it cannot run the file.
    """
    try:
        session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no base of their own
        raise EngineError(f"ONNX Runtime cannot run the file ({type(error).__name__})") from error

    def run(frames: Uint8) -> tuple[Uint8, Uint8]:
        try:
            labels, confidence = session.run([LABELS, CONFIDENCE], {IMAGE: frames})
        except Exception as error:
            raise EngineError(f"ONNX Runtime cannot run the file ({type(error).__name__})") from error
        return labels, confidence

    return run


def _score(golden: Golden, counts: list[np.ndarray]) -> Score:
    names = tuple(image.name for image in golden.images)
    return Score(golden.dataset.classes, names, Tally(np.stack(counts)))
