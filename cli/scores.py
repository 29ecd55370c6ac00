"""Scores as people and programs read them: tables with intervals, or JSON."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from training.bootstrap import Interval
    from training.score import Score

DIGITS = 4
UNKNOWN = "-"
"""Stands for the score of what is seen nowhere."""

WIDTH = 200
"""Where no terminal says how wide it is [characters]: tables in files are not folded."""

Row = tuple[str, float]
"""A photo's name and its mean IoU."""


@dataclass(frozen=True, slots=True)
class Result:
    """
    What one run scored.

    Args:
        title: The run as it was typed.
        scores: By name, with their intervals.
        differences: From the first run, by name.
    """

    title: str
    scores: dict[str, Interval]
    differences: dict[str, Interval]


def photo_rows(score: Score, count: int, *, highest: bool = False) -> list[Row]:
    """Give the photos of lowest or highest mean IoU with it, the most extreme first."""
    ious = zip(score.names, score.photo_ious().tolist(), strict=True)
    known = [row for row in ious if math.isfinite(row[1])]
    return sorted(known, key=lambda row: row[1], reverse=highest)[:count]


def print_json(results: list[Result], ranks: dict[str, list[Row]], *, photos: int) -> None:
    """Print the first run's scores by name, their intervals, and under names of their own all the rest."""
    first, *others = results
    content: dict[str, object] = {**_values(first.scores), "intervals": _intervals(first.scores)}
    if others:
        content["compared"] = [
            {
                "run": other.title,
                "scores": _values(other.scores),
                "intervals": _intervals(other.scores),
                "differences": {
                    name: {"value": _known(found.value), **_ends(found), "shown": found.excludes_zero}
                    for name, found in other.differences.items()
                },
            }
            for other in others
        ]
    for name, rows in ranks.items():
        content[name] = [{"photo": photo, "mIoU": _known(value)} for photo, value in rows]
    typer.echo(json.dumps({**content, "photos": photos}, indent=2))


def print_tables(results: list[Result], ranks: dict[str, list[Row]], *, photos: int) -> None:
    """Print a column per run, what each has over the first, and the photos that were asked for."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH
    first, *others = results
    console.print(f"{photos} photos; in brackets 95 % intervals over photos")
    console.print(_score_table(results))
    for other in others:
        console.print(f"{escape(other.title)} less {escape(first.title)}, paired photo by photo")
        console.print(_difference_table(other))
    for name, rows in ranks.items():
        console.print(f"{name}, by mean IoU of the classes in mask or prediction")
        for photo, value in rows:
            console.print(f"  {value:.{DIGITS}f}  {escape(photo)}")


def _score_table(results: list[Result]) -> Table:
    table = Table("", *(escape(result.title) for result in results), box=box.SIMPLE)
    means, single = _means_first(list(results[0].scores))
    for name in means:
        table.add_row(name, *(_words(result.scores[name]) for result in results))
    table.add_section()
    for name in single:
        table.add_row(name, *(_words(result.scores[name]) for result in results))
    return table


def _difference_table(result: Result) -> Table:
    table = Table("", "difference", "", box=box.SIMPLE, show_header=False)
    means, single = _means_first(list(result.differences))
    for name in (*means, *single):
        found = result.differences[name]
        table.add_row(name, _words(found, sign="+"), _verdict(found))
    return table


def _means_first(names: list[str]) -> tuple[list[str], list[str]]:
    """Split names into those of all classes together and those of one class each."""
    single = [name for name in names if " IoU " in name]
    return [name for name in names if name not in single], single


def _words(found: Interval, *, sign: str = "") -> str:
    if math.isnan(found.value):
        return UNKNOWN
    value, low, high = (f"{number:{sign}.{DIGITS}f}" for number in (found.value, found.low, found.high))
    return f"{value} ({low} to {high})"


def _verdict(found: Interval) -> str:
    if not found.excludes_zero:
        return "no difference shown"
    return "higher" if found.value > 0 else "lower"


def _values(scores: dict[str, Interval]) -> dict[str, float | None]:
    return {name: _known(found.value) for name, found in scores.items()}


def _intervals(scores: dict[str, Interval]) -> dict[str, dict[str, float | None]]:
    return {name: _ends(found) for name, found in scores.items()}


def _ends(found: Interval) -> dict[str, float | None]:
    return {"low": _known(found.low), "high": _known(found.high)}


def _known(value: float) -> float | None:
    """Round a number; JSON has no word for NaN, the score of a class seen nowhere."""
    return round(value, DIGITS) if math.isfinite(value) else None
