"""Load, forward, loss, backward, step, log: the whole of training, on Lightning Fabric."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lightning.fabric import Fabric
from lightning.fabric.wrappers import _FabricModule
from torch import nn
from torch.optim import Optimizer

from contract.errors import DataError, TrainingError
from training.average import WeightAverage
from training.data import Batch, BoxSamples, Example, epoch_loader
from training.diagnostics import Diagnostics
from training.losses.total import LossWeights, total_loss
from training.optim import set_learning_rates
from training.prepare import Plan
from training.progress import Bar
from training.recipes.recipe import Recipe
from training.record import Record

GRADIENT_NORM = 10.0


@dataclass(frozen=True, slots=True)
class Learner:
    """
    What a step changes.

    Args:
        network: `Box2Seg`, set up by fabric.
        optimizer: Its optimiser, set up by fabric.
        bare: The network itself, as it was before fabric wrapped it.
        average: The running average of its weights, where one is kept.
    """

    network: _FabricModule
    optimizer: Optimizer
    bare: nn.Module
    average: WeightAverage | None


def train_epoch(
    fabric: Fabric,
    learner: Learner,
    samples: BoxSamples,
    recipe: Recipe,
    record: Record | None,
    bar: Bar,
    plan: Plan,
) -> None:
    """
    Train one epoch, in place.

    Args:
        fabric: Devices, precision and processes.
        learner: Network, optimiser and average.
        samples: The epoch's.
        recipe: The run's.
        record: Where numbers go; None on all processes but the first.
        bar: Counts steps.
        plan: Says how a step's batch is read ahead and divided.

    Raises:
        TrainingError: If a loss is no number any more.
    """
    steps, epoch = steps_per_epoch(len(samples), recipe, fabric.world_size), samples.epoch
    weights = recipe.loss_weights(epoch)
    loader = epoch_loader(
        samples,
        batch_size=recipe.batch_size // fabric.world_size // plan.accumulate,
        workers=plan.workers,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
    )
    set_training(learner.network, frozen_norm=recipe.frozen_norm)
    torch.manual_seed(recipe.seed * 10_007 + epoch)  # a resumed run draws what the unbroken one drew
    batches, diagnostics = iter(loader), Diagnostics(recipe.class_map, recipe.gamma)
    for step in range(epoch * steps, (epoch + 1) * steps):
        rate = set_learning_rates(
            learner.optimizer, recipe, epoch=epoch, progress=step / (steps * recipe.epochs)
        )
        began = time.monotonic()
        parts = [next(batches) for _ in range(plan.accumulate)]
        waited = time.monotonic() - began
        try:
            numbers = train_step(fabric, learner, parts, weights, diagnostics, gamma=recipe.gamma)
        except TrainingError as error:
            where = f"epoch {epoch + 1}, step {step}"
            raise TrainingError(f"{where}: {error.message}", hint=error.hint) from error
        if record is not None:
            took = time.monotonic() - began
            record.step(epoch, step, rate=rate, waited=waited, took=took, terms=numbers)
        bar.advance("  ".join(f"{name} {value:.3f}" for name, value in numbers.items()))
    if record is not None:
        record.diagnostics(epoch, diagnostics.means())


def train_step(
    fabric: Fabric,
    learner: Learner,
    parts: Sequence[Batch],
    weights: LossWeights,
    diagnostics: Diagnostics,
    *,
    gamma: float,
) -> dict[str, float]:
    """
    Take one step over a batch in parts; gives the loss and its terms, means over the parts.

    Args:
        fabric: Devices, precision and processes.
        learner: What is changed.
        parts: The batch's parts, of one size; gradients are summed over them before the step.
        weights: Of the loss terms.
        diagnostics: Of the epoch; the batch is taken in.
        gamma: See `filling_rate_loss`.

    Raises:
        TrainingError: If a term or the gradient is no number; the weights are then as they were.
    """
    sums: dict[str, float] = {}
    for index, batch in enumerate(parts):
        unfinished = index + 1 < len(parts)
        on_device = batch.to(fabric.device)
        with fabric.no_backward_sync(learner.network, enabled=unfinished):
            prediction = learner.network(on_device.images_B3HW)
            loss, terms = total_loss(prediction, on_device, weights, gamma=gamma)
            fabric.backward(loss / len(parts))
        diagnostics.add(prediction, on_device)
        for name, value in {"loss": loss.detach(), **terms}.items():
            sums[name] = sums.get(name, 0.0) + float(value) / len(parts)
    norm = fabric.clip_gradients(
        learner.network, learner.optimizer, max_norm=GRADIENT_NORM, error_if_nonfinite=False
    )
    _check({**sums, "gradient": float(norm) if norm is not None else 0.0})
    learner.optimizer.step()
    learner.optimizer.zero_grad(set_to_none=True)
    if learner.average is not None:
        learner.average.update(learner.bare)
    return _mean_over_processes(fabric, sums)


def set_training(network: nn.Module, *, frozen_norm: bool) -> None:
    """Bring a network into training mode; with frozen_norm its batch norms keep their statistics."""
    network.train()
    for module in network.modules():
        if frozen_norm and isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.eval()


def steps_per_epoch(images: int, recipe: Recipe, ranks: int) -> int:
    """
    Count the steps of an epoch.

    Raises:
        DataError: If there are fewer images than one step needs.
    """
    if images < recipe.batch_size:
        raise DataError(
            f"{images} images are fewer than one step's {recipe.batch_size}",
            hint=f"lower it: --set batch_size={images}" if images > 1 else "a step needs 2 at least",
        )
    return (images // ranks) // (recipe.batch_size // ranks)


def epoch_samples(examples: Sequence[Example], recipe: Recipe, epoch: int) -> BoxSamples:
    """Give an epoch's samples, epochs counted from 0."""
    return BoxSamples(
        examples,
        fit=recipe.fit,
        augmentation=recipe.augmentation,
        classes=len(recipe.class_map),
        seed=recipe.seed,
        epoch=epoch,
    )


def _mean_over_processes(fabric: Fabric, numbers: dict[str, float]) -> dict[str, float]:
    if fabric.world_size > 1:
        values = fabric.all_reduce(torch.tensor(list(numbers.values()), device=fabric.device))
        assert isinstance(values, torch.Tensor)
        numbers = dict(zip(numbers, values.tolist(), strict=True))
    return {name: round(value, 5) for name, value in numbers.items()}


def _check(numbers: dict[str, float]) -> None:
    wrong = {name: value for name, value in numbers.items() if not math.isfinite(value)}
    if wrong:
        # The sum is wrong with any of its terms; the first term after it says more.
        name = next((name for name in wrong if name != "loss"), "loss")
        raise TrainingError(
            f"{name} is {wrong[name]}",
            hint="earlier epochs are kept; try a lower rate in another folder, --set learning_rate=…",
        )
