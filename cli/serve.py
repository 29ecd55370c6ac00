"""`box2seg serve`: the gateway and, where wanted, a local Triton behind it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import socket

    import uvicorn
    from fastapi import FastAPI

    from serving.gateway import Gateway

ASK_EVERY_S = 0.1

TRACES = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
"""OpenTelemetry's own variables; one of them given, spans are sent there."""

SAMPLE = Path("docs/pictures/chelsea.jpg")
"""Lies in every checkout, so that the line to paste works as it stands."""

GREETING = """
box2seg answers at {address} (engine: {engine}); all it can: {address}/docs

  curl -s --data-binary @{photo} -H 'Content-Type: image/jpeg' {address}/v1/segment -o mask.png

With '?format=overlay' behind segment it is a picture to look at. Ctrl-C stops.
"""


def serve(
    engine: Annotated[
        str | None, typer.Option(help="triton, or local: in this process. [default: triton]")
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port to listen on; 0 for any free one.")
    ] = 8000,
    repository: Annotated[
        Path | None, typer.Option(help="Where models are published. [default: model_repository]")
    ] = None,
    triton_url: Annotated[
        str | None, typer.Option(help="Host and port of a Triton's gRPC that runs already.")
    ] = None,
    anybody: Annotated[
        bool, typer.Option("--open", help="Listen beyond this machine without keys: anybody may ask.")
    ] = False,
) -> None:
    """
    Answer POST /v1/segment: a photo in, its per-pixel class mask out.

    Starts a local Triton, installed on first use, and starts it again should it die. Newly published
    versions are served as they appear. More settings are environment variables: BOX2SEG_MAX_PIXELS, ...

    Example: box2seg serve --engine local --port 8080
    """
    from serving.app import create_app
    from serving.choice import open_engine
    from serving.keys import read_keys
    from serving.logs import install_logs
    from serving.settings import read_settings
    from serving.traces import install_traces

    settings = read_settings(engine=engine, repository=repository, triton_url=triton_url)
    if not (settings.keys_file or anybody):
        refuse_strangers(host)
    if settings.keys_file:
        read_keys(settings.keys_file)  # so that nothing slow begins where there are none
    install_logs(settings.log_format)
    if any(os.environ.get(name) for name in TRACES):
        install_traces()
    end_on_sigterm()
    with _listen(host, port) as door, open_engine(settings, say) as chosen:
        run_gateway(create_app(settings, chosen), door)
    say("stopped")


def run_gateway(app: FastAPI, door: socket.socket) -> None:
    """Answer requests that come in at the door until Ctrl-C or SIGTERM; those under way are finished."""
    import asyncio
    from contextlib import suppress

    from contract.errors import ConfigurationError
    from serving.routes.server import GatewayServer

    server = GatewayServer(app)

    async def run() -> None:
        announcing = asyncio.create_task(_announce(server, app.state.gateway, _address(door)))
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


async def _announce(server: uvicorn.Server, gateway: Gateway, address: str) -> None:
    """Say where to send photos once a real inference has succeeded, and until then why not yet."""
    import asyncio

    said = None
    while not server.started:
        await asyncio.sleep(ASK_EVERY_S)
    while (reason := await gateway.why_not_ready()) is not None:
        if reason != said:
            say(f"not ready yet: {reason}")
        said = reason
        await asyncio.sleep(ASK_EVERY_S)
    photo = SAMPLE if SAMPLE.is_file() else "photo.jpg"
    say(GREETING.format(address=address, engine=gateway.settings.engine, photo=photo))


def refuse_strangers(host: str) -> None:
    """Refuse to listen where other machines can ask, without keys."""
    import ipaddress
    import socket

    from contract.errors import ConfigurationError

    try:
        found = {each[4][0] for each in socket.getaddrinfo(host, None)}
    except OSError:
        return  # it cannot be listened on either, and that says why
    if not all(ipaddress.ip_address(each.partition("%")[0]).is_loopback for each in map(str, found)):
        raise ConfigurationError(
            f"on {host} other machines could ask, and there are no keys",
            hint="`box2seg key add NAME` and BOX2SEG_KEYS_FILE=keys.json, or --open to let anybody ask",
        )


def _listen(host: str, port: int) -> socket.socket:
    """Take the port before anything slow begins."""
    import socket

    from contract.errors import ConfigurationError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on {host} port {port}: {error.strerror or error}", hint="choose another --port"
        ) from error


def _address(door: socket.socket) -> str:
    """Give the address to type; one that means all of them is spoken to at home."""
    host, port = door.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def end_on_sigterm() -> None:
    """Have SIGTERM unwind the stack as Ctrl-C does, so that Triton is stopped too."""
    import signal
    import sys

    signal.signal(signal.SIGTERM, lambda *_: sys.exit())


def say(words: str) -> None:
    """Tell the person at the terminal; stdout is for data."""
    typer.echo(words, err=True)
