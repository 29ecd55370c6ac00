"""`box2seg evaluate`: how good checkpoints are beside each other, or the GrabCut masks they learned from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.options import Rename

if TYPE_CHECKING:
    import torch

    from contract.annotations import AnnotatedImage
    from contract.classes import ClassMap
    from training.checkpoint import Checkpoint
    from training.datasets import Dataset
    from training.evaluate import Segmenter
    from training.score import Score

SPREAD = 12
"""Photos of a sheet that asks for neither the worst nor the best."""


def evaluate(
    data: Annotated[Path, typer.Option(help="VOC, COCO or YOLO folder with masks.")],
    runs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN",
            help="Runs' folders or checkpoints; all are compared with the first, photo by photo.",
        ),
    ] = None,
    grabcut: Annotated[
        bool, typer.Option("--grabcut", help="Score GrabCut on the photos' own boxes instead of a run.")
    ] = False,
    as_teacher: Annotated[
        bool,
        typer.Option(
            "--as-teacher", help="Score the masks that runs give in the photos' own boxes to a second round."
        ),
    ] = False,
    split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    rename: Rename = None,
    recipe: Annotated[str, typer.Option(help="With --grabcut: gives classes and settings.")] = "voc_boxes",
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    long_side: Annotated[
        int | None,
        typer.Option(min=32, max=4096, help="Fit photos to this long side [px], not to the run's own."),
    ] = None,
    scales: Annotated[
        str, typer.Option(help="Average probabilities over these scales, such as 0.75,1,1.25.")
    ] = "1",
    flip: Annotated[bool, typer.Option("--flip", help="Average over mirror images too.")] = False,
    worst: Annotated[int, typer.Option(min=0, max=100, help="Name so many photos of lowest mean IoU.")] = 0,
    best: Annotated[int, typer.Option(min=0, max=100, help="Name so many photos of highest mean IoU.")] = 0,
    pictures: Annotated[
        Path | None,
        typer.Option(
            help="Write a contact sheet here, PNG or JPEG by its name: of the worst and best, beside their "
            "true masks, where --worst or --best is given; of 12 photos over the split elsewhere."
        ),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help='Print JSON: the (first) run\'s scores by name; "intervals": low and high by name; '
            '"compared": of each further run the same, and its "differences" from the first; '
            '"worst" and "best": photos.',
        ),
    ] = False,
) -> None:
    """
    Score at the photos' own size: mean IoU, IoU per class, boundary F at 3 px, errors in and out of boxes.

    Each score has its 95 % interval over photos; so has each difference between two runs, and where that
    includes zero no difference is shown. Scores at another long side, at several scales or with mirror
    images say so in their names.

    Example: box2seg evaluate runs/first runs/second --data VOC2012 --split val
    """
    from cli.scores import Result, photo_rows, print_json, print_tables
    from training.datasets import open_dataset
    from training.datasets.renames import parse_renames
    from training.figures import check_picture_name

    if pictures:
        check_picture_name(pictures)

    view = View(long_side, read_scales(scales), flip)
    _refuse_what_does_not_go_together(
        runs or [], grabcut, view, as_teacher=as_teacher, drawn=bool(worst or best or pictures)
    )
    if as_teacher:
        contestants = [_teacher(run, view) for run in runs or []]
    else:
        contestants = (
            [_grabcut(recipe)] if grabcut else [_contestant(run, view, device) for run in runs or []]
        )
    first = contestants[0]
    _refuse_other_classes(contestants)
    dataset = open_dataset(data, first.classes, parse_renames(rename or ()))
    images = _images(dataset, split)
    scores = [_score(contestant, dataset, images, split) for contestant in contestants]
    title = view.title(split)
    results = [
        Result(
            contestant.title,
            score.intervals(title, unscored=first.unscored),
            score.differences(scores[0], title, unscored=first.unscored),
        )
        for contestant, score in zip(contestants, scores, strict=True)
    ]
    ranks = {"worst": photo_rows(scores[0], worst), "best": photo_rows(scores[0], best, highest=True)}
    shown = {name: rows for name, rows in ranks.items() if rows}
    (print_json if as_json else print_tables)(results, shown, photos=len(images))
    if pictures:  # last: what cannot be written must not take the scores with it
        _draw(pictures, dataset, images, first, [row for rows in ranks.values() for row in rows])


@dataclass(frozen=True, slots=True)
class View:
    """
    How photos are shown to a network.

    Args:
        long_side: Long side [px] that they are fitted to; None for the run's own.
        scales: Of it, averaged over.
        flip: Whether mirror images are averaged over too.
    """

    long_side: int | None
    scales: tuple[float, ...]
    flip: bool

    @property
    def plain(self) -> bool:
        """Whether photos are seen once, as they are."""
        return self.scales == (1.0,) and not self.flip

    def title(self, split: str) -> str:
        """Give the first words of its scores' names: the split, and what is unlike training's own scores."""
        size = "" if self.long_side is None else f" {self.long_side} px"
        several = "" if self.scales == (1.0,) else " multi-scale"
        return f"{split}{size}{several}{' mirrored' if self.flip else ''}"

    def segmenter(self, checkpoint: Checkpoint, device: str) -> Segmenter:
        """Give the segmenter that sees photos so."""
        from contract.geometry import FitRule
        from training.evaluate import multi_scale_segmenter, network_segmenter

        place = find_device(device)
        fit = checkpoint.fit
        if self.long_side is not None:
            fit = FitRule(self.long_side, fit.multiple)
        network = checkpoint.segmentation().to(place)
        if self.plain:
            return network_segmenter(network, fit, place)
        return multi_scale_segmenter(network, fit, place, scales=self.scales, flip=self.flip)


@dataclass(frozen=True, slots=True)
class Contestant:
    """What is scored, by the title that it has in tables."""

    title: str
    classes: ClassMap
    unscored: tuple[str, ...]
    segment: Segmenter


def read_scales(words: str) -> tuple[float, ...]:
    """
    Read numbers with commas between them.

    Raises:
        ConfigurationError: If a word is no number.
    """
    from contract.errors import ConfigurationError

    try:
        return tuple(float(word) for word in words.split(","))
    except ValueError as error:
        raise ConfigurationError(
            f"--scales: expected numbers with commas between them, got {words!r}", hint="--scales 0.75,1,1.25"
        ) from error


def find_device(name: str) -> torch.device:
    """
    Give the device of this name.

    Raises:
        ConfigurationError: If it is not to be had here.
    """
    import torch

    from contract.errors import ConfigurationError

    try:
        return torch.empty(0, device=name).device
    except (RuntimeError, AssertionError) as error:
        raise ConfigurationError(f"device {name}: not to be had here", hint="--device cpu") from error


def _refuse_what_does_not_go_together(
    runs: list[Path], grabcut: bool, view: View, *, as_teacher: bool, drawn: bool
) -> None:
    from contract.errors import ConfigurationError

    if bool(runs) == grabcut:
        raise ConfigurationError(
            "name a run, or say --grabcut, not both", hint="box2seg evaluate runs/first --data DIR"
        )
    if grabcut and (view.long_side is not None or not view.plain):
        raise ConfigurationError(
            "--long-side, --scales and --flip are for networks; GrabCut sees the photo as it is",
            hint="leave them out, or name a run without --grabcut",
        )
    if as_teacher and view.flip:
        raise ConfigurationError("a teacher sees mirror images anyhow", hint="leave --flip out")
    if len(runs) > 1 and drawn:
        raise ConfigurationError(
            f"--pictures, --worst and --best show one run, got {len(runs)}", hint="name one run"
        )


def _refuse_other_classes(contestants: list[Contestant]) -> None:
    from contract.errors import ConfigurationError

    first = contestants[0]
    for other in contestants[1:]:
        if other.classes.names != first.classes.names:
            raise ConfigurationError(
                f"{other.title}: expected the classes of {first.title} ({', '.join(first.classes.names)}), "
                f"got {', '.join(other.classes.names)}",
                hint="compare runs of the same classes",
            )


def _grabcut(recipe: str) -> Contestant:
    from training.evaluate import prior_segmenter
    from training.priors.grabcut import GrabCut
    from training.recipes import find_recipe

    chosen = find_recipe(recipe)
    return Contestant(
        "GrabCut", chosen.class_map, chosen.unscored, prior_segmenter(GrabCut(chosen.grabcut_iterations))
    )


def _teacher(run: Path, view: View) -> Contestant:
    from training.checkpoint import load_checkpoint
    from training.evaluate import prior_segmenter
    from training.priors.grabcut import GrabCut
    from training.recipes import find_recipe
    from training.teacher import Teacher

    checkpoint, recipe = load_checkpoint(run), find_recipe("voc_boxes_second")
    side = view.long_side or recipe.teacher_side
    prior = Teacher(run, side, GrabCut(recipe.grabcut_iterations), view.scales)
    unscored = tuple(checkpoint.recipe.get("unscored", ()))
    return Contestant(f"{run} in boxes", checkpoint.classes, unscored, prior_segmenter(prior))


def _contestant(run: Path, view: View, device: str) -> Contestant:
    from training.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(run)
    unscored = tuple(checkpoint.recipe.get("unscored", ()))
    return Contestant(str(run), checkpoint.classes, unscored, view.segmenter(checkpoint, device))


def _images(dataset: Dataset, split: str) -> tuple[AnnotatedImage, ...]:
    from contract.errors import DataError

    images = dataset.load(split).images
    if not images:
        raise DataError(f"{dataset.name} {split}: no photo to score", hint="choose another --split")
    return images


def _score(contestant: Contestant, dataset: Dataset, images: tuple[AnnotatedImage, ...], split: str) -> Score:
    from training.evaluate import evaluate as score
    from training.progress import progress_bar

    title = f"scoring {split}: {contestant.title}"
    with progress_bar(Console(stderr=True), title, len(images)) as bar:
        return score(contestant.segment, dataset, bar.around(images))


def _draw(
    path: Path,
    dataset: Dataset,
    images: tuple[AnnotatedImage, ...],
    contestant: Contestant,
    rows: list[tuple[str, float]],
) -> None:
    from training.pictures import Comparison, save_comparisons, save_sheet, spread

    if not rows:
        save_sheet(path, spread(images, SPREAD), contestant.segment, contestant.classes)
        return
    by_name = {image.name: image for image in images}
    comparisons = [
        Comparison(by_name[name], dataset.truth(by_name[name]), f"{value:.3f}  {name}")
        for name, value in rows
    ]
    save_comparisons(path, comparisons, contestant.segment, contestant.classes)
