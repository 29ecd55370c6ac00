"""`box2seg models promote`, `canary`, `rollback` and others: change where a model's versions stand."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import ROOT, Model, Number, Repository, Who, Why

KEPT = 3
"""Versions that nobody needs and gc leaves all the same."""

Force = Annotated[bool, typer.Option("--force", help="Pass over the gate; needs --why, and is written down.")]


def promote(
    version: Number,
    who: Who,
    why: Why = "",
    force: Force = False,
    model: Model = "box2seg",
    repository: Repository = ROOT,
) -> None:
    """
    Let a version answer that the gate let through; the one before is kept for a rollback.

    Example: box2seg models promote 3 --why "200 more photos of cows"
    """
    from contract.promotion import promote as promote_version
    from contract.registry import read_standing

    event = promote_version(repository / model, version, who=who, why=why, force=force)
    previous = read_standing(repository / model).previous
    _say(f"{model}: version {version} answers now{' (forced)' if event.forced else ''}")
    if previous is not None:
        _say(f"version {previous} is kept: `box2seg models rollback` goes back to it")


def canary(
    version: Number,
    who: Who,
    share: Annotated[float, typer.Option(help="The part of requests that it answers, from 0 to 1.")] = 0.1,
    shadow: Annotated[
        float,
        typer.Option(help="The part of the others that it computes too, only to be compared, from 0 to 1."),
    ] = 0.0,
    why: Why = "",
    force: Force = False,
    model: Model = "box2seg",
    repository: Repository = ROOT,
) -> None:
    """
    Let a version answer a share of the requests beside the live one, or change that share.

    With --share 0 it answers none and is only compared, which needs no gate.

    Example: box2seg models canary 3 --share 0.1 --shadow 0.2
    """
    from cli.tables import shares
    from contract.promotion import start_canary

    start_canary(repository / model, version, who=who, why=why, share=share, shadow=shadow, force=force)
    _say(f"{model}: version {version} is the {shares(share, shadow)}")
    _say(f"next: `box2seg models promote {version}`, or `withdraw`, or `reject {version} --why REASON`")


def withdraw(who: Who, why: Why = "", model: Model = "box2seg", repository: Repository = ROOT) -> None:
    """
    End the canary; its version is a candidate again.

    Example: box2seg models withdraw
    """
    from contract.promotion import withdraw as withdraw_canary

    event = withdraw_canary(repository / model, who=who, why=why)
    _say(f"{model}: version {event.version} is a candidate again and answers nobody")


def reject(
    version: Number,
    who: Who,
    why: Annotated[str, typer.Option(help="The reason; stands in the history.")],
    model: Model = "box2seg",
    repository: Repository = ROOT,
) -> None:
    """
    Set a version aside, the canary too; it and its report stay until `box2seg models gc`.

    Example: box2seg models reject 3 --why "cows are dogs"
    """
    from contract.promotion import reject as reject_version

    reject_version(repository / model, version, who=who, why=why)
    _say(f"{model}: version {version} is rejected")


def rollback(who: Who, why: Why = "", model: Model = "box2seg", repository: Repository = ROOT) -> None:
    """
    Let the version before answer again; the one that answers now is rejected.

    Example: box2seg models rollback --why "cows are dogs"
    """
    from contract.promotion import rollback as roll_back

    event = roll_back(repository / model, who=who, why=why)
    _say(f"{model}: version {event.version} answers again")


def gc(
    who: Who,
    keep: Annotated[int, typer.Option(min=0, help="So many of the newest of them stay.")] = KEPT,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and leave it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    model: Model = "box2seg",
    repository: Repository = ROOT,
) -> None:
    """
    Remove retired and rejected versions, and what killed programs left; prints the folders that went.

    The history and the gate's reports stay.

    Example: box2seg models gc --keep 1 --dry-run
    """
    from cli.tables import megabytes
    from contract.collection import collect, collectable, leftovers, sweep
    from contract.permission import check_model

    folder = repository / model
    check_model(folder)
    versions, left = collectable(folder, keep=keep), leftovers(folder)
    going = [folder / str(version) for version in versions] + left
    if not going:
        return _say(f"{model}: nothing to remove{f', {keep} are kept' if keep else ''}")
    for path in going:
        _say(f"{path}, {megabytes(sum(each.lstat().st_size for each in path.rglob('*')))}")
    if dry_run:
        return _say("nothing was removed: --dry-run")
    if not yes:
        typer.confirm("remove them for good?", abort=True, err=True)
    for version in versions:
        collect(folder, version, who=who, why=f"gc, {keep} kept")
        typer.echo(folder / str(version))
    for path in left:
        sweep(path)
        typer.echo(path)
    return None


def _say(words: str) -> None:
    typer.echo(words, err=True)
