"""How verbs that train are run at a terminal."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from training.datasets import Dataset
    from training.prepare import Plan
    from training.recipes.recipe import Recipe


def run_training(recipe: Recipe, dataset: Dataset, plan: Plan) -> None:
    """Train, with progress on stderr; Ctrl-C says how to go on."""
    from training.run import train

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    console = Console(stderr=True)
    try:
        train(recipe, dataset, plan, console)
    except KeyboardInterrupt:
        console.print("stopped; the same command with --resume goes on from the last finished epoch")
        raise
