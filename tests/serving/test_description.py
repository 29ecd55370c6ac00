"""The OpenAPI document at /openapi.json says what is so: answers, keys, choices."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.app import create_app
from serving.engines.local import LocalEngine
from serving.formats import FORMATS
from serving.keys import change_keys
from serving.routes.description import describe
from serving.settings import Settings
from tests.serving.colours import CLASSES, draw_photo, encode, publish_colours
from tests.serving.processes import wait_until
from tests.serving.running import running_gateway
from tests.serving.test_problems import bomb_png

Document = dict[str, Any]

PHOTO = encode(draw_photo())
OPEN = {"/livez", "/readyz", "/ping", "/health"}
SEGMENT, BATCH, HF = "/v1/segment", "/v1/segment:batch", "/hf"
SAGEMAKER, VERTEX = "/invocations", "/predict"
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"
NO_JSON = {"Content-Type": "application/json"}


@pytest.fixture
def document(client: httpx.Client) -> Document:
    """The document of a gateway without keys."""
    return client.get("/openapi.json").json()


@pytest.fixture(scope="module")
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client without a key of a gateway that has an empty file of them."""
    folder = tmp_path_factory.mktemp("keyed")
    publish_colours(folder / "models")
    change_keys(folder / "keys.json", lambda keys: keys)
    settings = Settings(
        engine="local", repository=folder / "models", keys_file=folder / "keys.json", max_body_bytes=100_000
    )
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        yield client


def operations(document: Document) -> Iterator[tuple[str, str, Document]]:
    """Give each path with its method and what is said of them."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def follow(document: Document, part: Document) -> Document:
    """Give what a part refers to, or the part itself."""
    while "$ref" in part:
        target: Any = document
        for name in part["$ref"].removeprefix("#/").split("/"):
            target = target[name]
        part = target
    return part


def test_every_answer_is_described(document: Document) -> None:
    """Each answer has its request's id, each refusal is a problem document, and nothing else is said."""
    for path, _, operation in operations(document):
        assert "default" not in operation["responses"]
        for status, answer in operation["responses"].items():
            answer = follow(document, answer)
            assert "X-Request-Id" in answer["headers"], path
            if int(status) >= 400:
                (media_type,) = answer["content"]
                assert media_type == "application/problem+json"
                schema = follow(document, answer["content"][media_type]["schema"])
                assert {"type", "status", "detail"} <= set(schema["properties"])
            else:
                assert all(content.get("schema") for content in answer["content"].values()), path
    assert "HTTPValidationError" not in document["components"]["schemas"]


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        pytest.param(SEGMENT, {"content": b"no photo"}, 400, id="photo"),
        pytest.param(SEGMENT, {"content": PHOTO, "headers": {"X-Request-Timeout": "soon"}}, 400, id="time"),
        pytest.param(SEGMENT, {"content": PHOTO, "params": {"model": "nobody"}}, 404, id="model"),
        pytest.param(SEGMENT, {"content": PHOTO, "params": {"format": "gif"}}, 406, id="format"),
        pytest.param(SEGMENT, {"content": bomb_png(19_000)}, 413, id="bomb"),
        pytest.param(SEGMENT, {"content": encode(draw_photo(), "GIF")}, 415, id="gif"),
        pytest.param(SEGMENT, {"content": PHOTO, "params": {"alpha": 0.5}}, 422, id="idle"),
        pytest.param(SEGMENT, {"content": PHOTO, "headers": {"X-Request-Timeout": "1e-9"}}, 504, id="late"),
        pytest.param(BATCH, {"content": PHOTO}, 400, id="no form"),
        pytest.param(
            BATCH, {"files": {"image": PHOTO}, "params": {"model": "nobody"}}, 404, id="batch model"
        ),
        pytest.param(BATCH, {"files": {"image": PHOTO}, "params": {"format": "gif"}}, 406, id="batch format"),
        pytest.param(BATCH, {"files": {"image": bytes(2_000_001)}}, 413, id="batch bytes"),
        pytest.param(BATCH, {"files": {"image": PHOTO}, "params": {"classes": "cat"}}, 422, id="batch class"),
        pytest.param(HF, {"content": b"{", "headers": NO_JSON}, 400, id="hf json"),
        pytest.param(HF, {"json": {"inputs": "", "parameters": []}}, 422, id="hf parameters"),
        pytest.param(HF, {"content": PHOTO, "params": {"model": "nobody"}}, 404, id="hf model"),
        pytest.param(SAGEMAKER, {"content": b"no photo"}, 400, id="sagemaker photo"),
        pytest.param(
            SAGEMAKER, {"content": PHOTO, "headers": {ATTRIBUTES: "format=gif"}}, 406, id="sagemaker format"
        ),
        pytest.param(
            SAGEMAKER, {"content": PHOTO, "headers": {ATTRIBUTES: "alpha"}}, 422, id="sagemaker attributes"
        ),
        pytest.param(VERTEX, {"json": {"instances": []}}, 400, id="vertex nothing"),
        pytest.param(
            VERTEX, {"json": {"instances": [{"b64": ""}], "parameters": []}}, 422, id="vertex parameters"
        ),
        pytest.param(VERTEX, {"content": b"{" + bytes(2_000_001)}, 413, id="vertex bytes"),
    ],
)
def test_what_goes_wrong_is_in_the_document(
    client: httpx.Client, document: Document, path: str, asked: Document, status: int
) -> None:
    """Each refusal that is really sent is described for its route, with the headers that it has."""
    answer = client.post(path, **asked)
    assert answer.status_code == status, answer.text
    described = follow(document, document["paths"][path]["post"]["responses"][str(status)])
    assert set(described["headers"]) <= set(_names(answer))
    assert answer.headers["content-type"] in described["content"]


def test_answers_have_the_headers_described(client: httpx.Client, document: Document) -> None:
    """A mask has each header that is said to be always there, and all answers of one format have all."""
    for path in (SEGMENT, HF):
        said = document["paths"][path]["post"]["responses"]["200"]["headers"]
        always = {name for name, part in said.items() if follow(document, part)["required"]}
        assert always <= set(_names(client.post(path, content=PHOTO)))
    said = document["paths"][SEGMENT]["post"]["responses"]["200"]["headers"]
    assert set(said) <= set(_names(client.post(f"{SEGMENT}?format=raw", content=PHOTO)))


def _names(answer: httpx.Response) -> list[str]:
    return [name.title().replace("Www-Auth", "WWW-Auth") for name in answer.headers]


def test_bodies_are_those_that_are_read(client: httpx.Client, document: Document) -> None:
    """A photo is described as it is read: as itself in each kind, as a form, and as JSON."""
    kinds = {f"image/{kind}" for kind in ("jpeg", "png", "webp", "bmp")}
    said = document["paths"][SEGMENT]["post"]["requestBody"]["content"]
    raw = kinds | {"application/octet-stream"}
    assert set(said) == raw | {"multipart/form-data", "application/json"}
    for media_type in raw:
        kind = media_type.removeprefix("image/")
        photo = encode(draw_photo(), kind.upper()) if media_type in kinds else PHOTO
        answer = client.post(SEGMENT, content=photo, headers={"Content-Type": media_type})
        assert answer.status_code == 200
    assert set(document["paths"][BATCH]["post"]["requestBody"]["content"]) == {"multipart/form-data"}
    assert set(document["paths"][HF]["post"]["requestBody"]["content"]) == raw | {"application/json"}


def test_choices_are_those_of_now(client: httpx.Client, document: Document) -> None:
    """Formats, models and classes are listed, numbers have their bounds, and commas are described."""
    said = {
        each["name"]: each
        for part in document["paths"][SEGMENT]["post"]["parameters"]
        if (each := follow(document, part))
    }
    assert said["format"]["schema"]["enum"] == list(FORMATS)
    assert said["model"]["schema"]["enum"] == ["box2seg"]
    assert said["classes"]["schema"]["items"]["enum"] == list(CLASSES.foreground)
    assert said["classes"]["explode"] is False
    for name in ("threshold", "alpha"):
        assert (said[name]["schema"]["minimum"], said[name]["schema"]["maximum"]) == (0, 1)
    assert {"X-Request-Id", "X-Request-Timeout"} <= set(said)
    both = client.post(SEGMENT, content=PHOTO, params={"classes": ",".join(CLASSES.foreground)})
    assert both.status_code == 200


def test_a_new_model_is_in_the_document(tmp_path: Path) -> None:
    """The document follows what is published while the server runs."""
    publish_colours(tmp_path)
    settings = Settings(engine="local", repository=tmp_path, watch_every_s=0.1)
    with running_gateway(settings, LocalEngine()) as address:

        def models() -> list[str]:
            document = httpx.get(f"{address}/openapi.json", timeout=30.0).json()
            said = {each.get("name"): each for each in document["paths"][HF]["post"]["parameters"]}
            return said["model"]["schema"]["enum"]

        assert models() == ["box2seg"]
        publish_colours(tmp_path, name="second")
        wait_until(lambda: models() == ["box2seg", "second"])


def test_a_server_without_models_lists_none(tmp_path: Path) -> None:
    """Before a version is loaded the document is there, without choices that nobody has."""
    app = create_app(Settings(engine="local", repository=tmp_path), LocalEngine())
    document = describe(app, app.state.gateway)
    schemas = {each.get("name"): each for each in document["paths"][SEGMENT]["post"]["parameters"]}
    assert "enum" not in schemas["model"]["schema"]


def test_keys_are_described_as_they_are_asked_for(keyed: httpx.Client) -> None:
    """Where there are keys, just the routes that are open answer without one; the others say their scope."""
    document = keyed.get("/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    assert schemes["header"]["name"] == "X-API-Key"
    for path, method, operation in operations(document):
        status = keyed.request(method, path.replace("{name}", "box2seg")).status_code
        if path in OPEN:
            assert (operation["security"], status) == ([], 200)
        else:
            scope = "admin" if path == "/metrics" or ("/versions" in path and path < "/v2") else "infer"
            assert operation["security"] == [{"bearer": [scope]}, {"header": [scope]}]
            assert status == 401
            assert {"401", "403", "429"} <= set(operation["responses"])


def test_without_keys_they_are_optional(document: Document) -> None:
    """A server without keys says so: each route that would want one takes none as well."""
    for path, _, operation in operations(document):
        assert operation["security"] == [] if path in OPEN else {} in operation["security"]


def test_names_are_those_that_clients_are_generated_with(document: Document) -> None:
    """Each operation has a short name of its own."""
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert {"segment", "segment_batch", "list_models", "get_model"} <= set(names)
    assert len(names) == len(set(names))
