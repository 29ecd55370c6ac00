"""`box2seg serve` as a process of its own, as people start it."""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from cli.gateway import run_gateway
from cli.serve import refuse_strangers
from contract.errors import ConfigurationError
from serving.app import create_app
from serving.engines.local import LocalEngine
from serving.settings import Settings
from tests.serving.colours import draw_photo, encode, publish_colours, read_labels


def start(*words: object, **environment: object) -> "subprocess.Popen[str]":
    """Type a command and read what it says."""
    command = [sys.executable, "-m", "cli", "serve", *map(str, words)]
    more = {name: str(value) for name, value in environment.items()}
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **more})


@pytest.fixture
def server(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A gateway with the local engine, on any free port."""
    publish_colours(tmp_path)
    process = start("--engine", "local", "--port", 0, "--repository", tmp_path)
    with process:
        yield process
        process.kill()


def test_it_greets_answers_and_ends(server: "subprocess.Popen[str]") -> None:
    """It says its address once it can answer there, and SIGTERM ends it with 0."""
    assert server.stderr is not None
    address = next(found[1] for line in server.stderr if (found := re.search(r"answers at (\S+)", line)))
    answer = httpx.post(f"{address}/v1/segment", content=encode(draw_photo()))
    assert read_labels(answer.content)[32, 20] == 1
    server.send_signal(signal.SIGTERM)
    assert server.wait(60) == 0


def test_taken_port_is_named(server: "subprocess.Popen[str]", tmp_path: Path) -> None:
    """A port that somebody has is refused with a sentence."""
    assert server.stderr is not None
    port = next(found[1] for line in server.stderr if (found := re.search(r"answers at \S+:(\d+)", line)))
    second = start("--engine", "local", "--port", port, "--repository", tmp_path)
    with second:  # which else would have the port as soon as the first one ends
        try:
            assert f"port {port}" in second.communicate(timeout=120)[1]
        finally:
            second.kill()
    assert second.returncode == 2


def test_a_tritons_address_goes_with_triton(tmp_path: Path) -> None:
    """Asking for the local engine and for a Triton at once is refused."""
    both = start("--engine", "local", "--triton-url", "127.0.0.1:1", "--repository", tmp_path)
    assert "goes with the engine triton" in both.communicate(timeout=120)[1]
    assert both.returncode == 2


def test_strangers_need_keys_or_a_word(tmp_path: Path) -> None:
    """Where other machines could ask, the server wants keys or --open, and says so."""
    refused = start("--engine", "local", "--host", "0.0.0.0", "--port", 0, "--repository", tmp_path)
    said = refused.communicate(timeout=120)[1]
    assert "box2seg key add" in said
    assert "--open" in said
    assert refused.returncode == 2


@pytest.mark.parametrize(
    ("host", "is_home"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
    ],
)
def test_home_is_the_loopback(host: str, is_home: bool) -> None:
    """Loopback addresses are this machine; those that mean all of them are not."""
    if is_home:
        refuse_strangers(host)
    else:
        with pytest.raises(ConfigurationError, match="other machines"):
            refuse_strangers(host)


def test_a_start_that_fails_is_told(tmp_path: Path) -> None:
    """Where the gateway cannot begin that is an error, not a quiet end."""
    app = create_app(Settings(engine="local", repository=tmp_path), LocalEngine())

    @asynccontextmanager
    async def failing(_: object) -> AsyncIterator[None]:
        raise RuntimeError
        yield

    app.router.lifespan_context = failing
    with (
        socket.create_server(("127.0.0.1", 0)) as door,
        pytest.raises(ConfigurationError, match="could not start"),
    ):
        run_gateway(app, door)
