"""One run of a job: from where its ledger stands to its result."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from contract.errors import DataError
from contract.manifest import MODEL_FILE, Manifest
from serving.batch.budget import read_budget
from serving.batch.fresh import begin_anew
from serving.batch.identity import Identity
from serving.batch.items import SUFFIXES, Trouble
from serving.batch.ledger import Ledger
from serving.batch.local import Maker
from serving.batch.outputs import Outputs, choose_outputs
from serving.batch.report import write_report
from serving.batch.run import Batch, Tally
from serving.batch.together import write_together
from serving.formats import FORMATS
from serving.gateway import Gateway
from serving.jobs.folder import JobFolder
from serving.jobs.job import Job, Progress, State
from serving.jobs.places import Place, count_photos, find_photos
from serving.jobs.segment import Behind

log = logging.getLogger(__name__)

SUFFIX = {name: form.suffix for name, form in FORMATS.items()}

AT_ONCE = 4
"""While the network works on one photo, others are read, decoded and written."""


@dataclass(slots=True)
class Run:
    """
    One run of a job.

    Args:
        job: As it stood.
        gateway: Segments.
        places: Where its photos lie.
        folder: Its own files.
        out: Where masks go.
    """

    job: Job
    gateway: Gateway
    places: list[Place]
    folder: JobFolder
    out: Path
    manifest: Manifest = field(init=False)
    tally: Tally = field(default_factory=Tally)
    troubles: deque[Trouble] = field(default_factory=deque)
    _total: int | None = None
    _began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        """Choose the version: the one that the job began with, as long as it is served."""
        models = self.gateway.models
        before = models.version(self.job.order.model, self.job.version)
        self.manifest = before or models.find(self.job.order.model)

    def progress(self) -> Progress:
        """Tell how far it is."""
        tally = self.tally
        took_s = max(1e-9, time.monotonic() - self._began)
        return Progress(
            total=self._total,
            done=tally.done + tally.before,
            failed=tally.failed,
            twice=tally.twice,
            photos_per_s=(tally.done + tally.failed) / took_s,
        )

    async def work_off(self, tell: Callable[[Tally], None]) -> State:
        """
        Segment what is left and make the result.

        Args:
            tell: Hears the counts after each photo.

        Returns:
            The state that the job ends in.

        Raises:
            DataError: If there are no photos, or the results' folder is not the job's.
            EngineUnavailable, UnknownModel: If there is no version now.
            WriteError: If masks cannot be written.
        """
        outputs = choose_outputs(self.job.order.formats, SUFFIX)
        identity = _identity(self.manifest, outputs)
        with self.gateway.models.held(self.manifest):
            counting = asyncio.create_task(self._count())
            try:
                ledger = await asyncio.to_thread(self._open, identity, outputs)
                try:
                    await self._segment(ledger, outputs, tell)
                    await asyncio.to_thread(self._conclude, ledger, identity)
                finally:
                    await asyncio.to_thread(ledger.close)
            finally:
                counting.cancel()
        self._total = self.tally.settled if self.tally.stopped is None else self._total
        if self.job.order.result is None:
            await asyncio.to_thread(self.folder.pack)
        return self._state()

    def _open(self, identity: Identity, outputs: Outputs) -> Ledger:
        """Go on with the ledger, or begin anew where the version that it is of is served no more."""
        try:
            return Ledger(self.out, identity, outputs)
        except DataError:
            log.warning("job %s begins anew with version %d", self.job.id, identity.version)
            begin_anew(self.out, SUFFIX)
            return Ledger(self.out, identity, outputs)

    async def _segment(self, ledger: Ledger, outputs: Outputs, tell: Callable[[Tally], None]) -> None:
        behind = Behind(self.gateway, self.manifest, Maker(outputs, self.manifest.classes, ledger.admits))

        def hear(tally: Tally, trouble: Trouble | None) -> None:
            if trouble is not None:
                self.troubles.append(trouble)
            tell(tally)

        at_once = min(AT_ONCE, self.gateway.settings.concurrency)
        budget = read_budget(self.job.order.max_failures)
        batch = Batch(ledger, behind.segment, at_once, budget, hear, self.tally)
        most_bytes = self.gateway.settings.max_body_bytes
        await batch.work_off(find_photos(self.places, self.out, most_bytes=most_bytes))

    async def _count(self) -> None:
        """Find out beside it how many photos there are."""
        with suppress(OSError):  # the run itself says what is wrong
            self._total = await asyncio.to_thread(count_photos, self.places, self.out)

    def _conclude(self, ledger: Ledger, identity: Identity) -> None:
        if not self.tally.settled:
            raise DataError(f"no photos found; they end in {', '.join(SUFFIXES)}")
        if self.tally.ended:
            write_together(ledger, self.manifest.classes, identity)
        write_report(ledger, self.manifest.classes, identity, self.tally)

    def _state(self) -> State:
        tally = self.tally
        if tally.stopped is not None or not tally.done + tally.before:
            return "failed"
        return "partial" if tally.failed else "done"


def _identity(manifest: Manifest, outputs: Outputs) -> Identity:
    return Identity(manifest.name, manifest.version, manifest.files[MODEL_FILE], outputs.names)
