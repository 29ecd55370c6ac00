"""Whole training runs on drawn photos: the true loop, networks, prior and files."""

import csv
import io
import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from rich.console import Console

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import AnnotationError, CheckpointError, ConfigurationError, DataError
from training.checkpoint import load_checkpoint, save_checkpoint
from training.datasets.voc import VocDataset
from training.evaluate import evaluate, prior_segmenter
from training.prepare import Plan
from training.priors.grabcut import GrabCut
from training.recipes import find_recipe
from training.recipes.recipe import Recipe, change
from training.run import train

SMALL = (
    *("classes=cat,dog", "weights=none", "width=8", "embedding=4", "long_side=96", "crop=64"),
    *("batch_size=4", "epochs=2", "warm_epochs=1", "evaluate_every=1"),
)


def small_recipe(*changes: str) -> Recipe:
    return change(find_recipe("voc_boxes"), [*SMALL, "unscored=dog", *changes])


def plan(tmp_path: Path, **fields: object) -> Plan:
    fields = {"out": tmp_path / "run", "accelerator": "cpu", "workers": 0} | fields
    return Plan(cache=tmp_path / "cache", **fields)  # type: ignore[arg-type]


def quiet() -> Console:
    return Console(file=io.StringIO())


def curve(run: Path) -> list[tuple[str, str]]:
    with (run / "steps.csv").open() as stream:
        return [(row["step"], row["loss"]) for row in csv.DictReader(stream)]


@dataclass(frozen=True, slots=True)
class Interrupting(VocDataset):
    """Presses Ctrl-C after so many masks were read."""

    reads: "itertools.count[int]"
    last: int

    def truth(self, image: AnnotatedImage) -> Uint8:
        """Read a mask, or break off."""
        if next(self.reads) > self.last:
            raise KeyboardInterrupt
        return VocDataset.truth(self, image)


@pytest.fixture
def dataset(drawn_voc: Path, classes: ClassMap) -> VocDataset:
    return VocDataset(drawn_voc, classes)


def test_run_leaves_all_it_promises(dataset: VocDataset, tmp_path: Path) -> None:
    """A run ends with checkpoint, curves, TensorBoard and pictures, and says what it read."""
    checkpoint = train(small_recipe(), dataset, plan(tmp_path), quiet())
    run = tmp_path / "run"
    assert [step for step, _ in curve(run)] == [str(step) for step in range(6)]
    assert (run / "pictures" / "epoch_001.jpg").is_file()
    assert list((run / "tensorboard").glob("events*"))
    assert set(checkpoint.scores) >= {"val mIoU3", "val mIoU2", "val IoU cat"}
    assert checkpoint.origin.reads == "boxes"
    assert checkpoint.classes.names == ("background", "cat", "dog")


def test_resumed_run_has_the_same_curve(dataset: VocDataset, tmp_path: Path) -> None:
    """Broken off after two of three epochs and resumed, a run gives the losses and weights of a whole one."""
    whole = train(small_recipe("epochs=3"), dataset, plan(tmp_path, out=tmp_path / "whole"), quiet())
    broken = plan(tmp_path, out=tmp_path / "broken", resume=True)
    # The look for masks reads four, the first epoch's score four; the second's is broken off at its third.
    interrupting = Interrupting(dataset.root, dataset.classes, itertools.count(1), 4 + 4 + 2)
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe("epochs=3"), interrupting, broken, quiet())
    resumed = train(small_recipe("epochs=3"), dataset, broken, quiet())
    assert curve(tmp_path / "broken") == curve(tmp_path / "whole")
    for name, tensor in whole.weights.items():
        assert torch.equal(tensor, resumed.weights[name]), name


def test_box_training_reads_no_mask(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """With every training mask deleted, and no evaluation, the run is the same."""
    folder = Path(shutil.copytree(drawn_voc, tmp_path / "voc"))
    shutil.rmtree(folder / "SegmentationClass")
    without = train(small_recipe(), VocDataset(folder, classes), plan(tmp_path, evaluate_split=None), quiet())
    with_masks = train(
        small_recipe(), VocDataset(drawn_voc, classes), plan(tmp_path, out=tmp_path / "with"), quiet()
    )
    assert all(torch.equal(tensor, with_masks.weights[name]) for name, tensor in without.weights.items())


def test_val_without_masks_is_not_scored(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """Users with boxes alone can train: the run says that it is not scored, and goes on."""
    folder = Path(shutil.copytree(drawn_voc, tmp_path / "voc"))
    shutil.rmtree(folder / "SegmentationClass")
    console = quiet()
    checkpoint = train(small_recipe("epochs=1"), VocDataset(folder, classes), plan(tmp_path), console)
    assert checkpoint.scores == {}
    assert (tmp_path / "run" / "pictures" / "epoch_001.jpg").is_file()
    assert "val has no masks" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_taken_folder_is_refused(dataset: VocDataset, tmp_path: Path) -> None:
    """A finished run is neither overwritten nor resumed with another recipe."""
    train(small_recipe("epochs=1"), dataset, plan(tmp_path), quiet())
    with pytest.raises(ConfigurationError, match="holds a run already"):
        train(small_recipe("epochs=1"), dataset, plan(tmp_path), quiet())
    with pytest.raises(ConfigurationError, match="other values of gamma"):
        train(small_recipe("epochs=1", "gamma=0.5"), dataset, plan(tmp_path, resume=True), quiet())


def test_too_few_photos_are_refused(dataset: VocDataset, tmp_path: Path) -> None:
    """Fewer photos than one step needs are refused with a value that works."""
    with pytest.raises(DataError, match=r"--set batch_size=12"):
        train(small_recipe("batch_size=16"), dataset, plan(tmp_path), quiet())


def test_no_box_of_the_classes_is_refused(drawn_voc: Path, tmp_path: Path) -> None:
    """A data set without any box of the classes is refused."""
    recipe = change(find_recipe("voc_boxes"), [*SMALL, "classes=cow"])
    with pytest.raises(DataError, match="no box of cow"):
        train(recipe, VocDataset(drawn_voc, recipe.class_map), plan(tmp_path), quiet())


def test_checkpoint_rebuilds_its_network(dataset: VocDataset, tmp_path: Path) -> None:
    """Written and read, a checkpoint gives the same network without asking anyone."""
    checkpoint = train(small_recipe("epochs=1"), dataset, plan(tmp_path), quiet())
    again = load_checkpoint(save_checkpoint(checkpoint, tmp_path))
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        assert torch.equal(checkpoint.segmentation()(image), again.segmentation()(image))
    assert again.origin == checkpoint.origin


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off", b"\x80\x04K\x01."])
def test_foreign_checkpoints_are_refused(tmp_path: Path, content: bytes) -> None:
    """An empty, damaged or foreign file is refused by name; nothing in it runs."""
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"checkpoint\.pt"):
        load_checkpoint(tmp_path)


def test_grabcut_scores_well_on_drawn_photos(dataset: VocDataset) -> None:
    """On plain shapes GrabCut's masks are nearly the true ones: prior, truth and score speak one language."""
    score = evaluate(prior_segmenter(GrabCut()), dataset, dataset.load("val").images)
    assert score.named("val")["val mIoU3"] > 0.9


def test_scores_are_of_these_weights(dataset: VocDataset, tmp_path: Path) -> None:
    """A run broken off in an epoch that is not scored keeps no scores of an earlier one."""
    recipe = small_recipe("epochs=3", "evaluate_every=2")
    stopping = Interrupting(dataset.root, dataset.classes, itertools.count(1), 4 + 4 + 1)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, stopping, plan(tmp_path), quiet())
    checkpoint = load_checkpoint(tmp_path / "run")
    assert checkpoint.training["epoch"] == 2
    assert checkpoint.scores == {}


def test_damaged_photo_is_skipped_or_named(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """A photo cut off after its header is named before training; skip_bad leaves it out and says so."""
    folder = Path(shutil.copytree(drawn_voc, tmp_path / "voc"))
    photo = folder / "JPEGImages" / "drawn_0003.jpg"
    photo.write_bytes(photo.read_bytes()[:-400])
    recipe, dataset = small_recipe("epochs=1"), VocDataset(folder, classes)
    with pytest.raises(AnnotationError, match=r"drawn_0003\.jpg"):
        train(recipe, dataset, plan(tmp_path), quiet())
    console = quiet()
    train(recipe, dataset, plan(tmp_path, skip_bad=True), console)
    assert "1 bad images skipped" in console.file.getvalue()  # type: ignore[attr-defined]


def test_a_missing_mask_is_found_before_training(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """Where some of the evaluation photos have masks, a missing one stops the run before its first step."""
    folder = Path(shutil.copytree(drawn_voc, tmp_path / "voc"))
    (folder / "SegmentationClass" / "drawn_0014.png").unlink()
    with pytest.raises(AnnotationError, match=r"drawn_0014\.png"):
        train(small_recipe(), VocDataset(folder, classes), plan(tmp_path), quiet())
    assert not (tmp_path / "run").exists()


def test_resuming_with_other_data_is_refused(
    dataset: VocDataset, drawn_voc: Path, classes: ClassMap, tmp_path: Path
) -> None:
    """A run goes on with the photos it began with, or not at all."""
    train(small_recipe("epochs=1"), dataset, plan(tmp_path), quiet())
    other = VocDataset(Path(shutil.copytree(drawn_voc, tmp_path / "other")), classes)
    with pytest.raises(ConfigurationError, match="other values of data"):
        train(small_recipe("epochs=1"), other, plan(tmp_path, resume=True), quiet())


def test_origin_says_what_was_changed(dataset: VocDataset, tmp_path: Path) -> None:
    """The record names the recipe and every field that differs from its own values."""
    checkpoint = train(small_recipe("epochs=1"), dataset, plan(tmp_path), quiet())
    assert checkpoint.origin.recipe.startswith("voc_boxes classes=")
    assert "epochs=1" in checkpoint.origin.recipe
