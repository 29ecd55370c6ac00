"""`box2seg train`: boxes to a checkpoint."""

from pathlib import Path
from typing import Annotated

import typer

from cli.options import (
    Accumulate,
    Cache,
    Change,
    Data,
    Device,
    Devices,
    Evaluate,
    Nodes,
    Precision,
    Rename,
    Resume,
    SkipBad,
    Split,
    Workers,
)


def train(
    data: Data,
    out: Annotated[Path, typer.Option(help="The run's folder: checkpoint, curves, pictures.")],
    recipe: Annotated[
        str,
        typer.Option(help="voc_boxes (CPU, small), voc_boxes_second or voc_boxes_paper (GPU, ResNet-101)."),
    ] = "voc_boxes",
    change: Change = None,
    rename: Rename = None,
    split: Split = "train",
    evaluate: Evaluate = "val",
    resume: Resume = False,
    skip_bad: SkipBad = False,
    cache: Cache = None,
    device: Device = "auto",
    devices: Devices = 1,
    nodes: Nodes = 1,
    precision: Precision = "32-true",
    workers: Workers = 1,
    accumulate: Accumulate = 1,
) -> None:
    """
    Train from bounding boxes; no mask is read, but for the scores of the evaluation split.

    With `--set learn=mixed --set masks=SPLIT` the masks of those photos are read in the place of guessed
    ones; `box2seg finetune` goes on from a finished run with masks alone.

    Example: box2seg train --recipe voc_boxes --data VOC2012 --out runs/first --set epochs=20
    """
    from cli.running import make_plan, run_training
    from training.datasets import open_dataset
    from training.datasets.renames import parse_renames
    from training.recipes import find_recipe
    from training.recipes.recipe import change as change_recipe

    chosen = change_recipe(find_recipe(recipe), change or ())
    dataset = open_dataset(data, chosen.class_map, parse_renames(rename or ()))
    plan = make_plan(
        out,
        cache=cache,
        train_split=split,
        evaluate=evaluate,
        skip_bad=skip_bad,
        resume=resume,
        accelerator=device,
        devices=devices,
        nodes=nodes,
        precision=precision,
        workers=workers,
        accumulate=accumulate,
    )
    run_training(chosen, dataset, plan)
