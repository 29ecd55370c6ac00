"""The client against the real gateway, and against servers that are in trouble."""

import asyncio
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from client import AsyncClient, Client
from contract.errors import (
    ConfigurationError,
    InvalidImage,
    RequestRefused,
    ServerError,
    ServerUnavailable,
    ShapeError,
)
from tests.client.scripted import Said, scripted
from tests.serving.colours import CLASSES, draw_photo, encode

RED, BLUE = CLASSES.index("red"), CLASSES.index("blue")
PHOTO = encode(draw_photo())

EXPECTED = np.zeros((64, 96), np.uint8)
EXPECTED[16:48, 8:32] = RED
EXPECTED[16:48, 48:88] = BLUE


def card(version: int) -> Said:
    """The card of a model with that version."""
    classes = [{"label": 0, "name": "background", "colour": "#000000"}]
    classes.append({"label": 1, "name": f"red {version}", "colour": "#800000"})
    content = {"name": "m", "version": version, "classes": classes, "suffixes": {}, "default": True}
    return Said(200, json.dumps(content).encode())


def mask(version: int) -> Said:
    """The answer to a photo by that version."""
    headers = {"X-Model-Name": "m", "X-Model-Version": str(version), "X-Request-Id": "7"}
    return Said(200, encode(np.zeros((2, 3, 3), np.uint8)), headers)


@pytest.mark.parametrize("form", ["bytes", "path", "text", "pixels"])
def test_a_photo_in_any_form_gives_its_labels(gateway: str, tmp_path: Path, form: str) -> None:
    """Bytes, a path and pixels give the same labels, with their names and all that the server tells."""
    path = tmp_path / "photo.png"
    path.write_bytes(PHOTO)
    photo = {"bytes": PHOTO, "path": path, "text": str(path), "pixels": draw_photo()}[form]
    with Client(gateway) as client:
        answer = client.segment(photo)
    np.testing.assert_array_equal(answer.labels, EXPECTED)
    assert answer.labels.dtype == np.uint8
    assert (answer.model, answer.version, answer.classes) == ("box2seg", 1, CLASSES)
    assert answer.areas() == {"background": 64 * 96 - 2048, "red": 768, "blue": 1280}
    np.testing.assert_array_equal(answer.mask("blue"), EXPECTED == BLUE)
    assert {"decode", "infer", "encode"} <= set(answer.timings_ms)
    assert answer.request_id


def test_many_photos_at_once(gateway: str) -> None:
    """The async client gives each photo its own labels, however many are under way."""

    async def ask() -> list[tuple[int, int]]:
        async with AsyncClient(gateway) as client:
            photos = [client.segment(draw_photo(20 + index, 30)) for index in range(6)]
            return [answer.labels.shape for answer in await asyncio.gather(*photos)]

    assert asyncio.run(ask()) == [(20 + index, 30) for index in range(6)]


def test_other_formats_come_as_they_are(gateway: str) -> None:
    """`fetch` gives any format's own bytes, waiting and async alike."""

    async def fetch() -> bytes:
        async with AsyncClient(gateway) as client:
            return await client.fetch(PHOTO, format="rle")

    with Client(gateway) as client:
        answer = client.fetch(PHOTO, format="rle")
    assert [each["label"] for each in json.loads(answer)["annotations"]] == ["red", "blue"]
    assert asyncio.run(fetch()) == answer


def test_a_refusal_carries_the_servers_words(gateway: str) -> None:
    """A bad photo is refused in the problem document's own words, with its hint, status and request."""
    with Client(gateway) as client, pytest.raises(RequestRefused) as caught:
        client.segment(b"no photo")
    error = caught.value
    assert (error.message, error.hint) == ("the bytes are no image", "send JPEG, PNG, WebP or BMP")
    assert error.status == 400
    assert error.request_id
    assert pickle.loads(pickle.dumps(error)).message == error.message


@pytest.mark.parametrize(
    ("parameters", "words"), [({"model": "nobody"}, "no model"), ({"colour": "red"}, "colour")]
)
def test_parameters_reach_the_server(gateway: str, parameters: dict[str, str], words: str) -> None:
    """What the server does not know is refused by it, by name."""
    with Client(gateway) as client, pytest.raises(RequestRefused, match=words):
        client.segment(PHOTO, **parameters)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(status: int) -> None:
    """Retry-After is kept to, and the photo is sent once more."""
    with (
        scripted(Said(status, headers={"Retry-After": "1"}), mask(1), card(1)) as server,
        Client(server.address) as client,
    ):
        assert client.segment(PHOTO).version == 1
    (first, *_), (second, *_), _ = server.asked
    assert second - first >= 1


def test_a_server_that_stays_busy_is_given_up() -> None:
    """After the tries allowed the server's own words are raised."""
    problem = json.dumps({"detail": "too many photos", "hint": "send fewer"}).encode()
    with scripted(Said(503, problem)) as server, Client(server.address, retries=2) as client:
        with pytest.raises(ServerUnavailable, match="too many photos") as caught:
            client.segment(PHOTO)
        assert caught.value.hint == "send fewer"
        assert len(server.asked) == 3


def test_a_server_is_waited_for_as_long_as_it_says() -> None:
    """However often it names a time, the tries that it asked for do not count."""
    busy = [Said(429, headers={"Retry-After": "0"})] * 6
    with (
        scripted(*busy, mask(1), card(1)) as server,
        Client(server.address, retries=1, patience_s=20) as client,
    ):
        assert client.segment(PHOTO).version == 1
    assert len(server.asked) == 8


@pytest.mark.parametrize("wait", ["3600", "0"])
def test_patience_has_an_end(wait: str) -> None:
    """A server that asks for more than is left, at once or in sum, is given up in its own words."""
    problem = json.dumps({"detail": "once an hour"}).encode()
    with scripted(Said(429, problem, {"Retry-After": wait})) as server:
        with (
            Client(server.address, patience_s=0.5) as client,
            pytest.raises(ServerUnavailable, match="once an hour"),
        ):
            client.segment(PHOTO)
        assert 2 <= len(server.asked) <= 6


def test_labels_have_no_format(gateway: str) -> None:
    """A format asked of `segment` is refused and not passed over, waiting and async alike."""

    async def ask() -> None:
        async with AsyncClient(gateway) as client:
            await client.segment(PHOTO, format="rle")

    with Client(gateway) as client, pytest.raises(ConfigurationError, match="fetch"):
        client.segment(PHOTO, format="rle")
    with pytest.raises(ConfigurationError, match="fetch"):
        asyncio.run(ask())


@pytest.mark.parametrize("key", ["ключ", "a\nb"])
def test_what_is_no_key_is_refused(key: str) -> None:
    """A key that no header can carry is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="key"):
        Client("http://127.0.0.1:1", key=key)


def test_async_waits_as_well() -> None:
    """The async client asks again, too."""

    async def ask(address: str) -> int:
        async with AsyncClient(address) as client:
            return (await client.segment(PHOTO)).version

    with scripted(Said(503, headers={"Retry-After": "1"}), mask(1), card(1)) as server:
        assert asyncio.run(ask(server.address)) == 1


def test_a_server_at_work_is_not_asked_again() -> None:
    """A time-out is an error at once: the photo is not sent to a slow server a second time."""
    slow = Said(200, after_s=1.0)
    with scripted(slow) as server, Client(server.address, timeout_s=0.2) as client:
        with pytest.raises(ServerUnavailable, match="in time"):
            client.segment(PHOTO)
        assert len(server.asked) == 1


def test_nobody_there() -> None:
    """A port on which nobody listens is named."""
    with scripted(Said(200)) as server:
        address = server.address
    with Client(address, retries=1) as client, pytest.raises(ServerUnavailable, match=address):
        client.segment(PHOTO)


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "http://", "http://[::1", "ftp://a"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """A wrong address is refused before anything is sent, with an example."""
    with pytest.raises(ConfigurationError, match="http://127"):
        Client(address)


def test_the_key_goes_with_each_question() -> None:
    """The key is sent as a bearer token, and without one nothing is."""
    for key, expected in (("secret", "Bearer secret"), (None, None)):
        with scripted(mask(1), card(1)) as server, Client(server.address, key=key) as client:
            client.segment(PHOTO)
        assert [headers.get("authorization") for _, _, headers in server.asked] == [expected, expected]


def test_a_failing_server_is_no_refusal() -> None:
    """What a proxy answers in HTML is an error with the status."""
    with scripted(Said(500, b"<html>oops")) as server, Client(server.address) as client:
        with pytest.raises(ServerError, match="500") as caught:
            client.segment(PHOTO)
        assert not isinstance(caught.value, RequestRefused)


def test_labels_never_get_another_versions_names() -> None:
    """Where a version is published between a photo's answer and the card, the photo is asked about again."""
    with scripted(mask(1), card(2), mask(2)) as server, Client(server.address) as client:
        answer = client.segment(PHOTO)
    assert (answer.version, answer.classes.names[1]) == (2, "red 2")
    paths = [path.partition("?")[0] for _, path, _ in server.asked]
    assert paths == ["/v1/segment", "/v1/models/m", "/v1/segment"]


def test_bad_photos_are_told_before_they_are_sent(tmp_path: Path) -> None:
    """A missing file and pixels of a wrong shape do not need a server."""
    with Client("http://127.0.0.1:1") as client:
        with pytest.raises(InvalidImage, match=r"none\.jpg"):
            client.segment(tmp_path / "none.jpg")
        with pytest.raises(ShapeError, match="photo"):
            client.segment(np.zeros((4, 5), np.uint8))
