"""The proof that a file gives what the network gives: torch against the engines, photo by photo."""

from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from contract.arrays import Uint8
from contract.geometry import FitRule
from contract.manifest import CONFIDENCE, IMAGE, LABELS
from contract.metrics import label_agreement
from export.agreement import Parity
from export.deployable import Deployable

Answer = tuple[Uint8, Uint8]
"""Labels and confidence, (N, H, W) uint8 each."""

Runner = Callable[[Uint8], Answer]
"""One form of the model: (N, H, W, 3) uint8 RGB to its answer."""

FULL_CONFIDENCE = 255


def measure_parity(
    deployable: Deployable, model: Path, photos: Sequence[Uint8], rule: FitRule
) -> list[Parity]:
    """
    Compare the engines installed here with torch.

    Args:
        deployable: The network.
        model: The ONNX file written from it.
        photos: (H, W, 3) uint8 RGB each, of any sizes.
        rule: How photos enter the network; they are compared at its size, a smaller and a larger one.

    Returns:
        One record per engine, ONNX Runtime's first.
    """
    engines = dict(_engines(model))
    compared: dict[str, list[tuple[float, float]]] = {name: [] for name in engines}
    for images in _batches(photos, rule):
        expected = _run_torch(deployable, images)
        for name, run in engines.items():
            compared[name].append(_compare(expected, run(images)))
    return [_worst(name, pairs) for name, pairs in compared.items()]


def _batches(photos: Sequence[Uint8], rule: FitRule) -> Iterator[Uint8]:
    """Fit each photo at three sizes; a batch is the photo, its mirror image, and it upside down."""
    for long_side in _long_sides(rule):
        for photo in photos:
            fit = FitRule(long_side, rule.multiple).fit((photo.shape[0], photo.shape[1]))
            frame = fit.fit_image(photo)
            yield np.stack([frame, frame[:, ::-1], frame[::-1]])


def _long_sides(rule: FitRule) -> list[int]:
    step = rule.multiple * max(1, rule.long_side // rule.multiple // 3)
    return sorted({max(rule.multiple, rule.long_side - step), rule.long_side, rule.long_side + step})


def _engines(model: Path) -> Iterator[tuple[str, Runner]]:
    yield "onnxruntime", _onnxruntime(model)
    if find_spec("openvino"):
        yield "openvino", _openvino(model)


def _onnxruntime(model: Path) -> Runner:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def run(images: Uint8) -> Answer:
        labels, confidence = session.run([LABELS, CONFIDENCE], {IMAGE: images})
        return labels, confidence

    return run


def _openvino(model: Path) -> Runner:
    import openvino

    # Full precision, so that the file is judged and not the processor's choice of bfloat16.
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images: Uint8) -> Answer:
        answer = compiled({IMAGE: images})
        return answer[LABELS], answer[CONFIDENCE]

    return run


def _run_torch(deployable: Deployable, images: Uint8) -> Answer:
    with torch.inference_mode():
        labels, confidence = deployable(torch.from_numpy(images))
    return labels.numpy(), confidence.numpy()


def _compare(expected: Answer, got: Answer) -> tuple[float, float]:
    """Give the share of equal labels, and the largest difference of confidence in [0, 1]."""
    difference = np.abs(expected[1].astype(np.int16) - got[1]).max()
    return label_agreement(expected[0], got[0]), float(difference) / FULL_CONFIDENCE


def _worst(engine: str, pairs: Sequence[tuple[float, float]]) -> Parity:
    agreements, differences = zip(*pairs, strict=True)
    return Parity(engine, agreement=min(agreements), difference=max(differences), batches=len(pairs))
