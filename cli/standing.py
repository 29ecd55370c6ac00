"""`box2seg models list`, `show`, `diff`, `history`: where a model's versions stand, and since when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.options import ROOT, Model, Number, Repository

if TYPE_CHECKING:
    from cli.cards import Card

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def list_versions(model: Model = "box2seg", repository: Repository = ROOT, as_json: AsJson = False) -> None:
    """
    List the versions, the newest first: where each stands, its score, and what was last done to it.

    Example: box2seg models list
    """
    from cli.cards import read_cards, summary
    from cli.tables import open_console, version_table

    cards = read_cards(repository / model)
    if as_json:
        _print_json([summary(card) for card in reversed(cards)])
    else:
        console = open_console()
        console.print(version_table(cards, console.width))
        for card in cards:
            if card.problem:
                console.print(f"version {card.version}: {card.problem}", soft_wrap=True, markup=False)


def show(
    version: Number, model: Model = "box2seg", repository: Repository = ROOT, as_json: AsJson = False
) -> None:
    """
    Show all that is known of a version: what it is, what the gate found, and what was done to it.

    Example: box2seg models show 3
    """
    from cli.cards import everything
    from cli.comparison import comparison_table
    from cli.tables import check_table, history_table, open_console

    (card,) = _cards(repository / model, version)
    if as_json:
        return _print_json(everything(card))
    console = open_console()
    console.print(comparison_table([card]))
    if card.verdict:
        console.print(f"what the gate found; its report: {card.report}", soft_wrap=True)
        console.print(check_table(card.verdict))
    if card.events:
        console.print("what was done to it")
        console.print(history_table(list(card.events)))
    for line in card.objections():
        console.print(f"`promote` refuses it now: {line}", soft_wrap=True, markup=False)
    return None


def diff(
    first: Annotated[int, typer.Argument(metavar="A", help="A version.")],
    second: Annotated[int, typer.Argument(metavar="B", help="Another.")],
    model: Model = "box2seg",
    repository: Repository = ROOT,
) -> None:
    """
    Show two versions side by side: classes, tensors, scores, parity, size and origin; what differs is marked.

    Example: box2seg models diff 2 3
    """
    from cli.comparison import comparison_table
    from cli.tables import open_console

    open_console().print(comparison_table(_cards(repository / model, first, second)))


def history(model: Model = "box2seg", repository: Repository = ROOT, as_json: AsJson = False) -> None:
    """
    Tell what was done to the versions, by whom and why, oldest first.

    Example: box2seg models history
    """
    from cli.cards import event_content
    from cli.tables import history_table, open_console
    from contract.history import read_history
    from contract.permission import check_model

    events = read_history(repository / model)
    if not events:
        check_model(repository / model)
    if as_json:
        return _print_json([event_content(event) for event in events])
    if not events:
        typer.echo(f"{model} has no history yet: its newest version answers", err=True)
        return None
    return open_console().print(history_table(events))


def _cards(model: Path, *versions: int) -> list[Card]:
    """Give what is known of some versions."""
    from cli.cards import read_cards
    from contract.errors import UnknownModel

    cards = {card.version: card for card in read_cards(model)}
    for version in versions:
        if version not in cards:
            raise UnknownModel(
                f"{model.name} has no version {version}", hint=f"there are: {', '.join(map(str, cards))}"
            )
    return [cards[version] for version in versions]


def _print_json(content: object) -> None:
    import json

    typer.echo(json.dumps(content, indent=2))
