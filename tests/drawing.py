"""Small drawn data sets in the real layouts: red discs are cats, blue rectangles dogs, on noisy green."""

import json
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as rle

SIZE = (64, 96)
CAT, DOG = 8, 12
"""Labels in VOC's own order."""
COLOURS = {CAT: (200, 40, 40), DOG: (40, 60, 210)}
NAMES = {CAT: "cat", DOG: "dog"}

Shape = tuple[int, int, int, int, int]
"""VOC label, then left, top, right, bottom [px], ends exclusive."""


def draw_photo(shapes: list[Shape], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a photo (H, W, 3) and its mask (H, W) in VOC labels."""
    rng = np.random.default_rng(seed)
    photo = np.empty((*SIZE, 3), dtype=np.uint8)
    photo[:] = (60, 130, 60)
    mask = np.zeros(SIZE, dtype=np.uint8)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    for label, left, top, right, bottom in shapes:
        inside = (rows >= top) & (rows < bottom) & (columns >= left) & (columns < right)
        if label == CAT:
            down = (rows + 0.5 - (top + bottom) / 2) / ((bottom - top) / 2)
            across = (columns + 0.5 - (left + right) / 2) / ((right - left) / 2)
            inside &= down**2 + across**2 <= 1
        photo[inside] = COLOURS[label]
        mask[inside] = label
    noise = rng.integers(-12, 13, photo.shape)
    return np.clip(photo.astype(int) + noise, 0, 255).astype(np.uint8), mask


def random_shapes(seed: int) -> list[Shape]:
    """Give a cat in the left half and a dog in the right half, of random size and place."""
    rng = np.random.default_rng(seed)
    shapes = []
    for label, origin in ((CAT, 2), (DOG, 50)):
        left, top = origin + int(rng.integers(0, 10)), 3 + int(rng.integers(0, 15))
        shapes.append((label, left, top, left + int(rng.integers(24, 34)), top + int(rng.integers(24, 44))))
    return shapes


def draw_voc(root: Path, *, train: int, val: int) -> Path:
    """Write a VOC devkit folder with so many photos per split."""
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    names = {"train": range(train), "val": range(train, train + val)}
    for split, seeds in names.items():
        lines = [_write_photo(root, seed) for seed in seeds]
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(lines) + "\n")
    return root


def voc_xml(shapes: list[Shape]) -> str:
    """Give the devkit's XML: 1-based, both ends inclusive."""
    objects = "".join(
        f"<object><name>{NAMES[label]}</name><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
        for label, left, top, right, bottom in shapes
    )
    return f"<annotation>{objects}</annotation>"


def draw_coco(root: Path, *, split: str, count: int) -> Path:
    """Write a COCO folder with one split."""
    (root / "annotations").mkdir(parents=True)
    (root / split).mkdir()
    content: dict[str, list[dict[str, object]]] = {
        "images": [],
        "annotations": [],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
    }
    for seed in range(count):
        shapes = random_shapes(seed)
        photo, mask = draw_photo(shapes, seed)
        Image.fromarray(photo).save(root / split / f"{seed}.png")
        content["images"].append({"id": seed, "file_name": f"{seed}.png"})
        for label, left, top, right, bottom in shapes:
            encoded = rle.encode(np.asfortranarray(mask == label))
            content["annotations"].append(
                {
                    "id": len(content["annotations"]),
                    "image_id": seed,
                    "category_id": 17 if label == CAT else 18,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": int(rle.area(encoded)),
                    "segmentation": {"size": list(SIZE), "counts": encoded["counts"].decode()},
                }
            )
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return root


def draw_yolo(root: Path, *, train: int, val: int) -> Path:
    """Write a YOLO folder with so many photos per split; objects are polygons, dogs' exactly their boxes."""
    root.mkdir(parents=True)
    (root / "data.yaml").write_text("train: images/train\nval: images/val\nnames: {0: cat, 1: dog}\n")
    for split, seeds in {"train": range(train), "val": range(train, train + val)}.items():
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for seed in seeds:
            shapes = random_shapes(seed)
            Image.fromarray(draw_photo(shapes, seed)[0]).save(root / "images" / split / f"{seed}.png")
            lines = "".join(map(polygon_line, shapes))
            (root / "labels" / split / f"{seed}.txt").write_text(lines)
    return root


def polygon_line(shape: Shape) -> str:
    """Give the line of a label file that outlines a shape, with coordinates of six digits."""
    label, left, top, right, bottom = shape
    angles = np.linspace(0, 2 * np.pi, 64) if label == CAT else np.pi * np.array([1.25, 1.75, 0.25, 0.75])
    reach = 0.5 if label == CAT else 0.5**0.5
    across = (left + right) / 2 + (right - left) * reach * np.cos(angles)
    down = (top + bottom) / 2 + (bottom - top) * reach * np.sin(angles)
    points = np.stack([across / SIZE[1], down / SIZE[0]], axis=1).ravel()
    return f"{0 if label == CAT else 1} " + " ".join(f"{point:.6f}" for point in points) + "\n"


def _write_photo(root: Path, seed: int) -> str:
    name = f"drawn_{seed:04d}"
    shapes = random_shapes(seed)
    photo, mask = draw_photo(shapes, seed)
    Image.fromarray(photo).save(root / "JPEGImages" / f"{name}.jpg", quality=95)
    Image.fromarray(mask).save(root / "SegmentationClass" / f"{name}.png")
    (root / "Annotations" / f"{name}.xml").write_text(voc_xml(shapes))
    return name
