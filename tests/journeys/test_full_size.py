"""Masks at the photo's own size are those of the slow way: class scores enlarged to it, then the largest."""

import re
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from contract.arrays import Uint8
from contract.geometry import Fit
from contract.images import read_image
from contract.manifest import CONFIDENCE, IMAGE, LABELS, MODEL_FILE, read_manifest
from serving.versions import published_models

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "docs" / "pictures"
SOURCES = (PICTURES / "SOURCES.md").read_text(encoding="utf-8")
PHOTOS = [PICTURES / name for name in re.findall(r"^\| (\w+\.jpg)", SOURCES, re.MULTILINE)]
LARGE = (2_828, 4_243)
"""12 megapixels, in the shape of the photo of chickens."""

VERSION = (
    ROOT / "model_repository" / "box2seg" / str(published_models(ROOT / "model_repository")["box2seg"][-1])
)
RULE = read_manifest(VERSION).fit


@pytest.fixture(scope="module")
def network() -> onnxruntime.InferenceSession:
    """The shipped network, which also tells its class scores, (1, K, h / 4, w / 4)."""
    model = onnx.load(VERSION / MODEL_FILE)
    enlarge = [node for node in model.graph.node if node.op_type == "Resize"][-1]
    model.graph.output.append(
        onnx.helper.make_tensor_value_info(enlarge.input[0], onnx.TensorProto.FLOAT, None)
    )
    return onnxruntime.InferenceSession(model.SerializeToString())


def agreement(network: onnxruntime.InferenceSession, photo: Uint8) -> float:
    """Give the share of pixels with the same label both ways."""
    height, width, _ = photo.shape
    fit = RULE.fit((height, width))
    names = [each.name for each in network.get_outputs()]
    answers = dict(zip(names, network.run(names, {IMAGE: fit.fit_image(photo)[None]}), strict=True))
    ours = fit.bring_back(answers[LABELS][0], answers[CONFIDENCE][0])
    (scores,) = (answers[name] for name in names if name not in (LABELS, CONFIDENCE))
    return float((ours == slow_labels(scores, fit)).mean())


def slow_labels(scores_1Khw: np.ndarray, fit: Fit) -> Uint8:
    """Enlarge each class's scores to the frame and to the photo, and take the largest."""
    frame_1KHW = enlarge(torch.from_numpy(scores_1Khw), fit.network)[..., : fit.inner[0], : fit.inner[1]]
    best = torch.full(fit.original, -torch.inf)
    labels = torch.zeros(fit.original, dtype=torch.uint8)
    for label in range(frame_1KHW.shape[1]):  # one after the other: all at once take a gigabyte at 12 Mpx
        score = enlarge(frame_1KHW[:, label : label + 1], fit.original)[0, 0]
        labels[score > best] = label
        best = torch.maximum(best, score)
    return labels.numpy()


def enlarge(scores: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Interpolate with pixel centres at half coordinates."""
    return F.interpolate(scores, size, mode="bilinear", align_corners=False)


@pytest.mark.parametrize("path", PHOTOS, ids=lambda path: path.stem)
def test_masks_agree_with_the_slow_way(network: onnxruntime.InferenceSession, path: Path) -> None:
    """At least 99.7 % of a photo's labels; 99.72 to 99.97 % were measured."""
    assert agreement(network, read_image(path)) >= 0.997


def test_masks_of_large_photos_agree_with_the_slow_way(network: onnxruntime.InferenceSession) -> None:
    """At least 99.5 % at 12 Mpx, on the photo with the most classes; 99.73 % were measured."""
    photo = Image.fromarray(read_image(ROOT / "docs" / "pictures" / "chickens.jpg"))
    large = photo.resize(LARGE[::-1], Image.Resampling.BICUBIC)
    assert agreement(network, np.asarray(large)) >= 0.995
