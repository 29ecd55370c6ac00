"""The photos of a run, each with the best labels known: a person's mask where named, else a prior's."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from rich.console import Console

from contract.annotations import AnnotatedImage
from contract.errors import AnnotationError, ConfigurationError, DataError, ImageError
from contract.images import read_image
from contract.processors import available_processors
from training.checkpoint import load_checkpoint
from training.data import Example
from training.datasets import Dataset
from training.datasets.entries import read_lines
from training.prepare import Plan, say_bad
from training.priors import Prior
from training.priors.boxes import FilledBoxes
from training.priors.cache import GuessedImage, PriorCache, read_guess
from training.priors.grabcut import GrabCut
from training.priors.sam import Sam
from training.progress import progress_bar
from training.recipes.recipe import Recipe
from training.teacher import Teacher


def training_examples(recipe: Recipe, dataset: Dataset, plan: Plan, console: Console) -> list[Example]:
    """
    List the photos to learn from in the split's order; bad ones are named.

    Masks are read of the photos that the recipe names, and of no others.

    Raises:
        DataError: If none has a box, or a named photo is not in the split.
    """
    listing = dataset.load(plan.train_split, skip_bad=plan.skip_bad)
    say_bad(listing.bad, console)
    names = masked_names(recipe, dataset, plan, listing.images)
    masked = check_masks(
        dataset, [image for image in listing.images if image.name in names], console, skip_bad=plan.skip_bad
    )
    if recipe.learn == "masks":
        return [_masked(dataset, image) for image in listing.images if image.name in masked]
    if not any(image.boxes for image in listing.images):
        raise DataError(
            f"{dataset.name} {plan.train_split}: no box of {', '.join(recipe.classes)}",
            hint="choose classes that it has: --set classes=A,B",
        )
    say_unlearned(recipe, plan, listing.images, console)
    unmasked = [image for image in listing.images if image.name not in names]
    cache = PriorCache(build_prior(recipe), plan.cache)
    guessed = dict(guess_all(cache, unmasked, console, skip_bad=plan.skip_bad))
    return [
        _masked(dataset, image)
        if image.name in masked
        else Example(image, partial(read_guess, guessed[image]))
        for image in listing.images
        if image.name in masked or image in guessed
    ]


def say_unlearned(recipe: Recipe, plan: Plan, images: Sequence[AnnotatedImage], console: Console) -> None:
    """Name the classes that no photo has a box of: nothing shows them to the network."""
    shown = {box.label for image in images for box in image.boxes}
    missing = [name for label, name in enumerate(recipe.class_map.names) if label and label not in shown]
    if missing:
        words = f"{plan.train_split}: no box of {', '.join(missing)}; it cannot be learned"
        console.print(words, style="yellow", markup=False, soft_wrap=True)


def build_prior(recipe: Recipe) -> Prior:
    """
    Build what guesses masks in boxes.

    Raises:
        ConfigurationError: If the recipe asks a teacher or SAM and names none.
    """
    grabcut = GrabCut(iterations=recipe.grabcut_iterations)
    if recipe.prior == "teacher":
        if not recipe.teacher:
            raise ConfigurationError("prior=teacher asks a trained network", hint="--set teacher=RUN")
        taught = load_checkpoint(Path(recipe.teacher)).classes
        if taught != recipe.class_map:
            raise ConfigurationError(
                f"teacher {recipe.teacher} knows {', '.join(taught.foreground)}, the recipe learns "
                f"{', '.join(recipe.classes)}",
                hint="name a teacher of the same classes, in the same order",
            )
        return Teacher(Path(recipe.teacher), recipe.teacher_side, grabcut, recipe.teacher_scales)
    if recipe.prior == "sam":
        if not recipe.sam:
            raise ConfigurationError("prior=sam loads weights of SAM", hint="--set sam=FOLDER_OR_HUB_NAME")
        return Sam(recipe.sam)
    return FilledBoxes() if recipe.prior == "boxes" else grabcut


def masked_names(
    recipe: Recipe, dataset: Dataset, plan: Plan, images: Sequence[AnnotatedImage]
) -> frozenset[str]:
    """
    Name the photos whose masks may be read.

    Raises:
        DataError: If the recipe names photos that are not among the images.
    """
    if recipe.learn == "boxes":
        return frozenset()
    there = frozenset(image.name for image in images)
    if not recipe.masks:
        return there
    path = Path(recipe.masks)
    if path.is_file():
        names = frozenset(read_lines(path))
    else:
        names = frozenset(image.name for image in dataset.load(recipe.masks, skip_bad=plan.skip_bad).images)
    strange = sorted(names - there)
    if strange or not names:
        problem = (
            f"{len(strange)} photos are not in {plan.train_split}, first {strange[0]}"
            if strange
            else "is empty"
        )
        raise DataError(
            f"masks {recipe.masks}: {problem}",
            hint="name a split of the data set, or a text file with a photo's name per line",
        )
    return names


def check_masks(
    dataset: Dataset, images: Sequence[AnnotatedImage], console: Console, *, skip_bad: bool
) -> frozenset[str]:
    """
    Read all masks and photos once, so that a bad one is found now, not hours later; names the good ones.

    Raises:
        AnnotationError: For the first bad one, unless bad ones are to be skipped.
    """
    bad: dict[str, AnnotationError] = {}
    with progress_bar(console, "reading masks", len(images)) as bar:
        for image in bar.around(images):
            try:
                dataset.truth(image)
                read_image(image.path)
            except AnnotationError as error:
                bad[image.name] = error
            except ImageError as error:
                bad[image.name] = AnnotationError.of_photo(image.path, error)
            if image.name in bad and not skip_bad:
                raise bad[image.name]
    say_bad(list(bad.values()), console)
    return frozenset(image.name for image in images if image.name not in bad)


def guess_all(
    cache: PriorCache, images: Sequence[AnnotatedImage], console: Console, *, skip_bad: bool
) -> list[GuessedImage]:
    """
    Give all images with their guessed masks, computing over all cores what the cache lacks.

    Raises:
        AnnotationError: For a photo whose pixels are damaged, unless bad ones are to be skipped.
    """
    guessed, bad = [], []
    with progress_bar(console, f"{cache.prior.key.partition('-')[0]} masks", len(images)) as bar:
        for image, path in cache.fill(images, workers=available_processors()):
            if isinstance(path, AnnotationError):
                if not skip_bad:
                    raise path
                bad.append(path)
            else:
                guessed.append((image, path))
            bar.advance()
    say_bad(bad, console)
    return guessed


def _masked(dataset: Dataset, image: AnnotatedImage) -> Example:
    return Example(image, partial(dataset.truth, image), exact=True)
