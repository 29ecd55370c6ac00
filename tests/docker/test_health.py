"""docker/health.py, as an image's health check runs it."""

import subprocess
import sys

import httpx

from tests.docker.files import DOCKER


def run(**variables: str) -> "subprocess.CompletedProcess[str]":
    """Run the script with these variables alone."""
    command = [sys.executable, "-I", str(DOCKER / "health.py")]
    return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)


def test_it_tells_a_living_server_from_none(gateway: str) -> None:
    """It ends well where the server answers at the port given in any of the ways, and else does not."""
    port = str(httpx.URL(gateway).port)
    for name in ("BOX2SEG_PORT", "AIP_HTTP_PORT", "SAGEMAKER_BIND_TO_PORT"):
        assert run(**{name: port}).returncode == 0
    assert run(BOX2SEG_PORT="1", AIP_HTTP_PORT=port).returncode != 0
