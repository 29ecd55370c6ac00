"""
What photos and masks look like on the whole, and how far that has drifted from the golden set's.

The same figures are taken of the golden set, by the gate, and of what a version answers, by the gateway.
"""

import dataclasses
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import RegistryError
from contract.files import written_whole

PROFILE_FILE = "profile.json"
"""Beside the gate's verdict."""

BRIGHTNESS_BINS = 10
"""Photos are sorted by their mean brightness into so many bins of equal width."""

LEAST_SHARE = 1e-4
"""What is not there at all counts as so much: the index knows no zero."""

STEP = 2
"""Labels are counted at every second pixel of every second row: a quarter tells as much."""

LUMA = (0.299, 0.587, 0.114)
LEVELS = 256


@dataclass(frozen=True, slots=True)
class Look:
    """
    One photo with its mask.

    Args:
        pixels: By label: how many of those that were looked at.
        confidence: Mean over the mask, in [0, 1].
        brightness: Mean over the photo, in [0, 1].
    """

    pixels: tuple[int, ...]
    confidence: float
    brightness: float


@dataclass(frozen=True, slots=True)
class Profile:
    """
    Many photos with their masks.

    Args:
        photos: How many; 0 where nothing was seen yet, and all else is 0 then.
        classes: By name: the part of all pixels, in [0, 1].
        confidence: Mean over the photos, in [0, 1].
        brightness: Mean over the photos, in [0, 1].
        bins: The part of the photos in each bin of brightness, in [0, 1], dark first.
    """

    photos: int
    classes: dict[str, float]
    confidence: float
    brightness: float
    bins: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Drift:
    """
    How far one profile is from another: population stability indices.

    By custom, below 0.1 nothing has changed, and above 0.25 much has.

    Args:
        classes: Over the classes' parts of the pixels.
        brightness: Over the bins of brightness.
    """

    classes: float
    brightness: float


def look_at(frame: Uint8, labels: Uint8, confidence: Uint8, classes: int) -> Look:
    """
    Look at one photo in the network's frame; takes a small part of a millisecond.

    Args:
        frame: (H, W, 3) uint8 RGB.
        labels: (H, W) uint8.
        confidence: (H, W) uint8, probability times 255.
        classes: How many there are.
    """
    few = np.ascontiguousarray(labels[::STEP, ::STEP])
    # OpenCV counts bytes as bytes; numpy would first make eight of each.
    pixels = cv2.calcHist([few], [0], None, [LEVELS], [0, LEVELS])
    light = np.dot(cv2.mean(frame)[:3], LUMA)
    return Look(
        pixels=tuple(int(count) for count in pixels.ravel()[:classes]),
        confidence=cv2.mean(confidence)[0] / (LEVELS - 1),
        brightness=float(light) / (LEVELS - 1),
    )


def profile_of(looks: Iterable[Look], classes: ClassMap) -> Profile:
    """Put what was seen of photos together."""
    seen = list(looks)
    pixels = np.sum([look.pixels for look in seen], axis=0) if seen else np.zeros(len(classes))
    bins = np.zeros(BRIGHTNESS_BINS)
    for look in seen:
        bins[min(int(look.brightness * BRIGHTNESS_BINS), BRIGHTNESS_BINS - 1)] += 1
    many = max(1, len(seen))
    return Profile(
        photos=len(seen),
        classes=dict(zip(classes.names, parts(pixels.tolist()), strict=True)),
        confidence=sum(look.confidence for look in seen) / many,
        brightness=sum(look.brightness for look in seen) / many,
        bins=parts(bins.tolist()),
    )


def parts(counts: Sequence[float]) -> tuple[float, ...]:
    """Give each count's part of them all; zeros where there is none."""
    total = sum(counts)
    return tuple(count / total if total else 0.0 for count in counts)


def drift(seen: Profile, golden: Profile) -> Drift:
    """Tell how far what was seen is from the golden set; a class that only one of them has counts too."""
    names = dict.fromkeys([*golden.classes, *seen.classes])
    return Drift(
        classes=stability_index(
            [seen.classes.get(name, 0.0) for name in names], [golden.classes.get(name, 0.0) for name in names]
        ),
        brightness=stability_index(seen.bins, golden.bins),
    )


def stability_index(seen: Sequence[float], expected: Sequence[float]) -> float:
    """
    Give the population stability index: the sum of (a - b) ln(a / b) over shares a and b.

    Args:
        seen: Shares in [0, 1].
        expected: As many.
    """
    pairs = ((max(a, LEAST_SHARE), max(b, LEAST_SHARE)) for a, b in zip(seen, expected, strict=True))
    return sum((a - b) * math.log(a / b) for a, b in pairs)


def write_profile(profile: Profile, folder: Path) -> Path:
    """Write a profile into a report's folder, whole or not at all; gives its path."""
    path = folder / PROFILE_FILE
    with written_whole(path) as stream:
        stream.write(json.dumps(dataclasses.asdict(profile), indent=2).encode() + b"\n")
    return path


def read_profile(folder: Path) -> Profile | None:
    """
    Read the profile in a report's folder; None where there is none.

    Raises:
        RegistryError: If it is there and cannot be read.
    """
    path = folder / PROFILE_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return Profile(**content | {"bins": tuple(content["bins"])})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RegistryError(f"{path}: not a readable profile ({error})", hint="run the gate again") from error
