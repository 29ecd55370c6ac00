import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from contract.errors import ParityError
from contract.manifest import MANIFEST_FILE, MODEL_FILE, read_manifest
from export.draft import export_checkpoint
from export.pictures import drawn_pictures
from export.storage import LEAST_NUMBERS, store_weights
from training.checkpoint import Checkpoint

FUSION, BIAS = "segmentation.decoder.body.fusion_block.0.weight", "segmentation.head.bias"

TENSORS = {
    "large": (np.linspace(-3, 3, LEAST_NUMBERS, dtype=np.float32), TensorProto.FLOAT16),
    "small": (np.linspace(-3, 3, LEAST_NUMBERS - 1, dtype=np.float32), TensorProto.FLOAT),
    "far": (np.linspace(-3, 1e6, LEAST_NUMBERS, dtype=np.float32), TensorProto.FLOAT),
    "integers": (np.arange(LEAST_NUMBERS), TensorProto.INT64),
}


@pytest.fixture(scope="module")
def halved(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder of an export with weights in float16."""
    folder = tmp_path_factory.mktemp("halved")
    export_checkpoint(checkpoint, folder, photos=drawn_pictures(), weights="float16")
    return folder


@pytest.mark.parametrize("name", TENSORS)
def test_what_becomes_float16(name: str) -> None:
    """Large tensors of floats within float16's range do; what follows still gets the old name and type."""
    values, kind = TENSORS[name]
    model = _giver_of(values)
    store_weights(model, "float16")
    onnx.checker.check_model(model, full_check=True)
    assert [tensor.data_type for tensor in model.graph.initializer] == [kind]
    stored = numpy_helper.to_array(model.graph.initializer[0])
    np.testing.assert_allclose(stored, values, rtol=2**-11)  # half of float16's last place


def test_a_file_in_float16_is_about_half(halved: Path, exported: Path) -> None:
    """The weights take half the room, with the same labels in 99.9 % of the worst batch's pixels."""
    sizes = [_weight_bytes(folder / MODEL_FILE) for folder in (halved, exported)]
    assert sizes[0] < 0.55 * sizes[1]
    parity = read_manifest(halved).parity
    assert parity["onnxruntime label agreement"] >= 0.999
    notes = {entry.key: entry.value for entry in onnx.load(halved / MODEL_FILE).metadata_props}
    assert notes["weights"] == "float16"


def test_parity_is_with_the_unrounded_network(checkpoint: Checkpoint, tmp_path: Path) -> None:
    """Weights too small for float16 are zero in the file; the proof sees it, and nothing is left there."""
    weights = checkpoint.weights
    small = {**weights, FUSION: weights[FUSION] * 1e-9, BIAS: weights[BIAS] * 0}
    tiny = dataclasses.replace(checkpoint, weights=small)
    export_checkpoint(tiny, tmp_path / "whole", photos=drawn_pictures()[:1])
    with pytest.raises(ParityError, match="onnxruntime label agreement"):
        export_checkpoint(tiny, tmp_path / "halved", photos=drawn_pictures()[:1], weights="float16")
    assert not (tmp_path / "halved" / MANIFEST_FILE).exists()


def _giver_of(values: np.ndarray) -> onnx.ModelProto:
    """Build a model that gives a tensor which it holds."""
    kind = helper.np_dtype_to_tensor_dtype(values.dtype)
    graph = helper.make_graph(
        [helper.make_node("Identity", ["held"], ["given"])],
        "giver",
        [],
        [helper.make_tensor_value_info("given", kind, values.shape)],
        [numpy_helper.from_array(values, "held")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def _weight_bytes(model: Path) -> int:
    return sum(numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(model).graph.initializer)
