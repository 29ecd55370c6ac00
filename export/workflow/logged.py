"""What a stage says, to people and into a file in the run's folder that outlives a kill."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.control import Control

from contract.files import writing

LOGS = "logs"
WIDTH = 110


class LoggedConsole(Console):
    """
    A console whose lines go into a file too; bars and spinners do not.

    Args:
        log: The other console.
        shown: Whose terminal this one writes to.
    """

    def __init__(self, log: Console, shown: Console) -> None:
        super().__init__(file=shown.file, stderr=shown.stderr, quiet=shown.quiet)
        self._log = log

    def print(self, *objects: Any, **options: Any) -> None:
        """Print to both."""
        super().print(*objects, **options)
        if not any(isinstance(each, Control) for each in objects):
            self._log.print(*objects, **options)


@contextmanager
def logged(console: Console, run: Path, name: str) -> Iterator[Console]:
    """Give a console that writes a stage's lines to its log, too; the log grows over attempts."""
    path = run / LOGS / f"{name}.log"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        stream = path.open("a", encoding="utf-8", buffering=1)
    with stream:
        yield LoggedConsole(Console(file=stream, width=WIDTH, no_color=True), console)
