"""Answers a tensor by a known rule: mirrored left to right, all bits turned. Runs in Triton."""

from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]  # only there in Triton


class TritonPythonModel:
    """What Triton's Python backend calls."""

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer each request by the rule."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        tensor = pb_utils.get_input_tensor_by_name(request, "tensor").as_numpy()
        answer = np.ascontiguousarray(~tensor[:, ::-1])
        return pb_utils.InferenceResponse([pb_utils.Tensor("answer", answer)])
