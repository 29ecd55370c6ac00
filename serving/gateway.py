"""Everything that answers a request, wired once."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from contract.arrays import Uint8
from contract.errors import EngineError, Overloaded, RegistryError
from contract.manifest import Manifest
from contract.masks import Segmentation
from contract.profile import Profile, drift, read_profile
from contract.verdict import report_folder
from serving.admission import Admission
from serving.common import Common
from serving.deadline import Deadline
from serving.engines import Engine
from serving.errors import outcome_of
from serving.fellows import Fellows
from serving.health import Witness
from serving.judge import Limits
from serving.lanes import Lanes
from serving.models import Models
from serving.precedence import Precedence
from serving.segmenter import Segmenter
from serving.settings import Settings
from serving.telemetry import Stopwatch, Telemetry
from serving.trials import Attempt, Trials
from serving.watching import Drifts, Seen, Watching

T = TypeVar("T")

PASSED_ON = "passed on"
"""The outcome of a photo that a canary could not answer, so that the live version did."""

LOOK_EVERY_S = 0.5
"""How often a suspect engine is probed."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """
    The parts of one gateway.

    Args:
        settings: As read at the door.
        models: The versions that answer now.
        witness: The engine, and whether it lives.
        segmenter: One photo to one Segmentation.
        trials: What canaries answer.
        watching: What photos and masks look like.
        telemetry: Metrics.
        leaving: Set when the process was told to end; it answers still, and is not ready any more.
    """

    settings: Settings
    models: Models
    witness: Witness
    segmenter: Segmenter
    trials: Trials
    watching: Watching
    telemetry: Telemetry
    leaving: asyncio.Event = field(default_factory=asyncio.Event)

    async def segment(
        self,
        read: Callable[[], Uint8],
        manifest: Manifest,
        write: Callable[[Uint8, Segmentation], T],
        *,
        watch: Stopwatch,
        deadline: Deadline | None = None,
        confident: bool = False,
        behind: bool = False,
    ) -> T:
        """
        Segment one photo and count what became of it; see `Segmenter.segment`.

        Without a deadline the setting's time is allowed, from now. A canary may answer in the place of the
        version that is asked, unless `behind`: the photos of a batch are of one version.
        """

        async def work(attempt: Attempt) -> T:
            with self._counted(attempt):
                return await self.segmenter.segment(
                    read,
                    attempt.manifest,
                    write,
                    watch=attempt.watch,
                    deadline=attempt.deadline,
                    confident=confident,
                    behind=behind,
                    sample=attempt.sample,
                )

        first = Attempt(manifest, watch, deadline or Deadline.after(self.settings.timeout_s))
        return await (work(first) if behind else self.trials.answer(first, work))

    async def infer(
        self,
        images: Uint8,
        manifest: Manifest,
        write: Callable[[Uint8, Uint8], T],
        *,
        watch: Stopwatch,
        deadline: Deadline,
    ) -> T:
        """Run the network on frames and count each as a photo; see `Segmenter.infer`."""
        with self._counted(Attempt(manifest, watch, deadline), photos=len(images)):
            return await self.segmenter.infer(images, manifest, write, watch=watch, deadline=deadline)

    async def metrics(self) -> bytes:
        """Give all metrics in the text form that Prometheus reads, brought up to date."""
        await self.why_not_ready()
        names = {manifest.name for manifest in self.models.served()}
        tallies = [tally for tally in await self.witness.tally() if tally.model in names]
        drifts = await asyncio.to_thread(self._drifts, self.models.served())
        return self.telemetry.exposition(tallies, Drifts(drifts))

    def profiles(self, manifest: Manifest) -> tuple[Profile, Profile | None]:
        """
        Give what was seen of a version, and what the gate saw of it on the golden set; takes milliseconds.

        Raises:
            RegistryError: If the latter cannot be read.
        """
        report = report_folder(self.models.folder(manifest.name), manifest.version)
        return self.watching.profile(manifest), read_profile(report)

    def _drifts(self, served: list[Manifest]) -> list[Seen]:
        found = []
        for manifest in served:
            with suppress(RegistryError):  # whoever asks for it by itself is told
                seen, golden = self.profiles(manifest)
                if golden and seen.photos:
                    found.append(Seen(manifest.name, manifest.version, drift(seen, golden)))
        return found

    def check(self) -> None:
        """
        Refuse a photo before it is read where it could not be worked on.

        Raises:
            EngineUnavailable: If the engine hangs.
            Overloaded: If the queue is full.
        """
        self.witness.check()
        self.segmenter.admission.check()

    @asynccontextmanager
    async def room(self, deadline: Deadline) -> AsyncIterator[None]:
        """
        Wait until a photo would be let in, and have its room while inside: for those who bring many.

        Raises:
            Overloaded: If its time is over before.
        """
        async with self.segmenter.precedence.place(deadline.left_s()):
            await self.segmenter.admission.room(left_s=deadline.left_s())
            yield

    async def why_not_ready(self) -> str | None:
        """Say why requests cannot be answered now; None when each model proved that they can."""
        reason = await self._why_not_ready()
        self.telemetry.note_ready(reason is None)
        self.telemetry.note_circuit(self.witness.is_open)
        return reason

    @contextmanager
    def _counted(self, attempt: Attempt, photos: int = 1) -> Iterator[None]:
        """Count what becomes of photos inside, and keep their version loaded."""
        outcome, manifest = "ok", attempt.manifest
        try:
            with self.models.held(manifest):
                yield
        except BaseException as error:
            is_retried = attempt.is_trial and isinstance(error, EngineError | Overloaded)
            outcome = PASSED_ON if is_retried else outcome_of(error)
            raise
        finally:
            self.telemetry.observe_photos(
                attempt.watch, model=manifest.name, version=manifest.version, outcome=outcome, photos=photos
            )

    async def _why_not_ready(self) -> str | None:
        if self.leaving.is_set():
            return "the server is about to end"
        manifests = self.models.served()
        for manifest in manifests:
            self.telemetry.note_device(manifest.name, self.witness.device(manifest.name))
        if not manifests:
            return "no published version is loaded"
        reasons = await asyncio.gather(*(self.why_silent(manifest) for manifest in manifests))
        return next(filter(None, reasons), None)

    async def why_silent(self, manifest: Manifest) -> str | None:
        """Say why one version cannot answer now; None when it proved that it can."""
        if await self.witness.prove(manifest):
            return None
        return f"{manifest.name} version {manifest.version} does not answer"

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Watch the repository and the engine while inside; close the engine at the end."""
        await self.models.refresh()
        watches = self.models.watch(self.settings.watch_every_s), self._watch_engine()
        watching = [asyncio.create_task(watch) for watch in watches]
        try:
            yield
        finally:
            for task in watching:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await self.trials.close()
            await self.witness.close()
            self.segmenter.threads.shutdown(wait=False)

    async def _watch_engine(self) -> None:
        """Probe an engine that seems to hang, and one that hangs until it answers."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if self.witness.is_suspect():
                await self.why_not_ready()


def create_gateway(settings: Settings, engine: Engine, *, common: Common | None = None) -> Gateway:
    """Wire a gateway, one of several workers where they have something in common; see `Gateway.running`."""
    witness = Witness(engine)
    threads = ThreadPoolExecutor(max(2, settings.processors()), "pixels")
    telemetry = Telemetry(common.metrics if common else None)
    admission = Admission(places=settings.concurrency, queue=settings.queue, tell=telemetry.note_load)
    lanes = Lanes(places=max(1, settings.concurrency // 2), run=settings.join) if settings.join > 1 else None
    precedence = Precedence(
        places=max(1, settings.concurrency // 4),
        at_once=settings.join,
        patience_s=settings.timeout_s / 4,
    )
    models = Models(
        settings.repository,
        witness,
        fellows=Fellows(common.versions if common else None),
        linger_s=settings.timeout_s if settings.engine == "triton" else 0.0,
    )
    watching = Watching(telemetry.registry, telemetry.gathered)
    segmenter = Segmenter(witness, threads, admission, lanes, precedence, watching.note)
    limits = Limits(
        requests=settings.canary_requests,
        errors=settings.canary_errors,
        slowdown=settings.canary_slowdown,
        agreement=settings.canary_agreement,
    )
    return Gateway(
        settings=settings,
        models=models,
        witness=witness,
        segmenter=segmenter,
        trials=Trials(models, segmenter, watching, limits),
        watching=watching,
        telemetry=telemetry,
    )
