"""Whether the gateway can answer now: proved by inference that really ran, not by a port that is open."""

import asyncio
import math
import time
from collections.abc import Collection
from pathlib import Path

import numpy as np

from contract.arrays import Uint8
from contract.errors import EngineError, EngineTimeout, EngineUnavailable
from contract.geometry import PADDING_VALUE
from contract.manifest import Manifest
from serving.engines import Engine, Tally

FRESH_S = 0.5
"""An answer this young proves that the engine lives; an older one is proved again."""

PROBE_TIMEOUT_S = 1.2
"""With `FRESH_S` less than two seconds: no older truth is told, unless the engine never was so quick."""

SLOWER_THAN_EVER = 2
"""An engine that needs longer for a photo is given so many times its quickest answer."""

USUAL_SHAPE = (3, 4)
"""Probes are landscape photos, whose shape every engine has warmed up."""

HANGS_AFTER = 2
"""So many times a probe's patience without a word, and the engine hangs; once may be a busy moment."""

GIVEN_UP_AFTER = 3
"""A probe ends after so many times its patience, as the next one may find another way to the engine."""

SILENCE_S = 1.0
"""An engine that has been asked and says nothing for so long is probed."""


class Witness:
    """
    An engine that remembers when each version last answered; itself an `Engine`.

    It is also the circuit breaker. An engine that refuses does so at once and needs none; one that hangs
    would keep every request until its deadline. So when a probe hangs, requests are refused at once, and only
    probes reach the engine, until it says something, however late. What requests meet never opens the
    circuit: a client that allows a millisecond would open it for all.

    Args:
        engine: The engine that computes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._answered: dict[tuple[str, int], float] = {}
        self._probes: dict[tuple[str, int], asyncio.Task[bool]] = {}
        self._owing_since: float | None = None
        self._quickest_s = math.inf
        self._pending: list[int] = []  # images of each question under way
        self._asked_at = 0.0
        self._heard_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether the engine hangs, so that requests are refused at once."""
        if self._owing_since is None:
            return False
        silent_since = max(self._owing_since, self._heard_at)
        return time.monotonic() - silent_since > HANGS_AFTER * self._patience_s

    def check(self) -> None:
        """
        Refuse a request that could only wait.

        Raises:
            EngineUnavailable: If the engine hangs.
        """
        if self.is_open:
            raise EngineUnavailable("the engine hangs", hint="try again in a moment")

    def is_suspect(self) -> bool:
        """Tell whether a probe is due: the engine hangs, or has been silent though it was asked."""
        silence_s = time.monotonic() - max(self._asked_at, self._heard_at)
        return self._owing_since is not None or (bool(self._pending) and silence_s > SILENCE_S)

    async def load(self, manifest: Manifest, folder: Path) -> None:
        """Load a version; see `Engine`."""
        await self._engine.load(manifest, folder)

    async def drop(self, model: str, versions: Collection[int]) -> None:
        """Drop versions; see `Engine`."""
        for version in versions:
            self._answered.pop((model, version), None)
        await self._engine.drop(model, versions)

    async def ready(self, model: str, version: int) -> bool:
        """Ask the engine; see `Engine`."""
        return await self._engine.ready(model, version)

    def device(self, model: str) -> str:
        """Say what computes a model; see `Engine`."""
        return self._engine.device(model)

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """Run the network and remember how it went; see `Engine`. Refuses at once while the engine hangs."""
        self.check()
        return await self._ask(model, version, images, timeout_s=timeout_s)

    async def tally(self) -> list[Tally]:
        """Ask the engine; see `Engine`."""
        return await self._engine.tally()

    async def close(self) -> None:
        """Close the engine; probes that still wait for it are given up."""
        for probe in list(self._probes.values()):
            probe.cancel()
        await self._engine.close()

    async def prove(self, manifest: Manifest) -> bool:
        """Tell whether a version can answer now; runs it on a grey photo unless it answered just before."""
        key = manifest.name, manifest.version
        if time.monotonic() - self._answered.get(key, -FRESH_S) < FRESH_S:
            return True
        if key not in self._probes:
            self._probes[key] = asyncio.create_task(self._probe(manifest))
            self._probes[key].add_done_callback(lambda _: self._probes.pop(key))
        probe, began = self._probes[key], time.monotonic()
        # Others may wait for it too, and its answer tells much even if it comes too late for this one.
        done, _ = await asyncio.wait({probe}, timeout=self._patience_s)
        # A long queue looks like a hang, but others in it are answered meanwhile.
        return probe.result() if done else self._answered.get(key, 0.0) > began

    @property
    def _patience_s(self) -> float:
        usual_s = 0.0 if math.isinf(self._quickest_s) else self._quickest_s
        # A probe waits for a tensor of many images that came before it, and none is answered meanwhile.
        return max(PROBE_TIMEOUT_S, SLOWER_THAN_EVER * usual_s * max(self._pending, default=1))

    async def _probe(self, manifest: Manifest) -> bool:
        self._owing_since = self._owing_since or time.monotonic()
        try:
            await self._ask(
                manifest.name,
                manifest.version,
                _grey_frame(manifest),
                timeout_s=GIVEN_UP_AFTER * self._patience_s,
            )
        except EngineError:
            return False
        return True

    async def _ask(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        began = time.monotonic()
        self._asked_at = self._asked_at if self._pending else began
        self._pending.append(len(images))
        try:
            answer = await self._engine.infer(model, version, images, timeout_s=timeout_s)
        except EngineError as error:
            self._answered.pop((model, version), None)
            if not isinstance(error, EngineTimeout):
                self._hear()
            raise
        finally:
            self._pending.remove(len(images))
        self._hear()
        self._quickest_s = min(self._quickest_s, (self._heard_at - began) / len(images))
        self._answered[model, version] = self._heard_at
        return answer

    def _hear(self) -> None:
        """Take any word of the engine, a refusal too, as proof that it does not hang."""
        self._heard_at = time.monotonic()
        self._owing_since = None


def _grey_frame(manifest: Manifest) -> Uint8:
    return np.full((1, *manifest.fit.fit(USUAL_SHAPE).network, 3), PADDING_VALUE, np.uint8)
