import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from tritonclient.grpc import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from contract.arrays import Uint8
from contract.errors import TritonUnavailable
from serving.triton.environment import Environment
from serving.triton.server import Launch, Ports, TritonServer, free_ports
from tests.serving.colours import colour_graph, draw_photo, publish_colours
from tests.serving.processes import members

pytestmark = pytest.mark.triton

GREEN_PHOTO = np.full((1, 32, 64, 3), (20, 200, 30), np.uint8)
RED, GREEN = 1, 2
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F"}
"""127.0.0.1 as /proc/net/tcp and tcp6 write it."""


def _ask(server: TritonServer, images: np.ndarray, version: str = "") -> tuple[Uint8, Uint8]:
    kind = {"uint8": "UINT8", "float32": "FP32"}[images.dtype.name]
    tensor = InferInput("image", images.shape, kind)
    tensor.set_data_from_numpy(images)
    with InferenceServerClient(server.grpc_url) as client:
        answer = client.infer("box2seg", [tensor], model_version=version)
    return answer.as_numpy("labels"), answer.as_numpy("confidence")


def _fresh(repository: Path, folder: Path, environment: Environment) -> TritonServer:
    """Give a Triton of the test's own, on a copy of the repository that may be changed."""
    own = Path(shutil.copytree(repository, folder / "repository"))
    return TritonServer(Launch(own, folder / "triton.log", ports=free_ports(), environment=environment))


def test_a_photo_gets_its_labels(triton_server: TritonServer) -> None:
    """The colour network names each pixel exactly, through the real server."""
    photo = draw_photo()
    labels, confidence = _ask(triton_server, photo[np.newaxis])
    coloured = photo.max(axis=2) != photo.min(axis=2)
    np.testing.assert_array_equal(labels[0], np.where(coloured, photo.argmax(axis=2) + RED, 0))
    np.testing.assert_array_equal(confidence[0], np.where(coloured, 250, 255))


def test_every_image_of_a_batch_gets_its_own_labels(triton_server: TritonServer) -> None:
    """Images of a batch do not mix."""
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 32, 3), dtype=np.uint8)
    labels, _ = _ask(triton_server, images)
    np.testing.assert_array_equal(
        labels, np.concatenate([_ask(triton_server, one[None])[0] for one in images])
    )


def test_requests_at_once_get_their_own_answers(triton_server: TritonServer) -> None:
    """What Triton hands over together, of more sizes than are kept ready, comes back to who asked."""
    rng = np.random.default_rng(2)
    photos = [rng.integers(0, 2, (1, 32, 32 * (1 + n % 12), 3), dtype=np.uint8) * 200 for n in range(48)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda photo: _ask(triton_server, photo)[0], photos))
    for photo, labels in zip(photos, answers, strict=True):
        coloured = photo.max(axis=3) != photo.min(axis=3)
        np.testing.assert_array_equal(labels, np.where(coloured, photo.argmax(axis=3) + RED, 0))


WRONG = {
    "four channels": (np.zeros((1, 64, 96, 4), np.uint8), "unexpected shape"),
    "floats": (np.zeros((1, 64, 96, 3), np.float32), "data-type is 'FP32'"),
    "no batch axis": (np.zeros((64, 96, 3), np.uint8), "unexpected shape|batch"),
    "too many": (np.zeros((9, 32, 32, 3), np.uint8), "batch-size must be <= 8"),
}


@pytest.mark.parametrize(("images", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_tensor_is_refused(triton_server: TritonServer, images: np.ndarray, words: str) -> None:
    """A tensor of another shape or type is refused with what was expected, and the server goes on."""
    with pytest.raises(InferenceServerException, match=words):
        _ask(triton_server, images)
    assert triton_server.is_ready()


def test_it_listens_on_this_machine_only(triton_server: TritonServer) -> None:
    """All its ports are bound to the loopback address, as Triton asks nobody for a password."""
    ports = triton_server.launch.ports
    wanted = {f"{port:04X}" for port in (ports.http, ports.grpc, ports.metrics)}
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()
    ]
    listening = [row[1].split(":") for row in rows if row[3] == "0A" and row[1].split(":")[1] in wanted]
    assert {port for _, port in listening} == wanted
    assert {address for address, _ in listening} <= LOOPBACK


def test_a_running_server_is_not_started_twice(triton_server: TritonServer) -> None:
    """A second start is refused, and the first goes on."""
    with pytest.raises(TritonUnavailable, match="runs already"):
        triton_server._spawn()
    assert triton_server.is_ready()


def test_a_taken_port_is_named(triton_server: TritonServer, tmp_path: Path) -> None:
    """A Triton is not started on a port that somebody has; else we would talk to theirs."""
    taken = triton_server.launch.ports
    other = TritonServer(
        Launch(tmp_path, tmp_path / "log", ports=taken, environment=triton_server.launch.environment)
    )
    with pytest.raises(TritonUnavailable, match=f"port {taken.http}, wanted for Triton's http, is taken"):
        other.start()


def test_a_new_version_is_loaded_and_a_broken_one_is_not(
    triton_environment: Environment, triton_repository: Path, tmp_path: Path
) -> None:
    """Loading takes up new versions; a damaged one leaves the others answering; stopping leaves nothing."""
    server = _fresh(triton_repository, tmp_path, triton_environment)
    server.start()
    group = server.pid
    assert group is not None
    try:
        assert len(members(group)) == 3  # Triton and a stub for each model
        publish_colours(server.launch.repository, version=2, graph=colour_graph(first=5))
        server.client().load_model("box2seg")
        assert _ask(server, GREEN_PHOTO)[0].max() == GREEN + 4
        assert _ask(server, GREEN_PHOTO, version="1")[0].max() == GREEN
        broken = publish_colours(server.launch.repository, version=3)
        (broken / "model.onnx").write_bytes(b"no model")
        with pytest.raises(InferenceServerException, match="load failed for model"):
            server.client().load_model("box2seg")
        assert _ask(server, GREEN_PHOTO, version="2")[0].max() == GREEN + 4
    finally:
        server.stop()
    assert not members(group)
    assert not server.is_ready()
    assert not list(Path("/dev/shm").glob(f"box2seg_triton_{server.launch.ports.grpc}_*"))


def test_an_unservable_model_ends_the_start_with_its_reason(
    triton_environment: Environment, triton_repository: Path, tmp_path: Path
) -> None:
    """A model whose tensors are not those of config.pbtxt stops the start; the error has the names."""
    server = _fresh(triton_repository, tmp_path, triton_environment)
    graph = colour_graph()
    graph.graph.node[-1].output[0] = graph.graph.output[1].name = "certainty_u8"
    onnx.save(graph, server.launch.repository / "box2seg" / "1" / "model.onnx")
    with pytest.raises(TritonUnavailable, match=r"has output 'confidence', model\.onnx has"):
        server.start()
    assert not server.is_alive()


def test_free_ports_are_three() -> None:
    """Three different ports are chosen."""
    ports = free_ports()
    assert isinstance(ports, Ports)
    assert len({ports.http, ports.grpc, ports.metrics}) == 3
