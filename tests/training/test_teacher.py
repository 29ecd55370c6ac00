"""The prior of a second round: a trained network in the boxes, cut by GrabCut."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from contract.annotations import Box
from contract.classes import BACKGROUND, ClassMap
from contract.errors import CheckpointError, ConfigurationError
from tests.drawing import CAT, draw_photo
from tests.training.small import plan, small_recipe
from training.datasets.voc import VocDataset
from training.examples import build_prior
from training.priors.grabcut import GrabCut
from training.run import train
from training.teacher import Teacher, allowed


@pytest.fixture(scope="module")
def run(drawn_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run to ask."""
    folder = tmp_path_factory.mktemp("teacher")
    recipe = small_recipe("epochs=1")
    dataset = VocDataset(drawn_voc, recipe.class_map)
    train(recipe, dataset, plan(folder, out=folder / "run", evaluate_split=None), Console(quiet=True))
    return folder / "run"


def test_allowed_classes_sum_to_one() -> None:
    """Outside all boxes background alone is left, inside a box its class against background."""
    chances = np.full((3, 2, 4), 1 / 3, dtype=np.float32)
    chances[:, 0, 0] = (0.2, 0.6, 0.2)
    left = allowed(chances, (Box(1, 0, 0, 2, 2),))
    assert left[:, 0, 0] == pytest.approx([0.25, 0.75, 0])
    assert left[:, 1, 1] == pytest.approx([0.5, 0.5, 0])
    assert left[:, 0, 3] == pytest.approx([1, 0, 0])


def test_a_sure_network_is_followed_against_the_colours() -> None:
    """Where the network is sure of the lower half, the cut keeps to it, though both halves look alike."""
    photo, _ = draw_photo([(CAT, 20, 10, 60, 54)], seed=3)
    box = Box(1, 20, 10, 60, 54)
    likely = np.zeros(photo.shape[:2], dtype=np.float32)
    likely[32:54, 20:60] = 1
    assert (GrabCut().cut_object(photo, box, likely) == (likely[box.slices] > 0)).all()
    assert GrabCut().cut_object(photo, box)[:22].any()


def test_teacher_labels_boxes_only(run: Path, drawn_voc: Path, classes: ClassMap) -> None:
    """Labels lie in the boxes of their class, each box has some, and a photo without boxes has none."""
    image = VocDataset(drawn_voc, classes).load("val").images[0]
    teacher = Teacher(run, 96, GrabCut(iterations=1))
    photo = np.asarray(draw_photo([], seed=1)[0])
    labels = teacher.guess(photo, image.boxes)
    outside = np.ones(labels.shape, dtype=bool)
    for box in image.boxes:
        assert (labels[box.slices] == box.label).any()
        outside[box.slices] = False
    assert (labels[outside] == BACKGROUND).all()
    assert not teacher.guess(photo, ()).any()


def test_key_follows_the_weights(run: Path, tmp_path: Path) -> None:
    """The cache never mixes teachers: other weights under the same name have another key."""
    file = tmp_path / "checkpoint.pt"
    file.write_bytes((run / "checkpoint.pt").read_bytes())
    same = Teacher(tmp_path, 96, GrabCut()).key
    assert same == Teacher(run, 96, GrabCut()).key
    other = tmp_path / "other.pt"
    other.write_bytes(file.read_bytes() + b"x")
    assert Teacher(other, 96, GrabCut()).key != same
    assert Teacher(run, 128, GrabCut()).key != same
    assert Teacher(run, 96, GrabCut(), (0.75, 1.25)).key != same


def test_several_scales_are_averaged(run: Path) -> None:
    """At two scales the network's probabilities are the mean of those at each alone."""
    photo, _ = draw_photo([(CAT, 20, 10, 60, 54)], seed=3)
    one, two, both = (
        Teacher(run, 64, GrabCut(), scales)._see(photo) for scales in ((1.0,), (2.0,), (1.0, 2.0))
    )
    assert not np.allclose(one, two, atol=1e-3)
    assert both == pytest.approx((one + two) / 2, abs=1e-5)


def test_teachers_that_cannot_teach(run: Path, tmp_path: Path) -> None:
    """No teacher, a missing one, and one of other classes are refused with what to do."""
    with pytest.raises(ConfigurationError, match=r"--set teacher=RUN"):
        build_prior(small_recipe("prior=teacher"))
    with pytest.raises(CheckpointError, match="no checkpoint"):
        build_prior(small_recipe("prior=teacher", f"teacher={tmp_path / 'none'}"))
    with pytest.raises(ConfigurationError, match=r"knows cat, dog, the recipe learns dog, cat"):
        build_prior(small_recipe("prior=teacher", f"teacher={run}", "classes=dog,cat"))
