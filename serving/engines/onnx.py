"""An ONNX file run by ONNX Runtime on a GPU, for processes that have one and no Triton."""

from collections.abc import Sequence
from pathlib import Path

from contract.arrays import Uint8
from contract.errors import EngineUnavailable

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class OnnxNetwork:
    """
    An ONNX file, run by ONNX Runtime.

    Args:
        path: The file.
        image: Name of its input.
        answers: Names of the outputs wanted.
        provider: Of ONNX Runtime; what it cannot run is run on the processor.

    Raises:
        EngineUnavailable: If ONNX Runtime is not there, has no such provider, or cannot load the file.
    """

    def __init__(self, path: Path, image: str, answers: Sequence[str], provider: str = CUDA) -> None:
        try:
            import onnxruntime
        except ModuleNotFoundError as error:
            raise EngineUnavailable(
                "ONNX Runtime is not installed here", hint="pip install onnxruntime-gpu where there are GPUs"
            ) from error
        if provider not in onnxruntime.get_available_providers():
            raise EngineUnavailable(
                f"ONNX Runtime has no {provider} here", hint="install onnxruntime-gpu in onnxruntime's place"
            )
        self._image, self._answers = image, list(answers)
        try:
            providers = list(dict.fromkeys((provider, CPU)))
            self._session = onnxruntime.InferenceSession(path, providers=providers)
        except Exception as error:  # its errors have no root of their own
            raise EngineUnavailable(f"ONNX Runtime cannot load the model: {error}") from error
        if self._session.get_providers()[0] != provider:  # it says so in its log only, and goes on slowly
            raise EngineUnavailable(f"ONNX Runtime could not start {provider}; the log says why")

    def run(self, images: Uint8) -> dict[str, Uint8]:
        """
        Run a batch, (N, H, W, 3) uint8; gives each answer by its name, with N in front.

        Raises:
            RuntimeError: If the network fails.
        """
        return dict(zip(self._answers, self._session.run(self._answers, {self._image: images}), strict=True))
