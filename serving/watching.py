"""What each version's photos and masks look like, as metrics, and how far that is from the golden set's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from prometheus_client import CollectorRegistry, Counter, Histogram, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from contract.arrays import Uint8
from contract.geometry import Fit
from contract.manifest import Manifest
from contract.profile import BRIGHTNESS_BINS, Drift, Profile, look_at, parts

LABELS = ["model", "version"]
BRIGHTNESS = tuple(edge / BRIGHTNESS_BINS for edge in range(1, BRIGHTNESS_BINS))
CONFIDENCE = (0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98)
AGREEMENT = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)
MEGAPIXELS = (0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
MILLION = 1e6


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a version's photos and masks have drifted from the golden set's."""

    model: str
    version: int
    drift: Drift


class Watching:
    """
    Takes looks at photos with their masks; in the threads that work on pixels.

    Args:
        registry: Where the metrics are kept.
        gathered: Gives a registry with what all workers counted.
    """

    def __init__(self, registry: CollectorRegistry, gathered: Callable[[], CollectorRegistry]) -> None:
        self._gathered = gathered
        self._pixels = Counter(
            "box2seg_class_pixels",
            "Pixels of each class, of those that were looked at in the network's frame.",
            [*LABELS, "class"],
            registry=registry,
        )
        self._confidence = Histogram(
            "box2seg_confidence",
            "Mean confidence of a mask.",
            LABELS,
            buckets=CONFIDENCE,
            registry=registry,
        )
        self._brightness = Histogram(
            "box2seg_photo_brightness",
            "Mean brightness of a photo, from 0 to 1.",
            LABELS,
            buckets=BRIGHTNESS,
            registry=registry,
        )
        self._sizes = Histogram(
            "box2seg_photo_megapixels",
            "Size of a photo, in millions of pixels.",
            LABELS,
            buckets=MEGAPIXELS,
            registry=registry,
        )
        self._agreement = Histogram(
            "box2seg_canary_agreement",
            "Part of a photo's pixels to which a canary gives the live version's label.",
            LABELS,
            buckets=AGREEMENT,
            registry=registry,
        )

    def note(self, manifest: Manifest, fit: Fit, frame: Uint8, labels: Uint8, confidence: Uint8) -> None:
        """
        Take one photo.

        Args:
            manifest: Of the version that answered.
            fit: How the photo was fitted.
            frame: (h, w, 3) uint8 RGB in the network's frame.
            labels: (h, w) uint8.
            confidence: (h, w) uint8.
        """
        inner = slice(fit.inner[0]), slice(fit.inner[1])
        look = look_at(frame[inner], labels[inner], confidence[inner], len(manifest.classes))
        key = manifest.name, str(manifest.version)
        for name, pixels in zip(manifest.classes.names, look.pixels, strict=True):
            if pixels:
                self._pixels.labels(*key, name).inc(pixels)
        self._confidence.labels(*key).observe(look.confidence)
        self._brightness.labels(*key).observe(look.brightness)
        self._sizes.labels(*key).observe(fit.original[0] * fit.original[1] / MILLION)

    def note_agreement(self, canary: Manifest, agreement: float) -> None:
        """Take how far a canary agreed with the live version on one photo."""
        self._agreement.labels(canary.name, str(canary.version)).observe(agreement)

    def profile(self, manifest: Manifest) -> Profile:
        """Give what all workers saw of a version since their start; takes milliseconds."""
        registry = self._gathered()
        labels = {"model": manifest.name, "version": str(manifest.version)}

        def value(name: str, **more: str) -> float:
            return registry.get_sample_value(f"box2seg_{name}", labels | more) or 0.0

        photos = value("photo_brightness_count")
        edges = [str(edge) for edge in BRIGHTNESS] + ["+Inf"]
        below = [0.0] + [value("photo_brightness_bucket", le=edge) for edge in edges]
        names = manifest.classes.names
        pixels = [value("class_pixels_total", **{"class": name}) for name in names]
        return Profile(
            photos=int(photos),
            classes=dict(zip(names, parts(pixels), strict=True)),
            confidence=value("confidence_sum") / max(1.0, photos),
            brightness=value("photo_brightness_sum") / max(1.0, photos),
            bins=parts([more - less for less, more in pairwise(below)]),
        )


class Drifts(Collector):
    """
    How far versions have drifted, as a metric.

    Args:
        seen: Of each version that the gate made a profile for, and that has answered.
    """

    def __init__(self, seen: list[Seen]) -> None:
        self._seen = seen

    def collect(self) -> Iterator[Metric]:
        """Give the metric; see prometheus_client."""
        gauge = GaugeMetricFamily(
            "box2seg_drift",
            "Population stability index against the golden set: below 0.1 all is as it was, above 0.25 not.",
            labels=[*LABELS, "over"],
        )
        for each in self._seen:
            key = [each.model, str(each.version)]
            gauge.add_metric([*key, "classes"], each.drift.classes)
            gauge.add_metric([*key, "brightness"], each.drift.brightness)
        yield gauge
