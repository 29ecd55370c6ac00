"""One COCO file of all photos: run lengths per photo and class."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from contract.classes import BACKGROUND, IGNORE, ClassMap
from contract.files import written_whole
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger

PHOTOS = "SELECT name, height, width FROM photos WHERE state = 'done' ORDER BY name"
MASKS = "SELECT name, rle FROM masks ORDER BY name"


def write_coco(path: Path, ledger: Ledger, classes: ClassMap, identity: Identity) -> None:
    """
    Write a COCO instances file; photos and annotations are numbered from 1, in the order of names.

    Args:
        path: Where it goes.
        ledger: What became of each photo.
        classes: Become the categories; void is one only where pixels have it.
        identity: The model's, which stands in "info".

    Raises:
        WriteError: If it cannot be written.
    """
    info = {"description": f"box2seg: {identity.model} version {identity.version}"}
    with written_whole(path) as stream:
        stream.write(b'{"info": ' + _text(info))
        stream.write(b', "categories": ' + _text(_categories(classes)))
        for key, entries in (("images", _images(ledger)), ("annotations", _annotations(ledger))):
            stream.write(f',\n"{key}": ['.encode())
            for number, entry in enumerate(entries):
                stream.write((b",\n" if number else b"\n") + _text(entry))
            stream.write(b"]")
        stream.write(b"}\n")


def _categories(classes: ClassMap) -> list[dict[str, Any]]:
    labels = [*range(BACKGROUND + 1, len(classes)), IGNORE]
    return [{"id": label, "name": classes.name(label)} for label in labels]


def _images(ledger: Ledger) -> Iterator[dict[str, Any]]:
    for number, (name, height, width) in enumerate(ledger.rows(PHOTOS), 1):
        yield {"id": number, "file_name": name, "height": height, "width": width}


def _annotations(ledger: Ledger) -> Iterator[dict[str, Any]]:
    number = 0
    for image, (_, rle) in enumerate(ledger.rows(MASKS), 1):  # each photo that is done has one
        for annotation in json.loads(rle)["annotations"]:
            number += 1
            del annotation["label"]
            yield {"id": number, "image_id": image, **annotation}


def _text(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
