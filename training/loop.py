"""Load, forward, loss, backward, step, log: the whole of training, on Lightning Fabric."""

from collections.abc import Sequence

import torch
from lightning.fabric import Fabric
from torch import nn
from torch.optim import Optimizer

from contract.errors import DataError
from training.data import BoxSamples, epoch_loader
from training.losses.total import total_loss
from training.optim import set_learning_rates
from training.priors.cache import GuessedImage
from training.progress import Bar
from training.recipes.recipe import Recipe
from training.record import Record

GRADIENT_NORM = 10.0


def train_epoch(
    fabric: Fabric,
    network: nn.Module,
    optimizer: Optimizer,
    samples: BoxSamples,
    recipe: Recipe,
    record: Record | None,
    bar: Bar,
    *,
    workers: int,
) -> None:
    """
    Train one epoch, in place.

    Args:
        fabric: Devices, precision and processes.
        network: `Box2Seg`, set up by fabric.
        optimizer: Its optimiser, set up by fabric.
        samples: The epoch's.
        recipe: The run's.
        record: Where numbers go; None on all processes but the first.
        bar: Counts steps.
        workers: Processes that read ahead.
    """
    loader = epoch_loader(
        samples,
        batch_size=recipe.batch_size // fabric.world_size,
        workers=workers,
        rank=fabric.global_rank,
        ranks=fabric.world_size,
    )
    steps, epoch = len(loader), samples.epoch
    weights = recipe.loss_weights(epoch)
    network.train()
    torch.manual_seed(recipe.seed * 10_007 + epoch)  # a resumed run draws what the unbroken one drew
    for index, batch in enumerate(loader):
        step = epoch * steps + index
        rate = set_learning_rates(optimizer, recipe, epoch=epoch, progress=step / (steps * recipe.epochs))
        on_device = batch.to(fabric.device)
        prediction = network(on_device.images_B3HW)
        loss, terms = total_loss(prediction, on_device, weights, gamma=recipe.gamma)
        fabric.backward(loss)
        fabric.clip_gradients(network, optimizer, max_norm=GRADIENT_NORM)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        numbers = {name: round(float(value), 5) for name, value in terms.items()}
        if record is not None:
            record.step(epoch, step, rate=rate, loss=round(float(loss.detach()), 5), terms=numbers)
        bar.advance("  ".join(f"{name} {value:.3f}" for name, value in numbers.items()))


def steps_per_epoch(images: int, recipe: Recipe, ranks: int) -> int:
    """
    Count the steps of an epoch.

    Raises:
        DataError: If there are fewer images than one step needs.
    """
    if images < recipe.batch_size:
        raise DataError(
            f"{images} images are fewer than one step's {recipe.batch_size}",
            hint=f"lower it: --set batch_size={max(2, images)}",
        )
    return (images // ranks) // (recipe.batch_size // ranks)


def epoch_samples(images: Sequence[GuessedImage], recipe: Recipe, epoch: int) -> BoxSamples:
    """Give an epoch's samples, epochs counted from 0."""
    return BoxSamples(
        images,
        fit=recipe.fit,
        augmentation=recipe.augmentation,
        classes=len(recipe.class_map),
        seed=recipe.seed,
        epoch=epoch,
    )
