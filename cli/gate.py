"""`box2seg gate`: may a candidate take the live version's place?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from cli.options import ROOT, Golden, GoldenSplit, LimitFile, LimitWords, Map, Model, Rename, Repository

if TYPE_CHECKING:
    from contract.verdict import Verdict

REFUSED = 1


def gate(
    candidate: Annotated[
        str, typer.Argument(metavar="VERSION", help="A version's number, or an exported folder.")
    ],
    golden: Golden,
    split: GoldenSplit = "val",
    model: Model = "box2seg",
    repository: Repository = ROOT,
    against: Annotated[
        int | None, typer.Option(help="The version to compare with. [default: the live one]")
    ] = None,
    rename: Rename = None,
    mapping: Map = None,
    fp32: Annotated[
        Path | None,
        typer.Option(help="Folder of the fp32 version that a candidate of fewer bits was made from."),
    ] = None,
    limits: LimitFile = None,
    limit: LimitWords = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the report. [default: the version's in the registry]")
    ] = None,
) -> None:
    """
    Compare a candidate with the live version on golden photos; the exit code is 1 where it is refused.

    It looks at the package itself, tensors, classes, mean IoU with its interval, each class, boundaries,
    label agreement of torch, ONNX Runtime and the engine as served, time and memory; and writes a report with
    the photos on which the two disagree most. A version that is refused stays a candidate, with its report:
    promote it by force and with a reason, or reject it.

    Example: box2seg gate 3 --golden VOC_FOLDER --split val --limit score_loss=0.02
    """
    console = Console(stderr=True)
    with console.status("loading the engines"):
        from cli.served import open_served
        from export.gate.decision import decide
        from export.gate.limits import read_limits
        from export.gate.question import ask
        from export.gate.signature import parse_mapping
        from training.datasets.renames import parse_renames

    question, report = ask(
        candidate,
        repository / model,
        against=against,
        report=out,
        golden=golden,
        split=split,
        renames=parse_renames(rename or ()),
        limits=read_limits(limits, limit or ()),
        pairs=parse_mapping(mapping or ()),
        fp32=fp32,
    )
    verdict = decide(question, open_served, report, console)
    _say(verdict, console)
    typer.echo(report / "report.html")
    if not verdict.passed:
        raise typer.Exit(REFUSED)


def _say(verdict: Verdict, console: Console) -> None:
    """Print what was checked, and the decision."""
    from cli.tables import check_table

    console.print(check_table(verdict))
    name = f"version {verdict.version}" if verdict.version else "the candidate"
    other = "nothing live" if verdict.against is None else f"version {verdict.against}"
    if verdict.passed:
        console.print(f"{name} passed beside {other}: it may go live", style="bold green")
    else:
        console.print(f"{name} is refused beside {other}; it stays what it is", style="bold red")
