"""Before the first step: where a run reads and writes, where it was broken off, what it is looked at with."""

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from contract.annotations import AnnotatedImage
from contract.errors import AnnotationError, CheckpointError, ConfigurationError
from training.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint
from training.datasets import Dataset
from training.recipes import RECIPES
from training.recipes.recipe import Recipe

Precision = Literal["32-true", "bf16-mixed"]

MAY_CHANGE = ("evaluate_every",)
"""Fields that a resumed run may have otherwise: they decide nothing of its weights."""


@dataclass(frozen=True, slots=True)
class Plan:
    """
    Where a run reads and writes, and on what it computes.

    Args:
        out: The run's folder.
        cache: Folder of cached priors.
        train_split: Split to learn from.
        evaluate_split: Split to score and draw; None for neither.
        skip_bad: Leave bad images out, counted and listed, instead of stopping.
        resume: Go on from the run's last finished epoch.
        accelerator: Lightning Fabric's word: auto, cpu, cuda, mps.
        devices: Devices per machine.
        nodes: Machines.
        precision: Lightning Fabric's word.
        workers: Processes that read ahead.
        accumulate: Parts that a step's batch is computed in, where memory is short; batch statistics are
            then of a part.
    """

    out: Path
    cache: Path
    train_split: str = "train"
    evaluate_split: str | None = "val"
    skip_bad: bool = False
    resume: bool = False
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Precision = "32-true"
    workers: int = 1
    accumulate: int = 1


def resume_point(recipe: Recipe, dataset: Dataset, plan: Plan) -> Checkpoint | None:
    """
    Give the checkpoint to go on from, or None for a new run.

    Raises:
        ConfigurationError: If the folder holds a run that is not to be resumed, had other recipe or data, or
            is a file.
    """
    refuse_what_is_no_folder(plan.out)
    if not (plan.out / CHECKPOINT_FILE).is_file():
        return None
    if not plan.resume:
        raise ConfigurationError(
            f"{plan.out} holds a run already", hint="go on with --resume, or choose another --out"
        )
    checkpoint = load_checkpoint(plan.out)
    before = recipe_fields(recipe_of(checkpoint))
    fields = recipe_fields(recipe).items()
    changed = [name for name, value in fields if before[name] != value and name not in MAY_CHANGE]
    if checkpoint.origin.data != data_name(dataset, plan):
        changed.append(f"data ({checkpoint.origin.data})")
    if changed:
        raise ConfigurationError(
            f"{plan.out} was started with other values of {', '.join(changed)}",
            hint="resume with the same recipe and --set values, or choose another --out",
        )
    return checkpoint


def refuse_what_is_no_folder(out: Path) -> None:
    """
    Refuse a run's folder that can never be made, before anything that takes long.

    Raises:
        ConfigurationError: If it or what it would lie in is a file, or may not be written to.
    """
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        problem = "may not be written to" if there.is_dir() else "is no folder"
        raise ConfigurationError(f"{out}: {there} {problem}", hint="choose another --out")


def recipe_of(checkpoint: Checkpoint) -> Recipe:
    """
    Give the recipe that a checkpoint was trained by; fields that came later have their defaults.

    Raises:
        CheckpointError: If it has fields that are none.
    """
    try:
        return Recipe(**checkpoint.recipe)
    except TypeError as error:
        raise CheckpointError(
            f"checkpoint of recipe {checkpoint.origin.recipe}: {error}", hint="it was made by another version"
        ) from error


def recipe_fields(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe's fields as a checkpoint keeps them."""
    return dataclasses.asdict(recipe)


def changed_fields(recipe: Recipe) -> list[str]:
    """List what differs from the named recipe's values, or from the defaults, as "field=value"."""
    named = RECIPES[recipe.name]() if recipe.name in RECIPES else Recipe(recipe.name, recipe.classes)
    own = recipe_fields(named)
    return [f"{name}={value}" for name, value in recipe_fields(recipe).items() if own[name] != value]


def data_name(dataset: Dataset, plan: Plan) -> str:
    """Name what a run learns from, for records."""
    return f"{dataset.name} {plan.train_split}"


def say_bad(bad: Sequence[AnnotationError], console: Console) -> None:
    """Name what is left out."""
    for error in bad:
        console.print(f"skipped: {error.message}", style="yellow", markup=False)
    if bad:
        console.print(f"{len(bad)} bad images skipped")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """
    What a run is looked at with.

    Args:
        images: Of the evaluation split; drawn after each epoch.
        has_masks: Whether they can be scored.
    """

    images: tuple[AnnotatedImage, ...] = ()
    has_masks: bool = False


def evaluation_images(dataset: Dataset, plan: Plan, console: Console) -> Evaluation:
    """
    List the images to draw and score; it is said aloud where they have no masks to score with.

    Raises:
        AnnotationError: If some have masks and another's is missing or damaged.
    """
    if plan.evaluate_split is None:
        return Evaluation()
    listing = dataset.load(plan.evaluate_split, skip_bad=plan.skip_bad)
    say_bad(listing.bad, console)
    problems = {image: problem for image in listing.images if (problem := _mask_problem(dataset, image))}
    first = next(iter(problems.values()), None)
    # COCO and YOLO know the mask of a photo without objects, even where they have no other.
    telling = [image for image in listing.images if image.boxes or not problems]
    if all(image in problems for image in telling):
        reason = f" ({first.message})" if first else ""
        words = f"{plan.evaluate_split} has no masks: the run is drawn, not scored{reason}"
        console.print(words, style="yellow", markup=False)
        return Evaluation(listing.images)
    if first:  # found now, not after an epoch
        raise first
    return Evaluation(listing.images, has_masks=True)


def _mask_problem(dataset: Dataset, image: AnnotatedImage) -> AnnotationError | None:
    try:
        dataset.truth(image)
    except AnnotationError as error:
        return error
    return None
