"""B: requests that are too long, never end, contradict themselves or want what is not theirs."""

import base64
import gzip
import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests.abuse.conftest import LARGE, SETTINGS, Seen
from tests.abuse.house import GOLDEN, MIB, House
from tests.abuse.test_slow import POST, connect, read_all
from tests.serving.processes import wait_until
from tests.serving.test_problems import check_problem

pytestmark = pytest.mark.triton

LIMIT = 32 * MIB


def talk(address: str, *parts: bytes) -> bytes:
    """Send bytes as they are and read until the server hangs up."""
    with connect(address) as connection:
        with suppress(OSError):
            for part in parts:
                connection.sendall(part)
        return read_all(connection)


def status_of(answer: bytes) -> int:
    """Give the status of a raw answer."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found, answer[:200]
    return int(found[1])


def post(headers: str) -> bytes:
    """Begin a request to segment that ends its connection."""
    return f"{POST}Connection: close\r\n{headers}\r\n".encode()


@pytest.mark.case("B1")
def test_b1_too_long(house: House, seen: Seen) -> None:
    """A byte over the limit is 413: by its length before it is read, without a length as soon as it comes."""
    with house.peak() as grown:
        assert status_of(talk(house.address, post(f"Content-Length: {LIMIT + 1}\r\n"))) == 413
        told = grown()
    assert told < 4
    part = b"100000\r\n" + bytes(MIB) + b"\r\n"
    with house.peak() as grown:
        answer = talk(house.address, post("Transfer-Encoding: chunked\r\n"), *[part] * 33)
        assert status_of(answer) == 413
        counted = grown()
    assert counted < 2 * LIMIT / MIB  # the body up to the limit, and what a growing buffer leaves behind
    seen(f"413 both; memory +{told:.1f} MiB with a length, +{counted:.1f} MiB chunked (limit 32)")


@pytest.mark.case("B2")
def test_b2_compressed(house: House, seen: Seen) -> None:
    """A compressed body is refused unread, however much it would unfold to."""
    bomb = gzip.compress(bytes(64 * MIB))
    with house.peak() as grown:
        for encoding in ("gzip", "deflate", "br", "gzip, gzip"):
            headers = {"Content-Encoding": encoding}
            answer = house.client.post("/v1/segment", content=bomb, headers=headers)
            check_problem(answer, 415, "unsupported-image")
        assert grown() < 8
        seen(f"415, nothing inflated, memory +{grown():.1f} MiB")


@pytest.mark.abuse
@pytest.mark.case("B3")
def test_b3_slow_crowd(house: House, seen: Seen) -> None:
    """Of 500 connections that send a byte now and then each is ended, and others are served meanwhile."""
    alone = percentile([_timed(house) for _ in range(200)], 99)
    begin = time.monotonic()
    with ThreadPoolExecutor(20) as people:
        crowd = list(people.map(connect, [house.address] * 500))
    for index, each in enumerate(crowd):
        each.sendall(b"POST /v1/seg" if index < 250 else f"{POST}Content-Length: 1000\r\n\r\nx".encode())
    ended: dict[int, float] = {}
    answers: dict[int, bytes] = {}
    dripping = threading.Thread(target=_drip, args=(crowd, begin, ended, answers))
    dripping.start()
    times = []
    while dripping.is_alive():
        times.append(_timed(house))
        time.sleep(0.05)
    beside = percentile(times, 99)
    headers = [ended[index] for index in range(250)]
    bodies = [ended[index] for index in range(250, 500)]
    assert sum(b" 408 " in answer for answer in answers.values()) >= 490
    assert max(headers) < 15
    assert min(bodies) > 25
    assert max(bodies) < 40
    assert beside <= max(2 * alone, alone + 0.05)
    seen(
        f"headers ended after {max(headers):.0f} s, bodies after {max(bodies):.0f} s at most, with 408; "
        f"others' p99 {1e3 * beside:.0f} ms, alone {1e3 * alone:.0f} ms"
    )


def _timed(house: House) -> float:
    answer = house.segment()
    assert answer.status_code == 200
    return answer.elapsed.total_seconds()


def percentile(times: list[float], share: float) -> float:
    """Give a percentile."""
    return float(np.percentile(times, share))


def _drip(
    crowd: list[socket.socket], begin: float, ended: dict[int, float], answers: dict[int, bytes]
) -> None:
    """Send a byte a second to the bodies and one every ten seconds to the headers, until all are ended."""
    for each in crowd:
        each.setblocking(False)
    turn = 0
    while len(ended) < len(crowd) and turn < 60:
        turn += 1
        time.sleep(1.0)
        for index, each in enumerate(crowd):
            if index in ended:
                continue
            with suppress(OSError):
                if index >= 250 or turn % 10 == 0:
                    each.send(b"x")
            try:
                answers[index] = answers.get(index, b"") + each.recv(65_536)
            except BlockingIOError:
                continue
            except OSError:
                pass
            ended[index] = time.monotonic() - begin
            each.close()


@pytest.mark.case("B4")
def test_b4_slow_reader(house: House, seen: Seen) -> None:
    """A client that does not read its mask of 16 MB is cut, and holds nobody up meanwhile."""
    cut = 'box2seg_connections_cut_total{slow="reading"}'
    before, begin = house.metric(cut), time.monotonic()
    host, _, port = urlsplit(house.address).netloc.partition(":")
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        head = POST.replace("/v1/segment", "/v1/segment?format=raw") + f"Content-Length: {len(LARGE)}\r\n\r\n"
        connection.sendall(head.encode() + LARGE)
        connection.recv(1)  # its answer has begun
        assert house.segment().status_code == 200
        wait_until(lambda: house.metric(cut) == before + 1, timeout_s=60.0)
        took = time.monotonic() - begin
    assert house.metric("box2seg_in_flight") == 0
    seen(f"cut after {took:.1f} s (BOX2SEG_WRITE_TIMEOUT_S is {SETTINGS['write_timeout_s']:g} here)")


@pytest.mark.case("B5")
def test_b5_many_chunks(house: House, seen: Seen) -> None:
    """A body in 100,000 chunks of a byte is read as any other, and memory stays as it was."""
    with house.peak() as grown:
        body = b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"
        answer = talk(house.address, post("Transfer-Encoding: chunked\r\n") + body)
        assert status_of(answer) == 400
        assert b"invalid-image" in answer
        assert grown() < 32
        seen(f"400 invalid-image, memory +{grown():.1f} MiB")


def form(*parts: bytes) -> bytes:
    """Give the bytes of a form with the boundary x."""
    return b"".join(b"--x\r\n" + part + b"\r\n" for part in parts) + b"--x--\r\n"


FIELD = b'Content-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
KIND = "Content-Type: multipart/form-data; boundary=x\r\n"


def with_length(headers: str, body: bytes) -> bytes:
    """Give a whole request."""
    return post(f"{headers}Content-Length: {len(body)}\r\n") + body


STRANGE_FORMS = {
    "10,000 files": (with_length(KIND, form(*[FIELD + b"x"] * 10_000)), {400, 413}),
    "10,000 fields": (
        with_length(KIND, form(*[FIELD.replace(b'; filename="a"', b"") + b"x"] * 10_000)),
        {400, 413},
    ),
    "no boundary": (with_length("Content-Type: multipart/form-data\r\n", form(FIELD + b"x")), {400}),
    "another boundary": (with_length(KIND.replace("=x", "=y"), form(FIELD + b"x")), {400}),
    "unfinished": (with_length(KIND, form(FIELD + b"x")[:-9]), {400}),
    "nested": (
        with_length(KIND, form(FIELD[:-2] + b"Content-Type: multipart/mixed; boundary=y\r\n\r\n--y--")),
        {400},
    ),
    "a header of 1 MB": (with_length(KIND, form(b"X: " + b"x" * MIB + b"\r\n\r\n")), {400}),
    "1 MB of headers": (post("X-Long: " + "x" * MIB + "\r\n"), {431}),
    "negative length": (post("Content-Length: -1\r\n"), {400}),
    "length of words": (post("Content-Length: ten\r\n"), {400}),
    "two lengths": (post("Content-Length: 1\r\nContent-Length: 2\r\n") + b"ab", {400}),
    "length and chunks": (post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") + b"0\r\n\r\n", {400}),
    "chunk of words": (post("Transfer-Encoding: chunked\r\n") + b"xyz\r\n", {400}),
}


@pytest.mark.case("B6")
@pytest.mark.parametrize("name", STRANGE_FORMS)
def test_b6_strange_forms(house: House, seen: Seen, name: str) -> None:
    """Forms and lengths that make no sense are refused, and nothing waits for more."""
    request, expected = STRANGE_FORMS[name]
    status = status_of(talk(house.address, request))
    assert status in expected
    seen(f"{name} {status}")


TEXT = base64.b64encode(GOLDEN).decode()
BAD_JSON = {
    "depth 100,000": b'{"image":' + b"[" * 100_000,
    "10 MB of base64": json.dumps({"image": "A" * 10_000_000}).encode(),
    "10 MB of no base64": json.dumps({"image": "*" * 10_000_000}).encode(),
    "NaN": b'{"image": NaN}',
    "a key twice": json.dumps({"image": TEXT}).encode()[:-1] + b', "image": "aa"}',
    "a list": b'{"image": ["aa"]}',
}


@pytest.mark.case("B7")
def test_b7_bad_json(house: House, seen: Seen) -> None:
    """JSON that is too deep, no photo, no number, ambiguous or of another shape is 400."""
    for body in BAD_JSON.values():
        assert house.segment(body).status_code == 400
        assert house.client.post("/hf", content=body.replace(b'"image"', b'"inputs"')).status_code == 400
    seen("400 from /v1/segment and /hf: " + ", ".join(BAD_JSON))


PATHS = (
    "/v1/models/../../../../etc/passwd",
    "/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    "/v1/models/%00",
    "/v1/models/" + "x" * 10_000,
    "/v1/models/k%C3%B6ter%E2%80%AE",
    "/v1/models/box2seg/1/model.onnx",
    "/v1/models/box2seg%2f1",
    "/page/../settings.py",
    "/page/%2e%2e/%2e%2e/settings.py",
    "/page/..%2f..%2fsettings.py",
    "/page//etc/passwd",
    "/v1/models/x%0d%0aGET%20/forged%20200",
)


@pytest.mark.case("B8")
def test_b8_paths(house: House, seen: Seen) -> None:
    """A name that climbs, ends early, is long or forges lines names nothing, and the log stays in lines."""
    before = len(house.said())
    for path in PATHS:
        answer = talk(house.address, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        assert status_of(answer) in (400, 404), path
        assert b"root:" not in answer
        name = path.rpartition("/")[2]
        assert status_of(talk(house.address, post("").replace(b"segment", b"segment?model=" + name.encode())))
    wait_until(lambda: "forged" in house.said(before))
    lines = house.said(before).splitlines()
    assert [line for line in lines if "forged" in line]
    assert not [line for line in lines if line.startswith("GET /forged")]
    seen(f"{len(PATHS)} paths: 404 or 400, no file touched, a line each in the log")


@pytest.mark.case("B9")
def test_b9_unknown_values(house: House, seen: Seen) -> None:
    """What cannot be given is 406 or 422, with what can be."""
    check_problem(house.segment(format="gif"), 406, "unknown-format")
    csv = house.client.post("/v1/segment", content=GOLDEN, headers={"Accept": "text/csv"})
    assert "image/png" in str(check_problem(csv, 406, "unknown-format")["hint"])
    check_problem(house.segment(threshold="NaN"), 422)
    assert "red, green, blue" in str(
        check_problem(house.segment(classes="999"), 422, "invalid-parameter")["hint"]
    )
    seen("406 unknown-format, 422 for NaN and an unknown class, each with what is allowed")


@pytest.mark.case("B12")
def test_b12_no_address_is_fetched(house: House, seen: Seen) -> None:
    """An address in the place of a photo is refused, and nobody is asked for what is there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        places = [
            *(f"http://{host}:{port}/a.png" for host in ("127.0.0.1", "[::1]", "2130706433", "0x7f000001")),
            "http://169.254.169.254/latest/meta-data",
            "file:///etc/passwd",
        ]
        for place in places:
            for answer in (
                house.client.post("/v1/segment", json={"image": place}),
                house.client.post("/hf", json={"inputs": place}),
                house.segment(place.encode()),
                house.client.post("/v1/segment", data={"image": place}),
            ):
                assert answer.status_code == 400, place
        listener.settimeout(0.5)
        with pytest.raises(TimeoutError):
            listener.accept()
    seen(f"no such input: {len(places)} addresses are 400, and nobody is asked")


INSIDE = (
    ("GET", "/v2/systemsharedmemory/status"),
    ("POST", "/v2/systemsharedmemory/region/a/register"),
    ("POST", "/v2/systemsharedmemory/unregister"),
    ("GET", "/v2/cudasharedmemory/status"),
    ("POST", "/v2/cudasharedmemory/region/a/register"),
    ("POST", "/v2/repository/index"),
    ("POST", "/v2/repository/models/box2seg/load"),
    ("POST", "/v2/repository/models/box2seg/unload"),
    ("POST", "/v2/models/box2seg/trace/setting"),
    ("POST", "/v2/logging"),
)


@pytest.mark.case("B14")
def test_b14_tritons_inside_stays_inside(house: House, seen: Seen) -> None:
    """Shared memory, the repository, traces and logs of Triton cannot be reached through the gateway."""
    statuses = {house.client.request(method, path, json={}).status_code for method, path in INSIDE}
    assert statuses <= {403, 404, 405}
    seen(f"{len(INSIDE)} of Triton's own calls: {', '.join(map(str, sorted(statuses)))}")


def tensor(**changes: object) -> dict[str, object]:
    """Give a request of the Open Inference Protocol, with some members changed."""
    image = {"name": "image", "shape": [1, 32, 32, 3], "datatype": "UINT8", "data": [0] * 3072}
    return {"inputs": [image | changes]}


BAD_TENSORS = {
    "another shape": tensor(shape=[1, 32, 31, 3]),
    "another dtype": tensor(datatype="FP32"),
    "no such dtype": tensor(datatype="UINT9"),
    "another name": tensor(name="picture"),
    "a shape of 2^40": tensor(shape=[1, 2**20, 2**20, 3]),
    "a negative side": tensor(shape=[1, -32, -32, 3]),
    "no inputs": {"inputs": []},
    "two inputs": {"inputs": [*tensor()["inputs"], *tensor()["inputs"]]},  # type: ignore[misc]
}


@pytest.mark.case("B13")
def test_b13_tensors(house: House, seen: Seen) -> None:
    """Tensors of another kind, or whose header is longer than the body, are 400 with an `error`."""
    place = "/v2/models/box2seg/infer"
    if house.client.get("/v2").status_code == 404:
        pytest.skip("this server does not speak the Open Inference Protocol")
    for name, body in BAD_TENSORS.items():
        answer = house.client.post(place, json=body)
        assert answer.status_code == 400, (name, answer.text)
        assert answer.json()["error"]
    for length in ("-1", "99999999999", "x"):
        headers = {"Inference-Header-Content-Length": length}
        answer = house.client.post(place, content=json.dumps(tensor()), headers=headers)
        assert answer.status_code == 400, length
        assert answer.json()["error"]
    seen("400 with `error`: " + ", ".join(BAD_TENSORS) + ", header length out of range")
