"""Canaries: who gets one, who is answered by the live version in its place, and when one is rejected."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from contract.arrays import Uint8
from contract.errors import Box2SegError, EngineError, Overloaded, RegistryBusy
from contract.manifest import Manifest
from contract.promotion import reject
from serving.deadline import Deadline
from serving.judge import Judge, Limits
from serving.models import Beside, Models
from serving.outputs import check_labels
from serving.segmenter import Sample, Segmenter
from serving.telemetry import Stopwatch
from serving.watching import Watching

log = logging.getLogger(__name__)

T = TypeVar("T")
Key = tuple[str, int]

WHO = "gateway"
"""Stands in the history where nobody was asked."""

TRIES, TRY_EVERY_S = 60, 1.0
"""Somebody may be changing the versions just now, or removing some."""

GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One way to answer a request.

    Args:
        manifest: Of the version that is to answer.
        watch: Takes the times of its stages.
        deadline: By when.
        sample: Gets what a comparison needs, where one is to be made.
        is_trial: Whether somebody else answers if this fails.
    """

    manifest: Manifest
    watch: Stopwatch
    deadline: Deadline
    sample: Sample | None = None
    is_trial: bool = False


class Draw:
    """Chooses a share of requests: evenly, and in no step with clients that ask in turns."""

    def __init__(self) -> None:
        self._at = random.random()

    def hits(self, share: float) -> bool:
        """Tell whether the next one is among them; of any hundred the share is right to one or two."""
        self._at = (self._at + GOLDEN_RATIO) % 1.0
        return self._at < share


@dataclass(slots=True)
class Trial:
    """What is known of one canary."""

    judge: Judge
    canary: Draw = field(default_factory=Draw)
    shadow: Draw = field(default_factory=Draw)
    is_over: bool = False


class Trials:
    """
    Gives canaries their requests, and the live version those that they fail.

    Args:
        models: Says which version runs beside the one that answers.
        segmenter: Computes comparisons, behind everybody who waits.
        watching: Counts how far two versions agree.
        limits: What a canary may do.
    """

    def __init__(self, models: Models, segmenter: Segmenter, watching: Watching, limits: Limits) -> None:
        self._models = models
        self._segmenter = segmenter
        self._watching = watching
        self._limits = limits
        self._trials: dict[Key, Trial] = {}
        self._comparing: asyncio.Task[None] | None = None
        self._rejecting: asyncio.Task[None] | None = None

    async def answer(self, first: Attempt, work: Callable[[Attempt], Awaitable[T]]) -> T:
        """
        Have a request answered: by the canary, if it is drawn and can; by the live version else.

        Args:
            first: With the live version.
            work: Answers.
        """
        beside = self._models.beside(first.manifest.name)
        trial = self._trial(beside.manifest) if beside else None
        if not beside or not trial or trial.is_over or beside.manifest.version == first.manifest.version:
            return await work(first)
        if trial.canary.hits(beside.share):
            try:
                return await self._try(beside, trial, first, work)
            except (EngineError, Overloaded) as error:
                log.info("%s version %d: %s", beside.manifest.name, beside.manifest.version, error)
            await self._segmenter.admission.room(left_s=first.deadline.left_s())
            return await work(first)
        return await self._live(beside, trial, first, work)

    async def close(self) -> None:
        """Give up what nobody waits for."""
        for task in (self._comparing, self._rejecting):
            if task:
                task.cancel()

    def _trial(self, canary: Manifest) -> Trial:
        key = canary.name, canary.version
        if key not in self._trials:
            self._trials[key] = Trial(Judge(self._limits))
        return self._trials[key]

    async def _try(
        self, beside: Beside, trial: Trial, first: Attempt, work: Callable[[Attempt], Awaitable[T]]
    ) -> T:
        """Have the canary answer, in half the time: the other half is for the live version."""
        watch = Stopwatch()
        deadline = Deadline.after(first.deadline.left_s() / 2)
        with self._models.held(beside.manifest):
            try:
                answer = await work(Attempt(beside.manifest, watch, deadline, is_trial=True))
            except EngineError:
                if "infer" in watch.seconds:  # else it waited in the queue, as any other would have
                    await self._note(beside, trial, failed=True)
                raise
        await self._note(beside, trial, took_s=watch.seconds["infer"])
        first.watch.seconds.update(watch.seconds)
        return answer

    async def _live(
        self, beside: Beside, trial: Trial, first: Attempt, work: Callable[[Attempt], Awaitable[T]]
    ) -> T:
        """Have the live version answer, then the canary compute the same where that is drawn."""
        sample = Sample() if trial.shadow.hits(beside.shadow) else None
        answer = await work(Attempt(first.manifest, first.watch, first.deadline, sample))
        trial.judge.live_times_s.append(first.watch.seconds.get("infer", 0.0))
        has_room = self._segmenter.admission.waiting == 0 and self._comparing is None
        if sample and sample.frame is not None and has_room and beside.manifest.fit == first.manifest.fit:
            self._comparing = asyncio.create_task(self._compare(beside, trial, sample))
            self._comparing.add_done_callback(self._compared)
        return answer

    def _compared(self, task: "asyncio.Task[None]") -> None:
        self._comparing = None
        if not task.cancelled() and (error := task.exception()):
            log.error("comparing with the canary failed", exc_info=error)

    async def _compare(self, beside: Beside, trial: Trial, sample: Sample) -> None:
        """Have the canary compute what the live version has; nobody waits for it."""
        canary = beside.manifest
        assert sample.frame is not None
        assert sample.labels is not None
        with self._models.held(canary):
            try:
                async with self._segmenter.precedence.turn():
                    frames = sample.frame[None]
                    labels, _ = await self._segmenter.engine.infer(canary.name, canary.version, frames)
                check_labels(labels, canary)
            except EngineError:
                await self._note(beside, trial, failed=True)
                return
        agreement = agreement_of(labels[0], sample.labels)
        self._watching.note_agreement(canary, agreement)
        await self._note(beside, trial, agreement=agreement)

    async def _note(
        self,
        beside: Beside,
        trial: Trial,
        *,
        failed: bool = False,
        took_s: float | None = None,
        agreement: float | None = None,
    ) -> None:
        """Take what a canary did, and end it where that is enough."""
        judge = trial.judge
        judge.asked += 1
        judge.failed += failed
        if took_s is not None:
            judge.times_s.append(took_s)
        if agreement is not None:
            judge.agreements.append(agreement)
        objection = judge.objection()
        if objection and not trial.is_over:
            trial.is_over = True  # here at once; for all workers as soon as it is written
            self._rejecting = asyncio.create_task(self._reject(beside.manifest, objection))

    async def _reject(self, canary: Manifest, why: str) -> None:
        """Write down that a canary is rejected, unless it is none any more."""
        name, version = canary.name, canary.version
        for _ in range(TRIES):
            if self._models.standing(name).canary != version:  # another worker was first
                return
            try:
                await asyncio.to_thread(reject, self._models.folder(name), version, who=WHO, why=why)
            except RegistryBusy:
                await asyncio.sleep(TRY_EVERY_S)
            except Box2SegError as error:
                log.error("%s version %d gets no more requests here: %s; %s", name, version, why, error)
                return
            else:
                log.warning("%s version %d was rejected: %s", name, version, why)
                return


def agreement_of(labels: Uint8, others: Uint8) -> float:
    """
    Give the part of pixels that have one label in both.

    Args:
        labels: (H, W) uint8.
        others: As large.
    """
    return float(np.count_nonzero(labels == others)) / labels.size
