"""Goes on from a run with people's masks: boxes first, masks where there are some."""

import dataclasses

from training.recipes.recipe import Recipe

RATE = 0.1
"""Share of the earlier run's learning rate: what boxes taught is to be corrected, not learned anew."""


def finetune(earlier: Recipe, *, start: str, masks: str, epochs: int = 20) -> Recipe:
    """
    Fine-tune an earlier run's networks with plain cross entropy on masks.

    box2seg finetune RUN --data VOC_FOLDER --masks SPLIT --out runs/tuned

    Args:
        earlier: The recipe of the run that it starts from.
        start: That run's folder or checkpoint.
        masks: The photos whose masks are read: a split, or a text file of names; empty for all.
        epochs: Over these photos.
    """
    return dataclasses.replace(
        cross_entropy(earlier),
        name="finetune",
        start=start,
        learn="masks",
        masks=masks,
        epochs=epochs,
        learning_rate=earlier.learning_rate * RATE,
    )


def cross_entropy(recipe: Recipe) -> Recipe:
    """Leave all terms out but cross entropy on the best labels known, from the first epoch on."""
    return dataclasses.replace(
        recipe,
        prior="grabcut",
        teacher="",
        sam="",
        warm_epochs=0,
        foreground=0.0,
        background=0.0,
        filling=0.0,
        affinity=0.0,
        grabcut=1.0,
    )
