"""E1, E2: versions that are damaged, or of another shape, are refused with the reason; the old one serves."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import onnx
import pytest

from contract.history import Action
from contract.manifest import MANIFEST_FILE, MODEL_FILE, file_sha256
from contract.registry import changing
from serving.engines.local import LocalEngine
from serving.settings import Settings
from tests.abuse.conftest import Seen
from tests.abuse.swapping import PHOTO, VERSIONS, publish_numbers, version_of
from tests.serving.processes import wait_until
from tests.serving.running import running_gateway

Damage = Callable[[Path], None]


@pytest.fixture
def client(tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of a gateway with version 1."""
    publish_numbers(tmp_path, 1)
    settings = Settings(engine="local", repository=tmp_path, watch_every_s=0.05)
    with (
        running_gateway(settings, LocalEngine()) as address,
        httpx.Client(base_url=address, timeout=30.0) as client,
    ):
        yield client


def make_live(repository: Path, damage: Damage) -> None:
    """Make a damaged version 2 live, as the history says."""
    publish_numbers(repository.parent / "beside", 2)
    folder = repository.parent / "beside" / "box2seg" / "2"
    damage(folder)
    folder.rename(repository / "box2seg" / "2")  # whole, as publishing does it
    with changing(repository / "box2seg") as changes:
        changes.record(Action.PROMOTE, 2, who="a test", why="")


def check_refused(client: httpx.Client, repository: Path, reason: str) -> None:
    """Version 1 answers every request, and the reason why 2 does not is to be read, without any folder."""

    def problem() -> str:
        assert version_of(client.post("/v1/segment", content=PHOTO)) == 1
        (model,) = client.get("/v1/models").json()["models"]
        found: str = model["problems"].get("2", "")
        return found

    wait_until(lambda: bool(problem()))
    assert reason in problem()
    assert str(repository) not in problem()
    (card,) = (each for each in client.get(VERSIONS).json()["versions"] if each["version"] == 2)
    assert (card["state"], card["answers"], card["loaded"]) == ("live", False, False)
    for _ in range(10):
        assert version_of(client.post("/v1/segment", content=PHOTO)) == 1


def truncate(folder: Path) -> None:
    path = folder / MODEL_FILE
    path.write_bytes(path.read_bytes()[:-100])


def empty(folder: Path) -> None:
    (folder / MODEL_FILE).write_bytes(b"")


def flip(folder: Path) -> None:
    path = folder / MODEL_FILE
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def remove(folder: Path) -> None:
    (folder / MODEL_FILE).unlink()


@pytest.mark.case("E1")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(truncate, "sha256", id="truncated"),
        pytest.param(empty, "sha256", id="empty"),
        pytest.param(flip, "sha256", id="one bit"),
        pytest.param(remove, "missing", id="no file"),
    ],
)
def test_e1_a_damaged_network(
    client: httpx.Client, tmp_path: Path, damage: Damage, reason: str, seen: Seen
) -> None:
    """E1: a network that is not the one that was published is never loaded."""
    make_live(tmp_path, damage)
    check_refused(client, tmp_path, reason)
    seen("refused by sha256, and where there is no file; version 1 answered every request")


def change_manifest(change: Callable[[dict[str, Any]], object]) -> Damage:
    """Give what changes a manifest."""

    def damage(folder: Path) -> None:
        path = folder / MANIFEST_FILE
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def change_graph(change: Callable[[onnx.GraphProto], object]) -> Damage:
    """Give what changes a network, whose file the manifest then names with its sha256."""

    def damage(folder: Path) -> None:
        model = onnx.load(folder / MODEL_FILE)
        change(model.graph)
        onnx.save(model, folder / MODEL_FILE)
        digest = file_sha256(folder / MODEL_FILE)
        change_manifest(lambda content: content["files"].update({MODEL_FILE: digest}))(folder)

    return damage


def rename_input(graph: onnx.GraphProto) -> None:
    graph.input[0].name = "photo"
    for node in graph.node:
        for index, name in enumerate(node.input):
            if name == "image":
                node.input[index] = "photo"


def drop_output(graph: onnx.GraphProto) -> None:
    del graph.output[1]


def give_floats(graph: onnx.GraphProto) -> None:
    for node in graph.node:
        if node.output[0] == "labels":
            node.attribute[0].i = onnx.TensorProto.FLOAT
    graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT


@pytest.mark.case("E2")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        pytest.param(change_graph(rename_input), "model.onnx has ['photo']", id="input's name"),
        pytest.param(change_graph(drop_output), "has output 'confidence'", id="no confidence"),
        pytest.param(change_graph(give_floats), "expected (1, 96, 96) uint8", id="labels of floats"),
        pytest.param(
            change_manifest(lambda content: content["inputs"][0].update(name="photo")),
            "expected tensors",
            id="manifest: input's name",
        ),
        pytest.param(
            change_manifest(lambda content: content["inputs"][0].update(dtype="float32")),
            "expected tensors",
            id="manifest: input's type",
        ),
        pytest.param(
            change_manifest(lambda content: content["outputs"].pop(0)),
            "expected tensors",
            id="manifest: no labels",
        ),
        pytest.param(
            change_manifest(lambda content: content["classes"]["names"].pop()), "", id="manifest: a name less"
        ),
        pytest.param(
            change_manifest(lambda content: content["fit"].update(long_side=-1)), "", id="manifest: no frame"
        ),
        pytest.param(change_manifest(lambda content: content.update(version=7)), "version 7", id="number"),
    ],
)
def test_e2_another_signature(
    client: httpx.Client, tmp_path: Path, damage: Damage, reason: str, seen: Seen
) -> None:
    """E2: other tensors, classes or frames than are said are refused, and `/v1/models` says why."""
    make_live(tmp_path, damage)
    check_refused(client, tmp_path, reason)
    seen("9 kinds refused with the reason in `/v1/models`; version 1 answered every request")
