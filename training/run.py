"""A training run, from a recipe and a data set to a checkpoint: train, score and keep each epoch."""

import time
from dataclasses import dataclass, field

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from rich.console import Console
from torch import nn
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
    changed_fields,
    data_name,
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
    start = resume_point(recipe, dataset, plan)
    fabric = _launch(recipe, plan)
    console = console if fabric.is_global_zero else Console(quiet=True)
    # What can be refused is refused before GrabCut, which takes long.
    run = _Run(recipe, dataset, plan, fabric, evaluation_images(dataset, plan, console), start)
    images = training_images(recipe, dataset, plan, console)
    steps = steps_per_epoch(len(images), recipe, fabric.world_size)
    plan.out.mkdir(parents=True, exist_ok=True)
    network, optimizer = run.set_up()
    first_epoch = int(start.training["epoch"]) + 1 if start else 0
    record = Record(plan.out, console, first_epoch, steps) if fabric.is_global_zero else None
    try:
        with progress_bar(console, "training", steps * recipe.epochs, done=steps * first_epoch) as bar:
            for epoch in range(first_epoch, recipe.epochs):
                bar.title = _title(recipe, epoch)
                samples = epoch_samples(images, recipe, epoch)
                train_epoch(fabric, network, optimizer, samples, recipe, record, bar, workers=plan.workers)
                if record is not None:
                    run.scores = {}  # those of an earlier epoch are not of these weights
                    save_checkpoint(run.checkpoint(epoch), plan.out)
                    run.look(epoch, (epoch + 1) * steps, record)
                    save_checkpoint(run.checkpoint(epoch), plan.out)
                fabric.barrier()
    finally:
        if record is not None:
            record.close()
    return load_checkpoint(plan.out)


def _launch(recipe: Recipe, plan: Plan) -> Fabric:
    try:
        fabric = Fabric(
            accelerator=plan.accelerator, devices=plan.devices, num_nodes=plan.nodes, precision=plan.precision
        )
    except (ValueError, RuntimeError, MisconfigurationException) as error:
        raise ConfigurationError(f"device, devices, nodes or precision: {error}") from error
    fabric.launch()
    if recipe.batch_size % fabric.world_size or recipe.batch_size < 2 * fabric.world_size:
        raise ConfigurationError(
            f"batch_size {recipe.batch_size} cannot be dealt out to {fabric.world_size} devices, "
            "at least 2 to each and as many to all"
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

    def set_up(self) -> tuple[nn.Module, Optimizer]:
        """Move network and optimiser to their device, and begin to count the time."""
        network, optimizer = self.fabric.setup(self.network, self.optimizer)
        if self.start is not None:  # after the move: its state goes where the parameters are
            self.optimizer.load_state_dict(self.start.training["optimizer"])
        self.began = time.monotonic()
        return network, optimizer

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
            recipe=" ".join([self.recipe.name, *changed_fields(self.recipe)]),
            data=data_name(self.dataset, self.plan),
            reads=READS,
            seed=self.recipe.seed,
            commit=self.commit,
            machine=machine_name(self.fabric.device),
            hours=round(before + (time.monotonic() - self.began) / SECONDS_PER_HOUR, 3),
        )
