"""How an ONNX file keeps its weights: as they were trained, or in 16 bits."""

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LEAST_NUMBERS = 1024
"""Smaller tensors stay as they are: biases and constants, a half per cent of the numbers."""


Weights = Literal["float32", "float16"]
"""The type in which a file keeps its large tensors; engines compute in float32 either way."""


def store_weights(model: onnx.ModelProto, weights: Weights) -> None:
    """
    Keep a model's large tensors in this type, the model changed in place.

    In float16 each is followed by a Cast to float32, which engines do once, when they load the file.

    Args:
        model: Its large tensors are float32.
        weights: What they become.
    """
    if weights == "float32":
        return
    casts = [_halve(tensor) for tensor in model.graph.initializer if _can_be_halved(tensor)]
    # An ONNX file lists nodes in the order of their use.
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _can_be_halved(tensor: TensorProto) -> bool:
    if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < LEAST_NUMBERS:
        return False
    # What float16 cannot reach would become infinite.
    return bool(np.abs(numpy_helper.to_array(tensor)).max() <= np.finfo(np.float16).max)


def _halve(tensor: TensorProto) -> onnx.NodeProto:
    """Round a tensor to float16 under another name; gives the node that has the old name and type."""
    name = tensor.name
    halved = numpy_helper.to_array(tensor).astype(np.float16)
    tensor.CopyFrom(numpy_helper.from_array(halved, f"{name}.float16"))
    return helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT)
