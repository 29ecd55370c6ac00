"""How verbs that train run at a terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from training.datasets import Dataset
    from training.prepare import Plan
    from training.recipes.recipe import Recipe


@contextmanager
def training_console() -> Iterator[Console]:
    """Give where progress goes, on stderr; Ctrl-C says how to go on."""
    from training.memory import keep_freed_memory

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keep_freed_memory()
    console = Console(stderr=True)
    try:
        yield console
    except KeyboardInterrupt:
        console.print("stopped; the same command, train with --resume, goes on from the last finished epoch")
        raise


def run_training(recipe: Recipe, dataset: Dataset, plan: Plan) -> None:
    """Train, with progress on stderr."""
    from training.run import train

    with training_console() as console:
        train(recipe, dataset, plan, console)
