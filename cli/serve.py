"""`box2seg serve`: the gateway and, where wanted, a local Triton behind it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    import socket


def serve(
    engine: Annotated[
        str | None, typer.Option(help="triton, or local: in this process. [default: triton]")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 0.0.0.0 for all. [default: 127.0.0.1]")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Port to listen on; 0 for any free one. [default: 8000]"),
    ] = None,
    repository: Annotated[
        Path | None, typer.Option(help="Where models are published. [default: model_repository]")
    ] = None,
    triton_url: Annotated[
        str | None, typer.Option(help="Host and port of a Triton's gRPC that runs already.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Gateway processes behind the port. More than one pay where the engine, as on a GPU, is "
            "quicker than one process reads photos and writes masks. [default: 1]",
        ),
    ] = None,
    anybody: Annotated[
        bool, typer.Option("--open", help="Listen beyond this machine without keys: anybody may ask.")
    ] = False,
) -> None:
    """
    Answer POST /v1/segment: a photo in, its per-pixel class mask out.

    Starts a local Triton, installed on first use, and starts it again should it die. A version
    that becomes live is served from then on. More settings are environment variables: BOX2SEG_MAX_PIXELS, ...

    Example: box2seg serve --engine local --port 8080
    """
    from cli.gateway import end_on_sigterm, run_alone, run_workers, say
    from serving.choice import provided_triton
    from serving.keys import read_keys
    from serving.logs import install_logs
    from serving.settings import read_settings

    settings = read_settings(
        host=host,
        port=port,
        open=anybody or None,
        engine=engine,
        repository=repository,
        triton_url=triton_url,
        workers=workers,
    )
    if not (settings.keys_file or settings.open):
        refuse_strangers(settings.host)
    if settings.keys_file:
        read_keys(settings.keys_file)  # so that nothing slow begins where there are none
    install_logs(settings.log_format)
    end_on_sigterm()
    with _listen(settings.host, settings.port) as door, provided_triton(settings, say) as provided:
        run = run_alone if settings.workers == 1 else run_workers
        run(provided, door)
    say("stopped")


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
            hint="`box2seg key add NAME` and BOX2SEG_KEYS_FILE=keys.json; to let anybody ask, --open or "
            "BOX2SEG_OPEN=true",
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
