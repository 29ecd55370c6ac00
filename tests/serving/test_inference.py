"""The Open Inference Protocol, asked by NVIDIA's own client, before each engine."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from contract.arrays import Uint8
from serving.engines.triton import TritonEngine
from serving.routes.tensors import MOST_IMAGES, MOST_JSON_BYTES
from serving.settings import Settings
from serving.triton.environment import CHECKOUT
from serving.triton.server import ADDRESS, TritonServer
from tests.abuse.engines import HangingEngine, SlowEngine
from tests.abuse.test_time import metric, until
from tests.serving.colours import draw_photo, publish_colours
from tests.serving.running import running_gateway
from tests.serving.test_problems import check_problem

FRAMES = np.stack([draw_photo(64, 96), draw_photo(64, 96)[:, ::-1]])
ENGINES = ["local", pytest.param("triton", marks=pytest.mark.triton)]


@pytest.fixture(scope="module")
def triton_gateway(triton_server: TritonServer, triton_repository: Path) -> Iterator[str]:
    """The address of a gateway before the real Triton."""
    settings = Settings(repository=triton_repository, triton_url=triton_server.grpc_url)
    with running_gateway(settings, TritonEngine(triton_server.grpc_url)) as address:
        yield address


@pytest.fixture
def address(engine: str, request: pytest.FixtureRequest) -> str:
    """The address of a gateway with the engine that the test names."""
    found: str = request.getfixturevalue("gateway" if engine == "local" else "triton_gateway")
    return found


@pytest.fixture
def direct(triton_server: TritonServer) -> Iterator[InferenceServerClient]:
    """NVIDIA's client, connected to Triton itself."""
    with InferenceServerClient(f"{ADDRESS}:{triton_server.launch.ports.http}") as client:
        yield client


@pytest.fixture
def through(address: str) -> Iterator[InferenceServerClient]:
    """NVIDIA's client, connected to the gateway."""
    with InferenceServerClient(urlsplit(address).netloc) as client:
        yield client


def tensor(frames: Uint8, *, binary: bool = True, name: str = "image") -> InferInput:
    """Give frames as NVIDIA's client sends them."""
    question = InferInput(name, list(frames.shape), "UINT8")
    question.set_data_from_numpy(frames, binary_data=binary)
    return question


def request_of(frames: Uint8 = FRAMES, **changes: object) -> dict[str, object]:
    """Give the JSON of a request, with changes to its input."""
    given = {
        "name": "image",
        "shape": list(frames.shape),
        "datatype": "UINT8",
        "data": frames.ravel().tolist(),
    }
    given |= changes
    return {"inputs": [{name: value for name, value in given.items() if value is not None}]}


@pytest.mark.parametrize("engine", ENGINES)
def test_clients_learn_what_is_served(through: InferenceServerClient) -> None:
    """A client that knows no more than an address finds the server live, the model ready, and its tensors."""
    assert through.is_server_live()
    until(through.is_server_ready)
    until(lambda: through.is_model_ready("box2seg"))
    until(lambda: through.is_model_ready("box2seg", "1"))
    assert "binary_tensor_data" in through.get_server_metadata()["extensions"]
    metadata = through.get_model_metadata("box2seg")
    assert metadata == through.get_model_metadata("box2seg", "1")
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, -1, 3]}]
    config = through.get_model_config("box2seg")
    assert config["max_batch_size"] == MOST_IMAGES


@pytest.mark.triton
def test_metadata_is_that_of_triton(triton_gateway: str, direct: InferenceServerClient) -> None:
    """What the gateway says of a model's tensors is what Triton says, in the same words."""
    with InferenceServerClient(urlsplit(triton_gateway).netloc) as client:
        ours, theirs = client.get_model_metadata("box2seg"), direct.get_model_metadata("box2seg")
        ours_set, theirs_set = client.get_model_config("box2seg"), direct.get_model_config("box2seg")
    for field in ("name", "versions", "inputs", "outputs"):
        assert ours[field] == theirs[field]
    for field in ("name", "backend", "max_batch_size"):
        assert ours_set[field] == theirs_set[field]
    for field in ("input", "output"):
        pairs = zip(ours_set[field], theirs_set[field], strict=True)
        assert all(our.items() <= their.items() for our, their in pairs)


def test_batches_are_as_large_as_the_repository_says() -> None:
    """As many images are taken at once as the shipped config.pbtxt lets Triton take."""
    config = (CHECKOUT / "model_repository" / "box2seg" / "config.pbtxt").read_text()
    assert f"\nmax_batch_size: {MOST_IMAGES}\n" in config


@pytest.mark.triton
@pytest.mark.parametrize("binary_out", [True, False], ids=["binary answer", "json answer"])
@pytest.mark.parametrize("binary_in", [True, False], ids=["binary tensor", "json tensor"])
@pytest.mark.parametrize("engine", ENGINES)
def test_answers_are_those_of_triton_itself(
    through: InferenceServerClient, direct: InferenceServerClient, binary_in: bool, binary_out: bool
) -> None:
    """Each form of tensor gives, through the gateway, what Triton gives when asked directly, bit by bit."""
    outputs = [InferRequestedOutput(name, binary_data=binary_out) for name in ("confidence", "labels")]
    answers = [
        client.infer("box2seg", [tensor(FRAMES, binary=binary_in)], request_id="mine", outputs=outputs)
        for client in (through, direct)
    ]
    for name in ("labels", "confidence"):
        ours, theirs = (answer.as_numpy(name) for answer in answers)
        assert ours.shape == FRAMES.shape[:3]
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(ours, theirs)
    ours, theirs = (answer.get_response() for answer in answers)
    for field in ("id", "model_name", "model_version"):
        assert ours[field] == theirs[field]
    assert set(np.unique(answers[0].as_numpy("labels"))) == {0, 1, 3}


@pytest.mark.parametrize("engine", ENGINES)
def test_outputs_that_nobody_named_are_all_there(through: InferenceServerClient) -> None:
    """Who names no output gets both maps; who names one gets that one alone."""
    answer = through.infer("box2seg", [tensor(FRAMES)], model_version="1")
    assert [each["name"] for each in answer.get_response()["outputs"]] == ["labels", "confidence"]
    answer = through.infer("box2seg", [tensor(FRAMES)], outputs=[InferRequestedOutput("labels")])
    assert [each["name"] for each in answer.get_response()["outputs"]] == ["labels"]
    assert answer.as_numpy("confidence") is None


def test_nested_numbers_are_taken(client: httpx.Client) -> None:
    """Numbers in lists of lists, of the tensor's shape, are those of one list, row by row."""
    flat = client.post("/v2/models/box2seg/infer", json=request_of())
    nested = client.post("/v2/models/box2seg/infer", json=request_of(data=FRAMES.tolist()))
    assert flat.status_code == nested.status_code == 200
    assert flat.json() == nested.json()
    assert flat.headers["x-model-version"] == "1"
    assert "infer;dur=" in flat.headers["server-timing"]


def test_statistics_count_images_and_runs(client: httpx.Client, gateway: str) -> None:
    """Two images in one tensor are two inferences and one run, by the protocol's words and in our metrics."""

    def count() -> tuple[int, int]:
        with InferenceServerClient(urlsplit(gateway).netloc) as through:
            (stats,) = through.get_inference_statistics("box2seg")["model_stats"]
            assert [stats] == through.get_inference_statistics()["model_stats"]
        for stage in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            assert stats["inference_stats"][stage]["count"] >= 0
        return stats["inference_count"], stats["execution_count"]

    images, runs = count()
    assert client.post("/v2/models/box2seg/infer", json=request_of()).status_code == 200
    assert count() == (images + 2, runs + 1)
    text = client.get("/metrics").text
    assert 'box2seg_requests_total{route="/v2/models/{model}/infer",status="200"}' in text


@pytest.mark.parametrize("engine", ENGINES)
def test_b14_nothing_else_of_triton_is_reachable(through: InferenceServerClient) -> None:
    """B14: repository control, shared memory, traces, logs and the check's own model are not there."""
    for ask in (
        through.get_model_repository_index,
        lambda: through.load_model("box2seg"),
        lambda: through.unload_model("box2seg"),
        through.get_system_shared_memory_status,
        lambda: through.register_system_shared_memory("mine", "/mine", 64),
        through.unregister_system_shared_memory,
        through.get_cuda_shared_memory_status,
        lambda: through.register_cuda_shared_memory("mine", b"", 0, 64),
        through.get_trace_settings,
        lambda: through.update_trace_settings("box2seg", {"trace_file": "/tmp/mine"}),
        through.get_log_settings,
        lambda: through.update_log_settings({"log_file": "/tmp/mine"}),
        lambda: through.get_model_metadata("known_tensor"),
        lambda: through.get_model_config("known_tensor"),
        lambda: through.get_inference_statistics("known_tensor"),
        lambda: through.infer("known_tensor", [tensor(FRAMES, name="tensor")]),
        lambda: through.get_model_metadata("box2seg", "2"),
        lambda: through.infer("box2seg", [tensor(FRAMES)], model_version="2"),
    ):
        with pytest.raises(InferenceServerException) as refused:
            ask()
        assert refused.value.status() in ("404", "405")
    assert not through.is_model_ready("known_tensor")
    until(lambda: through.is_model_ready("box2seg"))


@pytest.mark.parametrize("path", ["/v2/models/box2seg/generate", "/v2/repository/index", "/v2/models/a%2Fb"])
def test_b8_other_paths_are_not_found(client: httpx.Client, path: str) -> None:
    """B8, B14: what is not listed is a 404 with the protocol's own error, whatever is sent there."""
    for method in ("GET", "POST"):
        answer = client.request(method, path, content=b"{}" if method == "POST" else None)
        assert check_problem(answer, 404)["error"]


SHAPES = {
    "height that is no multiple": [1, 65, 96, 3],
    "wider than a photo's frame": [1, 64, 128, 3],
    "no image": [0, 64, 96, 3],
    "too many images": [MOST_IMAGES + 1, 64, 96, 3],
    "negative": [1, -64, -96, 3],
    "one channel": [1, 64, 96, 1],
    "three axes": [64, 96, 3],
    "huge": [2**40, 64, 96, 3],
    "huger": [2**70, 2**70, 2**70, 3],
    "fractions": [1.0, 64, 96, 3],
    "truth": [True, 64, 96, 3],
    "nothing": [],
    "endless": [1] * 10_000,
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_b13_other_shapes_are_refused(client: httpx.Client, shape: list[object]) -> None:
    """B13: a shape that no photo has is a 400 that says which there are; nothing of it reaches the engine."""
    for changes in ({"shape": shape}, {"shape": shape, "data": None, "parameters": {"binary_data_size": 9}}):
        answer = client.post("/v2/models/box2seg/infer", json=request_of(**changes))
        problem = check_problem(answer, 400, "invalid-tensor")
        assert "multiples of 32 up to 96" in str(problem["hint"])
        assert len(answer.content) < 2000


TENSORS: dict[str, dict[str, object]] = {
    "another name": {"name": "picture"},
    "another type": {"datatype": "FP32"},
    "no data": {"data": None},
    "too few numbers": {"data": [1, 2, 3]},
    "ragged": {"data": [[1, 2], [3]]},
    "too large": {"data": [256] * FRAMES.size},
    "far too large": {"data": [10**30] * FRAMES.size},
    "negative": {"data": [-1] * FRAMES.size},
    "fractions": {"data": [0.5] * FRAMES.size},
    "words": {"data": ["1"] * FRAMES.size},
    "long words": {"data": ["1" * 100_000, *[1] * (FRAMES.size - 1)]},
    "yes and no": {"data": [True] * FRAMES.size},
    "objects": {"data": [{}] * FRAMES.size},
    "data and bytes": {"parameters": {"binary_data_size": FRAMES.size}},
    "shared memory": {"data": None, "parameters": {"shared_memory_region": "mine"}},
    "no object": {"parameters": [1]},
    "other field": {"extra": 1},
}


@pytest.mark.parametrize("changes", TENSORS.values(), ids=TENSORS)
def test_b13_other_tensors_are_refused(client: httpx.Client, changes: dict[str, object]) -> None:
    """B13: tensors of another name, type or size, and parameters that are not taken, are refused by name."""
    answer = client.post("/v2/models/box2seg/infer", json=request_of(**changes))
    problem = check_problem(answer, 400, _kind(answer))
    if "shared_memory_region" in str(changes):
        assert "'shared_memory_region' is not taken" in str(problem["detail"])


REQUESTS: dict[str, dict[str, object]] = {
    "two inputs": {"inputs": request_of()["inputs"] * 2},
    "no input": {"inputs": []},
    "unknown output": {"outputs": [{"name": "logits"}]},
    "output twice": {"outputs": [{"name": "labels"}, {"name": "labels"}]},
    "output into shared memory": {
        "outputs": [{"name": "labels", "parameters": {"shared_memory_region": "mine"}}]
    },
    "classification": {"outputs": [{"name": "labels", "parameters": {"classification": 3}}]},
    "sequence": {"parameters": {"sequence_id": 1}},
    "priority": {"parameters": {"priority": 1}},
    "no time": {"parameters": {"timeout": 0}},
    "number for an id": {"id": 7},
    "long id": {"id": "x" * 1000},
    "other field": {"model_name": "known_tensor"},
}


@pytest.mark.parametrize("changes", REQUESTS.values(), ids=REQUESTS)
def test_b13_other_requests_are_refused(client: httpx.Client, changes: dict[str, object]) -> None:
    """B13: what the gateway would not do is refused, and never passed over in silence."""
    answer = client.post("/v2/models/box2seg/infer", json=request_of() | changes)
    check_problem(answer, 400, _kind(answer))


HEAD = json.dumps(request_of(data=None, parameters={"binary_data_size": FRAMES.size})).encode()


@pytest.mark.parametrize(
    "length", ["0", "-1", "1.5", "x", "", str(len(HEAD) - 1), str(len(HEAD) + 1), str(2**70), "9" * 5000]
)
def test_b13_wrong_header_lengths_are_refused(client: httpx.Client, length: str) -> None:
    """B13: a header length that does not end where the JSON ends is a 400; the right one is answered."""
    body = HEAD + FRAMES.tobytes()
    answers = [
        client.post(
            "/v2/models/box2seg/infer", content=body, headers={"Inference-Header-Content-Length": words}
        )
        for words in (length, str(len(HEAD)))
    ]
    check_problem(answers[0], 400, "request-error")
    assert answers[1].status_code == 200


@pytest.mark.parametrize("tail", [b"", FRAMES.tobytes()[:-1], FRAMES.tobytes() + b"x"], ids=len)
def test_b13_missing_and_further_bytes_are_refused(client: httpx.Client, tail: bytes) -> None:
    """B13: a byte less or more than the tensor has is a 400."""
    headers = {"Inference-Header-Content-Length": str(len(HEAD))}
    answer = client.post("/v2/models/box2seg/infer", content=HEAD + tail, headers=headers)
    check_problem(answer, 400, "invalid-tensor")


JSONS = {
    "nothing": (b"", 400, "request-error"),
    "no JSON": (b"hello", 400, "request-error"),
    "a list": (b"[]", 400, "request-error"),
    "deep": (b"[" * 100_000, 400, "request-error"),
    "a key twice": (b'{"inputs": [], "inputs": []}', 400, "request-error"),
    "no number": (b'{"inputs": [NaN]}', 400, "request-error"),
    "long": (b'{"id": "' + b"x" * MOST_JSON_BYTES + b'"}', 413, "body-too-large"),
}


@pytest.mark.triton
@pytest.mark.parametrize(("body", "status", "kind"), JSONS.values(), ids=JSONS)
def test_b7_bad_json_is_refused(triton_gateway: str, body: bytes, status: int, kind: str) -> None:
    """B7: what is no JSON object, or too long a one, is refused."""
    answer = httpx.post(f"{triton_gateway}/v2/models/box2seg/infer", content=body, timeout=30.0)
    check_problem(answer, status, kind)


def test_compressed_tensors_are_refused(gateway: str) -> None:
    """A request that would have to be inflated is refused, in words that NVIDIA's client shows."""
    with (
        InferenceServerClient(urlsplit(gateway).netloc) as client,
        pytest.raises(InferenceServerException, match="gzip is not read") as refused,
    ):
        client.infer("box2seg", [tensor(FRAMES)], request_compression_algorithm="gzip")
    assert refused.value.status() == "415"


def test_c3_deadlines_hold(tmp_path: Path) -> None:
    """C3: a tensor that waits longer than its client said, in the header or the JSON, is 504 and given up."""
    publish_colours(tmp_path)
    engine = SlowEngine(1.5)
    late = 'box2seg_photos_total{model="box2seg",outcome="late",version="1"}'
    with (
        running_gateway(Settings(engine="local", repository=tmp_path), engine) as address,
        InferenceServerClient(urlsplit(address).netloc) as client,
    ):
        for options in ({"timeout": 100_000}, {"headers": {"X-Request-Timeout": "0.1"}}):
            with pytest.raises(InferenceServerException, match=r"no answer within 0\.1") as refused:
                client.infer("box2seg", [tensor(FRAMES)], **options)
            assert refused.value.status() == "504"
        assert metric(address, late) == 4
        assert engine.given_up >= 2
        assert client.infer("box2seg", [tensor(FRAMES)]).as_numpy("labels") is not None


def test_d2_hanging_engine_is_refused_at_once(tmp_path: Path) -> None:
    """D2: while the engine hangs the model is not ready and a tensor gets 503, until it wakes."""
    publish_colours(tmp_path)
    engine = HangingEngine()
    settings = Settings(engine="local", repository=tmp_path, timeout_s=2.0)
    with (
        running_gateway(settings, engine) as address,
        InferenceServerClient(urlsplit(address).netloc, network_timeout=30.0) as client,
    ):
        until(client.is_server_ready)
        engine.hangs = True
        until(lambda: metric(address, "box2seg_circuit_open") == 1)
        assert not client.is_server_ready()
        assert not client.is_model_ready("box2seg")
        with pytest.raises(InferenceServerException, match="hangs") as refused:
            client.infer("box2seg", [tensor(FRAMES)])
        assert refused.value.status() == "503"
        engine.hangs = False
        until(client.is_server_ready)
        assert client.infer("box2seg", [tensor(FRAMES)]).as_numpy("labels") is not None


@pytest.mark.parametrize("engine", ENGINES)
def test_b13_server_lives_on(through: InferenceServerClient) -> None:
    """B13: after tensors that were refused, the same client gets its maps and the server is ready."""
    for frames in (FRAMES[:, :63], np.zeros((1, 128, 128, 3), np.uint8), FRAMES[..., :1]):
        with pytest.raises(InferenceServerException, match="expected") as refused:
            through.infer("box2seg", [tensor(np.ascontiguousarray(frames))])
        assert refused.value.status() == "400"
    assert through.infer("box2seg", [tensor(FRAMES)]).as_numpy("labels").shape == FRAMES.shape[:3]
    until(through.is_server_ready)


def _kind(answer: httpx.Response) -> str:
    """Give which of the two refusals it is: of the tensor, or of the request around it."""
    kind = answer.json()["type"].rpartition(":")[2]
    assert kind in ("invalid-tensor", "request-error")
    return str(kind)
