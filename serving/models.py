"""Which version of each model answers: as its history says, and from the moment that it says so."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from contract.errors import EngineUnavailable, RegistryError, UnknownModel
from contract.history import history_mark
from contract.manifest import Manifest
from contract.registry import Standing, State, read_standing
from serving.engines import Engine
from serving.fellows import Fellows, Note, now_s
from serving.shelf import Shelf, without_folders
from serving.versions import published_models

log = logging.getLogger(__name__)

HISTORY = "history"
"""Stands among a model's problems for its history."""

ASK_AGAIN_S = 0.05
"""How often fellow workers are looked at while they load what all are to have."""


@dataclass(slots=True)
class Line:
    """
    One model.

    Args:
        mark: Of the history that `standing` was read from.
        standing: Where its versions stand.
        named: Versions that history or workers named at the last look.
        kept: Those of them that are loaded; requests may go to one of these at once.
        answers: The version that answers; None before the first is loaded.
        problem: Why its history cannot be read, where it cannot.
        unneeded_since_s: When each loaded version that nothing names ceased to be named [s].
    """

    mark: object = None
    standing: Standing = field(default_factory=Standing)
    named: set[int] = field(default_factory=set)
    kept: set[int] = field(default_factory=set)
    answers: int | None = None
    problem: str | None = None
    unneeded_since_s: dict[int, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Beside:
    """
    A version that runs beside the one that answers.

    Args:
        manifest: Its own.
        share: The part of requests that it answers, in [0, 1].
        shadow: The part of the other requests that it computes for comparison, in [0, 1].
    """

    manifest: Manifest
    share: float
    shadow: float


class Models:
    """
    The versions of each model that are in use.

    Live, canary and previous are loaded. A look loads what the history names newly; at each request the
    history's mark is compared, so that what is loaded already is switched to at once, in all workers.

    Args:
        repository: Folder with one folder per model.
        engine: Loads the versions.
        fellows: The workers of this server.
        linger_s: How long a version stays loaded that nothing names: for requests of other servers [s].
    """

    def __init__(
        self, repository: Path, engine: Engine, *, fellows: Fellows | None = None, linger_s: float = 0.0
    ) -> None:
        self._repository = repository
        self._shelf = Shelf(repository, engine)
        self._fellows = fellows or Fellows()
        self._linger_s = linger_s
        self._lines: dict[str, Line] = {}
        self._held: Counter[tuple[str, int]] = Counter()
        self._preparing: Counter[tuple[str, int]] = Counter()
        self._wake = asyncio.Event()

    def served(self) -> list[Manifest]:
        """List the versions that answer now, by name."""
        found = (self._answering(name) for name in sorted(self._lines))
        return [manifest for manifest in found if manifest]

    def find(self, name: str) -> Manifest:
        """
        Give the version of a model that answers now.

        Raises:
            UnknownModel: If there is no such model; names those there are.
            EngineUnavailable: If it is published, but not loaded yet.
        """
        if manifest := self._answering(name):
            return manifest
        if name in self._lines:
            why = self._lines[name].problem
            raise EngineUnavailable(
                f"model {name!r} is not loaded: {why}" if why else f"model {name!r} is not loaded yet",
                hint="try again in a moment",
            )
        there = ", ".join(each.name for each in self.served())
        raise UnknownModel(f"no model {name!r}", hint=f"there are: {there or 'none yet'}")

    def beside(self, name: str) -> Beside | None:
        """Give the canary of a model that `find` found, where it is loaded and can stand in for it."""
        line = self._lines[name]
        canary = line.standing.canary
        live, version = self._shelf.get(name, line.answers), self._shelf.get(name, canary)
        if not live or not version or canary not in line.kept:
            return None
        if version.manifest.classes != live.manifest.classes:  # labels would mean something else
            return None
        return Beside(version.manifest, line.standing.share, line.standing.shadow)

    @contextmanager
    def held(self, manifest: Manifest) -> Iterator[None]:
        """Keep a version loaded while inside, whatever happens to it meanwhile."""
        key = manifest.name, manifest.version
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1

    def standing(self, name: str) -> Standing:
        """Tell where a model's versions stand; the model is one that `find` knows."""
        self._answering(name)
        return self._lines[name].standing

    def folder(self, name: str) -> Path:
        """Give the folder of a model that `find` knows."""
        return self._repository / name

    def loaded(self, name: str) -> set[int]:
        """List the versions of a model that are loaded."""
        return self._shelf.loaded(name)

    def problems(self, name: str) -> dict[str, str]:
        """Say why versions that should be loaded are not, by version, and why the history cannot be read."""
        problem = self._lines[name].problem
        found = {str(version): words for version, words in self._shelf.problems(name).items()}
        return found | ({HISTORY: problem} if problem else {})

    async def prepare(self, name: str, version: int) -> None:
        """
        Have a version loaded and warm by all workers.

        Raises:
            EngineUnavailable: If one of them cannot; says why.
        """
        mine = self._fellows.mine(name)
        self._preparing[name, version] += 1
        try:
            # Alone first: what cannot be loaded is tried once, and what one has had Triton load all have.
            await self._wait_for(lambda: [mine], name, version)
            async with self._fellows.alone():
                mine.wanted = [*mine.wanted, version]
                self._fellows.tell()
            await self._wait_for(lambda: self._fellows.notes(name), name, version)
        finally:
            self._preparing[name, version] -= 1
            mine.wanted = [each for each in mine.wanted if each != version or self._preparing[name, version]]
            self._fellows.tell()

    async def watch(self, every_s: float) -> None:
        """Refresh again and again, and at once when a history changed, until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.refresh()
            except Exception:  # the watch outlives whatever one look meets, say a full table of files
                log.exception("looking for new versions failed")
            with suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._wake.wait()

    async def refresh(self) -> None:
        """Load what is named; a version that cannot be loaded leaves the one that answered before."""
        found = await asyncio.to_thread(published_models, self._repository)
        for name in set(self._lines) - set(found):
            await self._shelf.drop(name, self._shelf.loaded(name))
            del self._lines[name]
        for name, versions in found.items():
            await self._look(name, self._lines.setdefault(name, Line()), versions)

    async def _look(self, name: str, line: Line, versions: list[int]) -> None:
        looked_s = now_s()
        await asyncio.to_thread(self._read, name, line)
        named = self._named(name, line) & set(versions)
        self._shelf.hurry(name, named - line.named)
        line.named = named
        await self._note(name, named)
        line.kept &= named
        if line.answers not in versions:
            line.answers = None
        for version in sorted(named, key=lambda each: each != line.standing.live):  # the live one first
            if await self._shelf.load(name, version):
                line.kept.add(version)
                self._switch(name, line)
        if line.answers is None:
            line.answers = await self._stand_in(name, line, versions)
        self._shelf.forget_problems(name, versions)
        mine = self._fellows.mine(name)
        mine.looked_s, mine.ready = looked_s, sorted(line.kept)
        mine.problems = self.problems(name)
        await self._drop_unneeded(name, line, named)

    def _named(self, name: str, line: Line) -> set[int]:
        """Give what the history and the workers name."""
        standing = line.standing
        wanted = {version for note in self._fellows.notes(name) for version in note.wanted}
        wanted |= _counted(self._preparing, name)
        return {standing.live, standing.canary, standing.previous, line.answers} - {None} | wanted  # type: ignore[return-value]  # without None

    async def _stand_in(self, name: str, line: Line, versions: list[int]) -> int | None:
        """Where the live version cannot be loaded and none answered yet: the newest that once was live."""
        past = {State.PREVIOUS, State.RETIRED}
        for version in reversed(versions):
            if line.standing.states.get(version) in past and await self._shelf.load(name, version):
                log.error("%s: version %d answers in the live version's place", name, version)
                return version
        return None

    async def _note(self, name: str, named: set[int]) -> None:
        """Tell the others what may be asked of the engine from now on."""
        async with self._fellows.alone():
            self._fellows.mine(name).in_use = sorted(named | _counted(self._held, name))
            self._fellows.tell()

    async def _drop_unneeded(self, name: str, line: Line, named: set[int]) -> None:
        """Drop loaded versions that no worker names or has requests on, after a while."""
        named = named | {line.answers} - {None}  # type: ignore[operator]  # without None
        await self._note(name, named)
        async with self._fellows.alone():
            in_use = {version for note in self._fellows.notes(name) for version in note.in_use}
            idle = self._shelf.loaded(name) - in_use
            now = now_s()
            line.unneeded_since_s = {each: line.unneeded_since_s.get(each, now) for each in idle}
            await self._shelf.drop(
                name, [each for each, since in line.unneeded_since_s.items() if now - since >= self._linger_s]
            )

    async def _wait_for(self, notes: Callable[[], list[Note]], name: str, version: int) -> None:
        """Wait until all who write these notes looked once more and have a version ready."""
        since_s = now_s()
        self._wake.set()
        looked: list[Note] = []
        while not looked or len(looked) < len(notes()) or not all(version in each.ready for each in looked):
            await asyncio.sleep(ASK_AGAIN_S)
            looked = [note for note in notes() if note.looked_s > since_s]
            problems = (note.problems.get(str(version)) for note in looked if version not in note.ready)
            if problem := next(filter(None, problems), None):
                raise EngineUnavailable(f"{name} version {version} cannot be loaded: {problem}")

    def _answering(self, name: str) -> Manifest | None:
        """Give the version that answers, as the history says at this moment."""
        line = self._lines.get(name)
        if line is None:
            return None
        if line.mark != history_mark(self.folder(name)):
            self._read(name, line)
            self._switch(name, line)
            self._wake.set()  # there may be something to load
        version = self._shelf.get(name, line.answers)
        return version.manifest if version else None

    def _read(self, name: str, line: Line) -> None:
        model = self.folder(name)
        mark = history_mark(model)
        try:
            line.standing = read_standing(model)
        except RegistryError as error:  # what was known goes on
            if line.mark != mark:
                log.error("%s", error)
            line.problem = without_folders(error.message, self._repository)
        else:
            line.problem = None
        line.mark = mark

    def _switch(self, name: str, line: Line) -> None:
        live = line.standing.live
        if live in line.kept and live != line.answers:
            log.info("serving %s version %s, after %s", name, live, line.answers or "none")
            line.answers = live


def _counted(counter: Counter[tuple[str, int]], name: str) -> set[int]:
    return {version for (model, version), count in counter.items() if model == name and count > 0}
