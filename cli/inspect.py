"""`box2seg inspect`: one picture of all that a checkpoint makes of a photo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import Rename

if TYPE_CHECKING:
    from contract.annotations import AnnotatedImage, Box
    from contract.arrays import Uint8
    from contract.classes import ClassMap
    from training.checkpoint import Checkpoint

PRIORS = {"grabcut": "GrabCut", "teacher": "teacher", "sam": "SAM", "boxes": "everything"}
"""A recipe's priors in words."""


def inspect(
    run: Annotated[Path, typer.Argument(help="A run's folder or checkpoint.")],
    photo: Annotated[str, typer.Argument(help="A photo's file; with --data, its name there.")],
    data: Annotated[
        Path | None, typer.Option(help="VOC, COCO or YOLO folder that has the photo, its boxes and mask.")
    ] = None,
    split: Annotated[str, typer.Option(help="With --data: the split that lists the photo.")] = "val",
    rename: Rename = None,
    box: Annotated[
        list[str] | None,
        typer.Option(metavar="CLASS:LEFT,TOP,RIGHT,BOTTOM", help="A box around an object [px]; repeatable."),
    ] = None,
    pixel: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y", help="Show affinity to this pixel; default: the largest object's middle."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Picture to write, PNG or JPEG; default: PHOTO_inspected.png here.")
    ] = None,
) -> None:
    """
    Draw photo, boxes, prior, truth, prediction, attention, affinity and confidence; prints the path.

    The prior is what guessed the masks that the run learned from, such as GrabCut; it needs boxes.

    Example: box2seg inspect runs/first cat.jpg --box cat:10,20,200,180 --pixel 100,90
    """
    from training.checkpoint import load_checkpoint
    from training.figures import check_picture_name
    from training.inspection import inspect_photo
    from training.panels import draw_inspection

    target = out or Path(f"{Path(photo).stem}_inspected.png")
    check_picture_name(target)
    checkpoint = load_checkpoint(run)
    classes = checkpoint.classes
    if data is None:
        annotated, truth = _from_file(Path(photo), box or [], classes), None
    else:
        annotated, truth = _from_data(data, split, photo, box or [], classes, rename or [])
    seen = inspect_photo(checkpoint, annotated, pixel=_pixel(pixel) if pixel else None)
    masks = guess(checkpoint, annotated) | ({} if truth is None else {"ground truth": truth})
    title = f"{annotated.name} of {split}" if data else Path(photo).name
    typer.echo(draw_inspection(seen, classes, target, title=f"{title}, seen by {run}", masks=masks))


def guess(checkpoint: Checkpoint, annotated: AnnotatedImage) -> dict[str, Uint8]:
    """Give what the run's prior makes of a photo's boxes, by a title; it is said aloud where it cannot."""
    from contract.errors import Box2SegError
    from contract.images import read_image
    from training.examples import build_prior
    from training.prepare import recipe_of

    recipe = recipe_of(checkpoint)
    if not annotated.boxes or recipe.learn == "masks":
        return {}
    try:
        labels = build_prior(recipe).guess(read_image(annotated.path), annotated.boxes)
    except Box2SegError as error:  # a teacher that was moved, or no SAM here
        typer.echo(f"drawn without the run's prior: {error.message}", err=True)
        return {}
    return {f"{PRIORS[recipe.prior]} in the boxes": labels}


def _from_file(photo: Path, boxes: list[str], classes: ClassMap) -> AnnotatedImage:
    from contract.annotations import AnnotatedImage
    from contract.images import read_size

    size = read_size(photo)
    return AnnotatedImage(photo.name, photo, size, tuple(_box(words, classes) for words in boxes))


def _from_data(
    data: Path, split: str, name: str, boxes: list[str], classes: ClassMap, rename: list[str]
) -> tuple[AnnotatedImage, Uint8 | None]:
    """Find a photo by its name, with its boxes and, where there is one, its mask."""
    from contract.errors import AnnotationError, ConfigurationError, DataError
    from training.datasets import open_dataset
    from training.datasets.renames import parse_renames

    if boxes:
        raise ConfigurationError("--box and --data: boxes come from the data set", hint="leave one out")
    dataset = open_dataset(data, classes, parse_renames(rename))
    images = {image.name: image for image in dataset.load(split, skip_bad=True).images}
    if name not in images:
        example = next(iter(images), "none")
        raise DataError(
            f"{data}: no usable photo {name!r} in {split}",
            hint=f"its names are such as {example}; another split is asked for with --split",
        )
    try:
        return images[name], dataset.truth(images[name])
    except AnnotationError as error:
        typer.echo(f"drawn without ground truth: {error.message}", err=True)
        return images[name], None


def _box(words: str, classes: ClassMap) -> Box:
    """Read "cat:10,20,200,180"."""
    from contract.annotations import Box
    from contract.errors import ConfigurationError

    name, _, corners = words.partition(":")
    if name not in classes.foreground:
        there = ", ".join(classes.foreground)
        raise ConfigurationError(f"--box {words}: no class {name!r}", hint=f"the run knows {there}")
    return Box(classes.index(name), *_numbers("--box", corners, count=4))


def _pixel(words: str) -> tuple[int, int]:
    x, y = _numbers("--pixel", words, count=2)
    return x, y


def _numbers(option: str, words: str, *, count: int) -> tuple[int, ...]:
    """Read so many whole numbers, separated by commas."""
    from contract.errors import ConfigurationError

    parts = words.split(",")
    if len(parts) != count or not all(part.strip().isdecimal() for part in parts):
        raise ConfigurationError(
            f"{option}: expected {count} whole numbers separated by commas, got {words!r}",
            hint="pixels are counted from 0 at the left and at the top",
        )
    return tuple(map(int, parts))
