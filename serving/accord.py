"""What a worker uses, holds and prepares, told to its fellows: nobody drops what another needs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from contract.errors import EngineUnavailable
from contract.manifest import Manifest
from serving.fellows import Fellows, Note, now_s

PATIENCE_S = 60.0
"""How long a version may take until all have it [s]."""

ASK_AGAIN_S = 0.05
"""How often fellow workers are looked at while they load what all are to have."""


class Accord:
    """
    One worker's part in what all have loaded.

    Args:
        fellows: The workers of this server.
        wake: Set where this worker is to look at its models now.
    """

    def __init__(self, fellows: Fellows, wake: asyncio.Event) -> None:
        self._fellows = fellows
        self._wake = wake
        self._held: Counter[tuple[str, int]] = Counter()
        self._preparing: Counter[tuple[str, int]] = Counter()

    @contextmanager
    def held(self, manifest: Manifest) -> Iterator[None]:
        """Keep a version loaded while inside."""
        key = manifest.name, manifest.version
        self._held[key] += 1
        try:
            yield
        finally:
            self._held[key] -= 1

    @asynccontextmanager
    async def prepared(self, name: str, version: int) -> AsyncIterator[None]:
        """
        Have a version loaded and warm by all workers while inside.

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
            yield
        finally:
            self._preparing[name, version] -= 1
            mine.wanted = sorted(set(mine.wanted) & _counted(self._preparing, name))
            self._fellows.tell()

    def all_have(self, name: str, version: int) -> bool:
        """Tell whether all workers had a version loaded, and used it, at their last look."""
        notes = self._fellows.notes(name)
        return all(version in each.ready and version in each.in_use for each in notes)

    def wanted(self, name: str) -> set[int]:
        """Give the versions that this worker or another prepares."""
        wanted = {version for note in self._fellows.notes(name) for version in note.wanted}
        return wanted | _counted(self._preparing, name)

    async def use(self, name: str, versions: set[int]) -> None:
        """Tell the others which versions the engine may be asked for from now on, beside those held."""
        async with self._fellows.alone():
            self._fellows.mine(name).in_use = sorted(versions | _counted(self._held, name))
            self._fellows.tell()

    def looked(self, name: str, *, since_s: float, ready: set[int], problems: dict[str, str]) -> None:
        """Note what a look found that began then; the others see it with the next `use`."""
        mine = self._fellows.mine(name)
        mine.looked_s, mine.ready, mine.problems = since_s, sorted(ready), problems

    @asynccontextmanager
    async def unused(self, name: str, versions: set[int]) -> AsyncIterator[set[int]]:
        """Give those of these versions that no worker uses; while inside, none begins to."""
        async with self._fellows.alone():
            yield versions - {version for note in self._fellows.notes(name) for version in note.in_use}

    async def _wait_for(self, notes: Callable[[], list[Note]], name: str, version: int) -> None:
        """Wait until all who write these notes looked once more and have a version ready."""
        since_s = now_s()
        self._wake.set()
        looked: list[Note] = []
        while not looked or len(looked) < len(notes()) or not all(version in each.ready for each in looked):
            await asyncio.sleep(ASK_AGAIN_S)
            if now_s() - since_s > PATIENCE_S:
                raise EngineUnavailable(f"{name} version {version} was not ready within {PATIENCE_S:g} s")
            looked = [note for note in notes() if note.looked_s > since_s]
            problems = (note.problems.get(str(version)) for note in looked if version not in note.ready)
            if problem := next(filter(None, problems), None):
                raise EngineUnavailable(f"{name} version {version} cannot be loaded: {problem}")


def _counted(counter: Counter[tuple[str, int]], name: str) -> set[int]:
    return {version for (model, version), count in counter.items() if model == name and count > 0}
