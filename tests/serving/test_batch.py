"""POST /v1/segment:batch: many photos in one call."""

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving.engines.local import LocalEngine
from serving.routes.batch import PHOTOS_IN_A_BATCH
from serving.settings import Settings
from tests.abuse.engines import SlowEngine
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.forms import labels_of
from tests.serving.running import running_gateway
from tests.serving.test_problems import bomb_png, check_problem

GOOD = encode(draw_photo(64, 96))
OTHER = encode(draw_photo(50, 31), "JPEG")


def ask(client: httpx.Client, *photos: bytes, **question: Any) -> list[dict[str, Any]]:
    """Send photos as one form; gives the lines."""
    files = [("image", (f"{index}.jpg", photo)) for index, photo in enumerate(photos)]
    answer = client.post("/v1/segment:batch", files=files, params=question)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert answer.headers["x-model-version"] == "1"
    return [json.loads(line) for line in answer.text.splitlines()]


def test_bad_photos_spoil_no_others(client: httpx.Client) -> None:
    """Each photo has its line in order, with the status and the answer that it gets alone."""
    lines = ask(client, GOOD, b"no photo", OTHER, bomb_png(19_000), OTHER[:200], b"GIF89a", GOOD)
    assert [line["index"] for line in lines] == list(range(7))
    assert [line["name"] for line in lines] == [f"{index}.jpg" for index in range(7)]
    assert [line["status"] for line in lines] == [200, 400, 200, 413, 400, 415, 200]
    for line, photo in ((lines[0], GOOD), (lines[2], OTHER), (lines[6], GOOD)):
        assert line["content_type"] == "image/png"
        assert base64.b64decode(line["base64"]) == client.post("/v1/segment", content=photo).content
    alone = client.post("/v1/segment", content=b"no photo").json()
    assert {**lines[1]["problem"], "instance": ""} == {**alone, "instance": ""}


@pytest.mark.parametrize("format", ["rle", "geojson", "npy"])
def test_parameters_hold_for_all(client: httpx.Client, format: str) -> None:
    """Format and classes are those asked for; JSON stands in the lines as JSON."""
    for line, photo in zip(
        ask(client, GOOD, OTHER, format=format, classes="red"), (GOOD, OTHER), strict=True
    ):
        content = (
            base64.b64decode(line["base64"]) if format == "npy" else json.dumps(line["content"]).encode()
        )
        alone = client.post("/v1/segment", params={"classes": "red"}, content=photo)
        expected = labels_of("png", alone.content, {})
        assert (labels_of(format, content, {}) == expected).all()
        assert set(expected.ravel()) == {0, 1}


def test_only_bad_photos_are_answered_too(client: httpx.Client) -> None:
    """A batch of one photo, a bad one, is answered; the status is in its line."""
    assert [line["status"] for line in ask(client, b"")] == [400]


def test_as_many_as_the_limit(client: httpx.Client) -> None:
    """The limit itself is served, one more is refused."""
    assert len(ask(client, *[OTHER] * PHOTOS_IN_A_BATCH, format="rle")) == PHOTOS_IN_A_BATCH
    files = [("image", OTHER)] * (PHOTOS_IN_A_BATCH + 1)
    check_problem(client.post("/v1/segment:batch", files=files), 400)


@pytest.mark.parametrize(
    ("asked", "status", "kind"),
    [
        pytest.param({"content": GOOD}, 400, "request-error", id="no form"),
        pytest.param({"files": {"photo": GOOD}}, 400, "request-error", id="another field"),
        pytest.param(
            {"files": {"image": GOOD}, "data": {"format": "rle"}},
            400,
            "request-error",
            id="options in the form",
        ),
        pytest.param(
            {"files": {"image": GOOD}, "params": {"format": "gif"}}, 406, "unknown-format", id="format"
        ),
        pytest.param(
            {"files": {"image": GOOD}, "params": {"format": ""}}, 406, "unknown-format", id="empty format"
        ),
        pytest.param(
            {"files": {"image": GOOD}, "headers": {"Accept": "image/png"}}, 406, "unknown-format", id="accept"
        ),
        pytest.param(
            {"files": {"image": GOOD}, "params": {"classes": "cat"}}, 422, "invalid-parameter", id="class"
        ),
        pytest.param(
            {"files": {"image": GOOD}, "params": {"model": "none"}}, 404, "unknown-model", id="model"
        ),
    ],
)
def test_a_question_that_is_wrong_for_all_is_refused_once(
    client: httpx.Client, asked: dict[str, Any], status: int, kind: str
) -> None:
    """What is wrong with the call itself gets one problem document."""
    check_problem(client.post("/v1/segment:batch", **asked), status, kind)


@pytest.mark.parametrize("queue", [0, 1, 5])
def test_a_batch_alone_keeps_to_its_own_pace(tmp_path: Path, queue: int) -> None:
    """With one place and a short queue each photo of a batch has its mask: none is in another's way."""
    publish_colours(tmp_path)
    settings = Settings(engine="local", repository=tmp_path, concurrency=1, queue=queue, timeout_s=60)
    with (
        running_gateway(settings, LocalEngine()) as address,
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        lines = ask(client, *[OTHER] * PHOTOS_IN_A_BATCH, format="rle")
    assert [line["status"] for line in lines] == [200] * PHOTOS_IN_A_BATCH


def test_a_batch_waits_where_others_are_quicker(tmp_path: Path) -> None:
    """While others take the only place again and again, each photo of a batch still gets it at some time."""
    publish_colours(tmp_path)
    settings = Settings(engine="local", repository=tmp_path, concurrency=1, queue=0, timeout_s=120)
    engine = SlowEngine(0.05)
    with (
        running_gateway(settings, engine) as address,
        httpx.Client(base_url=address, timeout=240) as client,
        ThreadPoolExecutor(1) as people,
    ):
        before = engine.executed  # the version's proof, as it was loaded
        batch = people.submit(ask, client, *[OTHER] * 12, format="rle")
        while not (engine.executed > before or batch.done()):  # the batch itself is let in by an idle server
            time.sleep(0.01)
        while not batch.done():
            assert client.post("/v1/segment", content=OTHER).status_code in (200, 429)
        assert [line["status"] for line in batch.result()] == [200] * 12
