"""Works jobs off, one after the other, in one of a server's workers at a time."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from contract.errors import Box2SegError, EngineUnavailable, OutOfRoom, WriteError
from serving.jobs.desk import Desk
from serving.jobs.folder import JobFolder, check_room, is_full
from serving.jobs.job import Job
from serving.jobs.lock import holding
from serving.jobs.work import Run

log = logging.getLogger(__name__)

LOCK = "runner.lock"
LOOK_EVERY_S = 0.5
"""For new jobs, for those that are not wanted any more, and for a place that another worker left."""

SWEEP_EVERY_S = 2.0
ROOM_EVERY_S = 5.0
BEGINNING_S = 10.0
"""After so long the archive of a job that is handed in is written by somebody, or by nobody any more."""

AGAIN_S = 10.0
"""After so long a job that found no room goes on."""

FRUITLESS = 5
"""So many runs in a row that brought nothing, with the server's end in each, and the job has failed."""

GIVE_UP_S = 3.0
"""A run that is to end has so long; what still reads then, reads into nothing."""

FINISHED, UNWANTED, LEAVING = "finished", "unwanted", "leaving"


@dataclass(slots=True)
class Runner:
    """
    Works off the jobs of a folder while this process has its lock.

    Args:
        desk: Knows the jobs.
    """

    desk: Desk
    _swept_at: float = 0.0
    _counted: tuple[int, int] = field(default=(0, 0))

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Work while inside; what is not finished at the end goes on at the next start."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            self.desk.register.close()

    async def _run(self) -> None:
        while True:
            try:
                with holding(self.desk.root / LOCK) as is_mine:
                    if is_mine:
                        await self._work_for_ever()
            except Exception:  # such as a full disk below the account
                log.exception("jobs are not worked on for a moment")
            await asyncio.sleep(LOOK_EVERY_S)

    async def _work_for_ever(self) -> None:
        await asyncio.to_thread(self._tidy)
        while True:
            await self._sweep()
            job = await asyncio.to_thread(self.desk.register.next)
            if job is None or self._is_leaving():
                await asyncio.sleep(LOOK_EVERY_S)
            else:
                await self._work(job)

    async def _work(self, job: Job) -> None:
        register = self.desk.register
        if job.is_unwanted:
            await asyncio.to_thread(self._cancel, job)
        elif job.starts >= FRUITLESS:
            reason = f"the server ended {FRUITLESS} times before a photo was done"
            await asyncio.to_thread(self._end, job, reason)
        elif await asyncio.to_thread(register.begin, job.id):
            try:
                await self._run_job(job)
            except (EngineUnavailable, OutOfRoom) as error:
                await self._wait(job, error.message, AGAIN_S)
            except WriteError as error:
                if is_full(error.__cause__):
                    await self._wait(job, "the server has no room for this job", AGAIN_S)
                else:
                    log.error("job %s: %s", job.id, error)
                    await asyncio.to_thread(self._end, job, f"results cannot be written ({_why(error)})")
            except Box2SegError as error:
                await asyncio.to_thread(self._end, job, self._shown(job, error))
            except Exception:
                log.exception("job %s failed", job.id)
                await asyncio.to_thread(
                    self._end, job, "the server failed on this job; its log has the reason"
                )

    async def _run_job(self, job: Job) -> None:
        """Work a job off to its end, or until it is not wanted any more."""
        desk = self.desk
        places, out = await asyncio.to_thread(lambda: (desk.places(job), desk.out(job)))
        run = Run(job, desk.gateway, places, desk.folder(job), out)
        self._counted = (0, 0)
        working = asyncio.create_task(run.work_off(lambda _: None))
        try:
            ending = await self._watch(run, working)
        except asyncio.CancelledError:
            desk.register.pause(job.id)  # here: this task has no time to wait for a thread
            raise
        finally:
            await _give_up(working)
            with suppress(Box2SegError):
                await self._note(run)
        if ending == UNWANTED:
            await asyncio.to_thread(self._cancel, job)
        elif ending == LEAVING:
            await asyncio.to_thread(desk.register.pause, job.id)
        else:
            state = working.result()
            await asyncio.to_thread(desk.register.end, job.id, state, _reason(run))
            await asyncio.to_thread(desk.folder(job).keep_result_alone)

    async def _watch(self, run: Run, working: "asyncio.Task[object]") -> str:
        """Write down how far a run is until it ends; gives why it did."""
        looked_at = 0.0
        while not working.done():
            if time.monotonic() - looked_at > ROOM_EVERY_S:
                looked_at = time.monotonic()
                await asyncio.to_thread(check_room, self.desk.root, self.desk.settings.jobs_free_bytes)
            await asyncio.wait({working}, timeout=LOOK_EVERY_S)
            if not await self._note(run):
                return UNWANTED
            if self._is_leaving() and not working.done():
                return LEAVING
        working.result()
        return FINISHED

    async def _note(self, run: Run) -> bool:
        progress = run.progress()
        telemetry, (done, failed) = self.desk.gateway.telemetry, self._counted
        telemetry.count_job_photos(done=run.tally.done - done, failed=run.tally.failed - failed)
        self._counted = (run.tally.done, run.tally.failed)
        troubles = [run.troubles.popleft() for _ in range(len(run.troubles))]
        return await asyncio.to_thread(
            self.desk.register.note,
            run.job.id,
            progress,
            troubles,
            version=run.manifest.version,
            news=run.tally.done > 0,
        )

    async def _wait(self, job: Job, reason: str, pause_s: float) -> None:
        """Leave a job for a while, unless it is not wanted any more."""
        log.warning("job %s waits: %s", job.id, reason)
        await asyncio.to_thread(self.desk.register.pause, job.id, reason)
        until = time.monotonic() + pause_s
        while time.monotonic() < until:
            await asyncio.sleep(LOOK_EVERY_S)
            now = await asyncio.to_thread(self.desk.register.get, job.id)
            if now is None or now.is_unwanted:
                return

    def _cancel(self, job: Job) -> None:
        self.desk.remove_files(job)
        self.desk.register.end(job.id, "cancelled")

    def _end(self, job: Job, reason: str) -> None:
        """Say why a job failed; what it has of files serves nobody."""
        self.desk.folder(job).remove()
        self.desk.register.end(job.id, "failed", reason)

    def _shown(self, job: Job, error: Box2SegError) -> str:
        """Give an error's words without the server's folders."""
        words = error.message.replace(str(self.desk.folder(job).path), "the job")
        with suppress(Box2SegError):
            words = words.replace(str(self.desk.out(job)), job.order.result or "the job")
        return words

    async def _sweep(self) -> None:
        """Remove jobs whose time is over, and those that came in part."""
        if time.monotonic() - self._swept_at < SWEEP_EVERY_S:
            return
        self._swept_at = time.monotonic()
        await asyncio.to_thread(self._remove_old)

    def _remove_old(self) -> None:
        settings, now = self.desk.settings, time.time()
        limits = now - settings.jobs_keep_s, now - BEGINNING_S
        for job in self.desk.register.over(before=limits[0], received_before=limits[1]):
            folder = self.desk.folder(job)
            if not folder.is_coming():  # else a worker that was killed left it
                folder.remove()
                self.desk.register.forget(job.id)

    def _tidy(self) -> None:
        """Finish what a server that was killed had begun to remove."""
        for path in [path for path in self.desk.root.iterdir() if path.is_dir()]:
            job = self.desk.register.get(path.name)
            if job is None or job.state == "cancelled":
                JobFolder(path).remove()
            elif not job.is_active:
                JobFolder(path).keep_result_alone()

    def _is_leaving(self) -> bool:
        return self.desk.gateway.leaving.is_set()


async def _give_up(working: "asyncio.Task[object]") -> None:
    """End a run; one that sticks in a long read is left to itself."""
    if working.done():
        return
    working.cancel()
    done, _ = await asyncio.wait({working}, timeout=GIVE_UP_S)
    if done and not working.cancelled() and (error := working.exception()):
        log.info("a run that was given up ended with: %s", error)


def _reason(run: Run) -> str | None:
    if run.tally.stopped is not None:
        return run.tally.stopped
    return None if run.tally.done + run.tally.before else "no photo could be segmented"


def _why(error: WriteError) -> str:
    cause = error.__cause__
    return (cause.strerror if isinstance(cause, OSError) else None) or "its disk failed"
