"""One COCO file of all photos: run lengths per photo and class."""

import json
from collections.abc import Iterator
from typing import Any, BinaryIO

from contract.classes import BACKGROUND, IGNORE, ClassMap
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.places import Place, written

DONE = "FROM photos JOIN masks USING (name) WHERE state = 'done' ORDER BY name"
PHOTOS = f"SELECT name, height, width {DONE}"
MASKS = f"SELECT name, rle {DONE}"

Entry = dict[str, Any]
Entries = Iterator[Entry]


def write_coco(path: Place, ledger: Ledger, classes: ClassMap, identity: Identity) -> None:
    """
    Write a COCO instances file; photos and annotations are numbered from 1, in the order of names.

    Args:
        path: Where it goes.
        ledger: What became of each photo.
        classes: Become the categories; void is the last of them.
        identity: The model's, which stands in "info".

    Raises:
        WriteError: If it cannot be written.
    """
    with written(path) as stream:
        images = list_images(ledger.rows(PHOTOS))
        write_lists(stream, identity, _categories(classes), images, _annotations(ledger))


def write_lists(
    stream: BinaryIO, identity: Identity, categories: list[Entry], images: Entries, annotations: Entries
) -> None:
    """Write what all of COCO's files are: a heading, categories, images and annotations, entry by entry."""
    info = {"description": f"box2seg: {identity.model} version {identity.version}"}
    stream.write(b'{"info": ' + _text(info))
    stream.write(b', "categories": ' + _text(categories))
    for key, entries in (("images", images), ("annotations", annotations)):
        stream.write(f',\n"{key}": ['.encode())
        for number, entry in enumerate(entries):
            stream.write((b",\n" if number else b"\n") + _text(entry))
        stream.write(b"]")
    stream.write(b"}\n")


def list_images(photos: Iterator[tuple[Any, ...]]) -> Entries:
    """Give COCO's entries of photos, which are rows of name, height and width, numbered from 1."""
    for number, (name, height, width) in enumerate(photos, 1):
        yield {"id": number, "file_name": name, "height": height, "width": width}


def _categories(classes: ClassMap) -> list[Entry]:
    labels = [*range(BACKGROUND + 1, len(classes)), IGNORE]
    return [{"id": label, "name": classes.name(label)} for label in labels]


def _annotations(ledger: Ledger) -> Entries:
    number = 0
    for image, (_, rle) in enumerate(ledger.rows(MASKS), 1):
        for annotation in json.loads(rle)["annotations"]:
            number += 1
            del annotation["label"]
            yield {"id": number, "image_id": image, **annotation}


def _text(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()
