"""Boxes in, served masks out: every room and verb, on drawn shapes, with a server that changes versions."""

import io
import json
import shutil
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.__main__ import app
from contract.classes import class_map
from contract.metrics import label_agreement
from serving.choice import open_engine
from serving.settings import Settings
from serving.triton.environment import CHECKOUT, Environment
from tests.drawing import draw_voc
from tests.serving.running import running_gateway
from training.datasets.voc import VocDataset

PATIENCE_S = 60.0
SMALL = (
    *("classes=cat,dog", "unscored=", "width=16", "embedding=8", "long_side=96", "crop=96", "scales=0.8,1.2"),
    *(
        "batch_size=8",
        "epochs=8",
        "warm_epochs=4",
        "evaluate_every=8",
        "learning_rate=0.003",
        "encoder_rate=0.3",
    ),
)


def box2seg(*words: object) -> str:
    """Type a command and give what it prints."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOC folder of drawn photos."""
    return draw_voc(tmp_path_factory.mktemp("journey") / "drawn", train=32, val=6)


@pytest.fixture(scope="module")
def run(drawn: Path) -> Path:
    """A run trained from their boxes and exported."""
    folder = drawn.parent / "run"
    changes = [word for change in SMALL for word in ("--set", change)]
    places = ("--data", drawn, "--out", folder, "--cache", drawn.parent / "cache")
    box2seg("train", *places, "--workers", 0, "--device", "cpu", *changes)
    box2seg("export", folder, "--photos", drawn / "JPEGImages")
    return folder


def test_boxes_were_learned(run: Path, drawn: Path) -> None:
    """From boxes alone the network finds the shapes of photos that it never saw."""
    scores = json.loads(box2seg("evaluate", run, "--data", drawn, "--split", "val", "--json"))
    assert scores["val mIoU3"] > 0.6


@pytest.mark.triton
def test_running_server_serves_what_is_promoted(
    run: Path, drawn: Path, tmp_path: Path, triton_environment: Environment
) -> None:
    """A mask of a photo comes through Triton; a version promoted meanwhile answers without a restart."""
    repository = tmp_path / "repository"
    (repository / "box2seg").mkdir(parents=True)
    shutil.copy(CHECKOUT / "model_repository" / "box2seg" / "config.pbtxt", repository / "box2seg")
    box2seg("publish", run, "--repository", repository)
    image = VocDataset(drawn, class_map(("cat", "dog"))).load("val").images[0]
    settings = Settings(engine="triton", repository=repository, watch_every_s=0.1)
    with open_engine(settings, lambda words: None) as engine, running_gateway(settings, engine) as address:
        first = ask(address, image.path, version="1")
        box2seg("publish", run, "--repository", repository)
        why = ("--force", "--why", "the same weights once more")
        box2seg("models", "promote", 2, "--repository", repository, *why)
        second = ask(address, image.path, version="2")
    assert first.shape == image.size
    assert np.array_equal(first, second)
    box2seg("predict", image.path, "--out", tmp_path / "masks", "--repository", repository)
    predicted = np.asarray(Image.open(tmp_path / "masks" / f"{image.name}.png"))
    assert label_agreement(first, predicted) > 0.99


def ask(address: str, photo: Path, *, version: str) -> np.ndarray:
    """Ask for a mask until this version gives it."""
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        answer = httpx.post(f"{address}/v1/segment", content=photo.read_bytes())
        if answer.headers.get("x-model-version") == version:
            assert answer.headers["content-type"] == "image/png"
            return np.asarray(Image.open(io.BytesIO(answer.content)))
        time.sleep(0.1)
    raise AssertionError(f"version {version} never answered: {answer.status_code} {answer.text[:200]}")
