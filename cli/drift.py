"""`box2seg models drift`: does live traffic still look like the golden photos?"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.options import ROOT, Model, Repository

if TYPE_CHECKING:
    from contract.profile import Drift, Profile

DRIFTED = 1
CALM, LARGE = 0.1, 0.25
"""By custom, an index below the first says that nothing changed, one above the second that much did."""


def drift(
    metrics: Annotated[
        str, typer.Option(help="The gateway's metrics: their address, or a file of them.")
    ] = "http://127.0.0.1:8000/metrics",
    version: Annotated[
        int | None, typer.Option(help="Whose photos to look at. [default: the live version's]")
    ] = None,
    model: Model = "box2seg",
    repository: Repository = ROOT,
    limit: Annotated[float, typer.Option(min=0, help="Index above which the exit code is 1.")] = LARGE,
    key: Annotated[
        str | None, typer.Option(envvar="BOX2SEG_KEY", help="An API key with the scope admin, where it asks.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """
    Compare what a version sees and answers now with the golden photos that the gate looked at.

    Two population stability indices: of the classes' parts of the pixels, and of the photos' brightness. By
    custom below 0.1 nothing has changed and above 0.25 much has; the exit code is 1 above --limit.

    Example: box2seg models drift --metrics http://127.0.0.1:8000/metrics
    """
    from cli.traffic import read_metrics, seen_profile
    from contract.errors import RegistryError
    from contract.permission import check_model
    from contract.profile import drift as measure
    from contract.profile import read_profile
    from contract.registry import read_standing
    from contract.verdict import report_folder

    check_model(repository / model)
    number = version or read_standing(repository / model).live
    if number is None:
        raise RegistryError(f"{model} has no live version", hint="--version N")
    golden = read_profile(report_folder(repository / model, number))
    if golden is None:
        raise RegistryError(
            f"{model} version {number}: the gate has not looked at it, so nothing is known to drift from",
            hint=f"box2seg gate {number} --golden FOLDER --against ANOTHER_VERSION",
        )
    seen = seen_profile(read_metrics(metrics, key=key), model, number)
    if not seen.photos:
        raise RegistryError(f"{metrics}: {model} version {number} has answered no photo yet")
    found = measure(seen, golden)
    if as_json:
        typer.echo(json.dumps({"model": model, "version": number, **_figures(seen, golden, found)}, indent=2))
    else:
        _print(f"{model} version {number}", seen, golden, found)
    if max(found.classes, found.brightness) > limit:
        raise typer.Exit(DRIFTED)


def _figures(seen: Profile, golden: Profile, found: Drift) -> dict[str, object]:
    return {
        name: dataclasses.asdict(each)
        for name, each in (("drift", found), ("seen", seen), ("golden", golden))
    }


def _print(title: str, seen: Profile, golden: Profile, found: Drift) -> None:
    """Print both profiles side by side, and what the indices say."""
    table = Table("", "golden", "live", box=SIMPLE_HEAD, title=title, title_justify="left")
    table.add_row("photos", f"{golden.photos:,}", f"{seen.photos:,}")
    for name in dict.fromkeys([*golden.classes, *seen.classes]):
        shares = (profile.classes.get(name, 0.0) for profile in (golden, seen))
        table.add_row(Text(f"pixels of {name}"), *(f"{share:.1%}" for share in shares))
    table.add_row("mean confidence", f"{golden.confidence:.3f}", f"{seen.confidence:.3f}")
    table.add_row("mean brightness", f"{golden.brightness:.3f}", f"{seen.brightness:.3f}")
    from cli.tables import open_console

    console = open_console()
    console.print(table)
    for name, index in (("classes", found.classes), ("brightness", found.brightness)):
        console.print(f"drift of {name}: {index:.3f}, {_words(index)}")


def _words(index: float) -> str:
    if index < CALM:
        return "as it was"
    return "some" if index <= LARGE else "much has changed"
