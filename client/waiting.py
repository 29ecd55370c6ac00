"""The client that waits for each answer."""

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

    def _ask(self, method: str, path: str, **content: object) -> httpx.Response:
        try:
            return checked(self._http.request(method, path, **content))  # type: ignore[arg-type] # as given above
        except httpx.TransportError as error:
            raise unreachable(self._address, error) from error
