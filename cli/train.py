"""`box2seg train`: boxes to a checkpoint."""

import logging
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def train(
    data: Annotated[Path, typer.Option(help="VOC, COCO or YOLO folder.")],
    out: Annotated[Path, typer.Option(help="The run's folder: checkpoint, curves, pictures.")],
    recipe: Annotated[
        str, typer.Option(help="voc_boxes (CPU, small) or voc_boxes_paper (GPU, ResNet-101).")
    ] = "voc_boxes",
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a recipe's field.")
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option(metavar="OLD=NEW", help="Read a class under another name; repeatable.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split to learn from.")] = "train",
    evaluate: Annotated[str, typer.Option(help="Split to score and draw; 'none' for neither.")] = "val",
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last finished epoch.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave bad images out, listed, instead of stopping.")
    ] = False,
    cache: Annotated[
        Path | None, typer.Option(help="Cached GrabCut masks; default: the user's cache.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")] = "auto",
    devices: Annotated[int, typer.Option(help="Devices per machine.")] = 1,
    nodes: Annotated[
        int,
        typer.Option(
            help="Machines; start the command on each with torchrun, with --out and --cache shared."
        ),
    ] = 1,
    precision: Annotated[str, typer.Option(help="32-true or bf16-mixed.")] = "32-true",
    workers: Annotated[int, typer.Option(help="Processes that read ahead.")] = 1,
) -> None:
    """
    Train from bounding boxes; masks are never read, but for the scores of the evaluation split.

    Example: box2seg train --recipe voc_boxes --data VOC2012 --out runs/first --set epochs=20
    """
    from training.datasets import open_dataset
    from training.datasets.renames import parse_renames
    from training.prepare import Plan
    from training.priors.cache import default_cache
    from training.recipes import find_recipe
    from training.recipes.recipe import change as change_recipe
    from training.run import train as run

    chosen = change_recipe(find_recipe(recipe), change or ())
    dataset = open_dataset(data, chosen.class_map, parse_renames(rename or ()))
    plan = Plan(
        out=out,
        cache=cache or default_cache(),
        train_split=split,
        evaluate_split=None if evaluate == "none" else evaluate,
        skip_bad=skip_bad,
        resume=resume,
        accelerator=device,
        devices=devices,
        nodes=nodes,
        precision=precision,  # type: ignore[arg-type]
        workers=workers,
    )
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    console = Console(stderr=True)
    try:
        run(chosen, dataset, plan, console)
    except KeyboardInterrupt:
        console.print("stopped; the same command with --resume goes on from the last finished epoch")
        raise
