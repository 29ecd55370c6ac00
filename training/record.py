"""The numbers of a run while it goes on: a CSV and TensorBoard of every term and score."""

import csv
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from torch.utils.tensorboard import SummaryWriter

STEPS_FILE = "steps.csv"
SCORES_FILE = "scores.csv"
DIAGNOSTICS_FILE = "diagnostics.csv"
"""Has a column `epoch` and any others; curves draw every one that holds numbers."""

COLUMNS = (
    *("epoch", "step", "seconds", "waited", "learning_rate", "loss"),
    *("foreground", "background", "filling", "affinity", "grabcut", "embedding"),
)


@dataclass
class Record:
    """
    The files of one run and what it prints.

    Args:
        folder: The run's.
        console: Where people look.
        first_epoch: Rows of this epoch and later are dropped: a resumed run writes them again.
        steps: Steps of an epoch.
    """

    folder: Path
    console: Console
    first_epoch: int = 0
    steps: int = 0
    _started: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        for name in (STEPS_FILE, SCORES_FILE, DIAGNOSTICS_FILE):
            _drop_rows(self.folder / name, self.first_epoch)
        self.board = SummaryWriter(str(self.folder / "tensorboard"), purge_step=self.first_epoch * self.steps)

    def step(self, epoch: int, step: int, *, rate: float, waited: float, terms: dict[str, float]) -> None:
        """
        Write one step's terms, the loss among them; `step` counts from the run's beginning.

        `waited` is the time [s] that the step stood still for its photos.
        """
        times = {"seconds": round(time.monotonic() - self._started, 3), "waited": round(waited, 3)}
        row = {"epoch": epoch, "step": step, **times, "learning_rate": rate, **terms}
        _append(self.folder / STEPS_FILE, COLUMNS, row)
        for name, value in {"learning_rate": rate, **terms}.items():
            self.board.add_scalar(f"train/{name}", value, step)

    def scores(self, epoch: int, step: int, scores: dict[str, float]) -> None:
        """Write an epoch's scores, and say the means."""
        _append(self.folder / SCORES_FILE, ("epoch", *scores), {"epoch": epoch, **scores})
        for name, value in scores.items():
            self.board.add_scalar(name.replace(" ", "/", 1), value, step)
        means = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if "mIoU" in name)
        self.console.print(f"epoch {epoch + 1}: {means}")

    def diagnostics(self, epoch: int, numbers: dict[str, float]) -> None:
        """Write an epoch's diagnostics."""
        _append(self.folder / DIAGNOSTICS_FILE, ("epoch", *numbers), {"epoch": epoch, **numbers})
        for name, value in numbers.items():
            self.board.add_scalar(f"diagnostics/{name}", value, (epoch + 1) * self.steps)

    def close(self) -> None:
        """Finish the files."""
        self.board.close()


def _append(path: Path, columns: Iterable[str], row: dict[str, Any]) -> None:
    new = not path.exists()
    if not new:
        columns = _widen(path, columns)
    with path.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(columns))
        if new:
            writer.writeheader()
        writer.writerow(row)


def _widen(path: Path, columns: Iterable[str]) -> list[str]:
    """Add the columns that a file lacks, which an older version began; gives all it has then."""
    with path.open(newline="", encoding="utf-8") as stream:
        there = next(csv.reader(stream), [])  # the header alone: this is asked at every step
    wide = [*there, *(name for name in columns if name not in there)]
    if wide != there:
        _write_rows(path, wide, _read_rows(path)[1])
    return wide


def _drop_rows(path: Path, first_epoch: int) -> None:
    """Keep the rows before an epoch."""
    if not path.is_file():
        return
    columns, rows = _read_rows(path)
    kept = [row for row in rows if (row["epoch"] or "x").isdecimal() and int(row["epoch"]) < first_epoch]
    _write_rows(path, columns, kept)


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        return list(reader.fieldnames or []), list(reader)


def _write_rows(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    partial = path.with_suffix(".partial")
    with partial.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)
