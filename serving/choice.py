"""The engine that the settings name, with the local Triton it may need."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from contract.errors import ConfigurationError
from serving.engines import Engine
from serving.settings import Settings
from serving.versions import published_models

Say = Callable[[str], None]


@contextmanager
def open_engine(settings: Settings, say: Say) -> Iterator[Engine]:
    """
    Give the engine that the settings name; a local Triton runs while inside.

    Args:
        settings: As read at the door.
        say: Hears what takes long.

    Raises:
        TritonUnavailable: If a local Triton is wanted and cannot run here; the hint says what can.
        ConfigurationError: If it would have no model to load.
    """
    with provided_triton(settings, say) as provided:
        yield make_engine(provided)


@contextmanager
def provided_triton(settings: Settings, say: Say) -> Iterator[Settings]:
    """Give the settings with the address of a Triton where one is wanted; a local one runs while inside."""
    if settings.engine != "triton" or settings.triton_url:
        yield settings
        return
    with local_triton(settings, say) as url:
        yield settings.model_copy(update={"triton_url": url})


def make_engine(settings: Settings) -> Engine:
    """Give the engine that the settings name, to be used in this process."""
    # Each engine's libraries are imported only when it runs: the other's need not be installed.
    if settings.engine == "local":
        from serving.engines.local import LocalEngine

        return LocalEngine(timeout_s=settings.timeout_s, threads=settings.processors())
    from serving.engines.triton import TritonEngine

    assert settings.triton_url is not None, "a Triton is provided first"
    return TritonEngine(settings.triton_url, timeout_s=settings.timeout_s)


@contextmanager
def local_triton(settings: Settings, say: Say) -> Iterator[str]:
    """Install a Triton where there is none, and keep it running while inside; gives its gRPC address."""
    from serving.triton.environment import Environment, install_environment
    from serving.triton.server import Launch, TritonServer, free_ports
    from serving.triton.supervisor import Supervisor

    if not published_models(settings.repository):
        raise ConfigurationError(
            f"{settings.repository}: no published model", hint="name another repository, or `box2seg publish`"
        )
    if not Environment().is_installed:
        say("installing Triton into its own environment, once: about a minute and 450 MB")
    environment = install_environment()
    log = environment.folder / "triton.log"
    # The gateway has it load the versions that it verified: one bad model keeps no other from starting.
    server = TritonServer(
        Launch(settings.repository, log, models=(), ports=free_ports(), environment=environment)
    )
    supervisor = Supervisor(server)
    say(f"starting Triton; its log is {log}, its metrics are at {server.metrics_url}")
    try:
        supervisor.start()
        yield supervisor.server.grpc_url
    finally:
        supervisor.stop()
