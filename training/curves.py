"""The numbers of runs as curves: every loss term, the learning rate, the scores, over epochs."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from contract.errors import DataError
from training.figures import new_figure, save_figure
from training.record import DIAGNOSTICS_FILE, SCORES_FILE, STEPS_FILE

CURVES_FILE = "curves.png"

COLUMNS = 4
PANEL = (3.2, 2.3)
"""Width and height [inch]."""
HEAD = 0.45
"""Height of the strip with the runs' names [inch]."""
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#4d4d4d")
"""Of the runs; told apart by colour-blind people too (Okabe and Ito)."""

SMOOTHED_SHARE = 0.02
"""The line through a noisy curve is the mean over this share of its steps."""
RATE = "learning_rate"
LEFT_OUT = ("epoch", "step", "seconds", "waited", "took")

Numbers = npt.NDArray[np.float64]
Table = dict[str, Numbers]
"""Columns by name, NaN where a cell holds no number."""


class Key(NamedTuple):
    """
    What a curve shows.

    Args:
        table: The file it comes from; two may have a column of one name.
        column: Its name there.
    """

    table: str
    column: str

    @property
    def title(self) -> str:
        """The column in words."""
        return self.column.replace("_", " ")


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """
    One number over the epochs of a run.

    Args:
        epochs: Epochs done, with fractions.
        values: As many values, none of them NaN.
        noisy: Drawn pale, with its running mean over it.
    """

    epochs: Numbers
    values: Numbers
    noisy: bool

    @property
    def smooth(self) -> "Curve":
        """The running mean; at the ends over the values that there are."""
        reach = round(len(self.values) * SMOOTHED_SHARE / 2) if self.noisy else 0
        sums = np.concatenate([[0.0], np.cumsum(self.values)])
        places = np.arange(len(self.values))
        first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(places))
        return Curve(self.epochs, (sums[last] - sums[first]) / (last - first), noisy=False)


def draw_curves(folders: Sequence[Path], out: Path) -> Path:
    """
    Draw the curves of one run, or of several over one another; gives the picture's path.

    Args:
        folders: Of the runs.
        out: The picture, PNG or JPEG; replaced whole.

    Raises:
        DataError: If a folder holds no steps, or a table is damaged.
    """
    return save_figure(curves_figure(folders), out)


def curves_figure(folders: Sequence[Path]) -> Figure:
    """
    Give the figure of one run's curves or of several; see `draw_curves`.

    Raises:
        DataError: If a folder holds no steps, or a table is damaged.
    """
    runs = {name: read_curves(folder) for name, folder in zip(_names(folders), folders, strict=True)}
    keys = list(dict.fromkeys(key for curves in runs.values() for key in curves))
    keys.sort(key=lambda key: key.column == RATE)  # the least telling comes last
    longest = max(curve.epochs[-1] for curves in runs.values() for curve in curves.values())
    figure, panels = _panels(len(keys))
    for axes, key in zip(panels, keys, strict=True):
        _draw_panel(axes, key.title, {name: curves.get(key) for name, curves in runs.items()})
        axes.set_xlim(0, 1.03 * longest)
    _draw_legend(figure, list(runs))
    return figure


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """Give a figure with so many panels, row by row, below a strip for the runs' names."""
    columns, rows = min(COLUMNS, count), -(-count // COLUMNS)
    height = rows * PANEL[1] + HEAD
    figure = new_figure(columns * PANEL[0], height)
    figure.set_layout_engine("constrained", rect=(0, 0, 1, 1 - HEAD / height))
    return figure, [figure.add_subplot(rows, columns, index + 1) for index in range(count)]


def read_curves(folder: Path) -> dict[Key, Curve]:
    """
    Give a run's curves in the order of its tables.

    Raises:
        DataError: If there are no steps, or a table is damaged.
    """
    curves = dict(_curves(folder / STEPS_FILE, noisy=True))
    if not curves:
        raise DataError(f"{folder}: no steps in {STEPS_FILE}", hint="name the folder of a run: runs/first")
    means = {key: curve for key, curve in _curves(folder / SCORES_FILE) if "mIoU" in key.column}
    return curves | means | dict(_curves(folder / DIAGNOSTICS_FILE))


def _curves(path: Path, *, noisy: bool = False) -> Iterator[tuple[Key, Curve]]:
    """Give every column of a table that holds numbers; a noisy table has many rows an epoch."""
    table = _read_table(path)
    epochs = _epochs_of_steps(table["epoch"]) if noisy else table["epoch"] + 1
    for name, values in table.items():
        there = np.isfinite(values)
        if name not in LEFT_OUT and there.any():
            yield Key(path.name, name), Curve(epochs[there], values[there], noisy)


def _epochs_of_steps(epochs: Numbers) -> Numbers:
    """Count epochs with fractions; all are taken to be as long as the longest, one under way too."""
    _, first, counts = np.unique(epochs, return_index=True, return_counts=True)
    within = np.arange(len(epochs)) - np.repeat(first, counts)
    return epochs + (within + 1) / max(counts, default=1)


def _read_table(path: Path) -> Table:
    """Read a table of numbers; an empty one where there is no such file."""
    if not path.is_file():
        return {"epoch": np.empty(0)}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            columns, rows = list(reader.fieldnames or []), list(reader)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable table ({error})") from error
    if "epoch" not in columns:
        raise DataError(f"{path}: expected a column epoch, got {', '.join(columns) or 'none'}")
    # A run that goes on may be in the middle of its last line.
    rows = [row for row in rows if (row["epoch"] or "").isdecimal()]
    return {name: np.array([_number(row[name]) for row in rows]) for name in columns}


def _number(cell: str | None) -> float:
    try:
        return float(cell or "nan")
    except ValueError:
        return float("nan")


def _names(folders: Sequence[Path]) -> list[str]:
    """Name each run by its folder, by its path where two folders have one name."""
    names = [folder.resolve().name for folder in folders]
    return names if len(set(names)) == len(names) else [str(folder) for folder in folders]


def _draw_panel(axes: Axes, title: str, curves: Mapping[str, Curve | None]) -> None:
    for index, curve in enumerate(curves.values()):
        if curve is not None:
            _draw_curve(axes, curve, _colour(index))
    axes.set_title(title, loc="left", fontsize=10)
    only = next(iter(curves.values())) if len(curves) == 1 else None
    if only is not None:
        axes.set_title(f"{only.smooth.values[-1]:.3g}", loc="right", fontsize=9, color=_colour(0))
    axes.set_xlabel("epoch", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(color="#e6e6e6", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_curve(axes: Axes, curve: Curve, colour: str) -> None:
    smooth = curve.smooth
    if curve.noisy:
        axes.plot(curve.epochs, curve.values, color=colour, alpha=0.2, linewidth=0.6)
    axes.plot(
        smooth.epochs,
        smooth.values,
        color=colour,
        linewidth=1.6,
        marker=None if curve.noisy else "o",
        markersize=3,
    )


def _draw_legend(figure: Figure, names: Sequence[str]) -> None:
    lines = [Line2D([], [], color=_colour(index), linewidth=2) for index in range(len(names))]
    figure.legend(lines, names, loc="upper left", ncols=len(names), frameon=False, fontsize=11)


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]
