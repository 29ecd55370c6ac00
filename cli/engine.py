"""`box2seg engine`: TensorRT engines of published versions, and whether Triton's configuration fits them."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console

NOT_HERE = 1
"""What cannot be done on this machine, though nothing was asked wrongly."""

GIB = 2**30

P = ParamSpec("P")
T = TypeVar("T")

engine = typer.Typer(no_args_is_help=True, help="TensorRT engines of published versions.")

Version = Annotated[
    Path, typer.Argument(metavar="VERSION_FOLDER", help="Such as model_repository/box2seg/2.")
]
Out = Annotated[Path, typer.Option(help="The engine repository, which Triton mounts.")]


@engine.command()
def build(
    version: Version,
    out: Out = Path("engines"),
    workspace_gib: Annotated[
        int, typer.Option(min=1, max=64, help="GPU memory to try kernels in [GiB].")
    ] = 2,
) -> None:
    """
    Build a version's engine for this GPU and this TensorRT, unless it is there; prints its file.

    It takes minutes. The engine repository is for Triton in the model repository's place; the gateway goes on
    reading the model repository. Exit code 1: TensorRT or a GPU is not here.

    Example: box2seg engine build model_repository/box2seg/2 --out engines
    """
    console = Console(stderr=True)
    with console.status(f"building {version} for this GPU; this takes minutes"):
        plan, is_new = _here(_build, version, out, workspace_gib * GIB)
    console.print("built" if is_new else "was there, for this GPU, TensorRT and file", soft_wrap=True)
    typer.echo(plan)


@engine.command()
def check(version: Version, out: Out = Path("engines")) -> None:
    """
    Prove that a version's engine is for this GPU, this TensorRT and this file; prints its file.

    Exit code 2 says what differs: ask this before Triton starts on an engine repository.

    Example: box2seg engine check model_repository/box2seg/2 --out engines
    """
    typer.echo(_here(_find, version, out))


@engine.command()
def config(version: Version) -> None:
    """
    Say whether the model's config.pbtxt has TensorRT compute a version in its own precision.

    Exit code 1 says what it should be. On a CPU that part is not read.

    Example: box2seg engine config model_repository/box2seg/2
    """
    from contract.manifest import read_manifest
    from export.configuration import CONFIG_FILE, misfit

    path = version.parent / CONFIG_FILE
    problem = misfit(path.read_text(encoding="utf-8"), read_manifest(version).precision)
    if problem:
        typer.echo(f"{path}: {problem}")
        raise typer.Exit(NOT_HERE)
    typer.echo(f"{path}: fits")


def _here(do: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
    """Do it; what is not on this machine is said in a sentence, with an exit code of its own."""
    from contract.errors import DependencyMissing

    try:
        return do(*args, **options)
    except DependencyMissing as missing:
        typer.echo(f"{typer.style('error:', fg='red', bold=True)} {missing}", err=True)
        raise typer.Exit(NOT_HERE) from missing


def _build(version: Path, out: Path, workspace_bytes: int) -> tuple[Path, bool]:
    from export.tensorrt import build_engine

    return build_engine(version, out, workspace_bytes=workspace_bytes)


def _find(version: Path, out: Path) -> Path:
    from export.tensorrt import find_engine

    return find_engine(version, out)
