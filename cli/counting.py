"""Progress of a batch: a bar in a terminal, a line now and then in a log, a table at the end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

if TYPE_CHECKING:
    from serving.batch.items import Trouble
    from serving.batch.places import Place
    from serving.batch.run import Tally

LINE_EVERY_S = 10.0
DRAW_EVERY_S = 0.1


class Count:
    """
    Says how far a batch is.

    Args:
        console: Where to say it.
        quiet: Say what failed only.
    """

    def __init__(self, console: Console, *, quiet: bool) -> None:
        self.console = console
        self.total: int | None = None
        self._quiet = quiet
        self._began = self._said = time.monotonic()
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        if console.is_terminal and not quiet:
            self._bar = Progress(BarColumn(), TextColumn("{task.description}"), console=console)
            self._task = self._bar.add_task("looking for photos", total=None)
            self._bar.start()

    def tell(self, tally: Tally, trouble: Trouble | None) -> None:
        """Say what became of a photo."""
        if trouble is not None:
            words = f"{trouble.origin}: {trouble.reason}"
            self.console.print(words, style="red", markup=False, highlight=False, soft_wrap=True)
        now = time.monotonic()
        if self._quiet or now - self._said < (DRAW_EVERY_S if self._bar else LINE_EVERY_S):
            return
        self._said = now
        self._show(tally)

    def conclude(self, tally: Tally, out: Place, report: Place) -> None:
        """Say what became of all photos."""
        from serving.batch.run import GOES_ON

        if self._bar is not None:
            self._show(tally)
        self.stop()
        if tally.stopped is not None:
            words = "too many failed" if tally.ended else "stopped"
            self.console.print(f"{words}: {tally.stopped}; {GOES_ON}", style="red", soft_wrap=True)
        if self._quiet:
            return
        table = Table(box=None, show_header=False, pad_edge=False)
        rows = {
            "segmented": tally.done,
            "segmented before": tally.before,
            "named twice": tally.twice,
            "failed": tally.failed,
        }
        for name, number in rows.items():
            if number or name in ("segmented", "failed"):
                table.add_row(name, f"{number:,}")
        table.add_row("photos/s", f"{self._speed(tally):.1f}")
        self.console.print(table)
        good, seen = tally.done + tally.before, tally.settled - tally.twice
        self.console.print(
            f"{good:,} of {seen:,} photos segmented into {out}; {report} says more",
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _show(self, tally: Tally) -> None:
        words = self._words(tally)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=self.total, completed=tally.settled, description=words)
        else:
            self.console.print(words, highlight=False, soft_wrap=True)

    def _words(self, tally: Tally) -> str:
        """Say how many photos, how fast, what share, how long yet, and how many failed."""
        speed = self._speed(tally)
        words = [f"{tally.settled:,} photos", f"{speed:.1f}/s", f"{tally.failed:,} failed"]
        if self.total:
            words[0] = f"{tally.settled:,} of {self.total:,} photos ({tally.settled / self.total:.0%})"
            if speed:
                words.insert(2, f"{_duration((self.total - tally.settled) / speed)} left")
        return ", ".join(words)

    def _speed(self, tally: Tally) -> float:
        """Give how many photos were worked on in a second; those of earlier runs took no time."""
        return (tally.done + tally.failed) / max(1e-9, time.monotonic() - self._began)


@contextmanager
def counting(sources: Sequence[str], out: Place, *, quiet: bool) -> Iterator[Count]:
    """Show progress while inside; how many photos there are is found out beside it, where that is cheap."""
    from serving.batch.run import GOES_ON

    count = Count(Console(stderr=True), quiet=quiet)
    if not quiet:
        threading.Thread(target=_find_total, args=(count, sources, out), daemon=True).start()
    try:
        yield count
    except KeyboardInterrupt:
        count.stop()
        count.console.print(f"{GOES_ON} where this one stopped", soft_wrap=True)
        raise
    finally:
        count.stop()


def _find_total(count: Count, sources: Sequence[str], out: Place) -> None:
    from serving.batch.sources import count_items

    count.total = count_items(sources, out)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
