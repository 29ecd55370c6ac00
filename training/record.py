"""The numbers of a run while it goes on: a CSV and TensorBoard of every term and score."""

import csv
import io
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from torch.utils.tensorboard import SummaryWriter

from contract.errors import WriteError
from contract.files import writing, written_whole

STEPS_FILE = "steps.csv"
SCORES_FILE = "scores.csv"
BOARD_FOLDER = "tensorboard"
DIAGNOSTICS_FILE = "diagnostics.csv"
"""Has a column `epoch` and any others; curves draw every one that holds numbers."""

COLUMNS = (
    *("epoch", "step", "seconds", "waited", "took", "learning_rate", "loss"),
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
        folder = self.folder / BOARD_FOLDER
        with writing(folder):
            self.board = SummaryWriter(str(folder), purge_step=self.first_epoch * self.steps)

    def __enter__(self) -> Self:
        """Give the record, to be closed at the end."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the files; what cannot be written now does not hide what went wrong before."""
        try:
            with writing(self.folder / BOARD_FOLDER):
                self.board.close()
        except WriteError:
            if kind is None:
                raise

    def step(
        self, epoch: int, step: int, *, rate: float, waited: float, took: float, terms: dict[str, float]
    ) -> None:
        """
        Write one step's terms, the loss among them; `step` counts from the run's beginning.

        The step `took` so long [s], and stood still for its photos while it `waited` [s].
        """
        times = {"seconds": time.monotonic() - self._started, "waited": waited, "took": took}
        rounded = {name: round(time_s, 3) for name, time_s in times.items()}
        row = {"epoch": epoch, "step": step, **rounded, "learning_rate": rate, **terms}
        _append(self.folder / STEPS_FILE, COLUMNS, row)
        self._show({f"train/{name}": value for name, value in {"learning_rate": rate, **terms}.items()}, step)

    def scores(self, epoch: int, step: int, scores: dict[str, float]) -> None:
        """Write an epoch's scores, and say the means."""
        _append(self.folder / SCORES_FILE, ("epoch", *scores), {"epoch": epoch, **scores})
        self._show({name.replace(" ", "/", 1): value for name, value in scores.items()}, step)
        means = ", ".join(f"{name} {value:.3f}" for name, value in scores.items() if "mIoU" in name)
        self.console.print(f"epoch {epoch + 1}: {means}")

    def say_waiting(self) -> None:
        """Say what share of their time all steps of the run stood still for their photos."""
        rows = _read_rows(self.folder / STEPS_FILE)[1]
        timed = [row for row in rows if row.get("took")]  # an older version's rows do not say
        took = sum(float(row["took"]) for row in timed)
        if took:
            share = sum(float(row["waited"]) for row in timed) / took
            self.console.print(f"steps waited {share:.0%} of the time for photos", highlight=False)

    def diagnostics(self, epoch: int, numbers: dict[str, float]) -> None:
        """Write an epoch's diagnostics."""
        _append(self.folder / DIAGNOSTICS_FILE, ("epoch", *numbers), {"epoch": epoch, **numbers})
        self._show(
            {f"diagnostics/{name}": value for name, value in numbers.items()}, (epoch + 1) * self.steps
        )

    def _show(self, numbers: dict[str, float], step: int) -> None:
        """Give numbers to TensorBoard."""
        with writing(self.folder / BOARD_FOLDER):
            for name, value in numbers.items():
                self.board.add_scalar(name, value, step)


def _append(path: Path, columns: Iterable[str], row: dict[str, Any]) -> None:
    new = not path.exists()
    if not new:
        columns = _widen(path, columns)
    with writing(path), path.open("a", newline="", encoding="utf-8") as stream:
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
    """Keep the whole rows before an epoch; a run that broke off may have left half a row."""
    if not path.is_file():
        return
    columns, rows = _read_rows(path)
    whole = [row for row in rows if None not in row.values() and row["epoch"].isdecimal()]
    _write_rows(path, columns, [row for row in whole if int(row["epoch"]) < first_epoch])


def _read_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    with path.open(newline="", encoding="utf-8") as stream:
        reader = csv.DictReader(stream)
        return list(reader.fieldnames or []), list(reader)


def _write_rows(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    with written_whole(path) as stream:
        stream.write(text.getvalue().encode())
