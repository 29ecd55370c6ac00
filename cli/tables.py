"""A model's versions and its history as tables."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from contract.history import Action, Event
from contract.registry import State

if TYPE_CHECKING:
    from cli.cards import Card
    from contract.verdict import Verdict

WIDTH = 160
"""Where no terminal says how wide it is [characters]."""

ROOMY = 120
"""From here on a row of the list has room for a sentence [characters]."""

COLOURS = {
    State.LIVE: "bold green",
    State.CANARY: "yellow",
    State.PREVIOUS: "cyan",
    State.CANDIDATE: "bold",
    State.RETIRED: "dim",
    State.REJECTED: "red",
}
WAITING = (State.CANDIDATE, State.CANARY)
NOTHING = "-"


def open_console() -> Console:
    """Give what tables are printed on."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    return console


def version_table(cards: list[Card], width: int) -> Table:
    """Draw a row per version, the newest first; what was last done to it where that has room [characters]."""
    score = _score_name(cards)
    columns = ("version", "state", "created", score, "precision", "size", "gate")
    table = Table(*(Column(name, no_wrap=True) for name in columns), box=SIMPLE_HEAD)
    roomy = width >= ROOMY
    if roomy:
        table.add_column("last")
    for card in reversed(cards):
        created = card.manifest.created[:10] if card.manifest else NOTHING
        words = (created, _score(card, score), card.precision or NOTHING, megabytes(card.size_bytes))
        last = [_last(card)] if roomy else []
        table.add_row(str(card.version), state_words(card), *words, gate_words(card), *last)
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
    """Say where a version stands; of the canary also its share, or its shadow where it answers nobody."""
    words, standing = str(card.state), card.standing
    if card.state is State.CANARY:
        words = shares(standing.share, 0) if standing.share else shares(0, standing.shadow)
    return Text(words, COLOURS[card.state])


def gate_words(card: Card) -> str:
    """Say what the gate made of a version; "outdated" of one that waits where another is live since."""
    if card.verdict is None:
        return NOTHING
    if card.state in WAITING and card.verdict.against != card.standing.live:
        return "outdated"
    return "passed" if card.verdict.passed else "refused"


def sentence(event: Event) -> str:
    """Say what was done in a line."""
    why = f": {event.why}" if event.why else ""
    return f"{deed(event)} by {event.who}, {minute(event.time)}{why}"


def deed(event: Event) -> str:
    """Say what was done in a word or two."""
    words = shares(event.share, event.shadow) if event.action is Action.CANARY else str(event.action)
    return f"{words} (forced)" if event.forced else words


def shares(share: float, shadow: float) -> str:
    """Say what a canary is given."""
    words = [f"canary {100 * share:g} %"] * bool(share) + [f"shadow {100 * shadow:g} %"] * bool(shadow)
    return ", ".join(words)


def minute(time: str) -> str:
    """Give a UTC time to the minute."""
    return time[:16].replace("T", " ")


def megabytes(count: int) -> str:
    """Give a size in MB."""
    return f"{count / 1e6:.1f} MB" if count else NOTHING


def _last(card: Card) -> Text:
    if card.problem:
        return Text(card.problem, "red")
    return Text(sentence(card.events[-1]) if card.events else NOTHING)


def _score_name(cards: list[Card]) -> str:
    """Give the first mean IoU that the newest version was measured by; versions are compared by one."""
    names = (name for card in reversed(cards) if card.manifest for name in card.manifest.scores)
    return next((name for name in names if "mIoU" in name), "mIoU")


def _score(card: Card, name: str) -> str:
    value = card.manifest.scores.get(name, math.nan) if card.manifest else math.nan
    return NOTHING if math.isnan(value) else f"{value:.4f}"
