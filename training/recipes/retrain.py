"""Goes on from a run with more photos of the same classes."""

import dataclasses

from training.recipes.recipe import Recipe

NAME = "retrain"
RATE = 0.5
"""Share of the first run's learning rate: what it knows is kept while new photos are learned."""


def retrain(earlier: Recipe, *, start: str) -> Recipe:
    """
    Train an earlier run's networks on, by its own recipe.

    box2seg retrain --data VOC_FOLDER --golden GOLDEN_FOLDER --from runs/first --out runs/next

    The warm start is left out; where the run learned a teacher's masks, it is its own teacher now. A run that
    was trained on before keeps its learning rate.

    Args:
        earlier: The recipe of the run that it starts from.
        start: That run's folder or checkpoint.
    """
    rate = earlier.learning_rate * (1 if earlier.name == NAME else RATE)
    return dataclasses.replace(
        earlier,
        name=NAME,
        start=start,
        teacher=start if earlier.prior == "teacher" else "",
        warm_epochs=0,
        learning_rate=rate,
    )
