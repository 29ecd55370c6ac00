"""What image and compose file start, started here: the same words and variables, other paths and ports."""

import json
import re
import socket
from pathlib import Path

import httpx
import pytest

from serving.keys import INFER, change_keys, make_key
from tests.cli.test_serve import start
from tests.docker.files import DOCKER, read_services, read_stages
from tests.serving.colours import publish_colours

IMAGE = read_stages(DOCKER / "gateway.Dockerfile")[-1]
COMPOSED = read_services(DOCKER / "compose.yaml")["gateway"]["environment"]


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """The image's variables, for the local engine and a repository of the test's own."""
    publish_colours(tmp_path / "models")
    ours = {name: each for name, each in IMAGE.variables().items() if name.startswith("BOX2SEG_")}
    return {**ours, "BOX2SEG_REPOSITORY": str(tmp_path / "models"), "BOX2SEG_ENGINE": "local"}


def test_the_word_serve_is_enough(variables: dict[str, str]) -> None:
    """The image's own command, which is SageMaker's, listens at the port that is named for whoever comes."""
    assert json.loads(*IMAGE.all("CMD")) == ["serve"]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with start(**variables, BOX2SEG_OPEN="true", SAGEMAKER_BIND_TO_PORT=port) as server:
        assert server.stderr is not None
        assert any(f"answers at http://127.0.0.1:{port}" in line for line in server.stderr)
        assert httpx.get(f"http://127.0.0.1:{port}/ping").status_code == 200
        server.kill()


def test_the_image_is_refused_as_it_stands(variables: dict[str, str]) -> None:
    """Without keys, and without a word that anybody may ask, nothing listens."""
    with start(**variables) as server:
        assert "BOX2SEG_OPEN=true" in server.communicate(timeout=120)[1]
    assert server.returncode == 2


def test_what_compose_starts_wants_keys(variables: dict[str, str], tmp_path: Path) -> None:
    """The compose file's gateway does not start without keys, and with one it answers who has that."""
    file = tmp_path / Path(COMPOSED["BOX2SEG_KEYS_FILE"]).name
    composed = {name: each for name, each in COMPOSED.items() if name != "BOX2SEG_TRITON_URL"}
    given = {**variables, **composed, "BOX2SEG_KEYS_FILE": str(file), "BOX2SEG_PORT": "0"}
    with start(**given) as without:
        assert "no such file of keys" in without.communicate(timeout=120)[1]
    assert without.returncode == 2
    key, token = make_key("alice", (INFER,))
    change_keys(file, lambda _: [key])
    with start(**given) as server:
        assert server.stderr is not None
        address = next(found[1] for line in server.stderr if (found := re.search(r"answers at (\S+)", line)))
        assert httpx.get(f"{address}/v1/models").status_code == 401
        assert httpx.get(f"{address}/v1/models", headers={"X-API-Key": token}).status_code == 200
        server.kill()
