"""Photos as base64 in JSON, and JSON that is none."""

import base64
import json

import httpx
import pytest

from tests.serving.colours import draw_photo, encode
from tests.serving.test_problems import check_problem

PHOTO = encode(draw_photo())
TEXT = base64.b64encode(PHOTO).decode()

BAD_JSON = {
    "deep": b'{"image":' + b"[" * 100_000,
    "deep objects": b'{"image":' * 100_000,
    "not a number": b'{"image": NaN}',
    "twice": json.dumps({"image": TEXT}).encode()[:-1] + b', "image": "aa"}',
    "a list": b'{"image": ["aa"]}',
    "a number": b'{"image": 1}',
    "missing": b"{}",
    "other fields": json.dumps({"image": TEXT, "format": "rle"}).encode(),
    "no base64": b'{"image": "a*b"}',
    "no ascii": '{"image": "käse"}'.encode(),
    "unfinished": b'{"image": "aa"',
    "no utf-8": b'{"image": "\xff"}',
    "long number": b'{"image": ' + b"1" * 10_000 + b"}",
}


def test_json_is_read_as_raw_body(client: httpx.Client) -> None:
    """A photo as base64 in JSON gives the same mask as the photo as the body, with the same parameters."""
    expected = client.post("/v1/segment?format=npy", content=PHOTO).content
    assert client.post("/v1/segment?format=npy", json={"image": TEXT}).content == expected
    url = f"data:image/png;base64,{TEXT}"
    assert client.post("/v1/segment?format=npy", json={"image": url}).content == expected


def test_json_is_known_by_its_content(client: httpx.Client) -> None:
    """What curl -d sends is JSON whatever its Content-Type; a photo that is called JSON is a photo."""
    expected = client.post("/v1/segment", content=PHOTO).content
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    body = f' \n{{"image": "{TEXT}"}}'
    assert client.post("/v1/segment", content=body, headers=form).content == expected
    called = {"Content-Type": "application/json"}
    assert client.post("/v1/segment", content=PHOTO, headers=called).content == expected


@pytest.mark.parametrize("name", BAD_JSON)
@pytest.mark.parametrize("path", ["/v1/segment", "/hf"])
def test_bad_json_is_refused(client: httpx.Client, path: str, name: str) -> None:
    """JSON that is damaged, repeats itself or has no photo is refused in words that help."""
    body = BAD_JSON[name] if path == "/v1/segment" else BAD_JSON[name].replace(b'"image"', b'"inputs"')
    answer = client.post(path, content=body)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:box2seg:problem:request-error"
    assert len(answer.text) < 1_000


def test_garbage_in_base64_is_a_bad_photo(client: httpx.Client) -> None:
    """Bytes that are no photo are refused as they are as a body."""
    garbage = base64.b64encode(bytes(range(256)) * 4_000).decode()
    check_problem(client.post("/v1/segment", json={"image": garbage}), 400, "invalid-image")
