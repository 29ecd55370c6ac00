"""`box2seg ablate`: which part of the method gives how much, in one table."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import Cache, Change, Data, Device, Precision, Rename, SkipBad, Workers
from cli.running import make_plan, training_console

TEACHER = "box2seg"
"""The row that teaches, where no run is named."""


def ablate(
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder of the runs, one per row and seed.")],
    recipe: Annotated[str, typer.Option(help="What all rows share.")] = "voc_boxes",
    row: Annotated[
        list[str] | None,
        typer.Option(
            "--row", help="A row to run, with those that it needs; may be repeated. All, if not given."
        ),
    ] = None,
    seed: Annotated[list[int] | None, typer.Option("--seed", help="A seed; may be repeated.")] = None,
    few: Annotated[
        str, typer.Option(help="Photos of the rows that read a few masks: a split, or a text file of names.")
    ] = "train_official_masks",
    teacher: Annotated[
        str,
        typer.Option(help="Who guesses the masks of second rounds: the row box2seg, or any run's folder."),
    ] = TEACHER,
    table_only: Annotated[
        bool, typer.Option("--table-only", help="Train nothing; print the table of what is finished.")
    ] = False,
    write: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.md",
            help="Write the table into this Markdown file too, between its two ladder marks.",
        ),
    ] = None,
    change: Change = None,
    rename: Rename = None,
    skip_bad: SkipBad = False,
    cache: Cache = None,
    device: Device = "auto",
    precision: Precision = "32-true",
    workers: Workers = 1,
) -> None:
    """
    Train the ablation ladder and print its table, in Markdown.

    Each row is a run of the same network and schedule; those of a few masks see them 40 times, or 20 where
    they are fine-tuned, whatever --set epochs says. Started again, finished runs are left alone and a
    broken one goes on. Seeds can be run side by side, in two terminals with one --seed each.

    Example: box2seg ablate --data VOC2012 --out runs/ladder --seed 0 --seed 1
    """
    from contract.errors import ConfigurationError
    from training.ablation import around_table, climb, results_table, seeds_in, write_table
    from training.checkpoint import load_checkpoint
    from training.datasets import open_dataset
    from training.datasets.renames import parse_renames
    from training.recipes import find_recipe
    from training.recipes.ladder import ladder, with_needed
    from training.recipes.recipe import change as change_recipe

    base = change_recipe(find_recipe(recipe), change or ())
    rungs = ladder(few, teacher=teacher)
    if teacher != TEACHER:
        load_checkpoint(Path(teacher))  # refused now, not when its row's turn comes
    unknown = [name for name in row or () if name not in rungs]
    if unknown:
        raise ConfigurationError(f"no row {unknown[0]!r}; there are {', '.join(rungs)}")
    chosen = {name: rungs[name] for name in with_needed(row or list(rungs), rungs)}
    seeds = seed or [base.seed]
    if write:
        around_table(write)  # a file without marks is refused now, not after the last row
    if not table_only:
        dataset = open_dataset(data, base.class_map, parse_renames(rename or ()))
        plan = make_plan(
            out,
            cache=cache,
            skip_bad=skip_bad,
            accelerator=device,
            precision=precision,
            workers=workers,
        )
        with training_console() as console:
            climb(base, chosen, seeds, dataset, plan, console)
    typer.echo(results_table(out, chosen, seeds))
    if write:  # all that is finished: what stands there now may have been made row by row, seed by seed
        write_table(results_table(out, rungs, seeds_in(out, rungs)), write)
