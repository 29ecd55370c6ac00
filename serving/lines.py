"""One model's line of versions: where they stand by its history, and which one answers."""

import asyncio
import logging
from dataclasses import dataclass, field
from pathlib import Path

from contract.errors import RegistryError
from contract.history import history_mark
from contract.registry import Standing, State, read_standing
from serving.shelf import without_folders

log = logging.getLogger(__name__)

PAST = {State.PREVIOUS, State.RETIRED}


@dataclass(slots=True)
class Line:
    """
    One model.

    Args:
        folder: Where its versions lie.
        standing: Where they stand, as last read.
        named: Versions that history or workers named at the last look.
        kept: Those of them that are loaded; requests may go to one of these at once.
        answers: The version that answers; None before the first is loaded.
        problem: Why its history cannot be read, where it cannot.
        unused_since_s: When each loaded version that nobody uses ceased to be used [s].
    """

    folder: Path
    standing: Standing = field(default_factory=Standing)
    named: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    answers: int | None = None
    problem: str | None = None
    unused_since_s: dict[int, float] = field(default_factory=dict)
    _mark: object = None

    def has_news(self) -> bool:
        """Tell whether something was done to its versions since they were read; takes microseconds."""
        return self._mark != history_mark(self.folder)

    def read(self) -> None:
        """Read where its versions stand; where that cannot be read, what was known goes on."""
        self._take(_read(self.folder))

    async def read_aside(self) -> None:
        """Do the same in a thread; what a request read meanwhile is newer, and stays."""
        before = self._mark
        reading = await asyncio.to_thread(_read, self.folder)
        if self._mark == before:
            self._take(reading)

    def _take(self, reading: "_Reading") -> None:
        if reading.error is None:
            self.standing, self.problem = reading.standing, None
        else:
            if self._mark != reading.mark:
                log.error("%s", reading.error)
            self.problem = without_folders(reading.error.message, self.folder.parent)
        self._mark = reading.mark
        self.switch()  # in one step with the mark: whoever compares that next sees no news

    def switch(self) -> None:
        """Answer by the live version, where it is loaded."""
        live = self.standing.live
        if live in self.kept and live != self.answers:
            log.info("serving %s version %s, after %s", self.folder.name, live, self.answers or "none")
            self.answers = live

    def in_use(self) -> set[int]:
        """Give the versions that the history names, and the one that answers."""
        standing = self.standing
        versions = (standing.live, standing.canary, standing.previous, self.answers)
        return {version for version in versions if version is not None}

    def past(self) -> list[int]:
        """Give the versions that were live once, newest first: one may stand in for a live one."""
        return sorted((each for each, state in self.standing.states.items() if state in PAST), reverse=True)

    def unused_for(self, versions: set[int], least_s: float, *, now_s: float) -> set[int]:
        """Give those of these unused versions that have been so for a while."""
        self.unused_since_s = {each: self.unused_since_s.get(each, now_s) for each in versions}
        return {each for each, since_s in self.unused_since_s.items() if now_s - since_s >= least_s}


@dataclass(frozen=True, slots=True)
class _Reading:
    """What was read of a history, the mark it then had, and what was wrong with it."""

    mark: object
    standing: Standing
    error: RegistryError | None = None


def _read(folder: Path) -> _Reading:
    mark = history_mark(folder)  # before the history: what comes in between is then read again
    try:
        return _Reading(mark, read_standing(folder))
    except RegistryError as error:
        return _Reading(mark, Standing(), error)
