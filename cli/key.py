"""`box2seg key`: who may ask the server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from serving.keys import Key

key = typer.Typer(no_args_is_help=True, help="Who may ask the server: make, list and revoke API keys.")

File = Annotated[
    Path,
    typer.Option(
        envvar="BOX2SEG_KEYS_FILE", help="The keys' file; the server reads it by the same variable."
    ),
]
DEFAULT_FILE = Path("keys.json")


@key.callback()
def verbs() -> None:
    """Make, list and revoke API keys; a running server notices."""


@key.command()
def add(
    name: Annotated[str, typer.Argument(help="Whose it is; stands in logs.")],
    scope: Annotated[
        list[str] | None, typer.Option(help="infer or admin; may be repeated. [default: infer]")
    ] = None,
    rate: Annotated[float | None, typer.Option(help="Requests per second. [default: the server's]")] = None,
    burst: Annotated[int | None, typer.Option(help="Requests at once. [default: the server's]")] = None,
    file: File = DEFAULT_FILE,
) -> None:
    """
    Make a key and print it, once: the file keeps its hash alone.

    Example: box2seg key add alice --rate 5
    """
    from contract.errors import ConfigurationError
    from serving.keys import INFER, change_keys, make_key

    made, token = make_key(name, tuple(scope or [INFER]), rate_per_s=rate, burst=burst)

    def with_it(keys: list[Key]) -> list[Key]:
        if any(each.name == name for each in keys):
            raise ConfigurationError(
                f"{file}: there is a key {name!r}", hint="revoke it, or choose another name"
            )
        return [*keys, made]

    change_keys(file, with_it)
    typer.echo(f"{file}: {name} may {' and '.join(made.scopes)}; this is shown only now:", err=True)
    typer.echo(token)


@key.command(name="list")
def list_keys(file: File = DEFAULT_FILE) -> None:
    """
    List the keys by name, with what they may; the keys themselves are not kept anywhere.

    Example: box2seg key list
    """
    from serving.keys import read_keys

    table = Table("name", "may", "requests/s", "at once", "made", box=SIMPLE_HEAD)
    for each in read_keys(file):
        rate = ["server's" if limit is None else f"{limit:g}" for limit in (each.rate_per_s, each.burst)]
        table.add_row(each.name, ", ".join(each.scopes), *rate, each.created)
    Console().print(table)


@key.command()
def revoke(
    name: Annotated[str, typer.Argument(help="As `box2seg key list` shows it.")],
    file: File = DEFAULT_FILE,
) -> None:
    """
    Take a key away; a running server refuses it from its next request on.

    Example: box2seg key revoke alice
    """
    from contract.errors import ConfigurationError
    from serving.keys import change_keys, read_keys

    read_keys(file)  # a file that is not there is not made for this

    def without_it(keys: list[Key]) -> list[Key]:
        if all(each.name != name for each in keys):
            there = ", ".join(each.name for each in keys) or "none"
            raise ConfigurationError(f"{file}: no key {name!r}", hint=f"there are: {there}")
        return [each for each in keys if each.name != name]

    change_keys(file, without_it)
    typer.echo(f"{file}: {name} is revoked", err=True)
