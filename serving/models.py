"""Which version of each model answers: as its history says, and from the moment that it says so."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from contract.errors import EngineUnavailable, UnknownModel
from contract.manifest import Manifest
from contract.registry import Standing
from serving.accord import Accord
from serving.engines import Engine
from serving.fellows import Fellows, now_s
from serving.lines import Line
from serving.shelf import Shelf
from serving.versions import published_models

log = logging.getLogger(__name__)

HISTORY = "history"
"""Stands among a model's problems for its history."""


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
        linger_s: How long a version stays loaded that nobody uses: for requests of other servers [s].
    """

    def __init__(
        self, repository: Path, engine: Engine, *, fellows: Fellows | None = None, linger_s: float = 0.0
    ) -> None:
        self._repository = repository
        self._shelf = Shelf(repository, engine)
        self._wake = asyncio.Event()
        self._accord = Accord(fellows or Fellows(), self._wake)
        self._linger_s = linger_s
        self._lines: dict[str, Line] = {}

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

    def version(self, name: str, version: int | None) -> Manifest | None:
        """Give a version that is loaded, whether it answers or not."""
        found = self._shelf.get(name, version)
        return found.manifest if found else None

    def beside(self, name: str) -> Beside | None:
        """Give the canary of a model that `find` found, where it is loaded and can stand in for it."""
        line = self._lines.get(name)
        if line is None:  # it was removed meanwhile
            return None
        canary = line.standing.canary
        live, version = self._shelf.get(name, line.answers), self._shelf.get(name, canary)
        if not live or not version or canary not in line.kept:
            return None
        if version.manifest.classes != live.manifest.classes:  # labels would mean something else
            return None
        return Beside(version.manifest, line.standing.share, line.standing.shadow)

    @contextmanager
    def held(self, manifest: Manifest) -> Iterator[None]:
        """Keep a version loaded while inside, whatever is done to it meanwhile."""
        with self._accord.held(manifest):
            yield

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

    @asynccontextmanager
    async def prepared(self, name: str, version: int) -> AsyncIterator[None]:
        """
        Have a version loaded and warm by all workers while inside, which is where it is named by the history.

        Raises:
            EngineUnavailable: If one of them cannot; says why.
        """
        line = self._lines.get(name)
        if line and version in line.in_use() and self._accord.all_have(name, version):
            yield  # nobody drops it: a rollback waits for no other version's load
            return
        self._shelf.hurry(name, [version])
        async with self._accord.prepared(name, version):
            yield

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
            await self._look(name, self._lines.setdefault(name, Line(self.folder(name))), versions)

    async def _look(self, name: str, line: Line, versions: list[int]) -> None:
        since_s = now_s()
        wanted = self._accord.wanted(name)  # first: what is wanted no more is in the history by then
        await line.read_aside()
        if line.answers not in versions:
            line.answers = None
        named = (line.in_use() | wanted) & set(versions)
        self._shelf.hurry(name, named - line.named)
        line.named = named
        await self._accord.use(name, named)  # told before it is loaded, so that nobody drops it meanwhile
        line.kept &= named
        await self._load(name, line)
        self._shelf.forget_problems(name, versions)
        self._accord.looked(name, since_s=since_s, ready=line.kept, problems=self.problems(name))
        await self._accord.use(name, named | ({line.answers} if line.answers else set()))
        await self._drop_unused(name, line)

    async def _load(self, name: str, line: Line) -> None:
        """Load what is named, the live version first, and answer by that or what can stand in for it."""
        for version in sorted(line.named, key=lambda each: each != line.standing.live):
            if await self._shelf.load(name, version):
                line.kept.add(version)
                line.switch()
            else:
                line.kept.discard(version)
        for version in [] if line.answers else line.past():
            if await self._shelf.load(name, version):
                if line.answers:  # a request switched meanwhile
                    return
                log.error("%s: version %d answers in the live version's place", name, version)
                line.answers = version
                return

    async def _drop_unused(self, name: str, line: Line) -> None:
        """Drop loaded versions that no worker uses, after a while."""
        async with self._accord.unused(name, self._shelf.loaded(name)) as unused:
            await self._shelf.drop(name, line.unused_for(unused, self._linger_s, now_s=now_s()))

    def _answering(self, name: str) -> Manifest | None:
        """Give the version that answers, as the history says at this moment."""
        line = self._lines.get(name)
        if line is None:
            return None
        if line.has_news():
            line.read()
            self._wake.set()  # there may be something to load
        version = self._shelf.get(name, line.answers)
        return version.manifest if version else None
