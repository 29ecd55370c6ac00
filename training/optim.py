"""The optimiser and its learning rates: by part of the network, by stage, and falling over the run."""

import torch
from torch import nn
from torch.optim import Optimizer

from training.networks.box2seg import Box2Seg
from training.recipes.recipe import Recipe

POWER = 0.9
MOMENTUM = 0.9


def build_optimizer(network: Box2Seg, recipe: Recipe) -> Optimizer:
    """Give the recipe's optimiser with one parameter group for encoder, embedding and all others each."""
    groups = [{"name": name, "params": list(parameters)} for name, parameters in _parts(network).items()]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(
            groups, lr=recipe.learning_rate, momentum=MOMENTUM, weight_decay=recipe.weight_decay
        )
    return torch.optim.AdamW(groups, lr=recipe.learning_rate, weight_decay=recipe.weight_decay)


def set_learning_rates(optimizer: Optimizer, recipe: Recipe, *, epoch: int, progress: float) -> float:
    """
    Set each group's learning rate for the next step.

    Args:
        optimizer: Of `build_optimizer`.
        recipe: The run's.
        epoch: Counted from 0; decides the stage.
        progress: Share of the run's steps done, in [0, 1].

    Returns:
        The decoders' learning rate.
    """
    rate = float(recipe.learning_rate * (1 - progress) ** POWER)
    stage_two = epoch >= recipe.warm_epochs
    shares = {"encoder": recipe.encoder_rate, "embedding": recipe.embedding_rate if stage_two else 1.0}
    for group in optimizer.param_groups:
        group["lr"] = rate * shares.get(group["name"], 1.0)
    return rate


def _parts(network: Box2Seg) -> dict[str, list[nn.Parameter]]:
    embedding = list(network.embedding.parameters())
    if network.embedding_decoder is not None:
        embedding += list(network.embedding_decoder.parameters())
    encoder = list(network.segmentation.encoder.parameters())
    apart = {id(parameter) for parameter in (*encoder, *embedding)}
    others = [parameter for parameter in network.parameters() if id(parameter) not in apart]
    return {"encoder": encoder, "embedding": embedding, "others": others}
