"""What a gateway's metrics say of the photos that came and of what was answered."""

from __future__ import annotations

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from contract.errors import ServerUnavailable
from contract.profile import BRIGHTNESS_BINS, Profile, parts

if TYPE_CHECKING:
    from prometheus_client.samples import Sample

PATIENCE_S = 10.0
MOST_BYTES = 20_000_000
CLASS = "class"


def read_metrics(place: str, *, key: str | None = None) -> list[Sample]:
    """
    Read metrics in Prometheus's text form.

    Args:
        place: An address, or a file.
        key: An API key, where the address asks for one.

    Raises:
        ServerUnavailable: If they cannot be read.
    """
    from prometheus_client.parser import text_string_to_metric_families

    try:
        text = _fetch(place, key) if "://" in place else Path(place).read_text(encoding="utf-8")
        families = list(text_string_to_metric_families(text))
    except (urllib.error.URLError, http.client.HTTPException, OSError, ValueError) as error:
        raise ServerUnavailable(
            f"{place}: no metrics ({getattr(error, 'reason', None) or error})",
            hint="is the server there? Where it asks for keys: --key, with the scope admin",
        ) from error
    return [sample for family in families for sample in family.samples]


def seen_profile(samples: Iterable[Sample], model: str, version: int) -> Profile:
    """Give what a version saw and answered since the gateway's start; of no photos where it did neither."""
    own = [
        each
        for each in samples
        if (each.labels.get("model"), each.labels.get("version")) == (model, str(version))
    ]
    values = {each.name: each.value for each in own if len(each.labels) == 2}
    photos = values.get("box2seg_photo_brightness_count", 0.0)
    pixels = {each.labels[CLASS]: each.value for each in own if each.name == "box2seg_class_pixels_total"}
    below = {
        float(each.labels["le"]): each.value for each in own if each.name == "box2seg_photo_brightness_bucket"
    }
    counts = [more - less for less, more in pairwise([0.0, *(below[edge] for edge in sorted(below))])]
    return Profile(
        photos=int(photos),
        classes=dict(zip(pixels, parts(list(pixels.values())), strict=True)),
        confidence=values.get("box2seg_confidence_sum", 0.0) / max(1.0, photos),
        brightness=values.get("box2seg_photo_brightness_sum", 0.0) / max(1.0, photos),
        bins=parts(counts or [0.0] * BRIGHTNESS_BINS),
    )


def _fetch(address: str, key: str | None) -> str:
    request = urllib.request.Request(address)
    if key:
        request.add_unredirected_header("Authorization", f"Bearer {key}")  # another host gets no key
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
        text: bytes = answer.read(MOST_BYTES)
    return text.decode("utf-8")
