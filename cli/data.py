"""`box2seg data`: look at a data set before training on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.options import Rename

if TYPE_CHECKING:
    from contract.annotations import AnnotatedImage
    from contract.arrays import Uint8
    from training.datasets.folder import Folder
    from training.survey import SplitSurvey, Wanted

SOME_BROKEN = 1
SHOWN = 20
"""Broken files named on the terminal; --json names all."""

data = typer.Typer(no_args_is_help=True, help="Look at a data set before training on it.")


@data.callback()
def verbs() -> None:
    """Look at a data set before training on it."""


@data.command()
def check(
    folder: Annotated[Path, typer.Argument(help="VOC, COCO or YOLO folder.")],
    split: Annotated[
        list[str] | None, typer.Option(help="Split to check; may be repeated. [default: all]")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(metavar="A,B", help="Classes to look at. [default: all there are]")
    ] = None,
    rename: Rename = None,
    sheet: Annotated[
        Path | None,
        typer.Option(help="Draw a dozen photos with boxes and GrabCut masks into this PNG or JPEG."),
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="Decode every photo, not its header alone.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """
    Count what a data set holds and name what is broken in it; the exit code is then 1.

    Example: box2seg data check VOC_FOLDER --classes cat,dog --sheet look.jpg
    """
    from training.datasets import open_folder
    from training.datasets.renames import parse_renames
    from training.survey import Wanted, survey_split

    if sheet:
        from training.figures import check_picture_name

        check_picture_name(sheet)
    console = Console(stderr=True)
    opened = open_folder(folder)
    wanted = Wanted(tuple(classes.split(",")) if classes else (), parse_renames(rename or ()), full)
    surveys = [survey_split(opened, name, wanted, console) for name in _chosen_splits(opened, split)]
    if sheet:
        _save_sheet(sheet, surveys, wanted, console)
    if as_json:
        splits = {survey.split: survey.as_dict() for survey in surveys}
        typer.echo(json.dumps({"data": str(folder), "layout": opened.layout, "splits": splits}, indent=2))
    else:
        _print(opened, surveys)
    if any(survey.broken for survey in surveys):
        raise typer.Exit(SOME_BROKEN)


def _chosen_splits(folder: Folder, asked: list[str] | None) -> list[str]:
    from contract.errors import DataError

    there = folder.splits()
    unknown = [split for split in asked or () if split not in there]
    if unknown or not there:
        problem = f"no split {', '.join(unknown)}" if unknown else "no split at all"
        raise DataError(f"{folder.root}: {problem}", hint=f"there are: {', '.join(there) or 'none'}")
    return asked or list(there)


def _save_sheet(path: Path, surveys: list[SplitSurvey], wanted: Wanted, console: Console) -> None:
    from contract.images import read_image
    from training.pictures import save_sheet, spread
    from training.priors.grabcut import GrabCut
    from training.progress import progress_bar
    from training.survey import SAMPLE, sheet_images

    found = sheet_images(surveys, wanted)
    if found is None:
        console.print("no photo with a box: no sheet", style="yellow")
        return
    images, classes = found
    shown = spread(images, SAMPLE)

    def segment(image: AnnotatedImage) -> Uint8:
        return GrabCut().guess(read_image(image.path), image.boxes)

    with progress_bar(console, "drawing the sheet", len(shown)) as bar:
        save_sheet(path, bar.around(shown), segment, classes, boxes=True)
    console.print(f"sheet: {path}", soft_wrap=True, highlight=False)


def _print(folder: Folder, surveys: list[SplitSurvey]) -> None:
    """Print for people, on stdout."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{folder.root.resolve().name}, {folder.layout} layout", style="bold", markup=False)
    for survey in surveys:
        console.print()
        console.print(_table(survey))
        for warning in survey.warnings:
            console.print(f"{survey.split}: {warning}", style="yellow", markup=False)
        for error in survey.broken[:SHOWN]:
            console.print(f"broken: {error.message}", style="red", markup=False)
        if len(survey.broken) > SHOWN:
            console.print(f"and {len(survey.broken) - SHOWN} more; --json names all", style="red")


def _table(survey: SplitSurvey) -> Table:
    from training.survey import QUANTILES, TINY_PX

    title = f"{survey.split}: {survey.listed:,} photos, {len(survey.broken):,} broken"
    shares = [f"{share:.0%}" for share in QUANTILES]
    caption = (
        f"{', '.join(shares)}: quantiles of a box's side, the root of its area, in px; tiny: below {TINY_PX}"
    )
    table = Table(title=title, caption=caption, title_justify="left", caption_justify="left", box=SIMPLE_HEAD)
    table.add_column("class", no_wrap=True)
    for heading in ("objects", "photos", "difficult", *shares, "tiny"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, count in survey.classes.items():
        sides = [f"{side:.0f}" for side in count.quantiles.values()] or ["-"] * len(QUANTILES)
        numbers = [f"{number:,}" for number in (count.objects, count.photos, count.difficult)]
        table.add_row(Text(name), *numbers, *sides, f"{count.tiny:.1%}")
    return table
