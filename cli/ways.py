"""How `box2seg predict` has photos segmented: by an engine of its own, by a cluster, or by a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.classes import BACKGROUND

if TYPE_CHECKING:
    import typer

    from client import AsyncClient
    from client.answers import Card
    from contract.arrays import Size
    from contract.classes import ClassMap
    from serving.batch.cluster.segmenting import Site
    from serving.batch.findings import Keep, Read
    from serving.batch.identity import Identity
    from serving.batch.ledger import Ledger
    from serving.batch.outputs import Outputs
    from serving.batch.run import Segment

PATIENCE_S = 600.0
"""As long as that a photo waits in all for a server that says when to come again, as for a key's rate."""

AT_ONCE = 4
"""Photos that a server is asked about at any time: some are on their way while it works on others."""


@dataclass(frozen=True, slots=True)
class Way:
    """
    How photos become masks.

    Args:
        identity: What the masks are of.
        outputs: The formats asked for.
        suffixes: Of photos' files, by format, of all formats that there are.
        classes: What the labels mean.
        at_once: How many photos to work on at any time.
        segmenting: Gives what segments a photo, while inside.
    """

    identity: Identity
    outputs: Outputs
    suffixes: Mapping[str, str]
    classes: ClassMap
    at_once: int
    segmenting: Callable[[Ledger], AbstractAsyncContextManager[Segment]]


def check_way(
    context: typer.Context, *, server: str | None, key: str | None, repository: Path | None
) -> None:
    """
    Make sure that the options go together.

    Raises:
        ConfigurationError: If not.
    """
    from contract.errors import ConfigurationError

    if server is not None and repository is not None:
        raise ConfigurationError("a server has its own repository", hint="leave --repository or --server out")
    if server is None and key is not None and _is_typed(context, "key"):
        raise ConfigurationError("a key is for a server, and none is named", hint="add --server URL")


def engine_way(
    repository: Path, model: str, formats: tuple[str, ...], site: Site | None = None, *, far: bool = False
) -> Way:
    """
    Segment by a model's live version, in this process or in those of a cluster.

    Args:
        repository: Where models are published.
        model: Its name.
        formats: The outputs asked for, as typed.
        site: The cluster, if it is to be one.
        far: Photos come from URIs, or masks go there.

    Raises:
        UnknownFormat, UnknownModel, ManifestError: As `choose_outputs` and `live_version` do.
    """
    from contract.manifest import MODEL_FILE
    from serving.batch.cluster.segmenting import cluster_segment
    from serving.batch.identity import Identity
    from serving.batch.local import Maker, batch_engine, local_segment, photos_at_once
    from serving.batch.outputs import choose_outputs
    from serving.formats import FORMATS
    from serving.settings import read_settings
    from serving.versions import live_version

    suffixes = {name: form.suffix for name, form in FORMATS.items()}
    outputs = choose_outputs(formats, suffixes)
    version = live_version(repository, model)
    max_pixels = read_settings().max_pixels
    manifest = version.manifest

    def segmenting(ledger: Ledger) -> AbstractAsyncContextManager[Segment]:
        if site is not None:
            return cluster_segment(site, version, outputs, max_pixels, ledger)
        maker = Maker(outputs, manifest.classes, ledger.admits)
        return local_segment(batch_engine(), version, maker, max_pixels, far=far)

    return Way(
        Identity(manifest.name, manifest.version, manifest.files[MODEL_FILE], outputs.names),
        outputs,
        suffixes,
        manifest.classes,
        photos_at_once(far=far),
        segmenting,
    )


def server_way(address: str, key: str | None, model: str | None, formats: tuple[str, ...]) -> Way:
    """
    Segment by a server, that is asked first whether it can.

    Raises:
        UnknownFormat, UnknownModel: If it has no such format or model; names those it has.
    """
    from client import AsyncClient, Client
    from contract.errors import UnknownFormat
    from serving.batch.identity import Identity
    from serving.batch.outputs import choose_outputs

    with Client(address, key=key) as client:
        card = _pick_card(client.cards(), model)
    outputs = choose_outputs(formats, card.suffixes)
    if "sheet" in outputs.together:
        raise UnknownFormat("a server does not say of which photos it is least sure", hint="leave sheet out")

    @asynccontextmanager
    async def segmenting(ledger: Ledger) -> AsyncIterator[Segment]:
        async with AsyncClient(address, key=key, patience_s=PATIENCE_S) as client:
            yield lambda read, keep: _ask(client, card, outputs, read, keep)

    return Way(
        Identity(card.name, card.version, "", outputs.names),
        outputs,
        card.suffixes,
        card.classes,
        AT_ONCE,
        segmenting,
    )


async def _ask(client: AsyncClient, card: Card, outputs: Outputs, read: Read, keep: Keep) -> None:
    """Ask once per format; one of them says how much of what is in the photo."""
    data = await asyncio.to_thread(read)
    files = {}
    telling = _telling(outputs)
    for name in dict.fromkeys((*outputs.answered, telling)):
        fetched = await client.fetch_made(data, format=name, model=card.name)
        _check_version(fetched.version, card)
        files[name] = fetched.content
    await asyncio.to_thread(_keep, keep, files, telling, card, outputs)


def _telling(outputs: Outputs) -> str:
    """Give the format that areas are read from: labels where they are asked for anyway, or run lengths."""
    return "png" if "png" in outputs.suffixes and not outputs.needs_rle else "rle"


def _check_version(version: int, card: Card) -> None:
    from contract.errors import VersionChanged

    if version != card.version:
        raise VersionChanged(
            f"the server went over to version {version}; this batch is of version {card.version}",
            hint="begin anew with --fresh, or into another --out",
        )


def _keep(keep: Keep, files: dict[str, bytes], telling: str, card: Card, outputs: Outputs) -> None:
    from serving.batch.findings import Finding, Product
    from serving.batch.lengths import read_labels
    from serving.batch.panoptic import derive

    size, areas = (_of_labels if telling == "png" else _of_run_lengths)(files[telling], card.classes)
    rle = files["rle"] if outputs.needs_rle else None
    if len(outputs.answered) < len(outputs.suffixes):
        files |= derive(outputs, read_labels(files["rle"]), card.classes)
    keep(Product(files, Finding(size, card.version, areas, rle=rle)))


def _of_labels(png: bytes, classes: ClassMap) -> tuple[Size, dict[str, int]]:
    """Read a photo's size and areas from its labels, (height, width) and pixels by class."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        counts = image.histogram()
        return (image.height, image.width), {
            classes.name(label): count for label, count in enumerate(counts) if count
        }


def _of_run_lengths(rle: bytes, classes: ClassMap) -> tuple[Size, dict[str, int]]:
    """Read the same from its run lengths, which leave background out."""
    content = json.loads(rle)
    height, width = content["height"], content["width"]
    areas = {each["label"]: each["area"] for each in content["annotations"]}
    background = height * width - sum(areas.values())
    return (height, width), {classes.name(BACKGROUND): background, **areas} if background else areas


def _pick_card(cards: list[Card], model: str | None) -> Card:
    from contract.errors import UnknownModel

    for card in cards:
        if card.name == model or (model is None and card.default):
            return card
    there = ", ".join(card.name for card in cards) or "none yet"
    raise UnknownModel(f"the server has no model {model or 'by default'!r}", hint=f"there are: {there}")


def _is_typed(context: typer.Context, name: str) -> bool:
    """Tell whether an option stands on the command line, not in the environment; typer has its own click."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
