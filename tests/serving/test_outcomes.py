"""Every photo that was asked about is counted by what became of it, those refused at the door too."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.engines.local import LocalEngine
from serving.keys import ADMIN, INFER, change_keys, make_key
from serving.settings import Settings
from tests.abuse.engines import SlowEngine
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.processes import wait_until
from tests.serving.running import running_gateway

PHOTO = encode(draw_photo())
SEGMENT = "/v1/segment"

Counts = dict[tuple[str, str], float]


class Counter:
    """What /metrics says more than when this was made."""

    def __init__(self, client: httpx.Client, **headers: str) -> None:
        self._client = client
        self._headers = headers
        self._before = self._read("box2seg_photos", "model", "outcome")
        self._asked = self._read("box2seg_requests", "route", "status")

    def photos(self) -> Counts:
        """Count photos by model and outcome."""
        return self._more(self._before, self._read("box2seg_photos", "model", "outcome"))

    def requests(self) -> Counts:
        """Count requests by route and status, but those for metrics."""
        more = self._more(self._asked, self._read("box2seg_requests", "route", "status"))
        return {key: count for key, count in more.items() if key[0] != "/metrics"}

    def _read(self, name: str, *labels: str) -> Counts:
        text = self._client.get("/metrics", headers=self._headers).text
        families = {family.name: family for family in text_string_to_metric_families(text)}
        samples = families[name].samples if name in families else []
        counts: Counts = {}
        for sample in samples:
            if sample.name == f"{name}_total":
                first, second = (sample.labels[label] for label in labels)
                counts[first, second] = counts.get((first, second), 0.0) + sample.value
        return counts

    @staticmethod
    def _more(before: Counts, after: Counts) -> Counts:
        more = {key: count - before.get(key, 0.0) for key, count in after.items()}
        return {key: count for key, count in more.items() if count}


@pytest.mark.parametrize(
    ("path", "asked", "expected"),
    [
        pytest.param(SEGMENT, {"content": PHOTO}, {("box2seg", "ok"): 1}, id="ok"),
        pytest.param(SEGMENT, {"content": b"no photo"}, {("box2seg", "refused"): 1}, id="photo"),
        pytest.param(
            SEGMENT, {"content": PHOTO, "params": {"formt": "png"}}, {("none", "refused"): 1}, id="parameter"
        ),
        pytest.param(
            SEGMENT, {"content": PHOTO, "params": {"model": "x"}}, {("none", "refused"): 1}, id="model"
        ),
        pytest.param(SEGMENT, {"content": bytes(2_000_001)}, {("none", "refused"): 1}, id="bytes"),
        pytest.param("/hf", {"content": b"{"}, {("none", "refused"): 1}, id="json"),
        pytest.param("/v1/segment:batch", {"content": PHOTO}, {("none", "refused"): 1}, id="no form"),
        pytest.param(
            "/v1/segment:batch",
            {"files": [("image", PHOTO), ("image", b"")]},
            {("box2seg", "ok"): 1, ("box2seg", "refused"): 1},
            id="batch",
        ),
        pytest.param("/livez", {}, {}, id="another method"),
        pytest.param("/nothing", {"content": PHOTO}, {}, id="nothing there"),
    ],
)
def test_each_photo_is_counted_once(
    client: httpx.Client, path: str, asked: dict[str, Any], expected: Counts
) -> None:
    """A photo is counted by its model where one was found, else under "none"; what is no photo is not."""
    counter = Counter(client)
    client.post(path, **asked)
    assert counter.photos() == expected


def test_who_is_sent_away_is_counted(tmp_path: Path) -> None:
    """With one place and no queue, who comes while it is taken is counted as shed, before a byte is read."""
    publish_colours(tmp_path)
    settings = Settings(engine="local", repository=tmp_path, concurrency=1, queue=0, timeout_s=120)
    with (
        running_gateway(settings, SlowEngine(1.5)) as address,
        httpx.Client(base_url=address, timeout=120) as client,
        ThreadPoolExecutor(1) as people,
    ):
        counter = Counter(client)
        first = people.submit(httpx.post, f"{address}{SEGMENT}", content=PHOTO, timeout=120)
        wait_until(lambda: "box2seg_in_flight 1.0" in client.get("/metrics").text)
        assert client.post(SEGMENT, content=PHOTO).status_code == 429
        assert first.result().status_code == 200
        assert counter.photos() == {("none", "shed"): 1, ("box2seg", "ok"): 1}
        assert counter.requests() == {(SEGMENT, "429"): 1, (SEGMENT, "200"): 1}


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[tuple[httpx.Client, dict[str, str]]]:
    """A client of a gateway with keys, and the tokens of two: one for metrics, and a slow one for photos."""
    publish_colours(tmp_path / "models")
    (admin, admins), (slow, slows) = (
        make_key("a", (ADMIN,)),
        make_key("s", (INFER,), rate_per_s=0.01, burst=1),
    )
    change_keys(tmp_path / "keys.json", lambda _: [admin, slow])
    settings = Settings(engine="local", repository=tmp_path / "models", keys_file=tmp_path / "keys.json")
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        yield client, {"admin": f"Bearer {admins}", "slow": f"Bearer {slows}"}


def test_refusals_at_the_door_have_their_route(keys: tuple[httpx.Client, dict[str, str]]) -> None:
    """Without a key, with one that may not, and with one that asks too often: all are counted by route."""
    client, tokens = keys
    counter = Counter(client, Authorization=tokens["admin"])
    asked = {"none": None, "scope": tokens["admin"], "first": tokens["slow"], "again": tokens["slow"]}
    answers = {
        name: client.post(SEGMENT, content=PHOTO, headers={"Authorization": token} if token else {})
        for name, token in asked.items()
    }
    assert [answer.status_code for answer in answers.values()] == [401, 403, 200, 429]
    assert client.get("/v1/models/box2seg").status_code == 401
    assert client.get("/made/up").status_code == 401
    assert counter.photos() == {("none", "refused"): 2, ("none", "shed"): 1, ("box2seg", "ok"): 1}
    assert counter.requests() == {
        (SEGMENT, "401"): 1,
        (SEGMENT, "403"): 1,
        (SEGMENT, "200"): 1,
        (SEGMENT, "429"): 1,
        ("/v1/models/{name}", "401"): 1,
        ("none", "401"): 1,
    }
