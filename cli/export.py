"""`box2seg export`: a checkpoint to an ONNX file that is proved to give the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from contract.manifest import Manifest
    from export.quality import Truth
    from training.checkpoint import Checkpoint


def export(
    run: Annotated[Path, typer.Argument(help="A run's folder or a checkpoint's file.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder to write; default: the folder `export` in the run's.")
    ] = None,
    photos: Annotated[
        Path | None, typer.Option(help="Folder of photos to compare on; default: drawn pictures.")
    ] = None,
    weights: Annotated[
        Literal["float32", "float16"],
        typer.Option(help="How the file keeps weights; float16 halves it. Compared with unrounded ones."),
    ] = "float32",
    precision: Annotated[
        Literal["fp32", "fp16", "bf16", "int8"],
        typer.Option(help="What the network computes in; parts that do not bear fewer bits stay in fp32."),
    ] = "fp32",
    calibrate: Annotated[
        Path | None,
        typer.Option(help="For int8: folder of photos like those to come; nothing is known of them."),
    ] = None,
    calibrate_photos: Annotated[
        int, typer.Option(min=1, max=10_000, help="How many of them to measure ranges on.")
    ] = 64,
    data: Annotated[
        Path | None,
        typer.Option(help="VOC, COCO or YOLO folder with masks: scores the file as it is served."),
    ] = None,
    split: Annotated[str, typer.Option(help="With --data: the split to score.")] = "val",
    margin: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of fp32's mean IoU that fewer bits may lose."),
    ] = 0.01,
) -> None:
    """
    Write a checkpoint as ONNX and prove that the engines give torch's labels; prints the folder.

    In fewer bits than fp32 labels cannot be quite the same: there the mean IoU counts, with the masks of
    --data, or without masks (which is stricter) with fp32's own labels as the truth.

    Example: box2seg export runs/first --photos VOC2012/JPEGImages

    Example: box2seg export runs/first --precision int8 --calibrate holiday/ --data VOC2012
    """
    console = Console(stderr=True)
    with console.status("loading the exporter"):
        from export.draft import export_checkpoint
        from export.pictures import parity_pictures, read_pictures
        from export.publish import EXPORT_FOLDER
        from training.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(run)
    pictures = parity_pictures(photos)
    folder = out or (run if run.is_dir() else run.parent) / EXPORT_FOLDER
    kind = "photos" if photos else "drawn pictures"
    draft = export_checkpoint(
        checkpoint,
        folder,
        photos=pictures,
        weights=weights,
        precision=precision,
        calibration=read_pictures(calibrate, calibrate_photos) if calibrate else (),
        truth=_truth(data, split, checkpoint) if data else None,
        margin=margin,
        console=console,
    )
    console.print(_parity_table(draft, f"{len(pictures)} {kind}"))
    console.print(f"next: box2seg publish {folder} --name box2seg", soft_wrap=True)
    typer.echo(folder)


def _truth(data: Path, split: str, checkpoint: "Checkpoint") -> "Truth":
    from contract.errors import DataError
    from export.quality import Truth
    from training.datasets import open_dataset

    dataset = open_dataset(data, checkpoint.classes)
    images = dataset.load(split).images
    if not images:
        raise DataError(f"{dataset.name} {split}: no photo to score", hint="choose another --split")
    return Truth(dataset, images, split)


def _parity_table(draft: "Manifest", measured_on: str) -> Table:
    table = Table(
        "compared with torch", "share", title=f"same result, on {measured_on}", title_justify="left"
    )
    for name, share in {**draft.parity, **_scores(draft)}.items():
        table.add_row(name, f"{share:.4%}")
    return table


def _scores(draft: "Manifest") -> dict[str, float]:
    """Give the mean IoUs that were measured on the file itself."""
    from export.agreement import KEPT

    scores = draft.scores if KEPT in draft.parity else {}
    return {name: score for name, score in scores.items() if "mIoU" in name}
