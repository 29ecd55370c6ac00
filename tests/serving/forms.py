"""Each form of answer read back to labels, by those who would read it: COCO, numpy, Pillow, GEOS."""

import io
import json
from collections.abc import Mapping

import numpy as np
import shapely
from pycocotools import mask as coco

from contract.arrays import Size, Uint8
from tests.serving.colours import read_labels


def labels_of(name: str, answer: bytes, headers: Mapping[str, str]) -> Uint8:
    """Give the labels that an answer of a format says."""
    return READERS[name](answer, headers)


def fill_polygons(geometry: dict[str, object], size: Size) -> np.ndarray:
    """Rasterise a GeoJSON geometry: a pixel is inside where its centre is."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    outline = shapely.from_geojson(json.dumps(geometry))
    shapely.prepare(outline)
    return shapely.contains_xy(outline, columns, rows)


def _of_rle(answer: bytes, _: Mapping[str, str]) -> Uint8:
    content = json.loads(answer)
    labels = np.zeros((content["height"], content["width"]), np.uint8)
    for each in content["annotations"]:
        inside = coco.decode(each["segmentation"]).astype(bool)
        assert each["area"] == inside.sum()
        assert not labels[inside].any()
        labels[inside] = each["category_id"]
    return labels


def _of_geojson(answer: bytes, _: Mapping[str, str]) -> Uint8:
    content = json.loads(answer)
    labels = np.zeros((content["height"], content["width"]), np.uint8)
    for feature in content["features"]:
        inside = fill_polygons(feature["geometry"], labels.shape)
        assert feature["properties"]["area"] == inside.sum()
        assert not labels[inside].any()
        labels[inside] = feature["properties"]["category_id"]
    return labels


def _of_raw(answer: bytes, headers: Mapping[str, str]) -> Uint8:
    height, width = map(int, headers["x-shape"].split(","))
    return np.frombuffer(answer, headers["x-dtype"]).reshape(height, width)


READERS = {
    "png": lambda answer, _: read_labels(answer),
    "rle": _of_rle,
    "geojson": _of_geojson,
    "npy": lambda answer, _: np.load(io.BytesIO(answer)),
    "npz": lambda answer, _: np.load(io.BytesIO(answer))["labels"],
    "raw": _of_raw,
}
