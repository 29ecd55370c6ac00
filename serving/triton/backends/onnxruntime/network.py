"""
An ONNX file run by OpenVINO on the CPU: the one way in which both engines of box2seg run a network.

It serves in Triton's own environment too, where nothing of box2seg can be imported; so it imports none.
"""

import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

Array = npt.NDArray[Any]

KEPT_SIZES = 16
"""Networks kept ready, one per image size, about 40 MB each; the 3,131 photos of VOC's animals have 16."""

PRECISION = "f32"
"""OpenVINO would take bf16 where the processor has it; labels must be those of the parity report."""


class Network:
    """
    An ONNX file, run by OpenVINO on all processors that this process may use.

    A network compiled for one size is a tenth faster than one for any size, so each size gets its own, made
    when it first comes (0.1 s) and dropped when it is the one unused longest. Images of a batch run one
    after the other: on a CPU that is as fast as together, and batches need no networks of their own.

    Args:
        path: The ONNX file.
        image: Name of its input.
        answers: Names of the outputs wanted.
        threads: How many processors to use; where None, what OMP_NUM_THREADS or the affinity allows.

    Raises:
        ValueError: If the file has no such input or outputs.
    """

    def __init__(self, path: Path, image: str, answers: list[str], threads: int | None = None) -> None:
        self._core = ov.Core()
        self._model = self._core.read_model(path)
        self._image, self._answers = image, answers
        self._options = _options(threads or _threads())
        self._ready: OrderedDict[tuple[int, ...], Any] = OrderedDict()
        _check_names("input", [image], self._model.inputs)
        _check_names("output", answers, self._model.outputs)

    def run(self, images: Array) -> dict[str, Array]:
        """
        Run a batch.

        Args:
            images: (N, H, W, 3) uint8.

        Returns:
            Each answer by its name, with N in front.
        """
        request = self._request(images.shape[1:])
        answers: dict[str, list[Array]] = {name: [] for name in self._answers}
        for image in images:
            request.infer({self._image: image[np.newaxis]}, share_inputs=True)
            for name in self._answers:
                answers[name].append(request.get_tensor(name).data.copy())
        return {name: np.concatenate(arrays) for name, arrays in answers.items()}

    def _request(self, size: tuple[int, ...]) -> Any:
        if size not in self._ready:
            self._ready[size] = self._compile(size)
        self._ready.move_to_end(size)
        if len(self._ready) > KEPT_SIZES:
            self._ready.popitem(last=False)
        return self._ready[size]

    def _compile(self, size: tuple[int, ...]) -> Any:
        model = self._model.clone()
        model.reshape({self._image: [1, *size]})
        compiled = self._core.compile_model(model, "CPU", self._options)
        return compiled.create_infer_request()


def _options(threads: int) -> dict[str, Any]:
    return {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": PRECISION,
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # pinned threads of several processes sit on the same processors
    }


def _threads() -> int:
    """Give what whoever started Triton allows (it knows the container's quota), else all processors."""
    allowed = os.environ.get("OMP_NUM_THREADS", "")
    return int(allowed) if allowed.isdecimal() and int(allowed) else len(os.sched_getaffinity(0))


def _check_names(kind: str, wanted: list[str], ports: list[Any]) -> None:
    names = {name for port in ports for name in port.get_names()}
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ValueError(f"config.pbtxt has {kind} {missing[0]!r}, model.onnx has {sorted(names)}")
