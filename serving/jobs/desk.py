"""Where jobs are handed in, asked after, cancelled and fetched."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ParamSpec, TypeVar

from contract.errors import InvalidParameter, JobNotReady, OutOfRoom
from serving.batch.budget import read_budget
from serving.batch.items import Trouble
from serving.batch.outputs import choose_outputs
from serving.batch.together import check_packages
from serving.gateway import Gateway
from serving.jobs.folder import Intake, JobFolder, check_room, portions
from serving.jobs.job import Holder, Job, Order, new_job
from serving.jobs.places import Place, find_out, find_place
from serving.jobs.register import Register
from serving.jobs.work import SUFFIX
from serving.settings import Settings

P = ParamSpec("P")
T = TypeVar("T")

CANCEL_S, LOOK_EVERY_S = 5.0, 0.1


@dataclass(slots=True)
class Desk:
    """
    Takes jobs in, in any of a server's workers.

    Args:
        settings: As read at the door; with a folder for jobs.
        gateway: Says which models there are.
    """

    settings: Settings
    gateway: Gateway
    root: Path = field(init=False)
    register: Register = field(init=False)

    def __post_init__(self) -> None:
        """
        Open the account.

        Raises:
            ConfigurationError: If the folder cannot be written.
        """
        assert self.settings.jobs_folder is not None, "without a folder there is no desk"
        self.register = Register(self.settings.jobs_folder)
        self.root = self.settings.jobs_folder.resolve()

    def check(self, order: Order) -> None:
        """
        Refuse what cannot be done.

        Raises:
            UnknownFormat, UnknownModel, InvalidParameter: Then; says what there is.
        """
        try:
            check_packages(choose_outputs(order.formats, SUFFIX))
        except ModuleNotFoundError as error:
            raise InvalidParameter(f"formats: this server lacks the package {error.name}") from error
        try:
            read_budget(order.max_failures)
        except InvalidParameter as error:
            raise InvalidParameter(
                "max_failures: " + error.message.removeprefix("--max-failures ")
            ) from error
        self.gateway.models.find(order.model)

    async def take_archive(self, order: Order, holder: Holder, chunks: AsyncIterator[bytes]) -> Job:
        """
        Take in a job whose archive comes now; it is there whole or not at all.

        Raises:
            RateLimited: If its key has too many jobs.
            RequestError: If what comes is no archive.
            OutOfRoom: If there is no room for it.
        """
        job = new_job(order, holder, "receiving")
        await _in_thread(self.register.add, job, most=self.settings.jobs_per_key)
        intake: Intake | None = None
        try:
            intake = await _in_thread(Intake, self.folder(job), free_bytes=self.settings.jobs_free_bytes)
            async for portion in portions(chunks):
                await _in_thread(intake.write, portion)
            await _in_thread(intake.finish)
            await _in_thread(self.register.queue, job.id)
        except BaseException:
            await asyncio.shield(_in_thread(self._refuse, job, intake))
            raise
        return replace(job, state="queued")

    async def take_places(self, order: Order, holder: Holder) -> Job:
        """
        Take in a job whose photos lie under the operator's roots.

        Raises:
            RateLimited: If its key has too many jobs.
            InvalidParameter: If a place is not there, or not allowed.
            OutOfRoom: If there is no room for results.
        """
        return await _in_thread(self._take_places, order, holder)

    async def find(self, id: str, holder: Holder) -> Job:
        """
        Give a job.

        Raises:
            UnknownJob: If there is none, or not for whoever asks.
        """
        return await _in_thread(self.register.find, id, holder)

    async def those_of(self, holder: Holder, *, at_most: int) -> list[Job]:
        """Give the jobs that somebody may know of, the newest first."""
        return await _in_thread(self.register.those_of, holder, at_most=at_most)

    async def failures(self, job: Job, *, at_most: int) -> list[Trouble]:
        """Give what failed in a job."""
        return await _in_thread(self.register.failures, job.id, at_most=at_most)

    async def end(self, id: str, holder: Holder) -> Job:
        """
        Cancel a job, or remove one that has ended; gives it as it is then, or was.

        Raises:
            UnknownJob: If there is none, or not for whoever asks.
        """
        job = await self.find(id, holder)
        if not job.is_active:
            await _in_thread(self._forget, job)
            return job
        if await _in_thread(self.register.want_no_more, id):
            await _in_thread(self.remove_files, job)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(CANCEL_S):
                    while (await self.find(id, holder)).is_active:
                        await asyncio.sleep(LOOK_EVERY_S)
        return await self.find(id, holder)

    async def result(self, id: str, holder: Holder) -> Path:
        """
        Give the archive of a job's results.

        Raises:
            UnknownJob: If there is no such job, or not for whoever asks.
            JobNotReady: If it has none.
        """
        job = await self.find(id, holder)
        path = self.folder(job).result
        if not await _in_thread(self.has_result, job):
            words = f"the job is {job.state}" + (f": {job.reason}" if job.reason else "")
            hint = "ask for its status until it has ended" if job.is_active else "hand it in again"
            raise JobNotReady(f"{words}; it has no result", hint=hint)
        if job.order.result is not None:
            raise JobNotReady(
                f"the results were left in {job.order.result}", hint="they are fetched from there"
            )
        return path

    def has_result(self, job: Job) -> bool:
        """Tell whether there is something to be fetched; looks at the disk."""
        if job.is_active or job.state == "cancelled":
            return False
        return bool(job.progress.settled) if job.order.result else self.folder(job).result.exists()

    def folder(self, job: Job) -> JobFolder:
        """Give a job's own folder."""
        return JobFolder(self.root / job.id)

    def out(self, job: Job) -> Path:
        """
        Give the folder that masks go to.

        Raises:
            InvalidParameter: If it leads out of what is allowed now.
        """
        if job.order.result is None:
            return self.folder(job).masks
        out = find_out(job.order.result, self.settings.jobs_out_roots)
        if out.is_symlink():
            raise InvalidParameter(f"result: {job.order.result!r} became a link")
        return out

    def places(self, job: Job) -> list[Place]:
        """
        Give where a job's photos lie.

        Raises:
            InvalidParameter: If a place is not there any more, or not allowed.
        """
        if job.order.places:
            return [find_place(words, self.settings.jobs_roots) for words in job.order.places]
        folder = self.folder(job)
        archive = folder.archive()
        return [Place(archive, folder.path)] if archive else []

    def remove_files(self, job: Job) -> None:
        """Remove all that a job has written; results that were left elsewhere too, if it had not ended."""
        self.folder(job).remove()
        if job.order.result is not None and job.is_active:
            with suppress(InvalidParameter):
                shutil.rmtree(self.out(job), ignore_errors=True)

    def _take_places(self, order: Order, holder: Holder) -> Job:
        job = new_job(order, holder, "receiving")
        self.places(job)
        out = self.out(job)
        self.register.add(job, most=self.settings.jobs_per_key)
        try:
            check_room(self.root, self.settings.jobs_free_bytes)
            self.folder(job).path.mkdir(mode=0o700)
            if order.result is not None:
                _make_new(out, order.result)
            self.register.queue(job.id)
        except BaseException:
            self._refuse(job, None)
            raise
        return replace(job, state="queued")

    def _refuse(self, job: Job, intake: Intake | None) -> None:
        """Leave nothing of a job that was not taken in."""
        if intake:
            intake.give_up()
        self.folder(job).remove()
        self.register.forget(job.id)

    def _forget(self, job: Job) -> None:
        self.remove_files(job)
        self.register.forget(job.id)


def _make_new(out: Path, words: str) -> None:
    try:
        out.mkdir()
    except FileExistsError as error:
        raise InvalidParameter(
            f"result: {words!r} is there already", hint="name a folder that is not there yet"
        ) from error
    except OSError as error:
        raise OutOfRoom(
            f"the server cannot make {words!r} ({error.strerror})", hint="ask whoever runs this server"
        ) from error


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    return await asyncio.to_thread(function, *args, **kwargs)
