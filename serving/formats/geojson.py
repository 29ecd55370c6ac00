"""GeoJSON (RFC 7946): each class as one MultiPolygon with holes, along the pixels' own edges."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.masks import Segmentation
from serving.formats.listing import (
    AMOUNT,
    HEADING,
    TEXT,
    WHOLE,
    Part,
    heading,
    list_parts,
    object_schema,
)

Mask = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.intp]

PLACE = {"type": "array", "items": WHOLE, "minItems": 2, "maxItems": 2}
RING = {"type": "array", "items": PLACE, "minItems": 4}
POLYGONS = {"type": "array", "items": {"type": "array", "items": RING, "minItems": 1}, "minItems": 1}
FEATURE = object_schema(
    type={"const": "Feature"},
    id=AMOUNT,
    properties=object_schema(label=TEXT, category_id=AMOUNT, area=AMOUNT),
    geometry=object_schema(type={"const": "MultiPolygon"}, coordinates=POLYGONS),
)
SCHEMA = object_schema(
    type={"const": "FeatureCollection"}, **HEADING, features={"type": "array", "items": FEATURE}
)
"""What `encode_geojson` gives, as JSON Schema."""


def encode_geojson(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """
    Encode each class's outline.

    Args:
        photo: Not used; all formats are called alike.
        segmentation: Labels (H, W) uint8.
        classes: Give the names.

    Returns:
        A FeatureCollection with model, version, width and height; each feature has `label`, `category_id`
        and `area` [px]. Coordinates are x to the right and y down, whole pixels: the top left pixel is the
        square from (0, 0) to (1, 1), so filling the polygons gives back the mask exactly.
    """
    features = [_feature(part) for part in list_parts(segmentation, classes)]
    content = {"type": "FeatureCollection", **heading(segmentation), "features": features}
    return json.dumps(content, separators=(",", ":")).encode()


def _feature(part: Part) -> dict[str, Any]:
    text = shapely.to_geojson(trace_mask(part.mask))
    return {
        "type": "Feature",
        "id": part.label,
        "properties": {"label": part.name, "category_id": part.label, "area": part.area},
        "geometry": json.loads(text, parse_float=lambda number: int(float(number))),
    }


def trace_mask(mask: Mask) -> "shapely.MultiPolygon":
    """
    Give a mask's outline as polygons with holes; exteriors run counter-clockwise as RFC 7946 counts.

    Contours of OpenCV and scikit-image run through pixel centres or cut corners. So the pixels' edges
    themselves are the lines; GEOS makes faces of them, and those whose inside is in the mask stay.

    Args:
        mask: (H, W) bool, at least one pixel.
    """
    faces = shapely.get_parts(shapely.polygonize(shapely.linestrings(_edges(mask))))
    columns, rows = shapely.get_coordinates(shapely.point_on_surface(faces)).astype(np.intp).T
    outline: shapely.MultiPolygon = shapely.orient_polygons(shapely.multipolygons(faces[mask[rows, columns]]))
    return outline


def _edges(mask: Mask) -> npt.NDArray[np.intp]:
    """Give the lines between mask and not, (N, 2, 2) as x, y of both ends; they meet at ends only."""
    row, left, right = _borders(mask)
    column, top, bottom = _borders(mask.T)
    across = np.stack([left, row, right, row], axis=1)
    down = np.stack([column, top, column, bottom], axis=1)
    return np.concatenate([across, down]).reshape(-1, 2, 2)


def _borders(mask: Mask) -> tuple[Indices, Indices, Indices]:
    """Give the longest stretches between rows where the mask begins or ends: row, first and last column."""
    # A stretch is cut where the mask changes sides: there, and only there, a line crosses it.
    step = np.diff(np.pad(mask, 1).view(np.int8), axis=0)
    turns = step[:, 1:] != step[:, :-1]
    row, first = np.nonzero(turns & (step[:, 1:] != 0))
    _, last = np.nonzero(turns & (step[:, :-1] != 0))
    return row, first, last
