"""The proof that a file gives what the network gives: torch against the engines, photo by photo."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnxruntime
import torch

from contract.arrays import Uint8
from contract.errors import ExportError
from contract.geometry import FitRule
from contract.manifest import CONFIDENCE, IMAGE, LABELS
from contract.metrics import Confusion, confusion_matrix, label_agreement, mean_iou
from export.agreement import Parity
from export.deployable import Deployable

Answer = tuple[Uint8, Uint8]
"""Labels and confidence, (N, H, W) uint8 each."""

Runner = Callable[[Uint8], Answer]
"""One form of the model: (N, H, W, 3) uint8 RGB to its answer."""

FULL_CONFIDENCE = 255
LABELS_OF_A_BYTE = 256


@dataclass(frozen=True, slots=True)
class Comparison:
    """One batch: share of equal labels, largest difference of confidence, and pixels by both labels."""

    agreement: float
    difference: float
    pixels: Confusion


def measure_parity(
    deployable: Deployable, model: Path, photos: Sequence[Uint8], rule: FitRule, precision: str = "fp32"
) -> list[Parity]:
    """
    Compare the engines installed here with torch.

    Args:
        deployable: The network.
        model: The ONNX file written from it.
        photos: (H, W, 3) uint8 RGB each, of any sizes.
        rule: How photos enter the network; they are compared at its size, a smaller and a larger one.
        precision: What the file computes in.

    Returns:
        One record per engine, ONNX Runtime's first.

    Raises:
        ExportError: If no engine here computes in this precision.
    """
    engines = file_runners(model, precision)
    compared: dict[str, list[Comparison]] = {name: [] for name in engines}
    for images in _batches(photos, rule):
        expected = _run_torch(deployable, images)
        for name, run in engines.items():
            compared[name].append(_compare(expected, run(images)))
    return [_summed(name, batches) for name, batches in compared.items()]


def file_runners(model: Path, precision: str) -> dict[str, Runner]:
    """
    Give the engines installed here that run a file as it is served on a CPU, by name.

    Raises:
        ExportError: If none computes in this precision.
    """
    engines = dict(_engines(model, precision))
    if not engines:
        raise ExportError(
            f"no engine here computes in {precision}", hint="pip install -e '.[export,serving]'"
        )
    return engines


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


def _engines(model: Path, precision: str) -> Iterator[tuple[str, Runner]]:
    if precision != "bf16":  # ONNX Runtime's CPU kernels know no arithmetic in it
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

    # As it is served: what a file types as fp32 is computed in it, and not in the processor's own choice.
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(images: Uint8) -> Answer:
        answer = compiled({IMAGE: images})
        return answer[LABELS], answer[CONFIDENCE]

    return run


def _run_torch(deployable: Deployable, images: Uint8) -> Answer:
    with torch.inference_mode():
        labels, confidence = deployable(torch.from_numpy(images))
    return labels.numpy(), confidence.numpy()


def _compare(expected: Answer, got: Answer) -> Comparison:
    difference = np.abs(expected[1].astype(np.int16) - got[1]).max()
    return Comparison(
        agreement=label_agreement(expected[0], got[0]),
        difference=float(difference) / FULL_CONFIDENCE,
        pixels=confusion_matrix(expected[0], got[0], LABELS_OF_A_BYTE),
    )


def _summed(engine: str, batches: Sequence[Comparison]) -> Parity:
    """Give the worst batch's agreement and difference, and the overlap over all batches."""
    return Parity(
        engine,
        agreement=min(batch.agreement for batch in batches),
        difference=max(batch.difference for batch in batches),
        overlap=mean_iou(sum((batch.pixels for batch in batches[1:]), batches[0].pixels)),
        batches=len(batches),
    )
