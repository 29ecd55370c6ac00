"""`box2seg export`: a checkpoint to an ONNX file that is proved to give the same."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from contract.manifest import Manifest


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
) -> None:
    """
    Write a checkpoint as ONNX and prove that the engines give torch's labels; prints the folder.

    Example: box2seg export runs/first --photos VOC2012/JPEGImages
    """
    console = Console(stderr=True)
    with console.status("loading the exporter"):
        from export.draft import export_checkpoint
        from export.pictures import parity_pictures
        from export.publish import EXPORT_FOLDER
        from training.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(run)
    pictures = parity_pictures(photos)
    folder = out or (run if run.is_dir() else run.parent) / EXPORT_FOLDER
    kind = "photos" if photos else "drawn pictures"
    with console.status(f"writing ONNX and comparing it with torch on {len(pictures)} {kind}"):
        draft = export_checkpoint(checkpoint, folder, photos=pictures, weights=weights)
    console.print(_parity_table(draft, f"{len(pictures)} {kind}"))
    console.print(f"next: box2seg publish {folder} --name box2seg", soft_wrap=True)
    typer.echo(folder)


def _parity_table(draft: "Manifest", measured_on: str) -> Table:
    table = Table(
        "compared with torch", "share", title=f"same result, on {measured_on}", title_justify="left"
    )
    for name, share in draft.parity.items():
        table.add_row(name, f"{share:.4%}")
    return table
