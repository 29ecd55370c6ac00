"""Vertex AI's routes: instances in, predictions out, at the paths that it names."""

import base64
from pathlib import Path
from typing import Any

import httpx
import pytest

from contract.errors import ConfigurationError
from serving.app import create_app
from serving.engines.local import LocalEngine
from serving.keys import change_keys
from serving.routes.batch import PHOTOS_IN_A_BATCH
from serving.routes.description import describe
from serving.settings import Settings, read_settings
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.running import running_gateway
from tests.serving.test_problems import check_problem

GOOD = encode(draw_photo(64, 96))
OTHER = encode(draw_photo(50, 31), "JPEG")


def encoded(photo: bytes) -> str:
    """Give bytes as JSON carries them."""
    return base64.b64encode(photo).decode()


def instances(*photos: bytes) -> list[dict[str, str]]:
    """Give photos as instances."""
    return [{"image": encoded(photo)} for photo in photos]


def ask(client: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    """Ask and expect predictions."""
    answer = client.post("/predict", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-model-name"] == "box2seg"
    assert list(answer.json()) == ["predictions"]
    predictions: list[dict[str, Any]] = answer.json()["predictions"]
    return predictions


def test_each_instance_has_its_prediction(client: httpx.Client) -> None:
    """Masks are those of /v1/segment, in order; a bad photo spoils its own prediction only."""
    predictions = ask(client, instances=[*instances(GOOD, b"no photo"), {"b64": encoded(OTHER)}])
    assert [(each["index"], each["status"]) for each in predictions] == [(0, 200), (1, 400), (2, 200)]
    for index, photo in ((0, GOOD), (2, OTHER)):
        mask = client.post("/v1/segment", content=photo).content
        assert base64.b64decode(predictions[index]["base64"]) == mask
    assert "problem" in predictions[1]


def test_parameters_hold_for_all(client: httpx.Client) -> None:
    """Parameters are those that stand behind the question mark elsewhere; JSON formats come as JSON."""
    predictions = ask(
        client,
        instances=instances(GOOD, OTHER),
        parameters={"format": "rle", "classes": ["red"], "threshold": 0},
    )
    for each, photo in zip(predictions, (GOOD, OTHER), strict=True):
        alone = client.post("/v1/segment?format=rle&classes=red&threshold=0", content=photo)
        assert each["content"] == alone.json()


def test_whole_numbers_may_have_a_point(client: httpx.Client) -> None:
    """To JSON 40.0 is an integer: what a client's language makes of its numbers changes nothing."""
    answers = [
        ask(client, instances=instances(GOOD), parameters={"min_area": area}) for area in (40, 40.0, 4000.0)
    ]
    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        pytest.param([], 400, "instances", id="no object"),
        pytest.param({"photos": []}, 400, "instances", id="other fields"),
        pytest.param({"instances": []}, 400, "1 to 64", id="none"),
        pytest.param({"instances": instances(b"") * (PHOTOS_IN_A_BATCH + 1)}, 400, "1 to 64", id="many"),
        pytest.param({"instances": ["photo"]}, 400, "instances[0]", id="no instance"),
        pytest.param({"instances": [{"image": "", "b64": ""}]}, 400, "instances[0]", id="both"),
        pytest.param({"instances": [*instances(GOOD), {"b64": "?"}]}, 400, "instances[1]", id="no base64"),
        pytest.param({"instances": [{"image": {}}]}, 400, "instances[0]", id="no text"),
    ],
)
def test_what_is_no_request_is_refused(client: httpx.Client, body: object, status: int, word: str) -> None:
    """What was expected is said, with the place where something else came."""
    assert word in str(check_problem(client.post("/predict", json=body), status, "request-error"))


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ([], "JSON object"),
        ({"colour": "red"}, "parameters.colour"),
        ({"threshold": "0.5"}, "parameters.threshold"),
        ({"model": None}, "parameters.model"),
        ({"classes": []}, "parameters.classes"),
        ({"classes": ["nothing"]}, "nothing"),
        ({"alpha": 0.5}, "alpha"),
    ],
    ids=str,
)
def test_parameters_that_mean_nothing_are_refused(
    client: httpx.Client, parameters: object, word: str
) -> None:
    """Wrong parameters are named before a photo is looked at."""
    answer = client.post("/predict", json={"instances": instances(GOOD), "parameters": parameters})
    assert word in str(check_problem(answer, 422, "invalid-parameter"))


def test_paths_are_those_that_vertex_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AIP_* variables say where it asks; health needs no key, predictions do, and nothing is at our paths."""
    health, predict = "/v1/endpoints/7/deployedModels/9", "/v1/endpoints/7/deployedModels/9:predict"
    monkeypatch.setenv("AIP_HEALTH_ROUTE", health)
    monkeypatch.setenv("AIP_PREDICT_ROUTE", predict)
    publish_colours(tmp_path)
    change_keys(tmp_path / "keys.json", lambda keys: keys)
    settings = read_settings(engine="local", repository=tmp_path, keys_file=tmp_path / "keys.json")
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        assert client.get(health).json() == {"status": "ready"}
        check_problem(client.post(predict, json={"instances": instances(GOOD)}), 401, "key-required")
        assert {health, predict} <= set(client.get("/openapi.json").json()["paths"])


@pytest.mark.parametrize(
    "paths",
    [
        {"health_route": "/livez"},
        {"health_route": "/v1/segment"},
        {"health_route": "/v1/models/box2seg"},
        {"predict_route": "/v1/segment"},
        {"predict_route": "/ping"},
        {"health_route": "/mine", "predict_route": "/mine"},
    ],
    ids=str,
)
def test_paths_of_others_are_refused(tmp_path: Path, paths: dict[str, str]) -> None:
    """A path that another route has, or at which photos would need no key, is refused by its variable."""
    with pytest.raises(ConfigurationError, match=r"AIP_\w+_ROUTE: /\S+ is another route"):
        create_app(Settings(repository=tmp_path, **paths), LocalEngine())


@pytest.mark.parametrize(
    "paths", [{"health_route": "/readyz"}, {"predict_route": "/v1/models/box2seg:predict"}], ids=str
)
def test_paths_beside_others_are_taken(tmp_path: Path, paths: dict[str, str]) -> None:
    """What says the same already needs no route, and what only looks like another has its own."""
    app = create_app(Settings(repository=tmp_path, **paths), LocalEngine())
    described = describe(app, app.state.gateway)["paths"]
    assert set(paths.values()) <= set(described)


def test_each_photo_is_counted(client: httpx.Client) -> None:
    """Metrics count instances one by one, as the photos of a batch."""

    def count() -> float:
        line = 'box2seg_photos_total{model="box2seg",outcome="ok",version="1"} '
        found = [each for each in client.get("/metrics").text.splitlines() if each.startswith(line)]
        return float(found[0].removeprefix(line)) if found else 0.0

    before = count()
    ask(client, instances=instances(GOOD, OTHER, GOOD))
    assert count() == before + 3
