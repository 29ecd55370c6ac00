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
from contract.errors import AnnotationError, CheckpointError, ConfigurationError, DataError, TrainingError
from tests.training.small import SMALL, plan, small_recipe
from training.checkpoint import load_checkpoint, save_checkpoint
from training.datasets.voc import VocDataset
from training.evaluate import evaluate, prior_segmenter
from training.priors.grabcut import GrabCut
from training.recipes import find_recipe
from training.recipes.finetune import cross_entropy
from training.recipes.recipe import change
from training.run import train


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


@pytest.mark.parametrize("average", [0.0, 0.9])
def test_resumed_run_has_the_same_curve(dataset: VocDataset, tmp_path: Path, average: float) -> None:
    """Broken off after two of three epochs and resumed, a run gives the losses and weights of a whole one."""
    recipe = small_recipe("epochs=3", f"average={average}")
    whole = train(recipe, dataset, plan(tmp_path, out=tmp_path / "whole"), quiet())
    broken = plan(tmp_path, out=tmp_path / "broken", resume=True)
    # The look for masks reads four, the first epoch's score four; the second's is broken off at its third.
    interrupting = Interrupting(dataset.root, dataset.classes, itertools.count(1), 4 + 4 + 2)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, interrupting, broken, quiet())
    resumed = train(recipe, dataset, broken, quiet())
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


def test_one_photo_is_not_enough(dataset: VocDataset, tmp_path: Path) -> None:
    """No batch size is proposed that cannot work either."""
    names = tmp_path / "names.txt"
    names.write_text("drawn_0003\n")
    with pytest.raises(DataError, match="1 images are fewer") as refused:
        train(small_recipe("learn=masks", f"masks={names}"), dataset, plan(tmp_path), quiet())
    assert refused.value.hint == "a step needs 2 at least"


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
    with pytest.raises(AnnotationError, match=r"drawn_0003\.jpg") as refused:
        train(recipe, dataset, plan(tmp_path), quiet())
    assert refused.value.message.count("drawn_0003") == 1
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


def test_averaged_weights_are_kept(dataset: VocDataset, tmp_path: Path) -> None:
    """With a running average the checkpoint's weights are the average, and differ from the last step's."""
    checkpoint = train(small_recipe("average=0.9"), dataset, plan(tmp_path), quiet())
    last = checkpoint.training["network"]
    name = "segmentation.head.weight"
    assert checkpoint.weights[name].shape == last[name].shape
    assert not torch.equal(checkpoint.weights[name], last[name])


def test_masks_alone_read_no_box(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """Plain cross entropy on masks says that it read masks and no boxes; with box losses it says both."""
    dataset = VocDataset(drawn_voc, classes)
    recipe = cross_entropy(small_recipe("learn=masks", "epochs=1", "warm_epochs=0"))
    plain = train(recipe, dataset, plan(tmp_path), quiet())
    assert plain.origin.reads == "12 masks of drawn train"
    both = train(
        small_recipe("learn=masks", "epochs=1"), dataset, plan(tmp_path, out=tmp_path / "both"), quiet()
    )
    assert both.origin.reads == "12 masks of drawn train, boxes"


def test_what_a_start_and_a_teacher_read_is_said(dataset: VocDataset, tmp_path: Path) -> None:
    """A run from boxes whose start or teacher had read masks says so."""
    tuned = tmp_path / "tuned"
    train(small_recipe("learn=masks", "epochs=1"), dataset, plan(tmp_path, out=tuned), quiet())
    for name, changes in {
        "start": [f"start={tuned}"],
        "teacher": [f"teacher={tuned}", "prior=teacher"],
    }.items():
        recipe = small_recipe("epochs=1", *changes)
        checkpoint = train(recipe, dataset, plan(tmp_path, out=tmp_path / name), quiet())
        assert checkpoint.origin.reads == "12 masks of drawn train, boxes"


def test_start_of_another_network_is_refused(dataset: VocDataset, tmp_path: Path) -> None:
    """Weights of another width are refused by the first tensor's name."""
    first = tmp_path / "first"
    train(small_recipe("epochs=1"), dataset, plan(tmp_path, out=first), quiet())
    with pytest.raises(CheckpointError, match=r"first segmentation\.decoder"):
        train(small_recipe("epochs=1", "width=16", f"start={first}"), dataset, plan(tmp_path), quiet())


def test_a_loss_that_is_no_number_stops_the_run(dataset: VocDataset, tmp_path: Path) -> None:
    """A rate that blows up ends in the term's name, and nothing of it is kept."""
    recipe = small_recipe("optimizer=sgd", "learning_rate=1e30", "epochs=1")
    with pytest.raises(TrainingError, match=r"epoch 1, step \d: \w+ is (nan|inf)"):
        train(recipe, dataset, plan(tmp_path), quiet())
    assert not (tmp_path / "run" / "checkpoint.pt").exists()


def test_a_step_in_parts(dataset: VocDataset, tmp_path: Path) -> None:
    """A batch of four in two parts gives the losses of a whole one; parts that do not fit are refused."""
    recipe = small_recipe("epochs=1", "frozen_norm=true")
    train(recipe, dataset, plan(tmp_path, out=tmp_path / "whole"), quiet())
    train(recipe, dataset, plan(tmp_path, accumulate=2), quiet())
    losses = [[float(loss) for _, loss in curve(tmp_path / name)] for name in ("whole", "run")]
    # Each photo's loss is the same; what is left is the order of sums.
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert len(losses[1]) == 3
    with pytest.raises(ConfigurationError, match="at least 2 photos to each"):
        train(small_recipe("epochs=1"), dataset, plan(tmp_path, out=tmp_path / "b", accumulate=3), quiet())


def test_broken_off_in_its_last_score(dataset: VocDataset, tmp_path: Path) -> None:
    """A run broken off while its last epoch is scored is scored when it is resumed."""
    recipe, broken = small_recipe("epochs=1"), plan(tmp_path, resume=True)
    interrupting = Interrupting(dataset.root, dataset.classes, itertools.count(1), 4 + 1)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, interrupting, broken, quiet())
    assert load_checkpoint(tmp_path / "run").scores == {}
    assert train(recipe, dataset, broken, quiet()).scores["val mIoU3"] >= 0


def test_a_missing_training_mask_is_found_before_training(
    drawn_voc: Path, classes: ClassMap, tmp_path: Path
) -> None:
    """A photo named for its mask that has none stops the run before its first step, or is left out."""
    folder = Path(shutil.copytree(drawn_voc, tmp_path / "voc"))
    (folder / "SegmentationClass" / "drawn_0003.png").unlink()
    dataset, recipe = VocDataset(folder, classes), small_recipe("learn=masks", "epochs=1")
    with pytest.raises(AnnotationError, match=r"drawn_0003\.png"):
        train(recipe, dataset, plan(tmp_path), quiet())
    checkpoint = train(recipe, dataset, plan(tmp_path, skip_bad=True), quiet())
    assert checkpoint.origin.reads.startswith("11 masks")


def test_a_changed_list_of_masks_is_refused(dataset: VocDataset, tmp_path: Path) -> None:
    """A run resumed with other masks than it began with would say less than it read, and is refused."""
    names = tmp_path / "names.txt"
    names.write_text("".join(f"drawn_{index:04d}\n" for index in range(8)))
    recipe = small_recipe("learn=masks", f"masks={names}", "epochs=1")
    train(recipe, dataset, plan(tmp_path), quiet())
    names.write_text("".join(f"drawn_{index:04d}\n" for index in range(4)))
    with pytest.raises(ConfigurationError, match="has read 8 masks"):
        train(recipe, dataset, plan(tmp_path, resume=True), quiet())


def test_start_of_other_classes_is_refused(dataset: VocDataset, drawn_voc: Path, tmp_path: Path) -> None:
    """Weights whose channels mean other classes fit in shape, and are refused by name."""
    first = tmp_path / "first"
    train(small_recipe("epochs=1"), dataset, plan(tmp_path, out=first), quiet())
    recipe = small_recipe("epochs=1", "classes=dog,cat", f"start={first}")
    with pytest.raises(CheckpointError, match="knows cat, dog, the recipe learns dog, cat"):
        train(recipe, VocDataset(drawn_voc, recipe.class_map), plan(tmp_path), quiet())
