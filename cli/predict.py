"""`box2seg predict`: photos to masks, on this machine or by a server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from client.answers import Card
    from contract.jobs import Job, Outcome, Tell

SOME_FAILED = 1
MODEL = "box2seg"
REPOSITORY = Path("model_repository")

PATIENCE_S = 600.0
"""As long as that a photo waits in all for a server that says when to come again, as for a key's rate."""

AT_ONCE = 4
"""Photos that a server is asked about at any time: some are on their way while it works on others."""


@dataclass(frozen=True, slots=True)
class Way:
    """
    How photos become masks.

    Args:
        suffix: What the masks' files end in.
        segment: Works the jobs off and tells each outcome.
    """

    suffix: str
    segment: Callable[[list[Job], Tell], Coroutine[Any, Any, None]]


def predict(
    context: typer.Context,
    photos: Annotated[list[Path], typer.Argument(help="Photos and folders of photos.")],
    out: Annotated[Path, typer.Option(help="Folder for the masks; made where there is none.")],
    format: Annotated[
        str,
        typer.Option(help="png: palette PNG of labels; overlay: a picture; others: README."),
    ] = "png",
    model: Annotated[
        str | None, typer.Option(help=f"Name of a published model. [default: {MODEL}, or the server's]")
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help=f"Where models are published. [default: {REPOSITORY}]")
    ] = None,
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="Have a server segment: http://127.0.0.1:8000")
    ] = None,
    key: Annotated[
        str | None, typer.Option(envvar="BOX2SEG_KEY", help="The server's API key, where it asks for one.")
    ] = None,
) -> None:
    """
    Segment photos: a mask for each, at the photo's own size.

    A photo that cannot be read is named and passed over; the exit code is then 1. A busy server is waited
    for as long as it asks, ten minutes at most for each photo.

    Example: box2seg predict holiday/ --out masks --format overlay
    """
    from contract.errors import ConfigurationError
    from contract.jobs import plan_jobs

    if server is not None and repository is not None:
        raise ConfigurationError("a server has its own repository", hint="leave --repository or --server out")
    if server is None and _is_typed(context, "key"):
        raise ConfigurationError("a key is for a server, and none is named", hint="add --server URL")
    if server is None:
        way = _by_engine(repository or REPOSITORY, model or MODEL, format)
    else:
        way = _by_server(server, key, model, format)
    jobs = plan_jobs(photos, out, suffix=way.suffix)
    bad = _segment(jobs, way)
    typer.echo(f"{len(jobs) - bad} of {len(jobs)} photos segmented into {out}", err=True)
    if bad:
        raise typer.Exit(SOME_FAILED)


def _is_typed(context: typer.Context, name: str) -> bool:
    """Tell whether an option stands on the command line, not in the environment; typer has its own click."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _by_engine(repository: Path, model: str, format: str) -> Way:
    """Segment in this process, by a model's newest version."""
    from serving.engines.local import LocalEngine
    from serving.folder import segment_photos
    from serving.formats import find_format
    from serving.versions import live_version

    form = find_format(format)
    version = live_version(repository, model)
    return Way(form.suffix, lambda jobs, tell: segment_photos(jobs, LocalEngine(), version, form, tell=tell))


def _by_server(address: str, key: str | None, model: str | None, format: str) -> Way:
    """Segment by a server, that is asked first whether it can."""
    from client import AsyncClient, Client
    from contract.jobs import work_off

    with Client(address, key=key) as client:
        card = _pick_card(client.cards(), model)

    async def segment(jobs: list[Job], tell: Tell) -> None:
        async with AsyncClient(address, key=key, patience_s=PATIENCE_S) as client:

            async def fetch(photo: Path) -> bytes:
                return await client.fetch(photo, format=format, model=card.name)

            await work_off(jobs, fetch, at_once=AT_ONCE, tell=tell)

    return Way(_suffix(card, format), segment)


def _pick_card(cards: list[Card], model: str | None) -> Card:
    from contract.errors import UnknownModel

    for card in cards:
        if card.name == model or (model is None and card.default):
            return card
    there = ", ".join(card.name for card in cards) or "none yet"
    raise UnknownModel(f"the server has no model {model or 'by default'!r}", hint=f"there are: {there}")


def _suffix(card: Card, format: str) -> str:
    from contract.errors import UnknownFormat

    if format not in card.suffixes:
        raise UnknownFormat(f"no format {format!r}", hint=f"there are: {', '.join(card.suffixes)}")
    return card.suffixes[format]


def _segment(jobs: list[Job], way: Way) -> int:
    """Segment with a progress bar, naming the bad photos above it; gives their number."""
    import asyncio

    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn

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

        asyncio.run(way.segment(jobs, tell))
    return len(bad)
