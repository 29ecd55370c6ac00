"""What the tests of several rooms share: a gateway with a tiny model, and a real Triton, for a whole run."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.errors import TritonUnavailable
from serving.triton.environment import CHECKOUT, Environment, install_environment
from serving.triton.machine import check_platform, find_libpython
from serving.triton.server import Launch, TritonServer, free_ports


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Write each case's number into the report that docs/reliability.py reads."""
    for item in items:
        numbers = [number for mark in item.iter_markers("case") for number in mark.args]
        item.user_properties += [("case", number) for number in dict.fromkeys(numbers)]


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model repository with the colour network as version 1 of box2seg."""
    from tests.serving.colours import publish_colours

    root = tmp_path_factory.mktemp("repository")
    publish_colours(root)
    return root


@pytest.fixture(scope="session")
def gateway(repository: Path) -> Iterator[str]:
    """The address of a gateway with the local engine and small limits."""
    from serving.engines.local import LocalEngine
    from serving.settings import Settings
    from tests.serving.running import running_gateway

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
def photos(tmp_path: Path) -> Path:
    """A folder with two good photos, one of them deeper, and two bad ones."""
    from tests.serving.colours import draw_photo, encode

    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    (folder / "first.jpg").write_bytes(encode(draw_photo(), "JPEG", quality=95))
    (folder / "deep" / "second.PNG").write_bytes(encode(draw_photo(70, 50)))
    (folder / "broken.jpg").write_bytes(encode(draw_photo(), "JPEG")[:300])
    (folder / "no_photo.png").write_bytes(b"hello")
    (folder / "notes.txt").write_bytes(b"not looked at")
    return folder


@pytest.fixture(scope="session")
def triton_environment() -> Environment:
    """Triton's environment, installed once; skips where it cannot run. Mark such tests `triton`."""
    try:
        check_platform()
        find_libpython()
    except TritonUnavailable as error:
        pytest.skip(error.message)
    return install_environment()


@pytest.fixture(scope="session")
def triton_repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository of `triton_server`: our config.pbtxt with the colour network as version 1 of box2seg."""
    from tests.serving.colours import publish_colours

    root = tmp_path_factory.mktemp("triton_repository")
    publish_colours(root)
    shutil.copy(CHECKOUT / "model_repository" / "box2seg" / "config.pbtxt", root / "box2seg")
    return root


@pytest.fixture(scope="session")
def triton_server(
    triton_environment: Environment, triton_repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TritonServer]:
    """A real Triton that serves the colour network; leave it running."""
    log = tmp_path_factory.mktemp("triton") / "triton.log"
    server = TritonServer(Launch(triton_repository, log, ports=free_ports(), environment=triton_environment))
    server.start()
    try:
        yield server
    finally:
        server.stop()
