"""
An ONNX file run by OpenVINO on the CPU: the one way in which both engines of box2seg run a network.

It serves in Triton's own environment too, where nothing of box2seg can be imported; so it imports none.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt
import openvino as ov

Array = npt.NDArray[Any]

Idle = SimpleQueue[Any]
"""Requests of one compiled network, each a stream of its own, that nobody uses at the moment."""

KEPT = 16
"""Networks kept ready, of 40 to 70 MB on two processors; the 3,131 photos of VOC's animals have 16 sizes."""

MOST_STREAMS = 8
"""Images computed at the same time at most: each needs its own 25 MB in each network."""

PRECISION = "f32"
"""OpenVINO would take bf16 where the processor has it; labels must be those of the parity report."""


class Network:
    """
    An ONNX file, run by OpenVINO on all processors that this process may use.

    A network compiled for one size is a tenth faster than one for any size, so each size gets its own, made
    when it first comes (0.1 s) and dropped when it is the one unused longest. An image by itself is computed
    by all processors, to be done soon. Of several each has its own, which is more images per second: by a
    sixteenth on two idle processors, by more where others take a part of them, and nobody waits for whoever
    was held up.

    Args:
        path: The ONNX file.
        image: Name of its input.
        answers: Names of the outputs wanted.
        threads: How many processors to use; where None, what OMP_NUM_THREADS or the affinity allows.
        callers: How many threads call `run` at the same time; where several do, no image is by itself.

    Raises:
        ValueError: If the file has no such input or outputs.
    """

    def __init__(
        self, path: Path, image: str, answers: list[str], threads: int | None = None, callers: int = 1
    ) -> None:
        self._core = ov.Core()
        self._model = self._core.read_model(path)
        self._image, self._answers = image, answers
        self._threads, self._callers = threads or _threads(), callers
        self._ready: OrderedDict[tuple[int, ...], Idle] = OrderedDict()
        self._lock = Lock()
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
        answers: dict[str, list[Array]] = {name: [] for name in self._answers}
        with self._requests(images.shape) as requests:
            for first in range(0, len(images), len(requests)):
                wave = list(zip(requests, images[first:], strict=False))
                for request, image in wave:
                    request.start_async({self._image: image[np.newaxis]}, share_inputs=True)
                for request, _ in wave:
                    request.wait()
                    for name in self._answers:
                        answers[name].append(request.get_tensor(name).data.copy())
        return {name: np.concatenate(arrays) for name, arrays in answers.items()}

    @contextmanager
    def _requests(self, shape: tuple[int, ...]) -> Iterator[list[Any]]:
        """Lend what computes images of this shape, each one at a time: all that are idle, at least one."""
        idle = self._idle(shape[1:], alone=self._callers == 1 and shape[0] == 1)
        lent = [idle.get()]
        with suppress(Empty):
            while len(lent) < shape[0]:
                lent.append(idle.get_nowait())
        try:
            yield lent
        finally:
            for request in lent:
                with suppress(RuntimeError):  # it was told to whoever asked
                    request.wait()
                idle.put(request)

    def _idle(self, size: tuple[int, ...], *, alone: bool) -> Idle:
        streams = 1 if alone else min(self._threads, MOST_STREAMS)
        key = (*size, streams)
        with self._lock:
            if key not in self._ready:
                self._ready[key] = self._compile(size, streams)
            self._ready.move_to_end(key)
            if len(self._ready) > KEPT:
                self._ready.popitem(last=False)
            return self._ready[key]

    def _compile(self, size: tuple[int, ...], streams: int) -> Idle:
        model = self._model.clone()
        model.reshape({self._image: [1, *size]})
        compiled = self._core.compile_model(model, "CPU", _options(self._threads, streams))
        idle = Idle()
        for _ in range(streams):
            idle.put(compiled.create_infer_request())
        return idle


def _options(threads: int, streams: int) -> dict[str, Any]:
    return {
        "NUM_STREAMS": streams,
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
