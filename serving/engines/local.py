"""Runs published versions in this process: for laptops, folders, clusters and where Triton cannot run."""

import asyncio
import logging
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from contract.arrays import Size, Uint8
from contract.errors import EngineError, EngineTimeout, EngineUnavailable
from contract.manifest import CONFIDENCE, IMAGE, LABELS, MODEL_FILE, Manifest
from contract.processors import available_processors
from serving.engines import Tally, usual_frames
from serving.engines.onnx import OnnxNetwork
from serving.triton.backends.onnxruntime.network import Network

log = logging.getLogger(__name__)


class LocalEngine:
    """
    Runs networks on all processors by OpenVINO, or on a GPU by ONNX Runtime.

    Args:
        at_once: Photos computed at the same time, each on its share of the processors. More than one is more
            photos per second, and each takes longer.
        timeout_s: How long one answer may take where nobody says, waiting included [s].
        threads: How many processors to use; where None, all that this process may.
        gpu: Compute on the GPU that this process sees.
    """

    def __init__(
        self, *, at_once: int = 1, timeout_s: float = 60.0, threads: int | None = None, gpu: bool = False
    ) -> None:
        self._timeout_s = timeout_s
        self._threads = threads or available_processors()
        self._gpu = gpu
        self._networks: dict[tuple[str, int], Network | OnnxNetwork] = {}
        self._at_once = at_once
        self._callers = ThreadPoolExecutor(at_once, "network")

    async def load(self, manifest: Manifest, folder: Path) -> None:
        """Compile a version; see `Engine`."""
        key = (manifest.name, manifest.version)
        if key not in self._networks:
            loop = asyncio.get_running_loop()
            self._networks[key] = await loop.run_in_executor(
                None, self._open, folder / MODEL_FILE, usual_frames(manifest)
            )

    async def drop(self, model: str, versions: Collection[int]) -> None:
        """Forget compiled versions; requests under way keep theirs alive until they are done."""
        for version in versions:
            self._networks.pop((model, version), None)

    async def ready(self, model: str, version: int) -> bool:
        """Tell whether a version is compiled; see `Engine`."""
        return (model, version) in self._networks

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """Run the network in one of the engine's threads; see `Engine`."""
        network = self._networks.get((model, version))
        if network is None:
            raise EngineUnavailable(f"{model} version {version} is not loaded")
        loop = asyncio.get_running_loop()
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        try:
            async with asyncio.timeout(limit_s):
                return await loop.run_in_executor(self._callers, _run, network, images)
        except TimeoutError as error:
            raise EngineTimeout(f"no answer within {limit_s:g} s", hint="try again later") from error

    async def tally(self) -> list[Tally]:
        """Tell nothing, as photos are never computed together here; see `Engine`."""
        return []

    def device(self, model: str) -> str:
        """Say which of the two computes; see `Engine`."""
        return "gpu" if self._gpu else "cpu"

    async def close(self) -> None:
        """Drop the compiled versions and end the threads."""
        self._callers.shutdown(wait=False, cancel_futures=True)
        self._networks.clear()

    def _open(self, path: Path, frames: list[Size]) -> Network | OnnxNetwork:
        """Compile a network for the usual frames, by running it on them."""
        answers = [LABELS, CONFIDENCE]
        try:
            network: Network | OnnxNetwork = (
                OnnxNetwork(path, IMAGE, answers)
                if self._gpu
                else Network(path, IMAGE, answers, self._threads, self._at_once)
            )
            for frame in frames:
                network.run(np.zeros((1, *frame, 3), np.uint8))
            return network
        except ValueError as error:  # our own words, of names that are not there
            raise EngineUnavailable(f"the engine cannot load the model: {error}") from error
        except RuntimeError as error:
            log.error("the engine cannot load %s: %s", path, error)
            raise EngineUnavailable("the engine cannot load the model; the log says why") from error


def _run(network: Network | OnnxNetwork, images: Uint8) -> tuple[Uint8, Uint8]:
    try:
        answer = network.run(images)
    except RuntimeError as error:
        log.error("the engine failed on a tensor %s: %s", images.shape, error)
        raise EngineError("the network failed on this photo") from error
    return answer[LABELS], answer[CONFIDENCE]
