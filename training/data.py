"""Annotated images to augmented batches; each sample depends on seed, epoch and index alone."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset, DistributedSampler

from contract.annotations import AnnotatedImage
from contract.arrays import Size, Uint8
from contract.geometry import PADDING_VALUE, FitRule
from contract.images import read_image
from training.supervision.boxes import Window, boxes_target, resample

RESAMPLING = (
    (Image.Resampling.BILINEAR, True),
    (Image.Resampling.BOX, True),
    (Image.Resampling.HAMMING, True),
    (Image.Resampling.BILINEAR, False),
)
"""Varied, with and without anti-aliasing, so that no library's way to shrink photos is the only one known."""


@dataclass(frozen=True, slots=True)
class Example:
    """
    A photo to learn from.

    Args:
        image: The photo with its boxes.
        guess: Reads the best labels known, (H, W) uint8 at its own size: a prior's, or a person's mask.
        exact: Whether it is a person's mask.
    """

    image: AnnotatedImage
    guess: Callable[[], Uint8]
    exact: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """
    Images and what is known of their pixels.

    Args:
        images_B3HW: uint8 RGB.
        candidates_BKHW: bool, classes allowed; none where there is only padding.
        guess_BHW: int64, the best labels known, IGNORE where nothing is.
    """

    images_B3HW: Tensor
    candidates_BKHW: Tensor
    guess_BHW: Tensor

    def to(self, device: torch.device) -> "Batch":
        """Move to a device."""
        tensors = (self.images_B3HW, self.candidates_BKHW, self.guess_BHW)
        return Batch(*(tensor.to(device, non_blocking=True) for tensor in tensors))

    def at(self, size: Size) -> "Batch":
        """Give the same batch with labels at a network's output size, by the nearest pixel centre."""
        candidates = F.interpolate(self.candidates_BKHW.to(torch.uint8), size, mode="nearest-exact")
        guess = F.interpolate(self.guess_BHW[:, None].to(torch.uint8), size, mode="nearest-exact")
        return Batch(self.images_B3HW, candidates.bool(), guess[:, 0].long())


@dataclass(frozen=True, slots=True)
class Augmentation:
    """
    How a photo is varied.

    Args:
        crop: Side of the square that the network sees [px].
        scales: Least and largest size, as a share of the photo's size in the network's frame.
        flip: Mirror every other photo.
        jitter: Share by which brightness, contrast and saturation vary, each by itself; 0 for not at all.
    """

    crop: int
    scales: tuple[float, float]
    flip: bool = True
    jitter: float = 0.0


class BoxSamples(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """
    One epoch's samples.

    Args:
        examples: Photos with the best labels known of them.
        fit: The network's geometry; its long side is scale 1.
        augmentation: How photos are varied.
        classes: Number of classes, background included.
        seed: The run's.
        epoch: Counted from 0.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        *,
        fit: FitRule,
        augmentation: Augmentation,
        classes: int,
        seed: int,
        epoch: int,
    ) -> None:
        self.examples = examples
        self.fit = fit
        self.augmentation = augmentation
        self.classes = classes
        self.seed = seed
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        """Give image (3, H, W) uint8, candidates (K, H, W) bool and guess (H, W) uint8 of one crop."""
        rng = np.random.default_rng((self.seed, self.epoch, index))
        example = self.examples[index]
        window = random_window(example.image.size, self.fit, self.augmentation, rng)
        target = boxes_target(example.image.boxes, example.guess(), window, classes=self.classes)
        method, antialias = RESAMPLING[rng.integers(len(RESAMPLING))]
        mirrored = self.augmentation.flip and rng.random() < 0.5
        pixels = np.full((*window.size, 3), PADDING_VALUE, dtype=np.uint8)
        photo = resample(read_image(Path(example.image.path)), window, method, antialias=antialias)
        height, width = window.inner
        pixels[:height, :width] = _vary_colours(photo, self.augmentation.jitter, rng)
        arrays = (pixels, target.candidates, target.guess)
        if mirrored:
            arrays = (arrays[0][:, ::-1], arrays[1][..., ::-1], arrays[2][:, ::-1])
        image, candidates, seen = map(np.ascontiguousarray, arrays)
        return torch.from_numpy(image).permute(2, 0, 1), torch.from_numpy(candidates), torch.from_numpy(seen)


def random_window(size: Size, fit: FitRule, how: Augmentation, rng: np.random.Generator) -> Window:
    """Draw a scale, log-uniform, and a place for the crop, uniform over the photo."""
    least, largest = how.scales
    scale = math.exp(rng.uniform(math.log(least), math.log(largest)))
    frame = fit.fit(size).inner
    scaled = tuple(max(1, round(side * scale)) for side in frame)
    ratio = (scaled[0] / size[0], scaled[1] / size[1])
    top, left = (rng.integers(0, max(0, side - how.crop), endpoint=True) for side in scaled)
    inner = (min(how.crop, scaled[0] - int(top)), min(how.crop, scaled[1] - int(left)))
    return Window(float(left / ratio[1]), float(top / ratio[0]), ratio, (how.crop, how.crop), inner)


def collate(samples: Sequence[tuple[Tensor, Tensor, Tensor]]) -> Batch:
    """Stack samples."""
    images, candidates, guesses = (torch.stack(parts) for parts in zip(*samples, strict=True))
    return Batch(images, candidates, guesses.long())


def epoch_loader(
    samples: BoxSamples, *, batch_size: int, workers: int, rank: int = 0, ranks: int = 1
) -> DataLoader[Batch]:
    """
    Give one epoch's batches for one of several processes, in an order that seed and epoch decide.

    Args:
        samples: The epoch's samples.
        batch_size: Per process; a smaller last batch is left out.
        workers: Processes that read ahead.
        rank: Of this process.
        ranks: Number of processes; the samples are dealt out among them.
    """
    sampler: DistributedSampler[BoxSamples] = DistributedSampler(
        samples,
        num_replicas=ranks,
        rank=rank,
        shuffle=True,
        seed=samples.seed,
        drop_last=True,
    )
    sampler.set_epoch(samples.epoch)
    return DataLoader(
        samples,  # type: ignore[arg-type]  # its stubs do not know that collate_fn changes the type
        batch_size=batch_size,
        sampler=sampler,
        num_workers=workers,
        collate_fn=collate,
        drop_last=True,
        pin_memory=torch.cuda.is_available(),
    )


def _vary_colours(photo: Uint8, jitter: float, rng: np.random.Generator) -> Uint8:
    """Change brightness, contrast and saturation of (H, W, 3) uint8 RGB."""
    if not jitter:
        return photo
    image = Image.fromarray(photo)
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(1 - jitter, 1 + jitter))
    return np.asarray(image)
