"""
Triton's onnxruntime backend for a CPU: runs a published version's model.onnx with OpenVINO.

It bears the native backend's name, so one model repository serves here and, unchanged, in NVIDIA's
container on a GPU. It runs in Triton's own environment: nothing of box2seg can be imported here.
"""

import json
import sys
from pathlib import Path
from typing import Any

import triton_python_backend_utils as pb_utils  # type: ignore[import-not-found]  # only there in Triton

sys.path.append(str(Path(__file__).parent))  # Triton adds the model's folder, not its backend's
from network import Network  # type: ignore[import-not-found]


class TritonPythonModel:
    """What Triton's Python backend calls; one per model version and instance."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the version's network; Triton refuses the version if this raises."""
        config = json.loads(args["model_config"])
        file = config.get("default_model_filename") or "model.onnx"
        path = Path(args["model_repository"]) / args["model_version"] / file
        self._input: str = config["input"][0]["name"]
        self._network = Network(path, self._input, [output["name"] for output in config["output"]])

    def execute(self, requests: list[Any]) -> list[Any]:
        """Answer the requests that Triton hands over together, in their order."""
        return [self._answer(request) for request in requests]

    def _answer(self, request: Any) -> Any:
        images = pb_utils.get_input_tensor_by_name(request, self._input).as_numpy()
        try:
            answers = self._network.run(images)
        except (RuntimeError, ValueError) as error:
            message = f"{self._input} of shape {images.shape} {images.dtype} cannot be run: {error}"
            return pb_utils.InferenceResponse(
                error=pb_utils.TritonError(message, pb_utils.TritonError.INVALID_ARG)
            )
        return pb_utils.InferenceResponse([pb_utils.Tensor(name, array) for name, array in answers.items()])
