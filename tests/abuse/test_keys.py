"""B11, C5: keys are asked for before anything is read, each has its rate, and none reaches a log."""

import base64
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from fastapi.routing import iter_route_contexts
from tritonclient.http import InferenceServerClient, InferInput
from tritonclient.utils import InferenceServerException

from serving.app import create_app
from serving.engines.local import LocalEngine
from serving.keys import ADMIN, INFER, Key, change_keys, make_key
from serving.settings import Settings
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.running import running_gateway
from tests.serving.test_problems import check_problem

PHOTO = encode(draw_photo())
OPEN = {"/", "/docs", "/openapi.json", "/livez", "/readyz", "/ping", "/health", "/page/", "/swagger/"}
"""All that answers without a key; a route that is added wants one, or is added here on purpose."""


def routes() -> list[tuple[str, str]]:
    """List every route of the app with each of its methods; a folder of files ends in a slash."""
    app = create_app(Settings(engine="local"), LocalEngine())
    found = list(iter_route_contexts(app.routes))
    asked = [(str(route.path), method) for route in found for method in route.methods or ()]
    return sorted(asked + [(f"{route.path}/", "GET") for route in found if route.methods is None])


class House:
    """A gateway that wants keys, and the keys to it."""

    def __init__(self, address: str, file: Path) -> None:
        self.client = httpx.Client(base_url=address, timeout=30.0)
        self.file = file

    def key(self, name: str, *scopes: str, rate_per_s: float | None = None, burst: int | None = None) -> str:
        """Make a key while the gateway runs; gives its token."""
        key, token = make_key(name, scopes, rate_per_s=rate_per_s, burst=burst)
        change_keys(self.file, lambda keys: [*keys, key])
        return token

    def ask(self, token: str, path: str = "/v1/models", header: str = "Authorization") -> httpx.Response:
        """Ask with a key."""
        value = f"Bearer {token}" if header == "Authorization" else token
        return self.client.get(path, headers={header: value})


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A gateway with keys."""
    folder = tmp_path_factory.mktemp("keys")
    publish_colours(folder / "models")
    file = folder / "keys.json"
    change_keys(file, lambda keys: keys)
    settings = Settings(engine="local", repository=folder / "models", keys_file=file)
    with running_gateway(settings, LocalEngine()) as address:
        house = House(address, file)
        with house.client:
            yield house


@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_opens(house: House, header: str) -> None:
    """A key that was made while the server ran opens, in either header."""
    token = house.key(f"one by {header}", INFER)
    assert house.ask(token, header=header).status_code == 200
    named = {header: f"Bearer {token}" if header == "Authorization" else token}
    assert house.client.post("/v1/segment", content=PHOTO, headers=named).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer box2seg_wrong"},
        {"Authorization": "Basic YTpi"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer " + "ö".encode().decode("latin-1")},
        {"X-API-Key": ""},
        {"X-API-Key": "x" * 10_000},
    ],
    ids=["none", "wrong", "basic", "nothing", "no ascii", "empty", "long"],
)
def test_b11_no_key_and_wrong_key_are_401(house: House, headers: dict[str, str]) -> None:
    """B11: without a known key nothing but health and documentation answers, and the body is not read."""
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    answer = house.client.get("/v1/models", headers=encoded)
    check_problem(answer, 401, "key-required")
    assert answer.headers["www-authenticate"] == "Bearer"
    for path in ("/v1/nothing", "/metrics", "/v1/models/../models/box2seg"):
        assert house.client.get(path, headers=encoded).status_code == 401
    for path in ("/livez", "/readyz", "/openapi.json"):
        assert house.client.get(path, headers=encoded).status_code == 200


def test_b11_scopes_are_apart(house: House) -> None:
    """B11: a key that may infer does not read metrics, and one that may read metrics does not infer."""
    people, owner = house.key("people", INFER), house.key("owner", ADMIN)
    check_problem(house.ask(people, "/metrics"), 403, "scope-missing")
    check_problem(house.ask(owner), 403, "scope-missing")
    assert house.ask(owner, "/metrics").status_code == 200


@pytest.mark.parametrize(("path", "method"), routes())
def test_b11_every_route_wants_a_key(house: House, path: str, method: str) -> None:
    """B11: every route but the open ones is 401 without a key, and 403 with one of another scope."""
    address = re.sub(r"\{\w+\}", "box2seg", path)
    without = house.client.request(method, address)
    assert (without.status_code != 401) == (path in OPEN)
    if path not in OPEN:
        is_for_admins = path == "/metrics" or path.startswith("/v1/models/{name}/versions")
        scope = INFER if is_for_admins else ADMIN
        token = house.key(f"{method} {path}", scope)
        headers = {"X-API-Key": token}
        assert house.client.request(method, address, headers=headers).status_code == 403


def test_open_routes_are_there() -> None:
    """The list of what is open names no route that there is not."""
    assert {path for path, _ in routes()} > OPEN


def test_b11_triton_clients_bring_a_key(house: House) -> None:
    """NVIDIA's client is refused without a key, answered with one, and 429 above its key's rate."""
    frames = draw_photo()[np.newaxis]
    question = InferInput("image", list(frames.shape), "UINT8")
    question.set_data_from_numpy(frames)
    headers = {"Authorization": f"Bearer {house.key('triton', INFER, rate_per_s=0.1, burst=2)}"}
    with InferenceServerClient(house.client.base_url.netloc.decode()) as client:
        for ask in (client.get_server_metadata, lambda: client.infer("box2seg", [question])):
            with pytest.raises(InferenceServerException, match="wants a key") as refused:
                ask()
            assert refused.value.status() == "401"
        assert client.get_model_metadata("box2seg", headers=headers)["name"] == "box2seg"
        labels = client.infer("box2seg", [question], headers=headers).as_numpy("labels")
        assert set(np.unique(labels)) == {0, 1, 3}
        with pytest.raises(InferenceServerException, match="times a second") as refused:
            client.infer("box2seg", [question], headers=headers)
        assert refused.value.status() == "429"


def test_revoked_key_opens_no_more(house: House) -> None:
    """A key that was revoked is refused from the next request on."""
    token = house.key("leaver", INFER)
    assert house.ask(token).status_code == 200
    change_keys(house.file, lambda keys: [key for key in keys if key.name != "leaver"])
    assert house.ask(token).status_code == 401


def test_damaged_file_changes_nothing(house: House) -> None:
    """A file of keys that somebody broke leaves those that were, and is used again when it is mended."""
    token, whole = house.key("patient", INFER), house.file.read_text()
    assert house.ask(token).status_code == 200
    house.file.write_text(whole[:-9])
    assert house.ask(token).status_code == 200
    house.file.write_text(whole)
    assert house.ask(token).status_code == 200


def test_c5_one_key_floods_alone(house: House) -> None:
    """C5: a key above its rate gets 429 with Retry-After, and another's requests are answered meanwhile."""
    flood, calm = house.key("flood", INFER, rate_per_s=0.5, burst=3), house.key("calm", INFER)
    answers = [house.ask(flood) for _ in range(10)]
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    refused = [answer for answer in answers if answer.status_code == 429]
    assert len(refused) >= 5
    check_problem(refused[0], 429, "rate-limited")
    assert {int(answer.headers["retry-after"]) for answer in refused} <= {1, 2}
    assert house.ask(calm).status_code == 200


def test_c5_a_batch_costs_its_photos(house: House) -> None:
    """C5: a batch of six is let in like one request and counts as six: the next waits until that is paid."""
    token = house.key("many", INFER, rate_per_s=0.01, burst=3)
    headers = {"Authorization": f"Bearer {token}"}
    files = [("image", PHOTO)] * 6
    answer = house.client.post("/v1/segment:batch", files=files, headers=headers)
    assert [json.loads(line)["status"] for line in answer.text.splitlines()] == [200] * 6
    refused = house.client.post("/v1/segment", content=PHOTO, headers=headers)
    check_problem(refused, 429, "rate-limited")
    assert 300 < int(refused.headers["retry-after"]) <= 400


def test_c5_instances_cost_as_a_batch_does(house: House) -> None:
    """C5: three instances of a Vertex AI request count as three requests."""
    headers = {"Authorization": f"Bearer {house.key('vertex', INFER, rate_per_s=0.01, burst=2)}"}
    body = {"instances": [{"b64": base64.b64encode(PHOTO).decode()}] * 3}
    assert house.client.post("/predict", json=body, headers=headers).status_code == 200
    check_problem(house.client.get("/v1/models", headers=headers), 429, "rate-limited")


def test_b11_no_key_reaches_a_log(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """B11: a request's log line names the key's owner; neither the token nor its hash stands anywhere."""
    token = house.key("logged", INFER)
    with caplog.at_level(logging.DEBUG):
        house.ask(token)
        house.ask(token + "x")
        house.client.get(f"/v1/models?key={token}", headers={"X-API-Key": token})
    assert re.search(r"GET /v1/models 200 .* logged", caplog.text)
    assert "GET /v1/models 401" in caplog.text
    ours = "\n".join(each.getMessage() for each in caplog.records if not each.name.startswith("http"))
    assert token not in ours
    (hashed,) = [key.sha256 for key in _keys(house.file) if key.name == "logged"]
    assert hashed not in caplog.text


def _keys(file: Path) -> list[Key]:
    from serving.keys import read_keys

    return read_keys(file)
