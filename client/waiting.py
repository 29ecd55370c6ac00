"""The client that waits for each answer."""

import time
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
    read_portions,
    save,
)
from client.questions import Photo, Value, labels_query, photo_bytes, query


class Client:
    """
    Segments photos by a server; use it as a context, or close it.

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
        self._http = httpx.Client(**how)
        self._once = {**how, "transport": None}  # a job handed in twice would be two
        self._cards: dict[str, Card] = {}

    def segment(self, photo: Photo, *, model: str | None = None, **parameters: Value) -> Answer:
        """
        Give a photo's labels.

        Args:
            photo: Its file's bytes, the path to it, or its pixels (H, W, 3) uint8 RGB.
            model: Which one; where left out, the server's default.
            parameters: Others that the server knows, such as `classes=["cat"]`; its /docs lists them.

        Raises:
            ConfigurationError: If a format is given: `fetch` is for those.
            RequestRefused: If the server does not take the photo or a parameter; says why.
            ServerUnavailable: If it does not answer, or cannot now.
            ServerError: If it failed.
        """
        asked = labels_query(parameters, model)
        for _ in range(TRIES):
            answer = self._post(photo, asked)
            card = self._card_of(*made_by(answer))
            if (card.name, card.version) == made_by(answer):
                return read_labels(answer, card.classes)
        raise restless(card.name)

    def fetch(self, photo: Photo, *, format: str, **parameters: Value) -> bytes:
        """Give the server's answer to a photo in one of its formats, as it came; raises as `segment`."""
        return self._post(photo, {**parameters, "format": format}).content

    def cards(self) -> list[Card]:
        """Describe the models that answer; raises as `segment`."""
        return [read_card(each) for each in self._ask("GET", "/v1/models").json()["models"]]

    def card(self, model: str) -> Card:
        """Describe a model; raises as `segment`."""
        return read_card(self._ask("GET", f"/v1/models/{model}").json())

    def submit(
        self,
        photos: Place,
        *,
        formats: Sequence[str] = ("png",),
        model: str | None = None,
        max_failures: str | None = None,
    ) -> Job:
        """
        Hand in photos, a folder or a zip or tar archive of them, to be segmented behind all others.

        Args:
            photos: The path; a folder is packed first.
            formats: What to make: "png", "overlay", "coco", ... `cards` lists those of single photos.
            model: Which one; where left out, the server's default.
            max_failures: Stop when more photos fail: "20", or "5%" of them.

        Raises:
            InvalidImage: If nothing is there.
            RequestRefused, ServerUnavailable, ServerError: As `segment`; it is asked once alone.
        """
        asked = job_query(formats, model, max_failures)
        with packed(photos) as archive:
            content = read_portions(archive)
            with httpx.Client(**self._once) as once:
                answer = self._ask(
                    "POST", JOBS, http=once, content=content, params=asked, headers=length_of(archive)
                )
        return read_job(answer.json())

    def submit_places(
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
        with httpx.Client(**self._once) as once:
            return read_job((self._ask("POST", JOBS, http=once, json=order)).json())

    def jobs(self, *, limit: int = 100) -> list[Job]:
        """List the jobs of this key, the newest first."""
        answer = self._ask("GET", JOBS, params={"limit": limit})
        return [read_job(each) for each in answer.json()["jobs"]]

    def job(self, id: str) -> Job:
        """Say how far a job is."""
        return read_job((self._ask("GET", f"{JOBS}/{id}")).json())

    def wait(
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
            job = self.job(job.id)
            if tell:
                tell(job)
            if job.has_ended:
                return job
            time.sleep(every_s)

    def cancel(self, job: Job) -> Job:
        """Cancel a job; one that has ended is removed with its result."""
        return read_job((self._ask("DELETE", job.path)).json())

    def fetch_result(self, job: Job, out: str | PathLike[str]) -> Path:
        """Write the archive of a job's results to a file; gives its path."""
        try:
            with self._http.stream("GET", f"{job.path}/result") as answer:
                if answer.is_error:
                    answer.read()
                return save(checked(answer), Path(out))
        except httpx.TransportError as error:
            raise unreachable(self._address, error) from error

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _card_of(self, model: str, version: int) -> Card:
        """Give a model's card, asking for it where another version is known."""
        if model not in self._cards or self._cards[model].version != version:
            self._cards[model] = self.card(model)
        return self._cards[model]

    def _post(self, photo: Photo, parameters: dict[str, Value]) -> httpx.Response:
        return self._ask("POST", "/v1/segment", content=photo_bytes(photo), params=query(parameters))

    def _ask(
        self, method: str, path: str, *, http: httpx.Client | None = None, **content: object
    ) -> httpx.Response:
        try:
            return checked((http or self._http).request(method, path, **content))  # type: ignore[arg-type] # as given above
        except httpx.TransportError as error:
            raise unreachable(self._address, error) from error
