"""The `box2seg` command: registers one verb per file."""

from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from typing import Annotated

import typer

from cli.ablate import ablate
from cli.curves import curves
from cli.data import data
from cli.engine import engine
from cli.errors import Verbs
from cli.evaluate import evaluate
from cli.export import export
from cli.finetune import finetune
from cli.gate import gate
from cli.inspect import inspect
from cli.key import key
from cli.models import models
from cli.predict import predict
from cli.publish import publish
from cli.retrain import retrain
from cli.serve import serve
from cli.train import train

VERBS = (train, finetune, retrain, curves, evaluate, inspect, ablate, export, gate, publish, predict, serve)
GROUPS = {"data": data, "engine": engine, "key": key, "models": models}
"""Verbs with verbs of their own."""

app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)
for verb in VERBS:
    app.command()(verb)
for name, group in GROUPS.items():
    app.add_typer(group, name=name)


def print_version(wanted: bool) -> None:
    """Print the version and end, when asked to."""
    if wanted:
        typer.echo(f"box2seg {find_version()}")
        raise typer.Exit


def find_version() -> str:
    """Give the installed version; run from a checkout without being installed, it has none."""
    try:
        return installed_version("box2seg")
    except PackageNotFoundError:
        return "(not installed)"


@app.callback()
def box2seg(
    version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train segmentation from bounding boxes, export it with proof of parity, serve per-pixel masks."""


def main() -> None:
    """Run the command line."""
    app(prog_name="box2seg")


if __name__ == "__main__":
    main()
