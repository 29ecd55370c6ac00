"""A tiny real model that names colours, published as any other, and photos for it."""

import datetime
import io
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper
from PIL import Image

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.geometry import FitRule
from contract.manifest import MODEL_FILE, Manifest, Origin, Tensor, file_sha256, write_manifest

CLASSES = ClassMap(("background", "red", "green", "blue"))
SMALL = FitRule(96)


def colour_graph(first: int = 1) -> onnx.ModelProto:
    """
    Build a network that names each pixel's strongest colour channel; grey is background.

    Args:
        first: The label of red; green and blue follow.
    """
    nodes = [
        helper.make_node("Cast", ["image"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMax", ["pixels", "axis"], ["strongest"], keepdims=0),
        helper.make_node("ReduceMin", ["pixels", "axis"], ["weakest"], keepdims=0),
        helper.make_node("Sub", ["strongest", "weakest"], ["spread"]),
        helper.make_node("Greater", ["spread", "threshold"], ["coloured"]),
        helper.make_node("ArgMax", ["pixels"], ["channel"], axis=3, keepdims=0),
        helper.make_node("Add", ["channel", "first"], ["class"]),
        helper.make_node("Where", ["coloured", "class", "background"], ["label"]),
        helper.make_node("Cast", ["label"], ["labels"], to=TensorProto.UINT8),
        helper.make_node("Where", ["coloured", "strongest", "sure"], ["certainty"]),
        helper.make_node("Cast", ["certainty"], ["confidence"], to=TensorProto.UINT8),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [3]),
        helper.make_tensor("threshold", TensorProto.FLOAT, [], [64.0]),
        helper.make_tensor("first", TensorProto.INT64, [], [first]),
        helper.make_tensor("background", TensorProto.INT64, [], [0]),
        helper.make_tensor("sure", TensorProto.FLOAT, [], [255.0]),
    ]
    frame = ["N", "H", "W"]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [*frame, 3])],
        [helper.make_tensor_value_info(name, TensorProto.UINT8, frame) for name in ("labels", "confidence")],
        constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def publish_colours(
    repository: Path,
    *,
    version: int = 1,
    name: str = "box2seg",
    graph: onnx.ModelProto | None = None,
    fit: FitRule = SMALL,
) -> Path:
    """Publish the colour network: its files, and the manifest last; gives the version's folder."""
    folder = repository / name / str(version)
    folder.mkdir(parents=True)
    onnx.save(graph or colour_graph(), folder / MODEL_FILE)
    write_manifest(colour_manifest(folder, version=version, name=name, fit=fit), folder)
    return folder


def colour_manifest(folder: Path, *, version: int, name: str, fit: FitRule = SMALL) -> Manifest:
    """Give the manifest of a version whose model file lies there."""
    free = (-1, -1, -1)
    return Manifest(
        name=name,
        version=version,
        classes=CLASSES,
        fit=fit,
        inputs=(Tensor("image", "uint8", (*free, 3)),),
        outputs=(Tensor("labels", "uint8", free), Tensor("confidence", "uint8", free)),
        files={MODEL_FILE: file_sha256(folder / MODEL_FILE)},
        parity={"labels": 1.0},
        scores={"val mIoU6": 0.5},
        origin=Origin("drawn", "none", "nothing", 0, "none", "none", 0.0),
        created=datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC).isoformat(),
    )


def draw_photo(height: int = 64, width: int = 96) -> Uint8:
    """Draw a grey photo, (height, width, 3), with a red rectangle at the left and a blue one at the right."""
    photo = np.full((height, width, 3), 127, np.uint8)
    rows = slice(height // 4, height - height // 4)
    photo[rows, width // 12 : width // 3] = (250, 10, 10)
    photo[rows, width // 2 : width - width // 12] = (10, 10, 250)
    return photo


def encode(photo: Uint8, kind: str = "PNG", **options: object) -> bytes:
    """Give a photo's file."""
    stream = io.BytesIO()
    Image.fromarray(photo).save(stream, kind, **options)
    return stream.getvalue()


def read_labels(answer: bytes) -> Uint8:
    """Give the labels of an indexed PNG."""
    with Image.open(io.BytesIO(answer)) as image:
        assert image.mode == "P"
        return np.asarray(image)
