"""How verbs that train run at a terminal."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    from training.datasets import Dataset
    from training.prepare import Plan
    from training.recipes.recipe import Recipe


@contextmanager
def training_console() -> Iterator[Console]:
    """Give where progress goes, on stderr; Ctrl-C and a bad photo say how to go on."""
    from contract.errors import AnnotationError
    from training.memory import keep_freed_memory

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    keep_freed_memory()
    console = Console(stderr=True)
    shown, threading.excepthook = threading.excepthook, _leave_to_the_run
    try:
        yield console
    except KeyboardInterrupt:
        console.print(
            "stopped; the same command, train and finetune with --resume, goes on from the last whole epoch"
        )
        raise
    except AnnotationError as error:
        error.hint = error.hint or "--skip-bad leaves such photos out; box2seg data check DIR lists them"
        raise
    finally:
        threading.excepthook = shown


def _leave_to_the_run(failed: threading.ExceptHookArgs) -> None:
    """Show what ended a thread; but where TensorBoard's cannot write, the run is told and says it."""
    ours = type(failed.thread).__module__.startswith("tensorboard")
    if not (ours and issubclass(failed.exc_type, OSError)):
        threading.__excepthook__(failed)


def make_plan(out: Path, *, cache: Path | None, evaluate: str = "val", **others: Any) -> Plan:
    """
    Give the plan that a verb's options describe.

    Args:
        out: The run's folder.
        cache: Of priors; None for the user's.
        evaluate: Split to score and draw; 'none' for neither.
        others: The plan's fields of the same names.
    """
    from training.prepare import Plan
    from training.priors.cache import default_cache

    split = None if evaluate == "none" else evaluate
    return Plan(out=out, cache=cache or default_cache(), evaluate_split=split, **others)


def run_training(recipe: Recipe, dataset: Dataset, plan: Plan) -> None:
    """Train, with progress on stderr."""
    from training.run import train

    with training_console() as console:
        train(recipe, dataset, plan, console)
