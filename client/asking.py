"""The client that does other things meanwhile."""

import asyncio
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from client.answers import (
    TRIES,
    Answer,
    Card,
    Fetched,
    checked,
    made_by,
    read_card,
    read_labels,
    restless,
    unreachable,
)
from client.connection import PATIENCE_S, options
from client.jobs import (
    JOBS,
    PROGRESS_S,
    Job,
    Place,
    job_order,
    job_query,
    length_of,
    packed,
    read_job,
    read_portions_aside,
    save_aside,
)
from client.questions import Photo, Value, labels_query, photo_bytes, query


class AsyncClient:
    """
    As `Client`, for `async` code; many photos can be asked about at once.

    Args:
        address: Such as http://127.0.0.1:8000.
        key: Of those that the server knows, if it asks for one.
        timeout_s: How long the server may be silent [s].
        retries: How often to ask once more where it does not listen, or does not say when to come again.
        patience_s: How long to wait in all, for one photo, where it says when to come again [s].
    """

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        timeout_s: float = 30.0,
        retries: int = 4,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._address = address
        how = options(address, key=key, timeout_s=timeout_s, retries=retries, patience_s=patience_s)
        self._http = httpx.AsyncClient(**how)
        self._once = {**how, "transport": None}  # a job handed in twice would be two
        self._cards: dict[str, Card] = {}

    async def segment(self, photo: Photo, *, model: str | None = None, **parameters: Value) -> Answer:
        """Give a photo's labels; arguments and errors are those of `Client.segment`."""
        asked = labels_query(parameters, model)
        for _ in range(TRIES):
            answer = await self._post(photo, asked)
            card = await self._card_of(*made_by(answer))
            if (card.name, card.version) == made_by(answer):
                return await asyncio.to_thread(read_labels, answer, card.classes)
        raise restless(card.name)

    async def fetch(self, photo: Photo, *, format: str, **parameters: Value) -> bytes:
        """Give the server's answer to a photo in one of its formats, as it came."""
        return (await self._post(photo, {**parameters, "format": format})).content

    async def fetch_made(self, photo: Photo, *, format: str, **parameters: Value) -> Fetched:
        """Give the same with the model and version that made it."""
        answer = await self._post(photo, {**parameters, "format": format})
        return Fetched(answer.content, *made_by(answer))

    async def cards(self) -> list[Card]:
        """Describe the models that answer."""
        return [read_card(each) for each in (await self._ask("GET", "/v1/models")).json()["models"]]

    async def card(self, model: str) -> Card:
        """Describe a model."""
        return read_card((await self._ask("GET", f"/v1/models/{model}")).json())

    async def submit(
        self,
        photos: Place,
        *,
        formats: Sequence[str] = ("png",),
        model: str | None = None,
        max_failures: str | None = None,
    ) -> Job:
        """Hand in a folder or an archive of photos; arguments and errors are those of `Client.submit`."""
        asked = job_query(formats, model, max_failures)
        with packed(photos) as archive:
            content = read_portions_aside(archive)
            async with httpx.AsyncClient(**self._once) as once:
                answer = await self._ask(
                    "POST", JOBS, http=once, content=content, params=asked, headers=length_of(archive)
                )
        return read_job(answer.json())

    async def submit_places(
        self,
        places: Sequence[str],
        *,
        formats: Sequence[str] = ("png",),
        model: str | None = None,
        max_failures: str | None = None,
        result: str | None = None,
    ) -> Job:
        """Hand in a job over photos below folders that the server's operator allows; see its /docs."""
        order = job_order(places, formats, model, max_failures, result)
        async with httpx.AsyncClient(**self._once) as once:
            return read_job((await self._ask("POST", JOBS, http=once, json=order)).json())

    async def jobs(self, *, limit: int = 100) -> list[Job]:
        """List the jobs of this key, the newest first."""
        answer = await self._ask("GET", JOBS, params={"limit": limit})
        return [read_job(each) for each in answer.json()["jobs"]]

    async def job(self, id: str) -> Job:
        """Say how far a job is."""
        return read_job((await self._ask("GET", f"{JOBS}/{id}")).json())

    async def wait(
        self, job: Job, *, tell: Callable[[Job], None] | None = None, every_s: float = PROGRESS_S
    ) -> Job:
        """
        Wait until a job has ended.

        Args:
            job: As `submit` gave it.
            tell: Hears how far it is each time that the server is asked.
            every_s: How often that is [s].
        """
        while True:
            job = await self.job(job.id)
            if tell:
                tell(job)
            if job.has_ended:
                return job
            await asyncio.sleep(every_s)

    async def cancel(self, job: Job) -> Job:
        """Cancel a job; one that has ended is removed with its result."""
        return read_job((await self._ask("DELETE", job.path)).json())

    async def fetch_result(self, job: Job, out: str | PathLike[str]) -> Path:
        """Write the archive of a job's results to a file; gives its path."""
        try:
            async with self._http.stream("GET", f"{job.path}/result") as answer:
                if answer.is_error:
                    await answer.aread()
                return await save_aside(checked(answer), Path(out))
        except httpx.TransportError as error:
            raise unreachable(self._address, error) from error

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _card_of(self, model: str, version: int) -> Card:
        """Give a model's card, asking for it where another version is known."""
        if model not in self._cards or self._cards[model].version != version:
            self._cards[model] = await self.card(model)
        return self._cards[model]

    async def _post(self, photo: Photo, parameters: dict[str, Value]) -> httpx.Response:
        content = await asyncio.to_thread(photo_bytes, photo)
        return await self._ask("POST", "/v1/segment", content=content, params=query(parameters))

    async def _ask(
        self, method: str, path: str, *, http: httpx.AsyncClient | None = None, **content: object
    ) -> httpx.Response:
        try:
            return checked(await (http or self._http).request(method, path, **content))  # type: ignore[arg-type] # as above
        except httpx.TransportError as error:
            raise unreachable(self._address, error) from error
