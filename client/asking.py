"""The client that does other things meanwhile."""

import asyncio
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

    async def _ask(self, method: str, path: str, **content: object) -> httpx.Response:
        try:
            return checked(await self._http.request(method, path, **content))  # type: ignore[arg-type] # as above
        except httpx.TransportError as error:
            raise unreachable(self._address, error) from error
