"""`box2seg publish`: an exported model to a new version in the model repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.options import ROOT, Repository, Who, Why

if TYPE_CHECKING:
    from contract.registry import Standing

CHECKPOINT = "checkpoint.pt"


def publish(
    exported: Annotated[
        Path,
        typer.Argument(
            help="A run's folder with an export, an exported folder, or a version from elsewhere."
        ),
    ],
    who: Who,
    name: Annotated[str, typer.Option(help="The model's name.")] = "box2seg",
    repository: Repository = ROOT,
    version: Annotated[int | None, typer.Option(help="Version wanted; default: the next one.")] = None,
    why: Why = "",
) -> None:
    """
    Publish an exported model as a new version, whole or not at all; prints its folder.

    It is a candidate that answers nobody until `box2seg models promote` lets it; a model's first version
    answers at once. A version's folder copied from another repository gets a number of this one. A run's
    checkpoint is kept in the registry, so that `box2seg retrain` can go on from it.

    Example: box2seg publish runs/first --name box2seg --repository model_repository
    """
    from contract.manifest import read_manifest
    from contract.registry import read_standing
    from export.configuration import CONFIG_FILE, misfit
    from export.publish import publish as publish_export

    folder = publish_export(exported, name=name, root=repository, version=version, who=who, why=why)
    console = Console(stderr=True)
    _keep_checkpoint(exported, folder, console)
    console.print(_what_follows(folder, read_standing(folder.parent)), soft_wrap=True, highlight=False)
    config = folder.parent / CONFIG_FILE
    problem = misfit(config.read_text(encoding="utf-8"), read_manifest(folder).precision)
    if problem:
        console.print(f"{config}: {problem}; it is read on a GPU only", soft_wrap=True)
    typer.echo(folder)


def _keep_checkpoint(exported: Path, folder: Path, console: Console) -> None:
    """Keep a run's weights beside its version's history, so that `box2seg retrain` can go on from them."""
    if not (exported / CHECKPOINT).is_file():
        return
    from contract.errors import Box2SegError

    try:
        from export.kept import keep_checkpoint

        keep_checkpoint(exported, folder.parent, int(folder.name))
    except (Box2SegError, ModuleNotFoundError) as error:  # a damaged one, or an installation without torch
        console.print(f"its checkpoint is not kept: {error}", style="yellow", markup=False)


def _what_follows(folder: Path, standing: Standing) -> str:
    name, version = folder.parent.name, int(folder.name)
    if standing.live == version:
        return (
            f"published {name} version {version}, which is live: no other answers; a running `box2seg serve` "
            "on this repository goes over to it by itself"
        )
    return (
        f"published {name} version {version} as a candidate; version {standing.live} goes on answering\n"
        f"next: `box2seg gate {version} --golden FOLDER{_where(folder)}` compares the two, and\n"
        f"`box2seg models promote {version}{_where(folder)}` lets it answer"
    )


def _where(folder: Path) -> str:
    """Give the options that the next verb needs to find the model."""
    name, repository = folder.parent.name, folder.parent.parent
    model = "" if name == "box2seg" else f" --model {name}"
    return model if repository == ROOT else f"{model} --repository {repository}"
