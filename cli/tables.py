"""A model's versions and its history as tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from contract.history import Action, Event
from contract.registry import State

if TYPE_CHECKING:
    from cli.cards import Card
    from contract.manifest import Manifest
    from contract.verdict import Verdict

WIDTH = 160
"""Where no terminal says how wide it is [characters]."""

COLOURS = {
    State.LIVE: "bold green",
    State.CANARY: "yellow",
    State.PREVIOUS: "cyan",
    State.CANDIDATE: "bold",
    State.RETIRED: "dim",
    State.REJECTED: "red",
}
NOTHING = "-"


def open_console() -> Console:
    """Give what tables are printed on."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


def version_table(cards: list[Card]) -> Table:
    """Draw a row per version, the newest first."""
    table = Table(
        "version", "state", "created (UTC)", "mIoU", "precision", "size", "gate", "last", box=SIMPLE_HEAD
    )
    for card in reversed(cards):
        last = card.events[-1] if card.events else None
        told = Text(card.problem, "red") if card.problem else Text(sentence(last) if last else NOTHING)
        created = minute(card.manifest.created) if card.manifest else NOTHING
        score = mean_iou(card.manifest) if card.manifest else NOTHING
        table.add_row(
            *(str(card.version), state_words(card), created, score, card.precision or NOTHING),
            *(megabytes(card.size_bytes), gate_words(card), told),
        )
    return table


def history_table(events: list[Event]) -> Table:
    """Draw a row per event, oldest first."""
    table = Table("time (UTC)", "version", "what", "who", "why", box=SIMPLE_HEAD)
    for event in events:
        words = Text(deed(event), "red" if event.forced else "")
        table.add_row(minute(event.time), str(event.version), words, Text(event.who), Text(event.why))
    return table


def check_table(verdict: Verdict) -> Table:
    """Draw a row per check of the gate."""
    table = Table("check", "", "seen", "wanted", box=SIMPLE_HEAD)
    for check in verdict.checks:
        passed = Text("passed", "green") if check.passed else Text("failed", "bold red")
        table.add_row(Text(check.name), passed, Text(check.seen), Text(check.wanted))
    return table


def state_words(card: Card) -> Text:
    """Say where a version stands; of the canary also what it is given."""
    words = str(card.state)
    if card.state is State.CANARY:
        words += f" {shares(card.standing.share, card.standing.shadow)}"
    return Text(words, COLOURS[card.state])


def gate_words(card: Card) -> str:
    """Say what the gate made of a version."""
    if card.verdict is None:
        return NOTHING
    decided = "passed" if card.verdict.passed else "refused"
    return decided if card.verdict.against is None else f"{decided}, against {card.verdict.against}"


def sentence(event: Event) -> str:
    """Say what was done in a line."""
    why = f": {event.why}" if event.why else ""
    return f"{deed(event)} by {event.who}, {minute(event.time)}{why}"


def deed(event: Event) -> str:
    """Say what was done in a word or two."""
    words = str(event.action)
    if event.action is Action.CANARY:
        words += f" {shares(event.share, event.shadow)}"
    return f"{words} (forced)" if event.forced else words


def shares(share: float, shadow: float) -> str:
    """Say what a canary is given."""
    return f"{100 * share:g} %" + (f", shadow {100 * shadow:g} %" if shadow else "")


def mean_iou(manifest: Manifest) -> str:
    """Give the first mean IoU that was measured, with its name."""
    found = [(name, value) for name, value in manifest.scores.items() if "mIoU" in name]
    if not found or math.isnan(found[0][1]):
        return NOTHING
    return f"{found[0][1]:.4f} {found[0][0]}"


def minute(time: str) -> str:
    """Give a UTC time to the minute."""
    return time[:16].replace("T", " ")


def megabytes(count: int) -> str:
    """Give a size in MB."""
    return f"{count / 1e6:.1f} MB" if count else NOTHING
