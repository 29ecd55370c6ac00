"""Golden photos that the colour network labels without a fault, and versions of it that are worse."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
from PIL import Image

from tests.serving.colours import CLASSES, colour_graph

SIZE = (64, 96)
FAINT_EVERY = 8
"""Of so many photos one has a blue that only a low threshold sees."""

RED, BLUE, FAINT = (250, 10, 10), (10, 10, 250), (10, 10, 90)


def draw_golden(root: Path, count: int = 24) -> Path:
    """Write a YOLO folder: on grey, a red rectangle at the left, a blue one at the right; masks are exact."""
    for folder in ("images/val", "labels/val"):
        (root / folder).mkdir(parents=True)
    names = dict(enumerate(CLASSES.names[1:]))
    (root / "data.yaml").write_text(f"val: images/val\nnames: {names}\n")
    for index in range(count):
        blue = FAINT if index % FAINT_EVERY == 0 else BLUE
        photo, lines = _draw(index, blue)
        Image.fromarray(photo).save(root / "images" / "val" / f"{index:03d}.png")
        (root / "labels" / "val" / f"{index:03d}.txt").write_text("".join(lines))
    return root


def blunt_graph(threshold: float = 128.0) -> onnx.ModelProto:
    """Build a colour network that takes the faint blue for background."""
    model = colour_graph()
    for tensor in model.graph.initializer:
        if tensor.name == "threshold":
            tensor.CopyFrom(numpy_helper.from_array(np.float32(threshold), "threshold"))
    return model


def _draw(seed: int, blue: tuple[int, int, int]) -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(seed)
    photo = np.full((*SIZE, 3), 127, np.uint8)
    lines = []
    for label, colour, start in ((0, RED, 4), (2, blue, 52)):
        left, top = start + int(random.integers(0, 8)), int(random.integers(4, 16))
        right, bottom = left + 28, top + 36
        photo[top:bottom, left:right] = colour
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        words = " ".join(f"{x / SIZE[1]:.6f} {y / SIZE[0]:.6f}" for x, y in corners)
        lines.append(f"{label} {words}\n")
    return photo, lines
