"""A real gateway that serves the tiny colour model with the local engine."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from serving.engines.local import LocalEngine
from serving.settings import Settings
from tests.serving.colours import publish_colours
from tests.serving.running import running_gateway


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the colour network as version 1 of box2seg."""
    root = tmp_path_factory.mktemp("repository")
    publish_colours(root)
    return root


@pytest.fixture(scope="session")
def gateway(repository: Path) -> Iterator[str]:
    """The address of a gateway with the local engine and small limits."""
    settings = Settings(
        engine="local",
        repository=repository,
        max_pixels=4_000_000,
        max_body_bytes=2_000_000,
        watch_every_s=0.1,
    )
    with running_gateway(settings, LocalEngine()) as address:
        yield address


@pytest.fixture
def client(gateway: str) -> Iterator[httpx.Client]:
    """A client of the gateway."""
    with httpx.Client(base_url=gateway, timeout=30.0) as client:
        yield client
