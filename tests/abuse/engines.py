"""Engines that are slow on purpose: real ones, made to wait."""

import asyncio

from contract.arrays import Uint8
from serving.engines.local import LocalEngine


class SlowEngine(LocalEngine):
    """
    The local engine with a pause before each photo, one photo after the other.

    Args:
        pause_s: How long [s].
    """

    def __init__(self, pause_s: float) -> None:
        super().__init__()
        self.pause_s = pause_s
        self.executed = 0
        self.given_up = 0
        self._turn: asyncio.Lock | None = None

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """Wait for the turn, pause, and answer; see `Engine`."""
        self._turn = self._turn or asyncio.Lock()
        try:
            async with self._turn:
                await asyncio.sleep(self.pause_s)
                answer = await super().infer(model, version, images, timeout_s=timeout_s)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        self.executed += 1
        return answer


class HangingEngine(LocalEngine):
    """The local engine, which can be told to take requests and say nothing, as a stopped Triton does."""

    hangs = False
    asked = 0

    async def infer(
        self, model: str, version: int, images: Uint8, *, timeout_s: float | None = None
    ) -> tuple[Uint8, Uint8]:
        """Answer, or hang; see `Engine`."""
        self.asked += 1
        while self.hangs:
            await asyncio.sleep(0.05)
        return await super().infer(model, version, images, timeout_s=timeout_s)
