"""Pictures to prove parity on: some photos of a folder, or drawn ones where there are none."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from contract.arrays import Size, Uint8
from contract.errors import DataError
from contract.images import read_image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp"})
MOST_PHOTOS = 8

DRAWN_SIZES: tuple[Size, ...] = ((375, 500), (500, 333), (241, 427))


def parity_pictures(folder: Path | None) -> list[Uint8]:
    """
    Give the pictures of a folder, or drawn ones where it is None; always the same.

    Returns:
        (H, W, 3) uint8 RGB each, of their own sizes.

    Raises:
        DataError: If the folder has no photos.
        ImageError: If one of them cannot be read.
    """
    return drawn_pictures() if folder is None else read_pictures(folder)


def read_pictures(folder: Path, most: int = MOST_PHOTOS) -> list[Uint8]:
    """
    Read photos of a folder, spread evenly over its file names.

    Args:
        folder: Not looked into deeper.
        most: How many to read where there are more.

    Raises:
        DataError: If the folder has no photos.
        ImageError: If one of them cannot be read.
    """
    paths = sorted(path for path in folder.glob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise DataError(
            f"{folder}: no photos", hint=f"name a folder with {', '.join(sorted(SUFFIXES))} files"
        )
    step = max(1, len(paths) // most)
    return [read_image(path) for path in paths[::step][:most]]


def drawn_pictures() -> list[Uint8]:
    """Draw a few pictures at sizes that photos have."""
    random = np.random.default_rng(0)
    return [_draw(size, random) for size in DRAWN_SIZES]


def _draw(size: Size, random: np.random.Generator) -> Uint8:
    """Draw ellipses over soft noise: neither flat nor without edges, as photos are."""
    height, width = size
    coarse = random.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(8):
        left, top = int(random.integers(0, width - 40)), int(random.integers(0, height - 40))
        right, bottom = left + int(random.integers(20, width)), top + int(random.integers(20, height))
        red, green, blue = (int(channel) for channel in random.integers(0, 256, 3))
        pen.ellipse((left, top, right, bottom), fill=(red, green, blue))
    return np.asarray(picture)
