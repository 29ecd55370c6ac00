from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from onnx import numpy_helper

from contract.errors import ExportError
from contract.manifest import IMAGE, LABELS
from export.narrowing import KINDS, Narrow, narrow
from tests.export.graphs import one_convolution

FRAME = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), dtype=np.uint8)
PRECISIONS: tuple[Narrow, ...] = ("fp16", "bf16")


@pytest.fixture(scope="module", params=PRECISIONS)
def narrowed(request: pytest.FixtureRequest, exported: Path) -> tuple[Narrow, onnx.ModelProto]:
    """Give a precision, and the exported graph in it."""
    return request.param, narrow(onnx.load(exported / "model.onnx"), request.param)


def test_the_graph_is_strongly_typed(narrowed: tuple[Narrow, onnx.ModelProto]) -> None:
    """The checker finds one type for each tensor, and each convolution computes in the narrow one."""
    precision, model = narrowed
    onnx.checker.check_model(model, full_check=True)
    types = types_of(model)
    kinds = {types[node.output[0]] for node in model.graph.node if node.op_type == "Conv"}
    assert kinds == {KINDS[precision]}


def test_sensitive_parts_stay_in_fp32(narrowed: tuple[Narrow, onnx.ModelProto]) -> None:
    """Layer norms, pooling, the photo's normalisation and all after the last convolution are in float32."""
    _, model = narrowed
    types = types_of(model)
    nodes = list(model.graph.node)
    last = max(index for index, node in enumerate(nodes) if node.op_type == "Conv")
    sensitive = {"LayerNormalization", "MatMul", "Sub", "Exp", "ReduceMax", "Reciprocal"}
    kept = [node for node in nodes if node.op_type in sensitive]
    kept += [node for node in nodes[last + 1 :] if node.op_type in ("Resize", "Transpose")]
    assert {node.op_type for node in kept} >= {"LayerNormalization", "MatMul", "Resize"}
    narrow_kinds = set(KINDS.values())
    assert not [node.name for node in kept if types[node.output[0]] in narrow_kinds]


def test_bytes_in_and_bytes_out(narrowed: tuple[Narrow, onnx.ModelProto], exported: Path) -> None:
    """Inputs and outputs are those of the fp32 file; the weights take half the room."""
    _, model = narrowed
    whole = onnx.load(exported / "model.onnx")
    assert (model.graph.input, model.graph.output) == (whole.graph.input, whole.graph.output)
    assert weight_bytes(model) < 0.55 * weight_bytes(whole)


def test_onnx_runtime_computes_fp16(exported: Path) -> None:
    """The reference runs the typed graph, and nearly all labels are those of fp32."""
    whole = onnx.load(exported / "model.onnx")
    expected = run_in_onnx_runtime(whole)
    labels = run_in_onnx_runtime(narrow(whole, "fp16"))
    # The untrained network has hardly an opinion, so many a pixel is a tie.
    assert np.mean(labels == expected) > 0.99
    assert len(np.unique(expected)) > 1


def test_openvino_computes_both(narrowed: tuple[Narrow, onnx.ModelProto], exported: Path) -> None:
    """The engine that serves on a CPU runs each file as it is."""
    _, model = narrowed
    expected = run_in_onnx_runtime(onnx.load(exported / "model.onnx"))
    core = openvino.Core()
    network = core.compile_model(core.read_model(model.SerializeToString()), "CPU")
    assert np.mean(network({IMAGE: FRAME})[LABELS] == expected) > 0.95


def test_a_weight_beyond_fp16() -> None:
    """A weight that would become infinite is refused by its name; bfloat16 reaches it."""
    with pytest.raises(ExportError, match=r"far: a weight is beyond the range of fp16"):
        narrow(one_convolution(1e6), "fp16")
    onnx.checker.check_model(narrow(one_convolution(1e6), "bf16"), full_check=True)


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    """Give each inferred tensor's type."""
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    return {value.name: value.type.tensor_type.elem_type for value in graph.value_info}


def weight_bytes(model: onnx.ModelProto) -> int:
    """Sum up what the weights take."""
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in model.graph.initializer)


def run_in_onnx_runtime(model: onnx.ModelProto) -> np.ndarray:
    """Give the labels of the frame."""
    return onnxruntime.InferenceSession(model.SerializeToString()).run([LABELS], {IMAGE: FRAME})[0]
