"""COCO's panoptic JSON of all photos, whose PNGs lie beside it: a segment per class."""

import json
from collections.abc import Iterator
from typing import Any

from contract.classes import BACKGROUND, IGNORE, ClassMap
from serving.batch.identity import Identity
from serving.batch.items import stem
from serving.batch.ledger import Ledger
from serving.batch.panoptic import segment_ids
from serving.batch.places import Place, written
from serving.batch.together.coco import MASKS, PHOTOS, list_images, write_lists

STUFF = 0
"""What `isthing` is: the network tells classes apart, and no two of one class, so none is countable."""


def write_panoptic(path: Place, ledger: Ledger, classes: ClassMap, identity: Identity) -> None:
    """
    Write the JSON of COCO's panoptic format; its `file_name` are below the folder of the PNGs.

    Args:
        path: Where it goes.
        ledger: What became of each photo.
        classes: Become the categories, all of them stuff; background and void are none.
        identity: The model's, which stands in "info".

    Raises:
        WriteError: If it cannot be written.
    """
    ids = segment_ids(classes)
    categories = [_category(label, classes) for label in range(BACKGROUND + 1, len(classes))]
    with written(path) as stream:
        images, annotations = list_images(ledger.rows(PHOTOS)), _annotations(ledger, ids)
        write_lists(stream, identity, categories, images, annotations)


def _category(label: int, classes: ClassMap) -> dict[str, Any]:
    name = classes.name(label)
    return {
        "id": label,
        "name": name,
        "supercategory": name,
        "isthing": STUFF,
        "color": list(classes.colours[label]),
    }


def _annotations(ledger: Ledger, ids: dict[int, int]) -> Iterator[dict[str, Any]]:
    for image, (name, rle) in enumerate(ledger.rows(MASKS), 1):
        parts = [each for each in json.loads(rle)["annotations"] if each["category_id"] != IGNORE]
        segments = [
            {
                "id": ids[each["category_id"]],
                "category_id": each["category_id"],
                "area": each["area"],
                "bbox": each["bbox"],
                "iscrowd": 0,
            }
            for each in parts
        ]
        yield {"image_id": image, "file_name": f"{stem(name)}.png", "segments_info": segments}
