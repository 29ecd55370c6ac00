"""`box2seg curves`: what a run wrote down while it trained, as a picture."""

from pathlib import Path
from typing import Annotated

import typer


def curves(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs; several are drawn over one another.")],
    out: Annotated[
        Path | None,
        typer.Option(help="Picture to write; default: curves.png in the run's folder, of several beside it."),
    ] = None,
) -> None:
    """
    Draw loss terms, learning rate and scores over epochs; prints the picture's path.

    Example: box2seg curves runs/first runs/second --out compared.png
    """
    from training.curves import CURVES_FILE, draw_curves

    folder = runs[0] if len(runs) == 1 else runs[0].resolve().parent
    typer.echo(draw_curves(runs, out or folder / CURVES_FILE))
