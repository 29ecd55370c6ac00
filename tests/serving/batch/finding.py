"""Finds photos in places as a run does."""

from pathlib import Path

from serving.batch.items import Found, Item, Trouble
from serving.batch.sources import find_items
from tests.serving.colours import draw_photo, encode

PHOTO = encode(draw_photo(32, 48))
OUT = Path("no such folder")


def find(*places: object, out: Path = OUT) -> list[Found]:
    return list(find_items([str(place) for place in places], out))


def contents(*places: object, out: Path = OUT) -> dict[str, bytes]:
    """Read each item as it comes, as a run does."""
    found = find_items([str(place) for place in places], out)
    return {item.name: item.read() for item in found if isinstance(item, Item)}


def troubles(*places: object) -> list[str]:
    return [f"{each.origin}: {each.reason}" for each in find(*places) if isinstance(each, Trouble)]
