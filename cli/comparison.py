"""Versions side by side: what they are made of, what they scored, and what the gate said."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from cli.tables import NOTHING, gate_words, megabytes, minute, state_words

if TYPE_CHECKING:
    from cli.cards import Card
    from contract.manifest import Manifest, Tensor

DIGITS = 6
"""Parity is told apart from 1 in the sixth."""

Side = dict[str, str | float]
"""What a version says, by the name of it."""


def comparison_table(cards: list[Card]) -> Table:
    """Draw a column per version; with two of them, what differs is marked, and of numbers by how much."""
    columns = [str(card.version) for card in cards]
    table = Table("", *columns, *(["differs"] if len(cards) == 2 else []), box=SIMPLE_HEAD)
    for section in zip(*(_sections(card) for card in cards), strict=True):
        for name in dict.fromkeys(name for side in section for name in side):
            table.add_row(*_row(name, [side.get(name, NOTHING) for side in section]))
        table.add_section()
    return table


def _row(name: str, values: list[str | float]) -> list[Text]:
    words = [_words(value) for value in values]
    if len(values) == 1 or words[0] == words[1]:
        return [Text(each) for each in (name, *words)] + [Text("")] * (len(values) - 1)
    return [Text(each, "yellow") for each in (name, *words, _difference(*values))]


def _difference(first: str | float, second: str | float) -> str:
    if isinstance(first, float) and isinstance(second, float) and math.isfinite(second - first):
        return f"{second - first:+.{DIGITS - 2}g}"
    return "differs"


def _words(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.{DIGITS}g}" if math.isfinite(value) else NOTHING


def _sections(card: Card) -> list[Side]:
    place: Side = {
        "state": state_words(card).plain,
        "gate": gate_words(card),
        "precision": card.precision or NOTHING,
        "size": megabytes(card.size_bytes),
    }
    manifest = card.manifest
    if manifest is None:
        return [place, {}, {}, {}, {}]
    place |= {"created (UTC)": minute(manifest.created)}
    origin = {name: str(value) for name, value in dataclasses.asdict(manifest.origin).items()}
    parity = {f"parity: {name}": value for name, value in manifest.parity.items()}
    return [place, _signature(manifest), dict(manifest.scores), dict(parity), dict(origin)]


def _signature(manifest: Manifest) -> Side:
    """Say what goes in and comes out, and how photos are fitted."""
    fit = ", ".join(f"{name} {value}" for name, value in dataclasses.asdict(manifest.fit).items())
    return {
        "classes": ", ".join(manifest.classes.names),
        "fit": fit,
        "inputs": ", ".join(map(_tensor, manifest.inputs)),
        "outputs": ", ".join(map(_tensor, manifest.outputs)),
        **{f"sha256 of {name}": digest[:12] for name, digest in manifest.files.items()},
    }


def _tensor(tensor: Tensor) -> str:
    shape = " x ".join("free" if size < 0 else str(size) for size in tensor.shape)
    return f"{tensor.name} {tensor.dtype} {shape}"
