"""What every request gets, whatever it asks: an id, a limit on its body and its time, a log line, a count."""

import logging
import time
from collections.abc import Callable
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.errors import CLIENT_LEFT, MEDIA_TYPE, error_problem, outcome_of_status
from serving.logs import FACTS, REQUEST
from serving.routes.client import Client, Limits
from serving.telemetry import Telemetry, request_id
from serving.traces import name_answer, request_span

log = logging.getLogger("box2seg.requests")

ID_HEADER = "X-Request-Id"

FAILURES = range(400, 600)

JOBS_PATH = "/v1/jobs"


class Frame:
    """
    ASGI middleware around all routes.

    Args:
        app: What answers.
        telemetry: Counts the answers.
        limits: What a client may take.
        archives: The same where archives are sent; None where none are taken.
    """

    def __init__(
        self, app: ASGIApp, *, telemetry: Telemetry, limits: Limits, archives: Limits | None = None
    ) -> None:
        self._app = app
        self._telemetry = telemetry
        self._limits = limits
        self._archives = archives or limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope.setdefault("state", {})["request_id"] = request_id(headers.get(ID_HEADER))
        REQUEST.set(scope["state"]["request_id"])
        limits = self._archives if scope["path"] == JOBS_PATH else self._limits
        client = Client(receive, headers, limits)
        answer = _Answer(scope, send, finished=client.let_go)
        photos = self._telemetry.photos_of_a_request()
        with request_span(headers, scope["method"]) as span, photos as outcomes:
            try:
                await client.wait_for(self._app(scope, client.receive, answer.send))
            except ClientDisconnect:
                pass  # counted as 499; there is nobody to answer
            except Exception as error:
                log.exception("request %s failed", scope["state"]["request_id"])
                await answer.send_failure(error, receive)
            finally:
                self._telemetry.count_request(_route(scope), answer.status, answer.seconds())
                if not outcomes and answer.status in FAILURES and _asks_for_photos(scope):
                    self._telemetry.count_unread_photo(outcome_of_status(answer.status))
                answer.log_line()
                name_answer(
                    span,
                    method=scope["method"],
                    route=_route(scope),
                    status=answer.status,
                    request_id=scope["state"]["request_id"],
                )


class _Answer:
    """One answer on its way out: gets the id's header, and is remembered for the log."""

    def __init__(self, scope: Scope, send: Send, *, finished: Callable[[], None]) -> None:
        self.status = CLIENT_LEFT
        self._scope = scope
        self._send = send
        self._finished = finished
        self._begin = time.perf_counter()
        self._started = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._started = True
            self.status = message["status"]
            MutableHeaders(scope=message)[ID_HEADER] = self._scope["state"]["request_id"]
        elif not message.get("more_body", False):
            self._finished()
        await self._send(message)

    async def send_failure(self, error: Exception, receive: Receive) -> None:
        if not self._started:
            content = error_problem(error, request_id=self._scope["state"]["request_id"])
            response = JSONResponse(content, HTTPStatus.INTERNAL_SERVER_ERROR, media_type=MEDIA_TYPE)
            await response(self._scope, receive, self.send)

    def log_line(self) -> None:
        state = self._scope["state"]
        facts = {
            "method": self._scope["method"],
            # As the client escaped it: a path cannot begin a line of its own in the log.
            "path": ascii(self._scope.get("raw_path", b"").decode("latin-1"))[1:-1],
            "status": self.status,
            "ms": round(self.seconds() * 1e3, 1),
            "request_id": state["request_id"],
            "key": state.get("key"),
        }
        words = "%(method)s %(path)s %(status)d %(ms).1f ms %(request_id)s"
        log.info(words + " %(key)s" * ("key" in state), facts, extra={FACTS: facts})

    def seconds(self) -> float:
        return time.perf_counter() - self._begin


def _route(scope: Scope) -> str:
    """Give the route's pattern, never the path itself, so that clients cannot make metrics grow."""
    route = scope.get("route")
    return str(getattr(route, "path", "none"))


def _asks_for_photos(scope: Scope) -> bool:
    """Tell whether it was for a route to post to: all that is posted is photos, but for jobs."""
    return (
        scope["path"] != JOBS_PATH
        and "POST" in (getattr(scope.get("route"), "methods", None) or ())
        and scope["method"] == "POST"
    )
