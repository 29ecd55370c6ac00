"""A deployable network as one ONNX file that engines run at any batch and any size of whole strides."""

from collections.abc import Callable
from pathlib import Path

import onnx
import torch
from onnx_ir.passes.common import ClearMetadataAndDocStringPass
from torch.export import Dim

from contract.errors import ExportError
from contract.files import written_whole
from contract.manifest import CONFIDENCE, IMAGE, LABELS, Tensor
from export.deployable import Deployable
from export.quiet import quiet
from export.storage import Weights, store_weights

OPSET = 20
STRIDE = 32
"""The encoder's coarsest stride [px]; inputs are whole multiples of it."""

EXAMPLE = (2, 2 * STRIDE, 3 * STRIDE, 3)
"""What the exporter sees. No length is one, which it would take for a constant."""

FREE = -1

Change = Callable[[onnx.ModelProto], onnx.ModelProto]
"""Makes another form of a graph."""


def as_it_is(model: onnx.ModelProto) -> onnx.ModelProto:
    """Change nothing."""
    return model


def write_onnx(
    deployable: Deployable,
    path: Path,
    *,
    notes: dict[str, str],
    weights: Weights = "float32",
    change: Change = as_it_is,
) -> Path:
    """
    Write a network as ONNX, whole or not at all.

    Args:
        deployable: What is served.
        path: The file to write; its weights are inside, there is no second file.
        notes: Kept in the file's metadata, such as the commit.
        weights: The type in which the file keeps them.
        change: Makes the graph compute in another precision.

    Returns:
        The path.

    Raises:
        ExportError: If the exporter cannot write it, or what it wrote is no valid ONNX.
        WriteError: If the file cannot be written.
    """
    model = change(_traced(deployable))
    store_weights(model, weights)
    _check(model)
    onnx.helper.set_model_props(model, notes)
    with written_whole(path) as stream:
        stream.write(model.SerializeToString())
    return path


def read_tensors(path: Path) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
    """Give an ONNX file's inputs and outputs; free dimensions are -1."""
    graph = onnx.load(path).graph
    return tuple(map(_tensor, graph.input)), tuple(map(_tensor, graph.output))


def _traced(deployable: Deployable) -> onnx.ModelProto:
    free = {0: Dim("batch"), 1: STRIDE * Dim("rows"), 2: STRIDE * Dim("columns")}
    try:
        with quiet():
            program = torch.onnx.export(
                deployable,
                (torch.zeros(EXAMPLE, dtype=torch.uint8),),
                dynamo=True,
                opset_version=OPSET,
                dynamic_shapes=(free,),
                input_names=[IMAGE],
                output_names=[LABELS, CONFIDENCE],
                verbose=False,
            )
    except Exception as error:  # the exporter's own errors, and those of every operator it meets
        raise ExportError(
            f"the exporter cannot write this network: {_first_line(error)}",
            hint="an operator without an ONNX form, or one that fixes the size; try another encoder",
        ) from error
    assert program is not None
    # Every node names the source files that made it, with the paths of the machine that exported.
    ClearMetadataAndDocStringPass()(program.model)
    return program.model_proto


def _check(model: onnx.ModelProto) -> None:
    try:
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # the checker's errors have no common base
        raise ExportError(f"the exporter wrote invalid ONNX: {_first_line(error)}") from error


def _tensor(value: onnx.ValueInfoProto) -> Tensor:
    kind = value.type.tensor_type
    shape = tuple(dim.dim_value if dim.HasField("dim_value") else FREE for dim in kind.shape.dim)
    return Tensor(value.name, onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type).name, shape)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
