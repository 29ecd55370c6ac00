"""Who may come in: keys, their rates, and whether there is room; asked before a byte of the body is read."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from contract.errors import Box2SegError, KeyRequired, ScopeMissing
from serving.gateway import Gateway
from serving.keys import ADMIN, INFER, Key, KeyRing
from serving.rates import Rates
from serving.routes.frame import JOBS_PATH
from serving.routes.problems import problem_response

OPEN_PATHS = frozenset({"/", "/livez", "/readyz", "/ping", "/docs", "/openapi.json"})
"""For orchestrators and people, who have no key: whether it lives, and how to ask."""

OPEN_FOLDERS = ("/page/", "/swagger/")
"""What the pages at / and /docs are made of; it says nothing of anybody."""

ADMIN_PATHS = frozenset({"/metrics"})
ADMIN_PART = re.compile(r"/v1/models/[^/]+/versions")
"""For those who run the server. All other paths are for keys that may infer."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Guard:
    """
    ASGI middleware inside the frame.

    Args:
        app: What answers.
        gateway: Says whether there is room.
        routes: Where requests go; those that are refused are counted by them too.
        rates: The folder in which workers share their counts; None for one process alone.
    """

    def __init__(
        self, app: ASGIApp, *, gateway: Gateway, routes: Sequence[BaseRoute], rates: Path | None = None
    ) -> None:
        settings = gateway.settings
        self._app = app
        self._gateway = gateway
        self._routes = routes
        self._keys = KeyRing(settings.keys_file) if settings.keys_file else None
        self._rates = Rates(rate_per_s=settings.rate_per_s, burst=settings.burst, folder=rates)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request in, or answer why not."""
        try:
            if scope["type"] == "http":
                self._check(scope)
        except Box2SegError as error:
            self._note_route(scope)
            await problem_response(error, Request(scope))(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        wanted = wanted_scope(scope["path"], health=self._gateway.settings.health_route)
        if not self._keys and wanted == ADMIN and scope["method"] not in READING:
            raise ScopeMissing(
                "this server has no keys, so nobody may change its versions over the network",
                hint="give it BOX2SEG_KEYS_FILE, or use `box2seg models` where its repository lies",
            )
        if self._keys and wanted:
            key = find_key(self._keys, Headers(scope=scope))
            scope["state"] |= {"key": key.name, "holder": key}
            if wanted not in key.scopes:
                raise ScopeMissing(
                    f"this needs a key with the scope {wanted!r}, this one has {', '.join(key.scopes)}",
                    hint="ask whoever runs this server for another key",
                )
            self._rates.take(key)
            scope["state"]["charge"] = partial(self._rates.charge, key)
        # All else that they post is photos.
        if scope["method"] == "POST" and wanted == INFER and scope["path"] != JOBS_PATH:
            self._gateway.check()

    def _note_route(self, scope: Scope) -> None:
        """Say which route a request is for that does not come so far as to be brought there."""
        matching = (route for route in self._routes if route.matches(scope)[0] is Match.FULL)
        scope["route"] = next(matching, None)


def wanted_scope(path: str, *, health: str) -> str | None:
    """Give the scope that a path needs; None where anybody may ask. `health` is the setting's path."""
    if path in OPEN_PATHS or path == health or path.startswith(OPEN_FOLDERS):
        return None
    return ADMIN if path in ADMIN_PATHS or ADMIN_PART.match(path) else INFER


def find_key(keys: KeyRing, headers: Headers) -> Key:
    """
    Give the key that a request comes with, as `Authorization: Bearer` or `X-API-Key`.

    Raises:
        KeyRequired: If it has none, or one that is not known.
    """
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    token = bearer.strip() if scheme.lower() == "bearer" else headers.get("x-api-key", "")
    key = keys.find(token) if token else None
    if key is None:
        raise KeyRequired(
            "this key is not known" if token else "this server wants a key",
            hint="send it as Authorization: Bearer KEY, or as X-API-Key: KEY",
        )
    return key
