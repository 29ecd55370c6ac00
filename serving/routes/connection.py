"""One connection: headers that do not come and answers that are not read end it."""

import asyncio
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.errors import MEDIA_TYPE, problem
from serving.routes.frame import ID_HEADER

MAX_HEADER_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long a connection may take.

    Args:
        header_s: From its first moment, or a further request's first byte, to the end of the headers [s].
        write_s: From the end of an answer's making until all of it is read [s].
    """

    header_s: float
    write_s: float


class Connection(HttpToolsProtocol):
    """
    uvicorn's connection, which waits for ever for headers and for readers, with an end to that.

    Args:
        patience: How long it waits.
        tell: Hears which was too slow where a connection is cut: "headers" or "reading".
        uvicorns: What uvicorn gives.
    """

    def __init__(self, *, patience: Patience, tell: Callable[[str], None], **uvicorns: Any) -> None:
        super().__init__(**uvicorns)
        self.access_log = False  # uvicorn's would have what stands behind the question mark
        self._patience = patience
        self._tell = tell
        self._header_bytes = 0
        self._in_headers = False
        self._header_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self._unread = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        super().connection_lost(exc)
        for timer in filter(None, (self._header_timer, self._write_timer)):
            timer.cancel()

    def data_received(self, data: bytes) -> None:
        """Take bytes; those that belong to no request under way begin the wait for headers."""
        if self._header_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._expect_headers()
        # What comes together with the end of something else is not counted: at most one read's length more.
        self._header_bytes = self._header_bytes + len(data) if self._in_headers else 0
        super().data_received(data)
        if self._in_headers and self._header_bytes > MAX_HEADER_BYTES:
            self._refuse(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the headers are longer than the limit of {MAX_HEADER_BYTES:,} bytes",
                hint="send fewer or shorter ones",
            )

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._in_headers = True

    def on_headers_complete(self) -> None:
        """Begin to answer."""
        self._in_headers = False
        if self._header_timer:
            self._header_timer.cancel()
            self._header_timer = None
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        """Begin to wait until the answer is read."""
        if self.transport.get_write_buffer_size():
            self._expect_reading()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """Begin to wait until the first parts of a long answer are read, whatever was left before it."""
        super().pause_writing()
        self._stop_expecting()
        self._expect_reading()

    def resume_writing(self) -> None:
        """Go on with a long answer, and wait anew: some of it was read."""
        super().resume_writing()
        self._stop_expecting()
        if self.transport.get_write_buffer_size():
            self._expect_reading()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no HTTP as everything else is refused."""
        self._refuse(HTTPStatus.BAD_REQUEST, "this is no HTTP request", hint="speak HTTP/1.1")

    def _expect_headers(self) -> None:
        self._header_timer = self.loop.call_later(self._patience.header_s, self._headers_are_late)

    def _headers_are_late(self) -> None:
        self._header_timer = None
        self._tell("headers")
        if self._in_headers:
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT,
                f"the headers did not come within {self._patience.header_s:g} s",
                hint="send them at once",
            )
        elif not self.transport.is_closing():  # it never spoke, or goes on sending what was refused
            self.transport.close()

    def _expect_reading(self) -> None:
        if self._write_timer is None:
            self._unread = self.transport.get_write_buffer_size()
            self._write_timer = self.loop.call_later(self._patience.write_s, self._reading_is_late)

    def _stop_expecting(self) -> None:
        if self._write_timer:
            self._write_timer.cancel()
            self._write_timer = None

    def _reading_is_late(self) -> None:
        self._write_timer = None
        left = self.transport.get_write_buffer_size()
        if 0 < left < self._unread:
            self._expect_reading()
        elif left:
            self._tell("reading")
            self.transport.abort()

    def _refuse(self, status: HTTPStatus, detail: str, *, hint: str) -> None:
        """Answer and hang up, below the app, where there is no request yet."""
        if self.transport.is_closing():
            return
        self._in_headers = False
        request_id = uuid.uuid4().hex
        body = json.dumps(problem(status, detail, hint=hint, request_id=request_id)).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {MEDIA_TYPE}\r\n"
            f"{ID_HEADER}: {request_id}\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()
