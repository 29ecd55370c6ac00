"""`box2seg predict`: photos to masks on this machine, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serving.folder import Job, Outcome
    from serving.formats import Format
    from serving.models import Version

SOME_FAILED = 1


def predict(
    photos: Annotated[list[Path], typer.Argument(help="Photos and folders of photos.")],
    out: Annotated[Path, typer.Option(help="Folder for the masks; made where there is none.")],
    format: Annotated[
        str, typer.Option(help="png: palette PNG of labels; overlay: a picture to look at; rle: COCO JSON.")
    ] = "png",
    model: Annotated[str, typer.Option(help="Name of a published model; its newest version.")] = "box2seg",
    repository: Annotated[Path, typer.Option(help="Where models are published.")] = Path("model_repository"),
) -> None:
    """
    Segment photos without a server: a mask for each, at the photo's own size.

    A photo that cannot be read is named and passed over; the exit code is then 1.

    Example: box2seg predict holiday/ --out masks --format overlay
    """
    from serving.folder import plan_jobs
    from serving.formats import find_format
    from serving.models import newest_version

    form = find_format(format)
    jobs = plan_jobs(photos, out, suffix=form.suffix)
    bad = _segment(jobs, newest_version(repository, model), form)
    typer.echo(f"{len(jobs) - bad} of {len(jobs)} photos segmented into {out}", err=True)
    if bad:
        raise typer.Exit(SOME_FAILED)


def _segment(jobs: list[Job], version: Version, form: Format) -> int:
    """Segment with a progress bar, naming the bad photos above it; gives their number."""
    import asyncio

    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

    from serving.engines.local import LocalEngine
    from serving.folder import segment_photos

    bad: list[Outcome] = []
    console = Console(stderr=True)
    columns = (*Progress.get_default_columns()[:-1], MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("segmenting", total=len(jobs))

        def tell(outcome: Outcome) -> None:
            progress.advance(bar)
            if outcome.problem is not None:
                bad.append(outcome)
                console.print(outcome.problem, style="red", markup=False, highlight=False, soft_wrap=True)

        asyncio.run(segment_photos(jobs, LocalEngine(), version, form, tell=tell))
    return len(bad)
