"""One Parquet table of all photos: a row each, with areas per class and run lengths."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

from contract.classes import ClassMap
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.places import Place, written

ROWS = 1000
"""Written at a time."""

PHOTOS = (
    "SELECT name, height, width, version, confidence, areas, rle FROM photos JOIN masks USING (name)"
    " WHERE state = 'done' ORDER BY name"
)


def write_parquet(path: Place, ledger: Ledger, classes: ClassMap, identity: Identity) -> None:
    """
    Write a table with the columns name, height, width, model, version, confidence, areas and masks.

    Args:
        path: Where it goes.
        ledger: What became of each photo.
        classes: Not used; all such files are written alike.
        identity: Names the model.

    Raises:
        WriteError: If it cannot be written.
        ModuleNotFoundError: Without the package pyarrow; it comes with the extra "batch".
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    mask = pa.struct([("category_id", pa.int32()), ("label", pa.string()), ("counts", pa.string())])
    schema = pa.schema(
        [
            ("name", pa.string()),
            ("height", pa.int32()),
            ("width", pa.int32()),
            ("model", pa.string()),
            ("version", pa.int32()),
            ("confidence", pa.float64()),
            ("areas", pa.map_(pa.string(), pa.int64())),
            ("masks", pa.list_(mask)),
        ]
    )
    with written(path) as stream, pq.ParquetWriter(stream, schema, compression="zstd") as writer:
        for rows in _portions(ledger.rows(PHOTOS)):
            writer.write_table(pa.Table.from_pylist([_row(row, identity) for row in rows], schema=schema))


def _portions(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while portion := list(islice(rows, ROWS)):
        yield portion


def _row(row: tuple[Any, ...], identity: Identity) -> dict[str, Any]:
    name, height, width, version, confidence, areas, rle = row
    masks = [
        {key: each[key] for key in ("category_id", "label")} | {"counts": each["segmentation"]["counts"]}
        for each in json.loads(rle)["annotations"]
    ]
    return {
        "name": name,
        "height": height,
        "width": width,
        "model": identity.model,
        "version": version,
        "confidence": confidence,
        "areas": list(json.loads(areas).items()) if areas else None,
        "masks": masks,
    }
