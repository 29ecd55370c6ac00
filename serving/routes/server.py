"""The HTTP server: uvicorn, with time limits of its own, and a way to leave without dropping anybody."""

import signal
import time
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from fastapi import FastAPI

from serving.gateway import Gateway
from serving.routes.connection import Connection, Patience

KEEP_ALIVE_S = 5


class GatewayServer(uvicorn.Server):
    """
    Serves the gateway's app.

    On SIGTERM it is not ready any more, goes on answering while load balancers notice, then takes no
    more connections and finishes what was begun. A second signal, or Ctrl-C, leaves out the first part.

    Args:
        app: From `create_app`.
        options: More of `uvicorn.Config`.
    """

    def __init__(self, app: FastAPI, **options: Any) -> None:
        self._gateway: Gateway = app.state.gateway
        self._leave_at: float | None = None
        settings = self._gateway.settings
        patience = Patience(settings.header_timeout_s, settings.write_timeout_s)
        # uvicorn asks for a class, and calls it only.
        make: Any = partial(Connection, patience=patience, tell=self._gateway.telemetry.count_cut)
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,  # the gateway's own line has the request's id, time and key
            server_header=False,
            ws="none",
            lifespan="on",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=round(settings.grace_s),
            http=make,
            **options,
        )
        super().__init__(config)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Leave as told by a signal."""
        is_first = not self._gateway.leaving.is_set()
        self._gateway.leaving.set()
        if self.started and is_first and sig == signal.SIGTERM:
            self._captured_signals.append(sig)
            self._leave_at = time.monotonic() + self._gateway.settings.drain_s
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        """Look ten times a second whether it is time to go."""
        if self._leave_at is not None and time.monotonic() >= self._leave_at:
            self.should_exit = True
        return await super().on_tick(counter)
