"""`box2seg finetune`: a run from boxes goes on with people's masks."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    Cache,
    Change,
    Data,
    Device,
    Evaluate,
    Precision,
    Rename,
    Resume,
    SkipBad,
    Split,
    Workers,
)


def finetune(
    run: Annotated[Path, typer.Argument(help="The run or checkpoint to go on from.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="The new run's folder.")],
    masks: Annotated[
        str, typer.Option(help="Photos whose masks are read: a split, or a text file with a name per line.")
    ] = "",
    epochs: Annotated[int, typer.Option(help="Times that each of these photos is seen.")] = 20,
    change: Change = None,
    rename: Rename = None,
    split: Split = "train",
    evaluate: Evaluate = "val",
    resume: Resume = False,
    skip_bad: SkipBad = False,
    cache: Cache = None,
    device: Device = "auto",
    precision: Precision = "32-true",
    workers: Workers = 1,
) -> None:
    """
    Fine-tune a run on masks: cross entropy alone, at a tenth of its learning rate.

    All masks of the split are read where --masks is not given. The photos named must be of the split.

    Example: box2seg finetune runs/first --data VOC2012 --masks train_official_masks --out runs/tuned
    """
    from cli.running import make_plan, run_training
    from training.checkpoint import load_checkpoint
    from training.datasets import open_dataset
    from training.datasets.renames import parse_renames
    from training.prepare import recipe_of
    from training.recipes.finetune import finetune as finetuned
    from training.recipes.recipe import change as change_recipe

    earlier = recipe_of(load_checkpoint(run))
    chosen = change_recipe(finetuned(earlier, start=str(run), masks=masks, epochs=epochs), change or ())
    plan = make_plan(
        out,
        cache=cache,
        train_split=split,
        evaluate=evaluate,
        skip_bad=skip_bad,
        resume=resume,
        accelerator=device,
        precision=precision,
        workers=workers,
    )
    run_training(chosen, open_dataset(data, chosen.class_map, parse_renames(rename or ())), plan)
