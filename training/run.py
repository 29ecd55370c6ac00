"""A training run, from a recipe and a data set to a checkpoint: train, score and keep each epoch."""

import time
from dataclasses import dataclass, field

import torch
from lightning.fabric import Fabric
from rich.console import Console
from torch.optim import Optimizer

from contract.errors import ConfigurationError
from contract.manifest import Origin
from training.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from training.datasets import Dataset
from training.evaluate import evaluate, network_segmenter
from training.loop import epoch_samples, steps_per_epoch, train_epoch
from training.networks.box2seg import Box2Seg
from training.networks.encoders import load_weights
from training.optim import build_optimizer
from training.origin import code_commit, machine_name
from training.pictures import save_sheet, spread
from training.prepare import (
    Evaluation,
    Plan,
    evaluation_images,
    recipe_fields,
    resume_point,
    training_images,
)
from training.progress import progress_bar
from training.recipes.recipe import Recipe
from training.record import Record

READS = "boxes"
"""What training reads of the annotations; masks are read for scores alone."""

PICTURES = 12
SECONDS_PER_HOUR = 3600


def train(recipe: Recipe, dataset: Dataset, plan: Plan, console: Console) -> Checkpoint:
    """
    Train as the recipe says; every epoch ends with a checkpoint to resume from.

    Args:
        recipe: What to train and how.
        dataset: Boxes to learn from; of its masks, only those of the evaluation split are read, for scores.
        plan: Where and on what.
        console: Where people look.

    Raises:
        ConfigurationError: If the run's folder is taken, or resuming asks for another recipe.
        DataError: If the data cannot be used.
    """
    start = resume_point(recipe, plan)
    fabric = _launch(recipe, plan)
    images = training_images(recipe, dataset, plan, console)
    steps = steps_per_epoch(len(images), recipe, fabric.world_size)
    plan.out.mkdir(parents=True, exist_ok=True)
    run = _Run(recipe, dataset, plan, fabric, evaluation_images(dataset, plan, console), start)
    network, optimizer = fabric.setup(run.network, run.optimizer)
    first_epoch = int(start.training["epoch"]) + 1 if start else 0
    record = Record(plan.out, console, first_epoch) if fabric.is_global_zero else None
    with progress_bar(console, "training", steps * recipe.epochs, done=steps * first_epoch) as bar:
        for epoch in range(first_epoch, recipe.epochs):
            bar.title = _title(recipe, epoch)
            samples = epoch_samples(images, recipe, epoch)
            train_epoch(fabric, network, optimizer, samples, recipe, record, bar, workers=plan.workers)
            if record is not None:
                run.look(epoch, (epoch + 1) * steps, record)
                save_checkpoint(run.checkpoint(epoch), plan.out)
            fabric.barrier()
    if record is not None:
        record.close()
    return load_checkpoint(plan.out)


def _launch(recipe: Recipe, plan: Plan) -> Fabric:
    fabric = Fabric(
        accelerator=plan.accelerator, devices=plan.devices, num_nodes=plan.nodes, precision=plan.precision
    )
    fabric.launch()
    if recipe.batch_size % fabric.world_size:
        raise ConfigurationError(
            f"batch_size {recipe.batch_size} cannot be dealt out evenly to {fabric.world_size} devices"
        )
    return fabric


def _title(recipe: Recipe, epoch: int) -> str:
    stage = "warm start" if epoch < recipe.warm_epochs else "Box2Seg"
    return f"epoch {epoch + 1}/{recipe.epochs} ({stage})"


@dataclass
class _Run:
    """What a run scores and keeps between its epochs."""

    recipe: Recipe
    dataset: Dataset
    plan: Plan
    fabric: Fabric
    evaluation: Evaluation
    start: Checkpoint | None
    network: Box2Seg = field(init=False)
    optimizer: Optimizer = field(init=False)
    scores: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic)
    commit: str = field(default_factory=code_commit)

    def __post_init__(self) -> None:
        torch.manual_seed(self.recipe.seed)
        self.network = Box2Seg(self.recipe.network).to(memory_format=torch.channels_last)
        if self.start is None:
            load_weights(self.network.segmentation.encoder, self.recipe.weights)
        else:
            self.network.load_state_dict(self.start.weights)
            self.scores = self.start.scores
        self.optimizer = build_optimizer(self.network, self.recipe)
        if self.start is not None:
            self.optimizer.load_state_dict(self.start.training["optimizer"])

    def look(self, epoch: int, step: int, record: Record) -> None:
        """Draw some of the evaluation split and, where it is time, score it."""
        segment = network_segmenter(self.network.segmentation, self.recipe.fit, self.fabric.device)
        images = self.evaluation.images
        if images:
            picture = self.plan.out / "pictures" / f"epoch_{epoch + 1:03d}.jpg"
            save_sheet(picture, spread(images, PICTURES), segment, self.recipe.class_map)
        due = (epoch + 1) % self.recipe.evaluate_every == 0 or epoch + 1 == self.recipe.epochs
        if due and self.evaluation.has_masks:
            score = evaluate(segment, self.dataset, images)
            self.scores = score.named(str(self.plan.evaluate_split), unscored=self.recipe.unscored)
            record.scores(epoch, step, self.scores)

    def checkpoint(self, epoch: int) -> Checkpoint:
        """Give all that is to be kept after an epoch."""
        return Checkpoint(
            classes=self.recipe.class_map,
            fit=self.recipe.fit,
            network=self.recipe.network,
            weights=self.network.state_dict(),
            recipe=recipe_fields(self.recipe),
            origin=self._origin(),
            scores=self.scores,
            training={"epoch": epoch, "optimizer": self.optimizer.state_dict()},
        )

    def _origin(self) -> Origin:
        before = self.start.origin.hours if self.start else 0.0
        return Origin(
            recipe=self.recipe.name,
            data=f"{self.dataset.name} {self.plan.train_split}",
            reads=READS,
            seed=self.recipe.seed,
            commit=self.commit,
            machine=machine_name(self.fabric.device),
            hours=round(before + (time.monotonic() - self.began) / SECONDS_PER_HOUR, 3),
        )
