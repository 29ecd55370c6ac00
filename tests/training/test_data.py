from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from contract.annotations import Box
from contract.classes import IGNORE, ClassMap
from contract.geometry import FitRule
from contract.images import read_image
from training.data import Augmentation, BoxSamples, Example, epoch_loader, random_window
from training.datasets.voc import VocDataset
from training.priors.cache import PriorCache, read_guess
from training.priors.grabcut import GrabCut
from training.supervision.boxes import Window, boxes_target, resample

FIT = FitRule(96)


def samples(
    folder: Path, classes: ClassMap, cache: Path, *, epoch: int = 0, jitter: float = 0.0
) -> BoxSamples:
    images = VocDataset(folder, classes).load("train").images
    guessed = dict(PriorCache(GrabCut(), cache).fill(images, workers=1))
    return BoxSamples(
        [Example(image, partial(read_guess, guessed[image])) for image in images],
        fit=FIT,
        augmentation=Augmentation(crop=64, scales=(0.5, 1.5), jitter=jitter),
        classes=len(classes),
        seed=0,
        epoch=epoch,
    )


def test_window_shows_candidates_and_guess_on_the_same_pixels() -> None:
    """However a window is scaled, a guess that fills its box fills the candidates, but for exact ties."""
    box = Box(1, 13, 7, 50, 41)
    guess = np.zeros((64, 96), dtype=np.uint8)
    guess[box.slices] = box.label
    rng = np.random.default_rng(3)
    same = 0
    for _ in range(50):
        window = random_window((64, 96), FIT, Augmentation(crop=64, scales=(0.4, 2.0)), rng)
        target = boxes_target((box,), guess, window, classes=2)
        apart = target.candidates[1] != (target.guess == 1)
        assert apart.any(axis=0).sum() <= 1 or apart.any(axis=1).sum() <= 1
        same += not apart.any()
    assert same >= 45


def test_candidates_in_a_window() -> None:
    """In a box its class and background are allowed, outside background alone, beside the photo nothing."""
    window = Window(left=0, top=0, scale=(1, 1), size=(3, 5), inner=(2, 4))
    target = boxes_target((Box(1, 1, 0, 3, 2),), np.zeros((2, 4), np.uint8), window, classes=2)
    assert target.candidates[0].astype(int).tolist() == [[1, 1, 1, 1, 0], [1, 1, 1, 1, 0], [0] * 5]
    assert target.candidates[1].astype(int).tolist() == [[0, 1, 1, 0, 0], [0, 1, 1, 0, 0], [0] * 5]
    assert (target.guess[2] == IGNORE).all()
    assert (target.guess[:, 4] == IGNORE).all()


def test_resample_takes_the_named_part() -> None:
    """A window at scale 1 is the photo's own pixels."""
    photo = np.arange(64 * 96, dtype=np.uint8).reshape(64, 96)
    window = Window(left=10, top=20, scale=(1, 1), size=(16, 24), inner=(16, 24))
    assert np.array_equal(resample(photo, window, Image.Resampling.NEAREST), photo[20:36, 10:34])


def test_resample_without_antialiasing_is_opencv_linear() -> None:
    """A photo shrunk and enlarged without anti-aliasing has OpenCV's bilinear pixels, to one grey level."""
    image = read_image(Path(__file__).parents[2] / "docs/pictures/chelsea.jpg")
    height, width = image.shape[:2]
    for inner in ((height * 2 // 5, width * 2 // 5), (height * 3 // 2, width * 3 // 2)):
        window = Window(0, 0, (inner[0] / height, inner[1] / width), inner, inner)
        seen = resample(image, window, Image.Resampling.BILINEAR, antialias=False)
        opencv = cv2.resize(image, inner[::-1], interpolation=cv2.INTER_LINEAR)
        assert np.abs(seen.astype(int) - opencv).max() <= 1


def test_jitter_changes_colours_alone(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """The same crops with other colours: candidates and guess stay, and so does grey padding."""
    plain, varied = (samples(drawn_voc, classes, tmp_path, jitter=jitter) for jitter in (0.0, 0.3))
    for index in range(len(plain)):
        (image, *labels), (other, *same) = plain[index], varied[index]
        assert all(map(torch.equal, labels, same))
        assert not torch.equal(image, other)
        padding = ~labels[0].any(dim=0)
        assert torch.equal(image[:, padding], other[:, padding])


def test_samples_depend_on_seed_epoch_and_index_alone(
    drawn_voc: Path, classes: ClassMap, tmp_path: Path
) -> None:
    """The same epoch gives the same batches with other workers; another epoch gives others."""
    batches = [
        list(epoch_loader(samples(drawn_voc, classes, tmp_path, epoch=epoch), batch_size=4, workers=workers))
        for epoch, workers in ((0, 0), (0, 1), (1, 0))
    ]
    first, again, later = ([batch.images_B3HW for batch in epoch] for epoch in batches)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, later, strict=True))


def test_processes_share_an_epoch(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """Two processes see halves of the order that one process sees."""
    epoch = samples(drawn_voc, classes, tmp_path)
    halves = [
        torch.cat([b.images_B3HW for b in epoch_loader(epoch, batch_size=2, workers=0, rank=rank, ranks=2)])
        for rank in (0, 1)
    ]
    whole = torch.cat([batch.images_B3HW for batch in epoch_loader(epoch, batch_size=4, workers=0)])
    assert torch.equal(whole, torch.stack(halves, dim=1).flatten(0, 1))


@pytest.mark.parametrize("size", [(16, 16), (16, 24)])
def test_labels_follow_the_prediction(
    drawn_voc: Path, classes: ClassMap, tmp_path: Path, size: tuple[int, int]
) -> None:
    """Labels at the output's size are those of the pixel at each cell's centre."""
    batch = next(iter(epoch_loader(samples(drawn_voc, classes, tmp_path), batch_size=2, workers=0)))
    small = batch.at(size)
    rows = ((torch.arange(size[0]) + 0.5) * 64 / size[0]).floor().long()
    columns = ((torch.arange(size[1]) + 0.5) * 64 / size[1]).floor().long()
    assert torch.equal(small.guess_BHW, batch.guess_BHW[:, rows][:, :, columns])
    assert torch.equal(small.candidates_BKHW, batch.candidates_BKHW[:, :, rows][..., columns])
