"""`box2seg evaluate`: how good a checkpoint is, or the GrabCut masks it learned from."""

import json
import math
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def evaluate(
    data: Annotated[Path, typer.Option(help="VOC devkit or COCO folder with masks.")],
    run: Annotated[Path | None, typer.Argument(help="A run's folder or checkpoint.")] = None,
    grabcut: Annotated[
        bool, typer.Option("--grabcut", help="Score GrabCut on the photos' own boxes instead of a run.")
    ] = False,
    split: Annotated[str, typer.Option(help="Split to score.")] = "val",
    recipe: Annotated[str, typer.Option(help="With --grabcut: gives classes and settings.")] = "voc_boxes",
    device: Annotated[str, typer.Option(help="cpu, cuda or mps.")] = "cpu",
    pictures: Annotated[Path | None, typer.Option(help="Write a contact sheet (JPEG) here.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as JSON.")] = False,
) -> None:
    """
    Score at the photos' own size, single scale: mean IoU, IoU per class.

    Example: box2seg evaluate runs/first --data VOC2012 --split val
    """
    import torch

    from contract.errors import ConfigurationError
    from training.checkpoint import load_checkpoint
    from training.datasets import open_dataset
    from training.evaluate import evaluate as score
    from training.evaluate import network_segmenter, prior_segmenter
    from training.examples import build_prior
    from training.pictures import save_sheet, spread
    from training.progress import progress_bar
    from training.recipes import find_recipe

    if (run is None) != grabcut:
        raise ConfigurationError(
            "name a run, or say --grabcut", hint="box2seg evaluate runs/first --data DIR"
        )
    if run is None:
        chosen = find_recipe(recipe)
        classes, unscored, segment = chosen.class_map, chosen.unscored, prior_segmenter(build_prior(chosen))
    else:
        checkpoint = load_checkpoint(run)
        classes, unscored = checkpoint.classes, tuple(checkpoint.recipe.get("unscored", ()))
        try:
            place = torch.empty(0, device=device).device
        except (RuntimeError, AssertionError) as error:
            raise ConfigurationError(f"device {device}: not to be had here", hint="--device cpu") from error
        segment = network_segmenter(checkpoint.segmentation().to(place), checkpoint.fit, place)
    dataset = open_dataset(data, classes)
    images = dataset.load(split).images
    console = Console(stderr=True)
    with progress_bar(console, f"scoring {split}", len(images)) as bar:
        scores = score(segment, dataset, bar.around(images)).named(split, unscored=unscored)
    if pictures:
        save_sheet(pictures, spread(images, 12), segment, classes)
    _print(scores, as_json=as_json)


def _print(scores: dict[str, float], *, as_json: bool) -> None:
    if as_json:
        # JSON has no word for NaN, the score of a class seen nowhere.
        known = {name: value if math.isfinite(value) else None for name, value in scores.items()}
        typer.echo(json.dumps(known, indent=2))
        return
    width = max(map(len, scores))
    for name, value in scores.items():
        typer.echo(f"{name:<{width}}  {value:.4f}")
