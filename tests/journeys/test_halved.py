"""A file with its weights in 16 bits, in the engines that serve."""

import asyncio
import dataclasses
from pathlib import Path

import numpy as np
import onnx
import pytest

from contract.arrays import Uint8
from contract.images import read_image
from contract.manifest import (
    MODEL_FILE,
    Manifest,
    file_sha256,
    published_versions,
    read_manifest,
    write_manifest,
)
from contract.metrics import label_agreement
from export.publish import CONFIG_TEMPLATE
from export.storage import store_weights
from serving.engines import Engine
from serving.engines.local import LocalEngine
from serving.engines.triton import TritonEngine
from serving.triton.environment import CHECKOUT, Environment
from serving.triton.server import Launch, TritonServer, free_ports

SHIPPED = CHECKOUT / "model_repository" / "box2seg"
CAT = CHECKOUT / "docs" / "pictures" / "chelsea.jpg"


@pytest.mark.triton
def test_both_engines_serve_weights_of_16_bits(triton_environment: Environment, tmp_path: Path) -> None:
    """Of the shipped model in float16, Triton and the local engine give the shipped model's labels."""
    shipped = SHIPPED / str(published_versions(SHIPPED)[-1])
    halved = _publish_halved(shipped, tmp_path / "repository")
    photo = read_image(CAT)
    frame = read_manifest(shipped).fit.fit((photo.shape[0], photo.shape[1])).fit_image(photo)[np.newaxis]
    expected = asyncio.run(_labels(LocalEngine(), shipped, frame))
    assert len(np.unique(expected)) > 1
    assert label_agreement(expected, asyncio.run(_labels(LocalEngine(), halved, frame))) >= 0.999
    log = tmp_path / "triton.log"
    server = TritonServer(
        Launch(tmp_path / "repository", log, models=(), ports=free_ports(), environment=triton_environment)
    )
    server.start()
    try:
        served = asyncio.run(_labels(TritonEngine(server.grpc_url), halved, frame))
    finally:
        server.stop()
    assert label_agreement(expected, served) >= 0.999


def _publish_halved(shipped: Path, repository: Path) -> Path:
    folder = repository / SHIPPED.name / "1"
    folder.mkdir(parents=True)
    (folder.parent / CONFIG_TEMPLATE.name).write_bytes(CONFIG_TEMPLATE.read_bytes())
    model = onnx.load(shipped / MODEL_FILE)
    store_weights(model, "float16")
    onnx.save(model, folder / MODEL_FILE)
    files = {MODEL_FILE: file_sha256(folder / MODEL_FILE)}
    manifest = dataclasses.replace(read_manifest(shipped), version=1, files=files)
    write_manifest(manifest, folder)
    return folder


async def _labels(engine: Engine, folder: Path, frame: Uint8) -> Uint8:
    manifest: Manifest = read_manifest(folder)
    await engine.load(manifest, folder)
    labels, _ = await engine.infer(manifest.name, manifest.version, frame)
    await engine.close()
    return labels
