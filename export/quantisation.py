"""A graph whose convolutions compute in int8, by ranges measured on unlabelled photos."""

import copy
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)

from contract.arrays import Uint8
from contract.errors import ExportError
from contract.manifest import IMAGE
from export.quiet import quiet

FIRST_KEPT = 4
"""How many of the first convolutions stay in float32: what they round off is lost to all that follow."""


def quantise(model: onnx.ModelProto, frames: Sequence[Uint8]) -> onnx.ModelProto:
    """
    Have a graph's convolutions compute in int8, by ONNX Runtime's quantiser.

    Depthwise convolutions stay in float32 with the first ones: each of their channels has a range of its own,
    and one range for all is too coarse for most. They are few of the operations.

    Args:
        model: Computes in float32; stays as it is.
        frames: (N, H, W, 3) uint8 each, as the network sees photos; the ranges are measured on them.

    Returns:
        The quantised model; each convolution's input and weights pass through int8.

    Raises:
        ExportError: If no convolution is left to quantise, or the quantiser fails.
    """
    kept = _kept(model.graph)
    if len(kept) == sum(node.op_type == "Conv" for node in model.graph.node):
        raise ExportError("int8: this network has no convolution that bears it", hint="export it in bf16")
    with TemporaryDirectory() as folder, quiet():
        target = Path(folder) / "quantised.onnx"
        try:
            quantize_static(
                copy.deepcopy(model),  # it is written into
                target,
                _Reader(frames),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=kept,
                per_channel=True,
                activation_type=QuantType.QUInt8,  # with a zero point: nothing of a range is wasted
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
        except Exception as error:  # the quantiser's errors have no common base
            raise ExportError(f"int8: the quantiser failed: {error}") from error
        return onnx.load(target)


def _kept(graph: onnx.GraphProto) -> list[str]:
    """Name the convolutions that stay in float32."""
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    return [node.name for index, node in enumerate(convolutions) if index < FIRST_KEPT or _is_depthwise(node)]


def _is_depthwise(node: onnx.NodeProto) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # ONNX Runtime has no types
    """Hands the quantiser one frame after the other."""

    def __init__(self, frames: Iterable[Uint8]) -> None:
        self._frames = iter(frames)

    def get_next(self) -> dict[str, Uint8] | None:
        """Give the next frame by its tensor's name; None at the end."""
        frame = next(self._frames, None)
        return None if frame is None else {IMAGE: frame}
