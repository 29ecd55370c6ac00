"""A graph that computes in 16 bits where networks bear it, with casts around what stays in float32."""

from collections.abc import Iterator
from typing import Literal

import ml_dtypes
import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from contract.errors import ExportError

Narrow = Literal["fp16", "bf16"]

KINDS = {"fp16": TensorProto.FLOAT16, "bf16": TensorProto.BFLOAT16}
NUMBERS = {"fp16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}

BEARING = frozenset({"Conv", "Clip", "Relu", "Add", "Concat", "Resize", "Transpose"})
"""
What bears 16 bits, before a convolution: it multiplies and adds few numbers, moves or mixes them. Layer norms
(squares overflow), pooling over the whole photo (long sums), the photo's normalisation and all that follows
the last convolution (enlarging, softmax, the decision) stay in float32.
"""

OPSETS = {"fp16": 20, "bf16": 22}
"""The first opset in which all of `BEARING` are defined in the type; Conv came last to bfloat16."""

WIDE_INPUTS = {"Resize": {1, 2}}
"""Inputs that are float32 by definition, whatever the others are."""


def narrow(model: onnx.ModelProto, precision: Narrow) -> onnx.ModelProto:
    """
    Have a graph compute in 16 bits, the model changed in place.

    Args:
        model: Computes in float32; its inputs and outputs keep their types.
        precision: Which 16 bits.

    Returns:
        The model, strongly typed: each tensor's type is what it is computed in.

    Raises:
        ExportError: If a weight is beyond the type's range.
    """
    graph = model.graph
    nodes = list(_Typist(graph, precision).typed())
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    _drop_unused(graph)
    (opset,) = (each for each in model.opset_import if each.domain == "")
    opset.version = max(opset.version, OPSETS[precision])
    return model


class _Typist:
    """
    Types a graph's nodes in their order.

    Args:
        graph: Gets the narrow weights.
        precision: The narrow type.
    """

    def __init__(self, graph: onnx.GraphProto, precision: Narrow) -> None:
        self._graph, self._precision = graph, precision
        self._weights = {tensor.name: tensor for tensor in graph.initializer}
        self._floats = _float_tensors(graph)
        self._narrowed: set[str] = set()
        self._cast: set[str] = set()

    def typed(self) -> Iterator[NodeProto]:
        """Give the nodes, each with its inputs in its type, and casts where those have another."""
        chosen = _chosen(self._graph, self._floats)
        for index, node in enumerate(list(self._graph.node)):
            is_narrow = index in chosen
            for place, name in enumerate(node.input):
                if name not in self._floats or place in WIDE_INPUTS.get(node.op_type, ()):
                    continue
                if is_narrow and name not in self._narrowed:
                    yield from self._converted(name, f"{name}.{self._precision}", KINDS[self._precision])
                    node.input[place] = f"{name}.{self._precision}"
                if not is_narrow and name in self._narrowed:
                    yield from self._converted(name, f"{name}.fp32", TensorProto.FLOAT)
                    node.input[place] = f"{name}.fp32"
            if is_narrow:
                self._narrowed.update(node.output)
            yield node

    def _converted(self, name: str, other: str, kind: int) -> Iterator[NodeProto]:
        """Give the cast to another type, unless it was given; weights are rounded here instead."""
        if other in self._cast:
            return
        self._cast.add(other)
        if name in self._weights:
            self._graph.initializer.append(self._rounded(self._weights[name], other))
        else:
            yield helper.make_node("Cast", [name], [other], name=f"cast_{other}", to=kind)

    def _rounded(self, weight: TensorProto, name: str) -> TensorProto:
        with np.errstate(over="ignore"):  # it is looked for below
            rounded = numpy_helper.to_array(weight).astype(NUMBERS[self._precision])
        if not np.isfinite(rounded.astype(np.float32)).all():
            raise ExportError(
                f"{weight.name}: a weight is beyond the range of {self._precision}",
                hint="export it in bf16, which has float32's range, or in fp32",
            )
        return numpy_helper.from_array(rounded, name)


def _chosen(graph: onnx.GraphProto, floats: set[str]) -> set[int]:
    """Give the places of the nodes that bear 16 bits and lead to a convolution, or are one."""
    chosen: set[int] = set()
    wanted: set[str] = set()
    for index, node in reversed(list(enumerate(graph.node))):
        if node.op_type == "Conv" or not wanted.isdisjoint(node.output):
            wanted.update(node.input)
            if node.op_type in BEARING and node.output[0] in floats:
                chosen.add(index)
    return chosen


def _float_tensors(graph: onnx.GraphProto) -> set[str]:
    """Name the tensors of float32."""
    whole = onnx.shape_inference.infer_shapes(helper.make_model(graph)).graph
    values = [*whole.value_info, *whole.input, *whole.output]
    floats = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return floats | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _drop_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
