"""Graphs of a node or two."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def one_convolution(weight: float) -> onnx.ModelProto:
    """Build a graph of one convolution whose weight is given."""
    values = numpy_helper.from_array(np.full((1, 1, 1, 1), weight, dtype=np.float32), "far")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "far"], ["y"])],
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 1, 2, 2))],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 1, 2, 2))],
        [values],
    )
    graph.node.append(helper.make_node("Abs", ["y"], ["z"]))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
