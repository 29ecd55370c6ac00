"""Networks as evaluation sees them: at one scale, at several, mirrored."""

from pathlib import Path

import numpy as np
import pytest
import torch

from contract.annotations import AnnotatedImage
from contract.classes import ClassMap
from contract.errors import ConfigurationError
from contract.geometry import FitRule
from training.datasets.voc import VocDataset
from training.evaluate import evaluate, multi_scale_segmenter, network_segmenter, scaled_rules
from training.networks.segmentation import NetworkSpec, SegmentationNetwork

CPU = torch.device("cpu")
FIT = FitRule(96)


@pytest.fixture
def network() -> SegmentationNetwork:
    """A network of random weights that sees structure, its scores made bold."""
    torch.manual_seed(0)
    network = SegmentationNetwork(NetworkSpec("test_resnet", 3, width=8, embedding=4, shared_decoder=True))
    torch.nn.init.normal_(network.head.weight, std=2)
    return network.eval()


@pytest.fixture
def images(drawn_voc: Path, classes: ClassMap) -> tuple[AnnotatedImage, ...]:
    return VocDataset(drawn_voc, classes).load("val").images


def test_one_scale_is_the_single_scale(
    network: SegmentationNetwork, images: tuple[AnnotatedImage, ...]
) -> None:
    """Averaged over scale 1 alone, labels are those of training's own scores, rounding of ties apart."""
    one = multi_scale_segmenter(network, FIT, CPU, scales=[1])
    single = network_segmenter(network, FIT, CPU)
    for image in images:
        assert np.mean(one(image) == single(image)) > 0.999


def test_scales_change_the_labels_and_keep_the_size(
    network: SegmentationNetwork, images: tuple[AnnotatedImage, ...]
) -> None:
    """Several scales give labels of their own, at the photo's own size."""
    several = multi_scale_segmenter(network, FIT, CPU, scales=[0.67, 1, 1.33], flip=True)
    single = network_segmenter(network, FIT, CPU)
    labels = several(images[0])
    assert labels.shape == images[0].size
    assert set(np.unique(labels)) <= {0, 1, 2}
    assert not np.array_equal(labels, single(images[0]))


def test_a_mirror_image_gives_mirrored_labels(network: SegmentationNetwork, tmp_path: Path) -> None:
    """With mirror images averaged in, a photo and its mirror image get the same labels, mirrored."""
    from PIL import Image

    from tests.drawing import draw_photo, random_shapes

    photo, _ = draw_photo(random_shapes(7), 7)
    found = []
    for name, pixels in (("as_is", photo), ("mirrored", np.ascontiguousarray(photo[:, ::-1]))):
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        image = AnnotatedImage(name, tmp_path / f"{name}.png", (64, 96))
        found.append(multi_scale_segmenter(network, FIT, CPU, scales=[1, 1.33], flip=True)(image))
    assert np.mean(found[0] == found[1][:, ::-1]) > 0.999  # ties may be rounded otherwise


def test_scales_are_whole_steps() -> None:
    """Each scale's long side is the nearest multiple of the stride, and at least one."""
    assert [rule.long_side for rule in scaled_rules(FitRule(384), [0.75, 1, 1.25, 0.01])] == [
        288,
        384,
        480,
        32,
    ]


@pytest.mark.parametrize("scales", [[], [0.0], [1, -1], [9.0], [float("nan")]])
def test_scales_that_cannot_be_are_refused(scales: list[float]) -> None:
    """No scale, none above zero and none that fills the memory."""
    with pytest.raises(ConfigurationError, match="scales: expected numbers above 0"):
        scaled_rules(FIT, scales)


def test_photos_are_kept_apart(drawn_voc: Path, classes: ClassMap) -> None:
    """A score knows each photo by name; a perfect one is perfect on each."""
    dataset = VocDataset(drawn_voc, classes)
    score = evaluate(dataset.truth, dataset, dataset.load("val").images)
    assert score.names == tuple(image.name for image in dataset.load("val").images)
    assert score.photo_ious().tolist() == [1, 1, 1, 1]
    assert score.named("val")["val boundary F"] == 1


def test_no_photo_has_no_score(drawn_voc: Path, classes: ClassMap) -> None:
    """Without photos every score is no number, and nothing breaks."""
    dataset = VocDataset(drawn_voc, classes)
    assert np.isnan(list(evaluate(dataset.truth, dataset, ()).named("val").values())).all()
