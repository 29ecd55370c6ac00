"""A client of the real gateway that tests/conftest.py runs."""

from collections.abc import Iterator

import httpx
import pytest


@pytest.fixture
def client(gateway: str) -> Iterator[httpx.Client]:
    """A client of the gateway."""
    with httpx.Client(base_url=gateway, timeout=30.0) as client:
        yield client
