"""Progress of long work: a bar in a terminal, a line now and then elsewhere."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

LINE_EVERY_S = 30.0

Item = TypeVar("Item")


class Bar:
    """
    Progress over steps: a bar in a terminal, a line now and then elsewhere.

    Args:
        progress: rich's display; None where there is no terminal.
        console: For the lines.
        title: What goes on now; may be changed on the way.
        total: Number of steps.
        done: Steps done before.
    """

    def __init__(
        self, progress: Progress | None, console: Console, title: str, total: int, done: int
    ) -> None:
        self.progress, self.console, self.title, self.total, self.done = progress, console, title, total, done
        self.first, self.began, self.said = done, time.monotonic(), time.monotonic()
        self.task = progress.add_task(title, total=total, completed=done, note="") if progress else None

    def advance(self, note: str = "") -> None:
        """Count one step."""
        self.done += 1
        if self.progress is not None and self.task is not None:
            self.progress.update(self.task, advance=1, description=self.title, note=note)
        elif time.monotonic() - self.said >= LINE_EVERY_S or self.done == self.total:
            self.said = time.monotonic()
            left = (self.said - self.began) / (self.done - self.first) * (self.total - self.done)
            line = f"{self.title} {self.done}/{self.total}, {left / 60:.1f} min left  {note}"
            self.console.print(line, soft_wrap=True, highlight=False)

    def around(self, items: Iterable[Item]) -> Iterator[Item]:
        """Give the items one by one and count each when the next is asked for."""
        for item in items:
            yield item
            self.advance()


@contextmanager
def progress_bar(console: Console, title: str, total: int, *, done: int = 0) -> Iterator[Bar]:
    """Show progress while inside."""
    if not console.is_terminal:
        yield Bar(None, console, title, total, done)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        yield Bar(progress, console, title, total, done)
