from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from contract.arrays import Uint8
from contract.errors import ExportError
from contract.geometry import FitRule
from contract.manifest import IMAGE, LABELS
from export.pictures import drawn_pictures
from export.quantisation import FIRST_KEPT, quantise
from tests.export.graphs import one_convolution


@pytest.fixture(scope="module")
def frames() -> list[Uint8]:
    """Give drawn pictures of different shapes in the network's frame."""
    rule = FitRule(96)
    return [rule.fit(picture.shape[:2]).fit_image(picture)[None] for picture in drawn_pictures()]


@pytest.fixture(scope="module")
def quantised(exported: Path, frames: list[Uint8]) -> onnx.ModelProto:
    """Give the exported graph in int8."""
    return quantise(onnx.load(exported / "model.onnx"), frames)


def test_convolutions_read_int8(quantised: onnx.ModelProto) -> None:
    """Each convolution but the first ones gets its input and its weights through int8."""
    onnx.checker.check_model(quantised, full_check=True)
    makers = {name: node.op_type for node in quantised.graph.node for name in node.output}
    convolutions = [node for node in quantised.graph.node if node.op_type == "Conv"]
    through = [[makers.get(name) == "DequantizeLinear" for name in node.input[:2]] for node in convolutions]
    assert len(convolutions) > FIRST_KEPT
    assert through == [[False, False]] * FIRST_KEPT + [[True, True]] * (len(convolutions) - FIRST_KEPT)


def test_int8_is_nearly_fp32(quantised: onnx.ModelProto, exported: Path, frames: list[Uint8]) -> None:
    """On a picture that its ranges were measured on, most labels are those of fp32."""
    expected, labels = (
        onnxruntime.InferenceSession(model).run([LABELS], {IMAGE: frames[0]})[0]
        for model in (exported / "model.onnx", quantised.SerializeToString())
    )
    # The untrained network has hardly an opinion; a trained one keeps 99 %.
    assert np.mean(labels == expected) > 0.8
    assert len(np.unique(expected)) > 1


def test_the_graph_that_came_stays_as_it_is(exported: Path, frames: list[Uint8]) -> None:
    """Quantising makes a new graph, and notes and outputs go over to it."""
    model = onnx.load(exported / "model.onnx")
    before = model.SerializeToString()
    quantised = quantise(model, frames[:1])
    assert model.SerializeToString() == before
    assert [each.name for each in quantised.graph.output] == [each.name for each in model.graph.output]


def test_a_network_too_small_for_int8(frames: list[Uint8]) -> None:
    """Where all convolutions are first ones, int8 is refused in a sentence."""
    with pytest.raises(ExportError, match="no convolution that bears it"):
        quantise(one_convolution(1), frames)
