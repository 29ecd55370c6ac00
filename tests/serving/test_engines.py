"""What both engines promise."""

import asyncio
import socket
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from contract.errors import EngineTimeout, EngineUnavailable, ModelOutputInvalid
from contract.manifest import CONFIDENCE, IMAGE, LABELS, MODEL_FILE
from serving.engines.local import LocalEngine
from serving.engines.onnx import CPU, CUDA, OnnxNetwork
from serving.engines.triton import TritonEngine
from serving.segmenter import Segmenter
from serving.telemetry import Stopwatch
from serving.triton.backends.onnxruntime.network import Network
from tests.serving.colours import colour_graph, colour_manifest, draw_photo, publish_colours

FRAME = draw_photo(64, 96)[None]


def test_local_engine_answers_batches_of_any_shape(tmp_path: Path) -> None:
    """One loaded version answers any number of images of any size."""
    folder = publish_colours(tmp_path)

    async def infer() -> list[tuple[int, ...]]:
        engine = LocalEngine()
        await engine.load(colour_manifest(folder, version=1, name="box2seg"), folder)
        shapes = [(1, 64, 96), (3, 96, 32), (2, 32, 32)]
        answers = [await engine.infer("box2seg", 1, np.zeros((*shape, 3), np.uint8)) for shape in shapes]
        await engine.close()
        assert [labels.shape for labels, _ in answers] == shapes
        assert {array.dtype for answer in answers for array in answer} == {np.dtype(np.uint8)}
        return shapes

    asyncio.run(infer())


def test_onnx_runtime_answers_alike(tmp_path: Path) -> None:
    """What runs on GPUs gives the same answers, shown on a processor; without a GPU that is said at once."""
    folder = publish_colours(tmp_path)
    answers = OnnxNetwork(folder / MODEL_FILE, IMAGE, [LABELS, CONFIDENCE], CPU).run(FRAME)
    expected = Network(folder / MODEL_FILE, IMAGE, [LABELS, CONFIDENCE], threads=1).run(FRAME)
    assert all(np.array_equal(answers[name], expected[name]) for name in expected)
    if CUDA in onnxruntime.get_available_providers():
        return
    with pytest.raises(EngineUnavailable, match=r"(?s)has no CUDA.*onnxruntime-gpu"):
        asyncio.run(LocalEngine(gpu=True).load(colour_manifest(folder, version=1, name="box2seg"), folder))


def test_answers_of_the_local_engine_are_kept(tmp_path: Path) -> None:
    """An answer does not change when the next one comes."""
    folder = publish_colours(tmp_path)

    async def infer() -> None:
        engine = LocalEngine()
        await engine.load(colour_manifest(folder, version=1, name="box2seg"), folder)
        labels, _ = await engine.infer("box2seg", 1, FRAME)
        before = labels.copy()
        await engine.infer("box2seg", 1, np.zeros_like(FRAME))
        np.testing.assert_array_equal(labels, before)

    asyncio.run(infer())


def test_version_that_is_not_loaded_is_unavailable() -> None:
    """Asking the local engine for what it does not have says so."""
    with pytest.raises(EngineUnavailable, match="version 3"):
        asyncio.run(LocalEngine().infer("box2seg", 3, FRAME))


def test_label_without_class_is_refused(tmp_path: Path) -> None:
    """A network that names a class beyond the model's classes never makes a mask."""
    folder = publish_colours(tmp_path, graph=colour_graph(first=9))
    manifest = colour_manifest(folder, version=1, name="box2seg")

    async def segment() -> None:
        from concurrent.futures import ThreadPoolExecutor

        engine = LocalEngine()
        await engine.load(manifest, folder)
        with ThreadPoolExecutor(1) as threads:
            segmenter = Segmenter(engine, threads)
            await segmenter.segment(draw_photo, manifest, lambda *_: b"", watch=Stopwatch())

    with pytest.raises(ModelOutputInvalid, match="label 11"):
        asyncio.run(segment())


def test_silent_triton_is_unavailable() -> None:
    """Where nobody listens, the answer is at once that the engine does not answer, in our words."""

    async def infer() -> None:
        engine = TritonEngine(f"127.0.0.1:{_free_port()}", timeout_s=20.0)
        assert not await engine.ready("box2seg", 1)
        await engine.infer("box2seg", 1, FRAME)

    with pytest.raises(EngineUnavailable, match=r"^Triton does not answer now\n"):
        asyncio.run(infer())


def test_hanging_triton_is_a_timeout() -> None:
    """A Triton that takes the connection and says nothing is given up at the deadline."""

    async def infer(port: int) -> None:
        engine = TritonEngine(f"127.0.0.1:{port}", timeout_s=0.2)
        try:
            await engine.infer("box2seg", 1, FRAME)
        finally:
            await engine.close()

    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(EngineTimeout):
        asyncio.run(infer(silent.getsockname()[1]))


def test_a_silent_connection_is_left_for_another() -> None:
    """Where a connection is taken and nothing is said, each look for the model goes another way."""

    async def look_twice(port: int) -> None:
        engine = TritonEngine(f"127.0.0.1:{port}", timeout_s=0.2)
        assert not await engine.ready("box2seg", 1)
        assert not await engine.ready("box2seg", 1)
        await engine.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        asyncio.run(look_twice(silent.getsockname()[1]))
        silent.settimeout(0.5)
        for _ in range(2):
            silent.accept()[0].close()
        with pytest.raises(TimeoutError):
            silent.accept()


def test_engines_say_what_computes() -> None:
    """The local engine computes on the processor; of a model that was not loaded Triton has said nothing."""
    assert LocalEngine().device("box2seg") == "cpu"
    assert TritonEngine("127.0.0.1:1").device("box2seg") == "unknown"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
