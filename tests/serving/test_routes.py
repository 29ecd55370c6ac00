"""What the gateway tells about itself: models, health, metrics, documentation."""

import httpx

from serving.formats import FORMATS
from tests.serving.colours import draw_photo, encode


def test_models_name_their_classes(client: httpx.Client) -> None:
    """A model's card maps each label in the mask to its name and its palette colour."""
    card = client.get("/v1/models/box2seg").json()
    assert (card["name"], card["version"], card["default"]) == ("box2seg", 1, True)
    assert card["classes"][0] == {"label": 0, "name": "background", "colour": "#000000"}
    assert card["classes"][1] == {"label": 1, "name": "red", "colour": "#800000"}
    assert card["formats"] == list(FORMATS)
    assert card["device"] == "cpu"
    assert 'box2seg_model_device{device="cpu",model="box2seg"} 1.0' in client.get("/metrics").text
    assert client.get("/v1/models").json()["models"] == [card]


def test_unknown_model_has_no_card(client: httpx.Client) -> None:
    """Asking for a model that does not exist is a 404 that names those that do."""
    answer = client.get("/v1/models/nobody")
    assert answer.status_code == 404
    assert "box2seg" in answer.json()["hint"]


def test_live_and_ready(client: httpx.Client) -> None:
    """A gateway whose engine answers is live and ready."""
    assert client.get("/livez").json() == {"status": "live"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_answers_and_times(client: httpx.Client) -> None:
    """Each photo is counted by route and status, and timed by stage, model and version."""
    line = 'box2seg_requests_total{route="/v1/segment",status="200"}'
    stage = 'box2seg_stage_seconds_count{model="box2seg",outcome="ok",stage="infer",version="1"}'
    client.post("/v1/segment", content=encode(draw_photo()))
    before = _values(client.get("/metrics").text)
    client.post("/v1/segment", content=encode(draw_photo()))
    after = _values(client.get("/metrics").text)
    assert after[line] == before[line] + 1
    assert after[stage] == before[stage] + 1
    assert after["box2seg_ready"] == 1


def test_metrics_do_not_grow_with_paths(client: httpx.Client) -> None:
    """Paths that clients make up are counted under one name."""
    client.get("/made/up")
    assert "made" not in client.get("/metrics").text


def test_documentation_is_there(client: httpx.Client) -> None:
    """/docs is there, and the description that it shows."""
    assert client.get("/docs").status_code == 200
    assert client.get("/openapi.json").json()["openapi"].startswith("3.")


def _values(text: str) -> dict[str, float]:
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}
