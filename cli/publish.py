"""`box2seg publish`: an exported model to a new version in the model repository."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console


def publish(
    exported: Annotated[Path, typer.Argument(help="A run's folder with an export, or an exported folder.")],
    name: Annotated[str, typer.Option(help="The model's name.")] = "box2seg",
    repository: Annotated[Path, typer.Option(help="The model repository that the server reads.")] = Path(
        "model_repository"
    ),
    version: Annotated[int | None, typer.Option(help="Version wanted; default: the next one.")] = None,
) -> None:
    """
    Publish an exported model as a new version, whole or not at all; prints its folder.

    Example: box2seg publish runs/first --name box2seg --repository model_repository
    """
    from contract.manifest import published_versions
    from export.publish import publish as publish_export

    folder = publish_export(exported, name=name, root=repository, version=version)
    console = Console(stderr=True)
    newest = published_versions(folder.parent)[-1]
    console.print(_what_follows(name, int(folder.name), newest), soft_wrap=True)
    typer.echo(folder)


def _what_follows(name: str, version: int, newest: int) -> str:
    if version < newest:
        return f"published {name} version {version}; servers go on with version {newest}, the newest"
    return (
        f"published {name} version {version}; a running `box2seg serve` on this repository goes over to it "
        "by itself, and answers requests that are under way with the version before"
    )
