"""`box2seg retrain`: new photos to a version that answers, and no worse one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from cli.options import (
    ROOT,
    Cache,
    Change,
    Data,
    Device,
    Evaluate,
    Golden,
    GoldenSplit,
    LimitFile,
    LimitWords,
    Map,
    Model,
    Precision,
    Rename,
    Repository,
    SkipBad,
    Split,
    Who,
    Why,
    Workers,
)

if TYPE_CHECKING:
    from export.workflow.run import Outcome

REFUSED = 1
UNTIL = Literal["check", "train", "export", "gate", "publish", "promote"]


def retrain(
    data: Data,
    golden: Golden,
    who: Who,
    out: Annotated[Path, typer.Option(help="The run's folder; the same command goes on in it.")],
    start: Annotated[
        str,
        typer.Option(
            "--from",
            metavar="live|imagenet|RUN",
            help="Begin with the live version's weights, with ImageNet's, or with a run's.",
        ),
    ] = "live",
    recipe: Annotated[
        str, typer.Option(help="A recipe's name. [default: that of the start, gone on with]")
    ] = "",
    change: Change = None,
    rename: Rename = None,
    split: Split = "train",
    evaluate: Evaluate = "val",
    golden_split: GoldenSplit = "val",
    model: Model = "box2seg",
    repository: Repository = ROOT,
    mapping: Map = None,
    limits: LimitFile = None,
    limit: LimitWords = None,
    until: Annotated[UNTIL, typer.Option(help="The last stage to do.")] = "promote",
    promote: Annotated[
        bool, typer.Option("--promote", help="Let the version answer, where it passes the gate.")
    ] = False,
    canary: Annotated[
        float | None,
        typer.Option(help="Let it answer this part of the requests, where it passes: 0.1 is a tenth."),
    ] = None,
    why: Why = "",
    skip_bad: SkipBad = False,
    cache: Cache = None,
    device: Device = "auto",
    precision: Precision = "32-true",
    workers: Workers = 1,
) -> None:
    """
    Check data, train, export with proof, compare with the live version, publish, and let it answer.

    The stages are check, train, export, gate, publish and promote; the last one waits for --promote or
    --canary. Each leaves its files, pictures and a log in the run's folder. After a kill, or with a later
    --until, the same command goes on where it was: a finished stage is not done again. The exit code is 1
    where the gate refuses; the version then stays a candidate, with its report. A model's first version
    answers at once.

    Example: box2seg retrain --data VOC_FOLDER --golden GOLDEN_FOLDER --out runs/next --promote
    """
    from cli.running import training_console
    from cli.served import open_served
    from export.gate.limits import read_limits
    from export.gate.signature import parse_mapping
    from export.workflow.order import Order, Stage
    from export.workflow.run import retrain as run
    from training.datasets.renames import parse_renames
    from training.priors.cache import default_cache

    order = Order(
        data=data,
        golden=golden,
        out=out,
        model=repository / model,
        cache=cache or default_cache(),
        start=start,
        recipe=recipe,
        changes=tuple(change or ()),
        renames=parse_renames(rename or ()),
        split=split,
        evaluate_split=None if evaluate == "none" else evaluate,
        golden_split=golden_split,
        skip_bad=skip_bad,
        device=device,
        precision=precision,
        workers=workers,
        limits=read_limits(limits, limit or ()),
        pairs=parse_mapping(mapping or ()),
        until=Stage(until),
        promote=promote,
        canary=canary,
        who=who,
        why=why,
    )
    with training_console() as console:
        outcome = run(order, open_served, console)
    _say(outcome, out, model, console)
    typer.echo(out)
    if outcome.verdict is not None and not outcome.verdict.passed:
        raise typer.Exit(REFUSED)


def _say(outcome: Outcome, out: Path, model: str, console: Console) -> None:
    """Say where things stand, and what can be done next."""
    if outcome.verdict is None:
        console.print(f"done until {outcome.stage}; the same command with a later --until goes on")
        return
    from cli.tables import check_table

    console.print(check_table(outcome.verdict))
    console.print(f"report: {out / 'gate' / 'report.html'}", soft_wrap=True, highlight=False)
    if not outcome.verdict.passed:
        console.print("refused by the gate", style="bold red")
    if outcome.version is None:
        return
    console.print(f"{model} version {outcome.version} is {outcome.state}", style="bold")
    if outcome.state == "candidate":
        verb = "promote" if outcome.verdict.passed else "promote --force --why REASON, or reject,"
        console.print(f"next: box2seg models {verb} {outcome.version}", highlight=False)
