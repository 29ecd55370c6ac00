"""The forms of an answer, from a mask that can be seen."""

import io
import json

import numpy as np
import pytest
import shapely
from PIL import Image
from pycocotools import mask as coco

from contract.masks import Segmentation
from serving.formats import FORMATS
from serving.formats.geojson import trace_mask
from serving.formats.overlay import encode_overlay, encode_overlay_png
from serving.formats.png import encode_png
from serving.formats.rle import encode_rle
from tests.serving.colours import CLASSES
from tests.serving.forms import READERS, fill_polygons, labels_of

LABELS = np.array(
    [
        [0, 0, 0, 0, 0, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 3],
    ],
    np.uint8,
)
PHOTO = np.full((5, 6, 3), 100, np.uint8)
MASK = Segmentation(LABELS, "box2seg", 7)


def noise(seed: int, shape: tuple[int, int] = (40, 61)) -> Segmentation:
    """Draw labels with holes, corners that touch, and void, in cells of three pixels and of one."""
    random = np.random.default_rng(seed)
    coarse = np.kron(random.integers(0, 4, (20, 21)), np.ones((3, 3), int))[: shape[0], : shape[1]]
    labels = np.where(random.random(shape) < 0.1, 255, coarse).astype(np.uint8)
    return Segmentation(labels, "box2seg", 7, random.integers(0, 256, shape, np.uint8))


def test_png_keeps_labels_and_colours() -> None:
    """Indices come back as they were; seen as RGB they have the classes' colours."""
    with Image.open(io.BytesIO(encode_png(PHOTO, MASK, CLASSES))) as image:
        np.testing.assert_array_equal(np.asarray(image), LABELS)
        assert image.convert("RGB").getpixel((5, 4)) == CLASSES.colours[3]


def test_rle_of_a_mask() -> None:
    """Each class there is has its run lengths, area and box; those that are not there are left out."""
    content = json.loads(encode_rle(PHOTO, MASK, CLASSES))
    assert (content["model"], content["version"]) == ("box2seg", 7)
    red, blue = content["annotations"]
    assert (red["label"], red["area"], red["bbox"]) == ("red", 12, [1, 1, 4, 3])
    assert (blue["label"], blue["area"], blue["bbox"]) == ("blue", 1, [5, 4, 1, 1])
    np.testing.assert_array_equal(coco.decode(red["segmentation"]), LABELS == 1)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("seed", range(3))
def test_formats_say_the_same(name: str, seed: int) -> None:
    """Whatever the form, the labels read from it are those of the mask, bit by bit, void included."""
    mask = noise(seed)
    form = FORMATS[name]
    answer = form.encode(PHOTO, mask, CLASSES)
    headers = {key.lower(): value for key, value in form.headers(mask).items()}
    np.testing.assert_array_equal(labels_of(name, answer, headers), mask.labels)


@pytest.mark.parametrize("name", READERS)
def test_formats_of_nothing(name: str) -> None:
    """A photo of background alone has no annotation and no feature, and is still of its size."""
    empty = Segmentation(np.zeros((3, 4), np.uint8), "box2seg", 7, np.zeros((3, 4), np.uint8))
    answer = FORMATS[name].encode(PHOTO, empty, CLASSES)
    np.testing.assert_array_equal(
        labels_of(name, answer, {"x-shape": "3,4", "x-dtype": "uint8"}), empty.labels
    )


RING = np.array(
    [
        [1, 1, 1, 1, 1, 1, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 1, 0, 1, 0, 1],
        [1, 0, 1, 1, 1, 0, 1],
        [1, 0, 0, 0, 0, 0, 1],
        [1, 1, 1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0, 0, 1],
    ],
    bool,
)


def test_polygons_have_holes_and_islands() -> None:
    """A ring in a ring is two polygons with a hole each; a pixel that meets at a corner is a third."""
    outline = trace_mask(RING)
    assert outline.is_valid
    assert sorted(len(part.interiors) for part in outline.geoms) == [0, 1, 1]
    assert outline.area == RING.sum()


def test_a_polygon_has_corners_only() -> None:
    """Straight edges have no points in between; the exterior runs counter-clockwise, holes clockwise."""
    (square,) = trace_mask(LABELS == 1).geoms
    assert sorted(set(square.exterior.coords)) == [(1, 1), (1, 4), (5, 1), (5, 4)]
    assert square.exterior.is_ccw
    rings = [ring for part in trace_mask(RING).geoms for ring in part.interiors]
    assert not any(ring.is_ccw for ring in rings)


@pytest.mark.parametrize("seed", range(10))
def test_polygons_are_valid_and_exact(seed: int) -> None:
    """Polygons of noise, where corners touch everywhere, are valid and fill to the same pixels."""
    mask = np.random.default_rng(seed).random((23, 31)) < 0.5
    outline = trace_mask(mask)
    assert outline.is_valid
    np.testing.assert_array_equal(fill_polygons(json.loads(shapely.to_geojson(outline)), mask.shape), mask)


def test_geojson_of_a_mask() -> None:
    """Features carry the class; coordinates are whole pixels."""
    content = json.loads(FORMATS["geojson"].encode(PHOTO, MASK, CLASSES))
    assert (content["type"], content["width"], content["height"]) == ("FeatureCollection", 6, 5)
    blue = content["features"][1]
    assert blue["properties"] == {"label": "blue", "category_id": 3, "area": 1}
    assert blue["geometry"]["type"] == "MultiPolygon"
    assert sorted(blue["geometry"]["coordinates"][0][0][:4]) == [[5, 4], [5, 5], [6, 4], [6, 5]]
    assert "." not in json.dumps(blue["geometry"])


def test_npz_says_all_there_is() -> None:
    """The archive needs no pickle and has labels, confidence, names, model and version."""
    mask = noise(5)
    content = np.load(io.BytesIO(FORMATS["npz"].encode(PHOTO, mask, CLASSES)), allow_pickle=False)
    assert set(content) == {"labels", "confidence", "classes", "model", "version"}
    np.testing.assert_array_equal(content["confidence"], mask.confidence)
    assert tuple(content["classes"]) == CLASSES.names
    assert (str(content["model"]), int(content["version"])) == ("box2seg", 7)


def test_confidence_is_a_grey_png() -> None:
    """The picture's grey is the confidence itself."""
    mask = noise(6)
    with Image.open(io.BytesIO(FORMATS["confidence"].encode(PHOTO, mask, CLASSES))) as image:
        assert image.mode == "L"
        np.testing.assert_array_equal(np.asarray(image), mask.confidence)


def test_overlay_of_one_pixel() -> None:
    """The smallest photo there is can be drawn over."""
    one = Segmentation(np.ones((1, 1), np.uint8), "box2seg", 1)
    with Image.open(io.BytesIO(encode_overlay(PHOTO[:1, :1], one, CLASSES))) as image:
        assert image.size == (1, 1)


@pytest.mark.parametrize(
    ("alpha", "inside"), [(0.0, (100, 100, 100)), (0.5, (114, 50, 50)), (1.0, (128, 0, 0))]
)
def test_overlay_tints_as_asked(alpha: float, inside: tuple[int, int, int]) -> None:
    """Alpha goes from the photo itself to the class's colour; without outline the edge is tinted too."""
    drawn = encode_overlay_png(PHOTO, MASK, CLASSES, alpha=alpha, outline=False)
    with Image.open(io.BytesIO(drawn)) as image:
        assert (image.getpixel((1, 1)), image.getpixel((0, 0))) == (inside, (100, 100, 100))
    with Image.open(io.BytesIO(encode_overlay_png(PHOTO, MASK, CLASSES, alpha=alpha))) as image:
        assert (image.getpixel((1, 1)), image.getpixel((2, 2))) == ((255, 255, 255), inside)
