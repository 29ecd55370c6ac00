"""A training run, from a recipe and a data set to a checkpoint: train, score and keep each epoch."""

import time
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning.fabric import Fabric
from rich.console import Console

from contract.errors import CheckpointError, ConfigurationError
from contract.manifest import Origin
from training.average import WeightAverage
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.curves import CURVES_FILE, draw_curves
from training.data import Example
from training.datasets import Dataset
from training.evaluate import evaluate, network_segmenter
from training.examples import training_examples
from training.launch import launch
from training.loop import Learner, epoch_samples, steps_per_epoch, train_epoch
from training.networks.box2seg import Box2Seg
from training.networks.encoders import load_weights, synchronise_norms
from training.optim import build_optimizer
from training.origin import code_commit, machine_name
from training.pictures import save_sheet, spread
from training.prepare import (
    Evaluation,
    Plan,
    changed_fields,
    data_name,
    evaluation_images,
    recipe_fields,
    resume_point,
)
from training.progress import progress_bar
from training.reads import what_is_read
from training.recipes.recipe import Recipe
from training.record import Record

PICTURES = 12
SECONDS_PER_HOUR = 3600


def train(recipe: Recipe, dataset: Dataset, plan: Plan, console: Console) -> Checkpoint:
    """
    Train as the recipe says; every epoch ends with a checkpoint to resume from.

    Args:
        recipe: What to train and how.
        dataset: What to learn from; masks are read of the photos that the recipe names, and of the
            evaluation split for scores.
        plan: Where and on what.
        console: Where people look.

    Raises:
        ConfigurationError: If the run's folder is taken, or resuming asks for another recipe.
        DataError: If the data cannot be used.
        TrainingError: If a loss is no number any more.
        WriteError: If a file cannot be written; the last checkpoint is kept.
    """
    last = resume_point(recipe, dataset, plan)
    fabric = launch(recipe, plan)
    console = console if fabric.is_global_zero else Console(quiet=True)
    # What can be refused is refused before GrabCut, which takes long.
    run = _Run(recipe, dataset, plan, fabric, evaluation_images(dataset, plan, console), last)
    with fabric.rank_zero_first():  # the others find its masks in the cache
        examples = training_examples(recipe, dataset, plan, console)
    steps = steps_per_epoch(len(examples), recipe, fabric.world_size)
    plan.out.mkdir(parents=True, exist_ok=True)
    learner = run.set_up(examples)
    first_epoch = int(last.training["epoch"]) + 1 if last else 0
    record = Record(plan.out, console, first_epoch, steps) if fabric.is_global_zero else None
    with record or nullcontext():
        if record is not None and first_epoch == recipe.epochs and not run.scores:
            # Broken off in its last score.
            run.finish(first_epoch - 1, first_epoch * steps, record)
        with progress_bar(console, "training", steps * recipe.epochs, done=steps * first_epoch) as bar:
            for epoch in range(first_epoch, recipe.epochs):
                bar.title = _title(recipe, epoch)
                train_epoch(
                    fabric, learner, epoch_samples(examples, recipe, epoch), recipe, record, bar, plan
                )
                if record is not None:
                    run.scores = {}  # those of an earlier epoch are not of these weights
                    save_checkpoint(run.checkpoint(epoch), plan.out)
                    run.finish(epoch, (epoch + 1) * steps, record)
                fabric.barrier()
        if record is not None:
            record.say_waiting()
    return load_checkpoint(plan.out)


def _title(recipe: Recipe, epoch: int) -> str:
    stage = "warm start" if epoch < recipe.warm_epochs else recipe.learn
    return f"epoch {epoch + 1}/{recipe.epochs} ({stage})"


@dataclass
class _Run:
    """What a run scores and keeps between its epochs."""

    recipe: Recipe
    dataset: Dataset
    plan: Plan
    fabric: Fabric
    evaluation: Evaluation
    last: Checkpoint | None
    network: Box2Seg = field(init=False)
    scores: dict[str, float] = field(default_factory=dict)
    reads: str = ""
    began: float = field(default_factory=time.monotonic)
    commit: str = field(default_factory=code_commit)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        network = Box2Seg(self.recipe.network, detached_helpers=self.recipe.detached_helpers)
        self.network = network.to(memory_format=torch.channels_last)
        if self.last is not None:
            self.network.load_state_dict(self.last.training.get("network", self.last.weights))
            self.scores = self.last.scores
        elif self.recipe.start:
            start_from(self.network, Path(self.recipe.start), self.recipe)
        else:
            load_weights(self.network.segmentation.encoder, self.recipe.weights)
        if self.fabric.world_size > 1 and self.fabric.device.type == "cuda":
            synchronise_norms(self.network)
        self.optimizer = build_optimizer(self.network, self.recipe)
        self.average = WeightAverage(self.network, self.recipe.average) if self.recipe.average else None

    def set_up(self, examples: list[Example]) -> Learner:
        """Move network and optimiser to their device, and begin to count the time."""
        self.reads = what_is_read(self.recipe, examples, self.dataset.name, self.plan.train_split)
        if self.last is not None and self.last.origin.reads != self.reads:
            raise ConfigurationError(
                f"{self.plan.out} has read {self.last.origin.reads}; now it would read {self.reads}",
                hint="resume with the list of masks as it was, or choose another --out",
            )
        network, optimizer = self.fabric.setup(self.network, self.optimizer)
        if self.average is not None:
            self.average.model.to(self.fabric.device)
        if self.last is not None:  # after the move: its state goes where the parameters are
            self.optimizer.load_state_dict(self.last.training["optimizer"])
            if self.average is not None:
                self.average.load_state_dict(self.last.training["average"])
        self.began = time.monotonic()
        return Learner(network, optimizer, self.network, self.average)

    @property
    def kept(self) -> Box2Seg:
        """The network that is scored and kept: the averaged one where there is one."""
        if self.average is None:
            return self.network
        averaged = self.average.network
        assert isinstance(averaged, Box2Seg)
        return averaged

    def finish(self, epoch: int, step: int, record: Record) -> None:
        """Look at an epoch's weights and keep them with their scores."""
        self.look(epoch, step, record)
        save_checkpoint(self.checkpoint(epoch), self.plan.out)

    def look(self, epoch: int, step: int, record: Record) -> None:
        """Draw some of the evaluation split, score it where it is time, and draw the curves."""
        segment = network_segmenter(self.kept.segmentation, self.recipe.fit, self.fabric.device)
        images = self.evaluation.images
        if images:
            picture = self.plan.out / "pictures" / f"epoch_{epoch + 1:03d}.jpg"
            save_sheet(picture, spread(images, PICTURES), segment, self.recipe.class_map)
        due = (epoch + 1) % self.recipe.evaluate_every == 0 or epoch + 1 == self.recipe.epochs
        if due and self.evaluation.has_masks:
            score = evaluate(segment, self.dataset, images)
            self.scores = score.named(str(self.plan.evaluate_split), unscored=self.recipe.unscored)
            record.scores(epoch, step, self.scores)
        draw_curves([self.plan.out], self.plan.out / CURVES_FILE)

    def checkpoint(self, epoch: int) -> Checkpoint:
        """Give all that is to be kept after an epoch."""
        training = {"epoch": epoch, "optimizer": self.optimizer.state_dict()}
        if self.average is not None:
            training |= {"network": self.network.state_dict(), "average": self.average.state_dict()}
        return Checkpoint(
            classes=self.recipe.class_map,
            fit=self.recipe.fit,
            network=self.recipe.network,
            weights=self.kept.state_dict(),
            recipe=recipe_fields(self.recipe),
            origin=self._origin(),
            scores=self.scores,
            training=training,
        )

    def _origin(self) -> Origin:
        before = self.last.origin.hours if self.last else 0.0
        return Origin(
            recipe=" ".join([self.recipe.name, *changed_fields(self.recipe)]),
            data=data_name(self.dataset, self.plan),
            reads=self.reads,
            seed=self.recipe.seed,
            commit=self.commit,
            machine=machine_name(self.fabric.device),
            hours=round(before + (time.monotonic() - self.began) / SECONDS_PER_HOUR, 3),
        )


def start_from(network: Box2Seg, path: Path, recipe: Recipe) -> None:
    """
    Give all three networks the weights of an earlier run.

    Raises:
        CheckpointError: If they do not fit, naming the first tensor, or know other classes.
    """
    earlier = load_checkpoint(path)
    if earlier.classes != recipe.class_map:
        raise CheckpointError(
            f"{path} knows {', '.join(earlier.classes.foreground)}, the recipe learns "
            f"{', '.join(recipe.classes)}",
            hint="start from a run of the same classes, in the same order",
        )
    weights = earlier.weights
    wanted = network.state_dict()
    wrong = [name for name in wanted if name not in weights or weights[name].shape != wanted[name].shape]
    if wrong or len(weights) != len(wanted):
        raise CheckpointError(
            f"{path}: weights of other networks, first {(wrong or ['another decoder'])[0]}",
            hint="start with the same encoder, width, embedding, shared_decoder and number of classes",
        )
    network.load_state_dict(weights)
