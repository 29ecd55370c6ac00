"""Before the first step: list the images, guess their masks, find where a run was broken off."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console

from contract.annotations import AnnotatedImage
from contract.errors import AnnotationError, ConfigurationError, DataError
from contract.processors import available_processors
from training.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint
from training.datasets import Dataset
from training.priors.cache import GuessedImage, PriorCache
from training.progress import progress_bar
from training.recipes import RECIPES
from training.recipes.recipe import Recipe

Precision = Literal["32-true", "bf16-mixed"]


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


def resume_point(recipe: Recipe, dataset: Dataset, plan: Plan) -> Checkpoint | None:
    """
    Give the checkpoint to go on from, or None for a new run.

    Raises:
        ConfigurationError: If the folder holds a run that is not to be resumed, or had other recipe or data.
    """
    if not (plan.out / CHECKPOINT_FILE).is_file():
        return None
    if not plan.resume:
        raise ConfigurationError(
            f"{plan.out} holds a run already", hint="go on with --resume, or choose another --out"
        )
    checkpoint = load_checkpoint(plan.out)
    fields = recipe_fields(recipe)
    changed = [name for name, value in fields.items() if checkpoint.recipe.get(name) != value]
    if checkpoint.origin.data != data_name(dataset, plan):
        changed.append(f"data ({checkpoint.origin.data})")
    if changed:
        raise ConfigurationError(
            f"{plan.out} was started with other values of {', '.join(changed)}",
            hint="resume with the same recipe and --set values, or choose another --out",
        )
    return checkpoint


def recipe_fields(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe's fields as a checkpoint keeps them."""
    return dataclasses.asdict(recipe)


def changed_fields(recipe: Recipe) -> list[str]:
    """List what differs from the recipe's own values, as "field=value"; nothing for a recipe of no name."""
    own = recipe_fields(RECIPES[recipe.name]()) if recipe.name in RECIPES else recipe_fields(recipe)
    return [f"{name}={value}" for name, value in recipe_fields(recipe).items() if own[name] != value]


def data_name(dataset: Dataset, plan: Plan) -> str:
    """Name what a run learns from, for records."""
    return f"{dataset.name} {plan.train_split}"


def training_images(recipe: Recipe, dataset: Dataset, plan: Plan, console: Console) -> list[GuessedImage]:
    """
    List the images to learn from, with their guessed masks; bad ones are named.

    Raises:
        DataError: If none has a box.
    """
    listing = dataset.load(plan.train_split, skip_bad=plan.skip_bad)
    _say_bad(listing.bad, console)
    if not any(image.boxes for image in listing.images):
        raise DataError(
            f"{dataset.name} {plan.train_split}: no box of {', '.join(recipe.classes)}",
            hint="choose classes that it has: --set classes=A,B",
        )
    cache = PriorCache(recipe.prior, plan.cache)
    return guess_all(cache, listing.images, console, skip_bad=plan.skip_bad)


def guess_all(
    cache: PriorCache, images: Sequence[AnnotatedImage], console: Console, *, skip_bad: bool
) -> list[GuessedImage]:
    """
    Give all images with their guessed masks, computing over all cores what the cache lacks.

    Raises:
        AnnotationError: For a photo whose pixels are damaged, unless bad ones are to be skipped.
    """
    guessed, bad = {}, []
    with progress_bar(console, "GrabCut masks", len(images)) as bar:
        for image, path in cache.fill(images, workers=available_processors()):
            if isinstance(path, AnnotationError):
                if not skip_bad:
                    raise path
                bad.append(path)
            else:
                guessed[image.name] = path
            bar.advance()
    _say_bad(bad, console)
    return [(image, guessed[image.name]) for image in images if image.name in guessed]


def _say_bad(bad: Sequence[AnnotationError], console: Console) -> None:
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
    _say_bad(listing.bad, console)
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
