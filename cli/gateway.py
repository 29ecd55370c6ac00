"""Runs the gateway for `box2seg serve`: alone, or as several workers that one process watches."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    import socket
    from multiprocessing.process import BaseProcess

    from fastapi import FastAPI

    from serving.common import Common
    from serving.gateway import Gateway
    from serving.settings import Settings
    from serving.workers import Post

ASK_EVERY_S = 0.1

LEAVING_S = 10.0
"""What a worker may take beside its requests to end."""

TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
"""OpenTelemetry's own variables; one of them given, spans are sent there."""

SAMPLE = Path("docs/pictures/chelsea.jpg")
"""Lies in every checkout, so that the line to paste works as it stands."""

GREETING = """
box2seg answers at {address} (engine: {engine}); all it can: {address}/docs

  curl -s --data-binary @{photo} -H 'Content-Type: image/jpeg' {address}/v1/segment -o mask.png

With '?format=overlay' behind segment it is a picture to look at. Ctrl-C stops.
"""


def run_alone(settings: Settings, door: socket.socket) -> None:
    """Answer in this process."""
    from serving.app import create_app
    from serving.choice import make_engine

    _send_traces()
    run_gateway(create_app(settings, make_engine(settings)), door)


def run_workers(settings: Settings, door: socket.socket) -> None:
    """
    Answer in several processes, and watch them.

    Raises:
        ConfigurationError: If they cannot start.
    """
    from serving.common import common_folder
    from serving.workers import Workers

    with common_folder() as common:
        Workers(
            partial(work, settings, door, common),
            count=settings.workers,
            door=door,
            grace_s=settings.drain_s + settings.grace_s + LEAVING_S,
            bury=partial(_bury, common),
        ).run()


def _bury(common: Common, pid: int) -> None:
    """Take away what a dead worker said of the present; what it counted stays."""
    from serving.fellows import forget_worker
    from serving.telemetry import forget_process

    forget_process(pid, common.metrics)
    forget_worker(pid, common.versions)


def work(settings: Settings, door: socket.socket, common: Common, post: Post) -> None:
    """Answer as one of several workers, until told to end or the process that watches them is gone."""
    from contract.errors import Box2SegError
    from serving.common import METRICS_VARIABLE
    from serving.logs import install_logs

    os.environ[METRICS_VARIABLE] = str(common.metrics)  # before what reads it is imported
    os.setpgrp()  # Ctrl-C in the terminal is for the process that watches us, which hands it on
    end_on_sigterm()
    parent = _end_with_parent()
    install_logs(settings.log_format)
    try:
        _work(settings, door, common, post)
    except (Box2SegError, ModuleNotFoundError) as error:
        logging.getLogger(__name__).error("worker %d: %s", post.number, error)
        sys.exit(1)
    finally:
        if not parent.is_alive():
            common.remove()  # nobody else will


def _work(settings: Settings, door: socket.socket, common: Common, post: Post) -> None:
    from serving.app import create_app
    from serving.choice import make_engine
    from serving.workers import share_of

    _send_traces()
    mine = share_of(settings, post.number)
    app = create_app(mine, make_engine(mine), common=common)
    run_gateway(app, door, greet=post.is_first, on_start=lambda: post.started.send_bytes(b"started"))


def run_gateway(
    app: FastAPI, door: socket.socket, *, greet: bool = True, on_start: Callable[[], None] | None = None
) -> None:
    """
    Answer requests that come in at the door until Ctrl-C or SIGTERM; those under way are finished.

    Args:
        app: From `create_app`.
        door: Listens already.
        greet: Say where to send photos once they can be answered.
        on_start: Called once requests are taken.

    Raises:
        ConfigurationError: If the app does not start.
    """
    import asyncio
    from contextlib import suppress

    from contract.errors import ConfigurationError
    from serving.routes.server import GatewayServer

    server = GatewayServer(app)

    async def announce() -> None:
        while not server.started:
            await asyncio.sleep(ASK_EVERY_S)
        if on_start:
            on_start()
        if greet:
            await _greet(app.state.gateway, _address(door))

    async def run() -> None:
        announcing = asyncio.create_task(announce())
        try:
            await server.serve(sockets=[door])
        except SystemExit as end:
            if end.code:  # of uvicorn, where the start failed; a signal has none
                raise ConfigurationError(
                    "the gateway could not start", hint="the log above says why"
                ) from end
            raise
        finally:
            announcing.cancel()

    # uvicorn finishes its requests first and then raises the signal that ended it once more.
    with (
        suppress(KeyboardInterrupt, SystemExit),
        asyncio.Runner(loop_factory=server.config.get_loop_factory()) as runner,
    ):
        runner.run(run())


async def _greet(gateway: Gateway, address: str) -> None:
    """Say where to send photos once a real inference has succeeded, and until then why not yet."""
    import asyncio

    said = None
    while (reason := await gateway.why_not_ready()) is not None:
        if reason != said:
            say(f"not ready yet: {reason}")
        said = reason
        await asyncio.sleep(ASK_EVERY_S)
    photo = SAMPLE if SAMPLE.is_file() else "photo.jpg"
    say(GREETING.format(address=address, engine=gateway.settings.engine, photo=photo))


def _address(door: socket.socket) -> str:
    """Give the address to type; one that means all of them is spoken to at home."""
    host, port = door.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def end_on_sigterm() -> None:
    """Have SIGTERM unwind the stack as Ctrl-C does, so that Triton is stopped too."""
    import signal

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())


def say(words: str) -> None:
    """Tell the person at the terminal; stdout is for data."""
    typer.echo(words, err=True)


def _send_traces() -> None:
    """Send spans where the environment says where to."""
    from serving.traces import install_traces

    if any(os.environ.get(name) for name in TRACES):
        install_traces()


def _end_with_parent() -> BaseProcess:
    """Have the end of the process that started this one end this one too, as SIGTERM does; gives that."""
    import signal
    import threading
    from multiprocessing import parent_process

    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()
    return parent
